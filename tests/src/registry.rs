//! Real registry, and a user who works with it through `keynet-inference` and skopeo.

use std::ffi::OsStr;
use std::path::Path;

use keynet_test_servers::RealServer;
use serde_json::{Value, json};

use crate::oci::sha256;
use crate::{Ended, Sandbox, end, end_with_input};

/// Texts that no output may contain: the password, the password in a header of basic
/// authentication, the prefix of every token of the token service, private keys.
pub const SECRETS: [&str; 4] = ["s3cret", "YWxpY2U6czNjcmV0", "eyJ0eXAi", "PRIVATE KEY"];

/// Registry, and a sandbox of the user.
pub struct Desk {
    /// Sandbox of the commands.
    pub sandbox: Sandbox,
    /// Registry server.
    pub registry: RealServer,
    mode: String,
}

impl Desk {
    /// Starts a registry in one of its modes (see [`RealServer::registry`]). The user is not logged
    /// in yet; the registry's certificate authority is trusted.
    pub fn at(mode: &str) -> Self {
        let registry = RealServer::registry(mode);
        let mut sandbox = Sandbox::new();
        if mode == "tls" {
            sandbox.set("KEYNET_REGISTRY_CA", registry.get("REGISTRY_CA"));
            sandbox.set("SSL_CERT_FILE", sandbox.path("for-skopeo.crt").display());
            std::fs::copy(registry.get("REGISTRY_CA"), sandbox.path("for-skopeo.crt"))
                .expect("the certificate");
        }
        let desk = Self { sandbox, registry, mode: mode.to_owned() };
        let auth = json!({ "auths": if desk.protected() { json!({ desk.host(): { "auth": SECRETS[1] } }) } else { json!({}) } });
        std::fs::write(desk.sandbox.path("for-skopeo.json"), auth.to_string()).expect("a file");
        desk
    }

    /// Same as [`Desk::at`], logged in if the registry requires that.
    pub fn signed_in(mode: &str) -> Self {
        let desk = Self::at(mode);
        if desk.protected() {
            let ended = desk.login(desk.host(), "alice", "s3cret");
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        desk
    }

    /// Returns `host:port`.
    pub fn host(&self) -> &str {
        self.registry.get("REGISTRY")
    }

    /// Reports whether the registry requires a login.
    pub fn protected(&self) -> bool {
        self.mode != "none"
    }

    /// Returns `host:port/tests/NAME`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/tests/{name}", self.host())
    }

    /// Runs `login --registry HOST`.
    pub fn login(&self, host: &str, name: &str, password: &str) -> Ended {
        let command = self.sandbox.command([
            "login",
            "-vv",
            "--registry",
            host,
            "--username",
            name,
            "--password-stdin",
        ]);
        let ended = end_with_input(command, &format!("{password}\n"));
        tells_no_secret(&ended, &SECRETS);
        ended
    }

    /// Runs `keynet-inference ARGUMENTS -vv`, and asserts that the output contains no secret.
    pub fn keynet<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        keynet(&self.sandbox, arguments)
    }

    /// Runs the command with `--json`, asserts success, and returns the output.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let ended = end({
            let mut command = self.sandbox.command(arguments);
            command.args(["--json", "-vv"]);
            command
        });
        tells_no_secret(&ended, &SECRETS);
        assert_eq!((ended.code, ended.stdout.matches('\n').count()), (Some(0), 1), "{ended:?}");
        ended.json()
    }

    /// Pushes a file, and returns the output of `push --json`.
    pub fn push(&self, component: &Path, reference: &str) -> Value {
        self.json(["push".as_ref(), component.as_os_str(), reference.as_ref()])
    }

    /// Runs `skopeo ARGUMENTS`, asserts success, and returns standard output.
    pub fn skopeo(&self, arguments: &[&str]) -> String {
        let mut command = self.sandbox.program("skopeo", arguments);
        command.env("REGISTRY_AUTH_FILE", self.sandbox.path("for-skopeo.json"));
        if self.mode != "tls" {
            match arguments {
                ["copy", ..] => command.args(["--src-tls-verify=false", "--dest-tls-verify=false"]),
                _ => command.arg("--tls-verify=false"),
            };
        }
        let ended = end(command);
        assert_eq!(ended.code, Some(0), "skopeo {arguments:?}: {ended:?}");
        ended.stdout
    }

    /// Returns the digest of a reference's manifest, and the manifest as skopeo reads it.
    pub fn manifest(&self, reference: &str) -> (String, Value) {
        let text = self.skopeo(&["inspect", "--raw", &format!("docker://{reference}")]);
        (sha256(text.as_bytes()), serde_json::from_str(&text).expect("a manifest"))
    }
}

/// Runs `keynet-inference ARGUMENTS -vv`, and asserts that the output contains no secret.
pub fn keynet<S: AsRef<OsStr>>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut command = sandbox.command(arguments);
    command.arg("-vv");
    let ended = end(command);
    tells_no_secret(&ended, &SECRETS);
    ended
}

/// Asserts that none of `secrets` is in the output of a command.
pub fn tells_no_secret(ended: &Ended, secrets: &[&str]) {
    for secret in secrets {
        let said = [&ended.stdout, &ended.stderr]
            .into_iter()
            .flat_map(|text| text.lines())
            .find(|line| line.contains(secret));
        assert_eq!(said, None, "this line tells {secret:?}");
    }
}
