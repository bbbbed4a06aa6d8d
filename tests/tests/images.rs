//! Container images built without a container engine, used by other tools: skopeo, umoci, podman, a
//! real registry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use keynet_test_servers::RealServer;
use keynet_tests::{
    Ended, Sandbox, Server, end, end_with_input, end_within, free_address, guest, http, root,
};
use serde_json::{Value, json};

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

#[test]
fn others_tools_read_the_image_and_its_entry_point_answers() {
    let sandbox = with_app();
    let inspected = tool(&sandbox, "skopeo", &["inspect", "oci:app:1"]).json();
    assert_eq!(
        (&inspected["Os"], &inspected["Layers"].as_array().unwrap().len()),
        (&json!("linux"), &2)
    );
    assert_eq!(inspected["Labels"]["org.opencontainers.image.title"], "hello");
    let config = config(&sandbox, "oci:app:1");
    assert_eq!(config["config"]["ExposedPorts"], json!({ "8080/tcp": {} }));
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(rootfs.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("action"), ["action.cwasm", "action.wasm"]);
    assert_eq!(
        fs::read(rootfs.join("action/action.wasm")).unwrap(),
        fs::read(guest("hello")).unwrap()
    );

    let server = start(&sandbox, &rootfs, &config);
    init_and_greet(server.address());
    assert!(has_mapped_code(server.id()), "the compiled code in the image is what runs");
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let user = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert!(!is_root() || user.contains("65532"), "{user}");
}

#[test]
fn the_probe_of_an_image_tells_whether_it_listens() {
    let sandbox = with_app();
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    let server = start(&sandbox, &rootfs, &config(&sandbox, "oci:app:1"));
    let (_, port) = server.address().rsplit_once(':').unwrap();
    let probe = |port: &str| {
        end(sandbox.program(rootfs.join("usr/bin/keynet-runtime"), ["health", "--port", port])).code
    };
    assert_eq!(probe(port), Some(0));
    let (_, free) = free_address()
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .unwrap();
    assert_eq!(probe(&free), Some(1));
}

#[test]
fn the_same_inputs_make_the_same_image() {
    let (one, mut other) = (with_base(), with_base());
    let app = digest(&done(build(&one, "oci-layout:app:1", "oci-layout:base:1")));
    assert_eq!(digest(&done(build(&other, "oci-layout:elsewhere:2", "oci-layout:base:1"))), app);
    // Without a cache the action is compiled again, into identical code.
    let fresh = Sandbox::without_cache();
    done(fresh.run(["image", "base", "oci-layout:base:1"]));
    assert_eq!(digest(&done(build(&fresh, "oci-layout:app:1", "oci-layout:base:1"))), app);
    // On a base that is built on the fly the result is the same, except for the base's name.
    let layers = |sandbox: &Sandbox, image: &str| {
        tool(sandbox, "skopeo", &["inspect", image]).json()["Layers"].clone()
    };
    done(one.run(["image", "build", guest("hello").to_str().unwrap(), "-o", "oci-layout:alone:1"]));
    assert_eq!(layers(&one, "oci:alone:1"), layers(&one, "oci:app:1"));

    other.set("SOURCE_DATE_EPOCH", 1_767_225_600);
    assert_ne!(digest(&done(build(&other, "oci-layout:later:1", "oci-layout:base:1"))), app);
    assert_eq!(config(&other, "oci:later:1")["created"], "2026-01-01T00:00:00Z");
    other.set("SOURCE_DATE_EPOCH", "yesterday");
    let ended = build(&other, "oci-layout:never:1", "oci-layout:base:1");
    assert!(
        ended.code == Some(4) && ended.stderr.contains("SOURCE_DATE_EPOCH"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_base_is_small_and_holds_nothing_it_does_not_need() {
    const MEGABYTE: u64 = 1_000_000;
    let sandbox = with_base();
    let manifest: Value =
        serde_json::from_str(&tool(&sandbox, "skopeo", &["inspect", "--raw", "oci:base:1"]).stdout)
            .unwrap();
    let size: u64 = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["size"].as_u64().unwrap())
        .sum();
    assert!(size <= 40 * MEGABYTE, "{size} bytes to pull");
    let rootfs = unpack(&sandbox, "base:1", "bundle");
    let runtime = fs::metadata(rootfs.join("usr/bin/keynet-runtime")).unwrap();
    let whole = fs::metadata(keynet_tests::binary().with_file_name("keynet-runtime")).unwrap();
    assert!(runtime.len() < whole.len(), "it is stripped");
    println!("{size} bytes to pull, the runtime has {} of {}", runtime.len(), whole.len());
    for absent in ["bin/sh", "usr/bin/sh", "etc/shadow", "root", "home"] {
        assert!(!rootfs.join(absent).exists(), "{absent}");
    }
    let passwd = fs::read_to_string(rootfs.join("etc/passwd")).unwrap();
    assert!(passwd.contains("keynet:x:65532:65532:"), "{passwd}");
    let certificates =
        fs::read_to_string(rootfs.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(certificates.contains("-----BEGIN CERTIFICATE-----"));
    let mode = |path: &str| {
        std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(rootfs.join(path)).unwrap().permissions(),
        ) & 0o7777
    };
    assert_eq!(
        (mode("tmp"), mode("etc"), mode("usr/bin/keynet-runtime"), mode("etc/passwd")),
        (0o1777, 0o755, 0o755, 0o644)
    );
}

#[test]
fn a_base_of_another_engine_gets_the_component_alone_and_a_warning_says_why() {
    let sandbox = with_base();
    let label = "io.keynet.inference.engine=0000000000000000000000000000000000000000000000000000000000000000";
    tool(
        &sandbox,
        "umoci",
        &["config", "--image", "base:1", "--tag", "other", "--config.label", label],
    );
    let ended = done(build(&sandbox, "oci-layout:app:1", "oci-layout:base:other"));
    assert!(
        ended.stderr.contains("without compiled code")
            && ended.stderr.contains("the engine of the base"),
        "{}",
        ended.stderr
    );
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    assert!(
        rootfs.join("action/action.wasm").exists() && !rootfs.join("action/action.cwasm").exists()
    );
    // The image works nevertheless: the container compiles the action.
    let server = start(&sandbox, &rootfs, &config(&sandbox, "oci:app:1"));
    init_and_greet(server.address());
    assert!(!has_mapped_code(server.id()));
}

#[test]
fn a_base_that_says_nothing_of_its_engine_gets_the_component_alone() {
    let sandbox = Sandbox::new();
    tool(&sandbox, "umoci", &["init", "--layout", "plain"]);
    tool(&sandbox, "umoci", &["new", "--image", "plain:1"]);
    let ended = done(build(&sandbox, "oci-layout:app:1", "oci-layout:plain:1"));
    assert!(ended.stderr.contains("the base does not say which engine it has"), "{}", ended.stderr);
    assert_eq!(config(&sandbox, "oci:app:1")["rootfs"]["diff_ids"].as_array().unwrap().len(), 1);
}

/// A processor below the image's baseline does not crash.
#[test]
fn code_for_a_better_processor_is_not_run() {
    let has_avx512 = fs::read_to_string("/proc/cpuinfo").unwrap().contains("avx512dq");
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_CPU", "x86-64-v4");
    done(sandbox.run(["image", "base", "oci-layout:base:1"]));
    let ended = done(build(&sandbox, "oci-layout:app:1", "oci-layout:base:1"));
    assert!(ended.stderr.contains("compiled for x86-64-v4"), "{}", ended.stderr);
    let config = config(&sandbox, "oci:app:1");
    assert_eq!(config["config"]["Labels"]["io.keynet.inference.cpu"], "x86-64-v4");
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    assert!(rootfs.join("action/action.cwasm").exists());
    let (server, diagnostics) = start_telling(&sandbox, &rootfs, &config);
    init_and_greet(server.address());
    assert_eq!(has_mapped_code(server.id()), has_avx512);
    let told = fs::read_to_string(diagnostics).unwrap();
    assert_eq!(told.contains("this machine's processor is not x86-64-v4"), !has_avx512, "{told}");
    assert_eq!(
        told.contains("compiled code in the image is for another processor or another version"),
        !has_avx512,
        "{told}"
    );
}

/// The base decides, independent of who puts an action on it.
#[test]
fn code_is_compiled_for_the_processors_of_the_base() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_CPU", "x86-64-v2");
    done(sandbox.run(["image", "base", "oci-layout:base:1"]));
    sandbox.set("KEYNET_CPU", "native");
    let ended = done(build(&sandbox, "oci-layout:app:1", "oci-layout:base:1"));
    assert!(ended.stderr.contains("compiled for x86-64-v2"), "{}", ended.stderr);
    assert!(greets_by_mapped_code(&sandbox, "app:1"));
}

/// A process of the container's user could have written the file.
#[test]
fn compiled_code_that_belongs_to_the_user_of_the_container_is_not_run() {
    if !is_root() {
        println!("skipped: only root can give a file to somebody else");
        return;
    }
    let sandbox = with_app();
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    let code = rootfs.join("action/action.cwasm");
    std::os::unix::fs::chown(&code, Some(65532), Some(65532)).unwrap();
    let (server, diagnostics) = start_telling(&sandbox, &rootfs, &config(&sandbox, "oci:app:1"));
    init_and_greet(server.address());
    let told = fs::read_to_string(diagnostics).unwrap();
    assert!(told.contains("does not belong to root"), "{told}");
    assert!(!has_mapped_code(server.id()));
}

#[test]
fn a_registry_takes_images_and_layers_of_the_base_are_not_sent_again() {
    let registry = RealServer::registry("none");
    let sandbox = with_base();
    let at = registry.get("REGISTRY");
    let base = format!("{at}/team/base:1");
    done(sandbox.run(["image", "base", &base]));
    let hello = guest("hello");
    let hello = hello.to_str().unwrap();
    let image = format!("{at}/other-team/hello:1");
    let ended = done(sandbox.run(["image", "push", hello, &image, "--base", &base]));
    assert!(ended.stderr.contains("is taken from another repository"), "{}", ended.stderr);
    let pushed = digest(&ended);
    let docker = |image: &str| format!("docker://{image}");
    let inspected =
        tool(&sandbox, "skopeo", &["inspect", "--tls-verify=false", &docker(&image)]).json();
    assert_eq!(inspected["Digest"], pushed.as_str());

    // The option of the previous package.
    let again = format!("{at}/other-team/hello:2");
    let ended = done(sandbox.run(["push", hello, &again, "--base-image", &base]));
    assert_eq!(
        tool(&sandbox, "skopeo", &["inspect", "--tls-verify=false", &docker(&again)]).json()["Digest"],
        pushed.as_str(),
        "{ended:?}"
    );

    // With the base in a layout, from which nothing can be mounted, and to another registry.
    let elsewhere = RealServer::registry("none");
    let copied = format!("{}/hello:1", elsewhere.get("REGISTRY"));
    assert_eq!(
        digest(&done(sandbox.run([
            "image",
            "push",
            hello,
            &copied,
            "--base",
            "oci-layout:base:1"
        ]))),
        pushed
    );
    let moved = format!("{}/moved:1", elsewhere.get("REGISTRY"));
    assert_eq!(
        digest(&done(sandbox.run(["image", "push", hello, &moved, "--base", &base]))),
        pushed
    );

    // Exported and imported by another tool, the image is unchanged.
    tool(&sandbox, "skopeo", &["copy", "--src-tls-verify=false", &docker(&image), "oci:copied:1"]);
    let inspected = tool(&sandbox, "skopeo", &["inspect", "oci:copied:1"]).json();
    assert_eq!(inspected["Digest"], pushed.as_str());
    tool(
        &sandbox,
        "skopeo",
        &["copy", "--dest-tls-verify=false", "oci:copied:1", &docker(&format!("{at}/back:1"))],
    );
    let rootfs = unpack(&sandbox, "copied:1", "bundle");
    let server = start(&sandbox, &rootfs, &config(&sandbox, "oci:copied:1"));
    init_and_greet(server.address());
}

/// The registry issues a token for each repository: the one that is pushed to and the one that is
/// mounted from.
#[test]
fn a_registry_that_gives_tokens_takes_images_of_whoever_is_logged_in() {
    let registry = RealServer::registry("token");
    let mut sandbox = with_base();
    sandbox.set("HOME", sandbox.path("home").display());
    let at = registry.get("REGISTRY");
    let image = format!("{at}/other-team/hello:1");
    let base = format!("{at}/team/base:1");
    let ended = sandbox.run(["image", "base", &base]);
    assert!(ended.code == Some(7) && ended.stderr.contains("login --registry"), "{}", ended.stderr);
    let login = [
        "login",
        "--registry",
        at,
        "--username",
        registry.get("REGISTRY_USER"),
        "--password-stdin",
    ];
    done(end_with_input(sandbox.command(login), registry.get("REGISTRY_PASSWORD")));
    done(sandbox.run(["image", "base", &base]));
    let answer = done(sandbox.run([
        "image",
        "push",
        guest("hello").to_str().unwrap(),
        &image,
        "--base",
        &base,
        "--json",
        "--quiet",
    ]))
    .json();
    assert_eq!(
        (&answer["compiled_for"], answer["digest"].as_str().unwrap().len()),
        (&json!("x86-64-v3"), 71)
    );
    let credentials =
        format!("{}:{}", registry.get("REGISTRY_USER"), registry.get("REGISTRY_PASSWORD"));
    let inspected = tool(
        &sandbox,
        "skopeo",
        &["inspect", "--tls-verify=false", "--creds", &credentials, &format!("docker://{image}")],
    )
    .json();
    assert_eq!(inspected["Digest"], answer["digest"]);
}

/// Images that other tools converted into Docker's own format, as `docker push` does, are valid
/// bases too.
#[test]
fn a_base_in_dockers_own_format_stays_in_it() {
    let registry = RealServer::registry("none");
    let sandbox = with_base();
    let at = registry.get("REGISTRY");
    let docker = format!("docker://{at}/base:docker");
    tool(
        &sandbox,
        "skopeo",
        &["copy", "--format", "v2s2", "--dest-tls-verify=false", "oci:base:1", &docker],
    );
    let image = format!("{at}/hello:1");
    let ended = done(sandbox.run([
        "image",
        "push",
        guest("hello").to_str().unwrap(),
        &image,
        "--base",
        &format!("{at}/base:docker"),
    ]));
    assert!(ended.stderr.contains("compiled for"), "{}", ended.stderr);
    let raw = tool(
        &sandbox,
        "skopeo",
        &["inspect", "--raw", "--tls-verify=false", &format!("docker://{image}")],
    )
    .json();
    assert_eq!(raw["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    let kinds: Vec<_> = raw["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 2]);
    tool(
        &sandbox,
        "skopeo",
        &["copy", "--src-tls-verify=false", &format!("docker://{image}"), "oci:app:1"],
    );
    let rootfs = unpack(&sandbox, "app:1", "bundle");
    let server = start(&sandbox, &rootfs, &config(&sandbox, "oci:app:1"));
    init_and_greet(server.address());
}

#[test]
fn what_is_no_action_or_no_base_is_refused_by_name() {
    let sandbox = with_base();
    fs::write(sandbox.path("text.wasm"), "not wasm").unwrap();
    let ended = sandbox.run([
        "image",
        "build",
        "text.wasm",
        "-o",
        "oci-layout:app:1",
        "--base",
        "oci-layout:base:1",
    ]);
    assert!(ended.code == Some(3) && ended.stderr.contains("text.wasm"), "{}", ended.stderr);
    let hello = guest("hello");
    let ended = sandbox.run([
        "image",
        "build",
        hello.to_str().unwrap(),
        "-o",
        "oci-layout:app:1",
        "--base",
        "oci-layout:base:2",
    ]);
    assert!(ended.code != Some(0) && ended.stderr.contains("2"), "{}", ended.stderr);
    let ended = sandbox.run(["image", "base", "-o", "oci-layout:b:1", "--runtime", "/bin/true"]);
    assert!(
        ended.code == Some(6) && ended.stderr.contains("not a keynet-runtime"),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.path("app").exists() && !sandbox.path("b").exists(), "nothing was written");
    tool(
        &sandbox,
        "umoci",
        &["config", "--image", "base:1", "--tag", "arm", "--architecture", "s390x"],
    );
    let ended = build(&sandbox, "oci-layout:app:1", "oci-layout:base:arm");
    assert!(ended.code == Some(6) && ended.stderr.contains("linux/s390x"), "{}", ended.stderr);
}

/// Runner of `podman.sh`, with its own image storage.
struct Podman<'sandbox> {
    sandbox: &'sandbox Sandbox,
    script: PathBuf,
}

impl<'sandbox> Podman<'sandbox> {
    /// Prints the reason and returns `None` if podman cannot run here.
    fn new(sandbox: &'sandbox Sandbox) -> Option<Self> {
        let podman = Self { sandbox, script: root().join("tests/servers/podman.sh") };
        let tried = podman.run(&["info"]);
        if tried.code != Some(0) {
            eprintln!(
                "SKIPPED: podman does not run here, so no container was started: {}",
                tried.stderr.trim()
            );
            return None;
        }
        Some(podman)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.program(&self.script, arguments);
        // Podman fails if the file that this variable names does not exist.
        command.env("SERVERS_DATA", self.sandbox.path("servers")).env_remove("DOCKER_CONFIG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        end_within(self.command(arguments), Duration::from_secs(300))
    }

    /// Starts a container of `image` with an operator's hardening options.
    fn start(&self, image: &str) -> Server {
        let address = free_address();
        let (_, port) = address.rsplit_once(':').unwrap();
        let port = format!("PORT={port}");
        let hardened = [
            "--read-only",
            "--read-only-tmpfs=false",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
        ];
        let mut arguments = vec!["run", "--rm", "--network=host", "-e", &port];
        arguments.extend(hardened);
        arguments.push(image);
        Server::start(self.command(&arguments), address)
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["wipe"]).status();
    }
}

#[test]
fn podman_runs_the_image() {
    let sandbox = with_base();
    let Some(podman) = Podman::new(&sandbox) else { return };
    let registry = RealServer::registry("none");
    let image = format!("{}/team/hello:1", registry.get("REGISTRY"));
    done(sandbox.run([
        "image",
        "push",
        guest("hello").to_str().unwrap(),
        &image,
        "--base",
        "oci-layout:base:1",
    ]));
    done(podman.run(&["pull", "-q", "--tls-verify=false", &image]));
    let server = podman.start(&image);
    init_and_greet(server.address());
    let inside = done(podman.run(&["ps", "-q"])).stdout.trim().to_owned();
    let process = done(podman.run(&["inspect", "--format", "{{.State.Pid}}", &inside]))
        .stdout
        .trim()
        .parse()
        .unwrap();
    assert!(has_mapped_code(process), "compiled code is mapped out of the image");
    done(podman.run(&[
        "exec",
        &inside,
        "/usr/bin/keynet-runtime",
        "health",
        "--port",
        server.address().rsplit_once(':').unwrap().1,
    ]));
    done(podman.run(&["stop", "-t", "10", &inside]));
}

#[test]
fn a_container_engine_makes_the_same_base_of_the_containerfile() {
    let sandbox = with_base();
    let Some(podman) = Podman::new(&sandbox) else { return };
    done(sandbox.run(["image", "root", "-o", "context"]));
    done(podman.run(&[
        "build",
        "--layers=false",
        "-q",
        "-t",
        "localhost/keynet-runtime:1",
        sandbox.path("context").to_str().unwrap(),
    ]));
    let to = format!("oci:{}:1", sandbox.path("built").display());
    done(podman.run(&["push", "-q", "localhost/keynet-runtime:1", &to]));
    let [built, made] =
        ["oci:built:1", "oci:base:1"].map(|image| config(&sandbox, image)["config"].clone());
    let sorted = |config: &Value| {
        let mut lines: Vec<_> = config["Env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect();
        lines.sort();
        lines
    };
    for part in ["User", "ExposedPorts", "Entrypoint", "WorkingDir", "StopSignal"] {
        assert_eq!(built[part], made[part], "{part}");
    }
    assert_eq!(sorted(&built), sorted(&made));
    for (name, value) in made["Labels"].as_object().unwrap() {
        assert_eq!(&built["Labels"][name], value, "{name}");
    }
    // An action can be put on it as on the base of this project.
    let ended = done(build(&sandbox, "oci-layout:app:1", "oci-layout:built:1"));
    assert!(ended.stderr.contains("compiled for"), "{}", ended.stderr);
    assert!(greets_by_mapped_code(&sandbox, "app:1"));
}
