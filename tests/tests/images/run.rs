//! Images that run: their entry point, their probe, their compiled code.

use super::*;

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
fn the_image_of_a_node_serves() {
    let sandbox = Sandbox::new();
    says(&sandbox.run(["image", "node", "oci-layout:node:1"]), 0, &[]);
    let config = config(&sandbox, "oci:node:1");
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/keynet-inference"]));
    assert_eq!(config["config"]["Cmd"][0], "serve");
    let rootfs = unpack(&sandbox, "node:1", "bundle");
    assert!(rootfs.join("var/lib/keynet").is_dir() && rootfs.join("etc/keynet").is_dir());
    let address = free_address();
    let arguments = ["serve", "--data", "data", "--listen", &address];
    let program = sandbox.program(rootfs.join("usr/bin/keynet-inference"), arguments);
    let server = Server::start(program, address);
    assert_eq!(http(server.address(), "GET", "/ready", &[], b"").status, 200);
}
