//! Configurations that tests start from.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{KEY, OpenWhisk, Setup, StartContainer};
use crate::{Sandbox, binary, root};

/// Returns a function that starts the `keynet-runtime` that was built with the tests, with only the
/// cache and the settings of a sandbox.
pub fn runtime(sandbox: &Sandbox) -> StartContainer {
    let program = binary().with_file_name("keynet-runtime");
    assert!(
        program.exists(),
        "{} is missing: run `make test`, or `cargo build -p keynet-host`",
        program.display()
    );
    let (folder, environment) = (sandbox.path(""), sandbox.environment().clone());
    Box::new(move |port| {
        let mut command = Command::new(&program);
        command
            .current_dir(&folder)
            .env_clear()
            .envs(&environment)
            .arg("--port")
            .arg(port.to_string());
        command
    })
}

/// Creates a certificate for 127.0.0.1 in `folder`, with the scripts of the real servers. Returns
/// the authority's file, and the configuration of a server.
pub fn certificate(folder: &Path) -> (std::path::PathBuf, Arc<rustls::ServerConfig>) {
    let script =
        format!(". {}/tests/servers/lib.sh && make_certs {}", root().display(), folder.display());
    let made = Command::new("bash")
        .arg("-c")
        .arg(script)
        .env("SERVERS_HOME", folder)
        .status()
        .expect("bash");
    assert!(made.success(), "no certificate was made");
    let chain = CertificateDer::pem_file_iter(folder.join("server.crt"))
        .and_then(Iterator::collect)
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS");
    (
        folder.join("ca.crt"),
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).expect("a pair")),
    )
}

impl OpenWhisk {
    /// Starts an OpenWhisk whose containers are the real runtime.
    pub fn running(sandbox: &Sandbox, setup: Setup) -> Self {
        Self::start(Setup { container: Some(runtime(sandbox)), ..setup })
    }

    /// Writes a `.wskprops` for this server, and sets `WSK_CONFIG_FILE`.
    pub fn configure(&self, sandbox: &mut Sandbox) {
        let file = sandbox.path("wskprops");
        std::fs::write(&file, format!("APIHOST={}\nAUTH={KEY}\n", self.host())).expect("a file");
        sandbox.set("WSK_CONFIG_FILE", file.display());
    }
}
