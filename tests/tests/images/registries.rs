//! Images in registries, and those that are refused.

use super::*;

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
