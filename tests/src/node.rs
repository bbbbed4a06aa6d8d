//! A node of a test: `keynet-inference serve` with some namespaces.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::{Answer, Sandbox, Server, free_address, http, send};

/// Node that runs.
pub struct Node {
    server: Server,
    folder: PathBuf,
}

/// Namespace of a node.
#[derive(Debug, Clone)]
pub struct Tenant {
    name: String,
    /// Text below `[namespaces.NAME]`.
    settings: String,
}

/// Client with the key of a namespace.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    key: String,
}

impl Tenant {
    /// Returns a namespace with the default settings.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), settings: String::new() }
    }

    /// Adds settings: lines of the namespace's table in `node.toml`.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self.settings.push('\n');
        self
    }
}

/// Returns the key of a namespace of tests.
pub fn key_of(name: &str) -> String {
    let mut number = [0_u8; 16];
    for (byte, letter) in number.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    let id = hex::encode(number);
    let (a, rest) = id.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}:{}", id.repeat(2))
}

impl Node {
    /// Writes `node.toml` and the keys into the folder `node` of the sandbox, and starts the node.
    pub fn start(sandbox: &Sandbox, process: &str, tenants: &[Tenant]) -> Self {
        let folder = sandbox.path("node-config");
        std::fs::create_dir_all(&folder).expect("a folder");
        write_config(&folder, process, tenants);
        Self::restart(sandbox)
    }

    /// Starts the node with the files that are there.
    pub fn restart(sandbox: &Sandbox) -> Self {
        let folder = sandbox.path("node-config");
        let address = free_address();
        let config = folder.join("node.toml").display().to_string();
        let data = sandbox.path("node-data").display().to_string();
        let arguments = ["serve", "--config", &config, "--data", &data, "--listen", &address];
        Self { server: Server::start(sandbox.command(arguments), address), folder }
    }

    /// Replaces the configuration.
    pub fn configure(&self, process: &str, tenants: &[Tenant]) {
        write_config(&self.folder, process, tenants);
    }

    /// Returns its process.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Returns the id of its process.
    pub fn server_id(&self) -> u32 {
        self.server.id()
    }

    /// Returns its address.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Returns a client of a namespace.
    pub fn client(&self, name: &str) -> Client {
        Client { address: self.address().to_owned(), key: key_of(name) }
    }
}

fn write_config(folder: &Path, process: &str, tenants: &[Tenant]) {
    let models = crate::root().join("host/crates/models/tests/models");
    let mut text = format!("{process}\n");
    for Tenant { name, settings } in tenants {
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&key, key_of(name)).expect("a key");
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("a mode");
        let _ = write!(
            text,
            "[namespaces.{name}]\nkey-file = \"{name}.key\"\n{settings}\n\
            [namespaces.{name}.settings]\nKEYNET_MODELS = {:?}\n\
            KEYNET_STORAGE_PUBLIC_URL = \"http://127.0.0.1:9797/\"\n",
            models.display()
        );
    }
    let new = folder.join("node.toml.new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(new, folder.join("node.toml")).expect("a file");
}

impl Client {
    /// Returns a client with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { address: self.address.clone(), key: key.to_owned() }
    }

    fn authorization(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(&self.key))
    }

    /// Sends a request below `/api/v1/namespaces`.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_with(method, path, body, &[])
    }

    /// Same as [`call`](Self::call), with further headers.
    pub fn call_with(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        more: &[(&str, String)],
    ) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send_with(method, path, "application/json", body.as_bytes(), more)
    }

    /// Sends a request below `/api/v1/namespaces` with any body.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.send_with(method, path, content_type, body, &[])
    }

    fn send_with(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
        more: &[(&str, String)],
    ) -> Answer {
        let target = format!("/api/v1/namespaces{path}");
        let authorization = self.authorization();
        let mut headers =
            vec![("authorization", authorization.as_str()), ("content-type", content_type)];
        headers.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        http(&self.address, method, &target, &headers, body)
    }

    /// Sends a request as [`call`](Self::call), and returns the connection to read the response
    /// from.
    pub fn begin(&self, method: &str, path: &str, body: &Value) -> std::net::TcpStream {
        let target = format!("/api/v1/namespaces{path}");
        let authorization = self.authorization();
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        send(&self.address, method, &target, &headers, body.to_string().as_bytes())
    }

    /// Reads an entity, which must be there.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Creates or replaces an action of the default package from a component's file; `more` are
    /// further fields of the body.
    pub fn deploy(&self, name: &str, component: &Path, more: &Value) -> Answer {
        let code = BASE64_STANDARD.encode(std::fs::read(component).expect("a component"));
        let mut body = json!({ "exec": { "kind": "wasm:component", "code": code } });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.call("PUT", &format!("/_/actions/{name}?overwrite=true"), &body)
    }

    /// Same as [`deploy`](Self::deploy), which must succeed.
    pub fn deployed(&self, name: &str, component: &Path) {
        let answer = self.deploy(name, component, &json!({}));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Invokes an action and waits for its end.
    pub fn invoke(&self, name: &str, parameters: &Value) -> Answer {
        self.call("POST", &format!("/_/actions/{name}?blocking=true&result=true"), parameters)
    }

    /// Waits for the record of an activation.
    pub fn record(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.call("GET", &format!("/_/activations/{id}"), &Value::Null);
            if answer.status == 200 {
                return answer.json();
            }
            assert!(started.elapsed() < Duration::from_secs(60), "no record of {id}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
