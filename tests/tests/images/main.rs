//! Container images built without a container engine, used by other tools: skopeo, umoci, podman, a
//! real registry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod registries;
mod run;

use keynet_test_servers::RealServer;
use keynet_tests::{
    Ended, Sandbox, Server, end, end_with_input, end_within, free_address, guest, http, root, says,
};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Creates a sandbox with a base image in the layout `base:1`.
fn with_base() -> Sandbox {
    let sandbox = Sandbox::new();
    done(sandbox.run(["image", "base", "-o", "oci-layout:base:1"]));
    sandbox
}

/// Creates a sandbox with a base image, and an image of `hello` on it in the layout `app:1`.
fn with_app() -> Sandbox {
    let sandbox = with_base();
    done(build(&sandbox, "oci-layout:app:1", "oci-layout:base:1"));
    sandbox
}

fn build(sandbox: &Sandbox, to: &str, base: &str) -> Ended {
    sandbox.run(["image", "build", guest("hello").to_str().unwrap(), "-o", to, "--base", base])
}

fn done(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// Returns the digest at the end of the output of `image`.
fn digest(ended: &Ended) -> String {
    let (_, digest) = ended.stdout.trim().split_once('@').unwrap_or_else(|| panic!("{ended:?}"));
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    digest.to_owned()
}

/// Runs another program in the sandbox's folder.
fn tool(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Ended {
    done(end(sandbox.program(program, arguments)))
}

fn config(sandbox: &Sandbox, image: &str) -> Value {
    tool(sandbox, "skopeo", &["inspect", "--config", image]).json()
}

/// Unpacks an image of a layout into a folder; as root, with the owners in the image.
fn unpack(sandbox: &Sandbox, image: &str, to: &str) -> PathBuf {
    let mut arguments = vec!["unpack", "--image", image, to];
    if !is_root() {
        arguments.insert(1, "--rootless");
    }
    tool(sandbox, "umoci", &arguments);
    sandbox.path(to).join("rootfs")
}

fn is_root() -> bool {
    String::from_utf8_lossy(&Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0"
}

/// Starts the entry point of an unpacked image as its config specifies: with its user, only its
/// variables, and a read-only root.
fn start(sandbox: &Sandbox, rootfs: &Path, config: &Value) -> Server {
    start_with(sandbox, rootfs, config, None)
}

/// Same as [`start`], with a writable `/tmp`, in which the host writes its diagnostics.
fn start_telling(sandbox: &Sandbox, rootfs: &Path, config: &Value) -> (Server, PathBuf) {
    let tmp = sandbox.path("tmp");
    fs::create_dir(&tmp).unwrap();
    fs::set_permissions(&tmp, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    (start_with(sandbox, rootfs, config, Some(&tmp)), tmp.join("diagnostics"))
}

fn start_with(sandbox: &Sandbox, rootfs: &Path, config: &Value, tmp: Option<&Path>) -> Server {
    let address = free_address();
    let (_, port) = address.rsplit_once(':').unwrap();
    let entry: Vec<_> = config["config"]["Entrypoint"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let variables = config["config"]["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().to_owned());
    let diagnostics = tmp.map(|_| "KEYNET_DIAGNOSTICS=/tmp/diagnostics".to_owned());
    let variables: Vec<_> = variables.chain([format!("PORT={port}")]).chain(diagnostics).collect();
    let user = config["config"]["User"].as_str().unwrap();
    assert_eq!(user, "65532:65532");
    // Without root there is one user in the namespace, which is mapped to root.
    let (namespace, user) = if is_root() {
        ("-m", format!("--userspec={user}"))
    } else {
        ("-rm", "--userspec=0:0".to_owned())
    };
    let script = r#"set -e
        root=$1; user=$2; tmp=$3; shift 3
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc" || mount --rbind /proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -o remount,ro,bind "$root" "$root"
        [ -z "$tmp" ] || mount --bind "$tmp" "$root/tmp"
        exec "$(command -v chroot)" "$user" "$root" "$@""#;
    let mut command = sandbox
        .program("unshare", [namespace, "sh", "-c", script, "sh", rootfs.to_str().unwrap(), &user]);
    command.arg(tmp.unwrap_or(Path::new("")));
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(entry).env_clear().env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.envs(
        variables
            .iter()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| *name != "PATH"),
    );
    Server::start(command, address)
}

/// Sends `/init` without code and one `/run`, as OpenWhisk does.
fn init_and_greet(address: &str) {
    let post = |path, body: Value| {
        http(
            address,
            "POST",
            path,
            &[("Content-Type", "application/json")],
            body.to_string().as_bytes(),
        )
    };
    let init = post(
        "/init",
        json!({ "value": { "name": "hello", "main": "main", "binary": false, "env": { "__OW_NAMESPACE": "guest" } } }),
    );
    assert_eq!(init.status, 200, "{}", init.text());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let deadline = (now + Duration::from_secs(60)).as_millis().to_string();
    let run = post(
        "/run",
        json!({ "value": { "name": "Ada" }, "activation_id": "a", "deadline": deadline }),
    );
    assert_eq!(
        (run.status, run.json()),
        (200, json!({ "greeting": "Hello, Ada!" })),
        "{}",
        run.text()
    );
}

/// Reports whether a process executes code that is mapped from the image.
fn has_mapped_code(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/maps")).unwrap().contains("/action/action.cwasm")
}

/// Reports whether an image of the layout greets with code that it has mapped.
fn greets_by_mapped_code(sandbox: &Sandbox, image: &str) -> bool {
    let rootfs = unpack(sandbox, image, "bundle");
    let server = start(sandbox, &rootfs, &config(sandbox, &format!("oci:{image}")));
    init_and_greet(server.address());
    has_mapped_code(server.id())
}
