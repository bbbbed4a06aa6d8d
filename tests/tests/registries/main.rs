//! Pushing and pulling with a real registry in each of its modes, and other tools reading the
//! result.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod artifacts;
mod logins;
mod modes;
mod policy;

use keynet_tests::oci::{
    self, Layout, MANIFEST, WASM, WASM_CONFIG, check_layout, files_in, padded, sha256,
};
use keynet_tests::proxy::{ALL, Fault, Proxy};
use keynet_tests::registry::{Desk, SECRETS, keynet, tells_no_secret};
use keynet_tests::terminal::Terminal;
use keynet_tests::{Ended, Sandbox, end, guest, root, says};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

fn greets(ended: &Ended) {
    says(ended, 0, &["greeting Ada"]);
    assert_eq!(ended.json(), json!({ "greeting": "Hello, Ada!" }));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Tests everything from the first push to a second tag, with each read repeated by skopeo.
fn tour(mode: &str) {
    let desk = Desk::at(mode);
    let hello = guest("hello");
    let bytes = std::fs::read(&hello).unwrap();
    let reference = desk.reference("hello:1.0");
    if desk.protected() {
        let refused = desk.keynet(["push".as_ref(), hello.as_os_str(), reference.as_ref()]);
        says(
            &refused,
            7,
            &[desk.host(), &format!("keynet-inference login --registry {}", desk.host())],
        );
        assert_eq!(desk.login(desk.host(), "alice", "s3cret").code, Some(0));
    }

    let pushed = desk.push(&hello, &reference);
    let digest = text(&pushed["digest"]).to_owned();
    let by_digest = format!("{}@{digest}", desk.reference("hello"));
    assert_eq!(
        (&pushed["name"], &pushed["layer"], &pushed["signature"]),
        (&json!("hello"), &json!(sha256(&bytes)), &Value::Null)
    );
    assert!(text(&pushed["reference"]).ends_with(&format!("@{digest}")), "{pushed}");
    let (read, manifest) = desk.manifest(&reference);
    assert_eq!(
        (read.as_str(), &manifest["layers"][0]["digest"]),
        (digest.as_str(), &pushed["layer"])
    );

    for (at, reference) in [&reference, &by_digest].into_iter().enumerate() {
        let file = desk.sandbox.path(&format!("pulled-{at}.wasm"));
        let pulled =
            desk.json(["pull".as_ref(), reference.as_ref(), "-o".as_ref(), file.as_os_str()]);
        assert_eq!(
            (&pulled["digest"], &pulled["layer"]),
            (&pushed["digest"], &pushed["layer"]),
            "{pulled}"
        );
        assert!(
            std::fs::read(&file).unwrap() == bytes,
            "{reference} came as {} bytes",
            file.metadata().unwrap().len()
        );
        greets(&desk.keynet(["run", reference, "--param", "name=Ada"]));
        let about = desk.json(["inspect", reference]);
        assert_eq!(
            (&about["name"], &about["description"]),
            (&json!("hello"), &json!("Greets a person by name."))
        );
        assert_eq!(about["size"], bytes.len(), "{about}");
    }

    // Text output for people and scripts: one line with a complete reference.
    let again = desk.keynet(["push".as_ref(), hello.as_os_str(), reference.as_ref()]);
    let line = again
        .stdout
        .strip_prefix("pushed ")
        .and_then(|line| line.strip_suffix('\n'))
        .unwrap_or_else(|| panic!("{again:?}"));
    assert!(line.ends_with(&format!("@{digest}")) && !line.contains('\n'), "{line}");
    greets(&desk.keynet(["run", line, "--param", "name=Ada"]));

    let tagged = desk.json(["tag", &reference, "stable"]);
    assert_eq!(tagged["digest"], pushed["digest"]);
    assert_eq!(desk.manifest(&desk.reference("hello:stable")).0, digest);
    let missing = desk.keynet(["pull", &desk.reference("hello:2.0")]);
    says(&missing, 11, &["2.0"]);
    assert!(
        files_in(&desk.sandbox.path("")).iter().all(|file| !file.ends_with("hello.wasm")),
        "nothing was kept of what is not there"
    );

    // skopeo copies all of it, including blobs.
    desk.skopeo(&[
        "copy",
        &format!("docker://{reference}"),
        &format!("oci:{}:1.0", desk.sandbox.path("copied").display()),
    ]);
    assert_eq!(
        std::fs::read(oci::blob_path(&desk.sandbox.path("copied"), &sha256(&bytes))).unwrap(),
        bytes
    );
    greets(&desk.keynet([
        "run",
        &format!("oci-layout:{}:1.0", desk.sandbox.path("copied").display()),
        "--param",
        "name=Ada",
    ]));
}
