//! Signatures: `push --sign` writes what cosign writes, and `verify` accepts nothing else.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keynet_tests::oci::{Layout, MANIFEST, blob_path, check_layout, files_in, padded, read_json};
use keynet_tests::registry::{Desk, keynet};
use keynet_tests::{Sandbox, end, guest, says};
use serde_json::{Value, json};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Returns the tag of cosign's signatures for `sha256:…`.
fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Reports whether openssl accepts `signature` of `payload` for `key`.
fn openssl_verifies(sandbox: &Sandbox, key: &str, signature: &[u8], payload: &[u8]) -> bool {
    std::fs::write(sandbox.path("signature.der"), signature).unwrap();
    std::fs::write(sandbox.path("payload.json"), payload).unwrap();
    let ended = end(sandbox.program(
        "openssl",
        ["dgst", "-sha256", "-verify", key, "-signature", "signature.der", "payload.json"],
    ));
    ended.code == Some(0) && ended.stdout.trim() == "Verified OK"
}

/// Returns the manifest with a tag of a layout, and the payload of its first layer.
fn signature_of(layout: &Path, tag: &str) -> (Value, Vec<u8>) {
    let index = read_json(&layout.join("index.json"));
    let entry = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
    let entry = entry.unwrap_or_else(|| panic!("no {tag}: {index}"));
    let manifest = read_json(&blob_path(layout, text(&entry["digest"])));
    let payload = std::fs::read(blob_path(layout, text(&manifest["layers"][0]["digest"]))).unwrap();
    (manifest, payload)
}

#[test]
fn a_signature_is_as_cosign_makes_it() {
    for mode in ["none", "token"] {
        let desk = Desk::signed_in(mode);
        let keys = desk.json(["keygen", "mine"]);
        let file = |name: &str| Path::new(text(&keys[name])).file_name().unwrap().to_owned();
        assert_eq!((file("private"), file("public")), ("mine.key".into(), "mine.pub".into()));
        assert_eq!(
            desk.sandbox.path("mine.key").metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        let reference = desk.reference("hello:1");
        let hello = guest("hello");
        let pushed = desk.json([
            "push".as_ref(),
            hello.as_os_str(),
            reference.as_ref(),
            "--sign".as_ref(),
            "mine.key".as_ref(),
        ]);
        let digest = text(&pushed["digest"]);
        assert!(!pushed["signature"].is_null(), "{pushed}");

        let tag = signature_tag(digest);
        let (_, manifest) = desk.manifest(&desk.reference(&format!("hello:{tag}")));
        assert_eq!(
            (&manifest["schemaVersion"], &manifest["mediaType"]),
            (&json!(2), &json!(MANIFEST))
        );
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
        assert_eq!(
            (manifest["layers"].as_array().unwrap().len(), &manifest["layers"][0]["mediaType"]),
            (1, &json!(PAYLOAD))
        );
        desk.skopeo(&[
            "copy",
            &format!("docker://{}", desk.reference(&format!("hello:{tag}"))),
            "oci:signatures:1",
        ]);
        let (_, payload) = signature_of(&desk.sandbox.path("signatures"), "1");
        let said: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(said["critical"]["type"], "cosign container image signature");
        assert_eq!(said["critical"]["image"], json!({ "docker-manifest-digest": digest }));
        // cosign itself writes the repository here, with or without a tag, and ignores it when it
        // verifies.
        assert!(
            text(&said["critical"]["identity"]["docker-reference"])
                .starts_with(&desk.reference("hello")),
            "{said}"
        );
        assert!(
            said.as_object()
                .unwrap()
                .keys()
                .all(|key| ["critical", "optional"].contains(&key.as_str())),
            "{said}"
        );
        assert_eq!(said["critical"].as_object().unwrap().len(), 3, "{said}");

        let signature =
            BASE64.decode(text(&manifest["layers"][0]["annotations"][SIGNATURE])).unwrap();
        assert!(openssl_verifies(&desk.sandbox, "mine.pub", &signature, &payload));
        assert!(
            !openssl_verifies(
                &desk.sandbox,
                "mine.pub",
                &signature,
                &[&payload[..], b" "].concat()
            ),
            "openssl would say anything"
        );

        let verified = desk.json(["verify", &reference, "--key", "mine.pub"]);
        assert_eq!(verified["digest"], pushed["digest"]);
        let line = desk.keynet(["verify", &reference, "--key", "mine.pub"]).stdout;
        assert!(
            line.starts_with("verified ") && line.trim_end().ends_with(&format!("@{digest}")),
            "{line}"
        );

        desk.json(["keygen", "other"]);
        says(&desk.keynet(["verify", &reference, "--key", "other.pub"]), 11, &["hello"]);
        let plain = desk.push(&hello, &desk.reference("plain:1"));
        assert_eq!(plain["signature"], Value::Null);
        says(
            &desk.keynet(["verify", &desk.reference("plain:1"), "--key", "mine.pub"]),
            11,
            &["not signed"],
        );
    }
}

/// A signature made with openssl in the format that cosign documents is accepted.
#[test]
fn a_signature_of_another_tool_verifies() {
    let sandbox = Sandbox::new();
    let openssl = |arguments: &[&str]| {
        assert_eq!(end(sandbox.program("openssl", arguments)).code, Some(0), "{arguments:?}")
    };
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "theirs.key"]);
    openssl(&["ec", "-in", "theirs.key", "-pubout", "-out", "theirs.pub"]);
    let layout = Layout::create(sandbox.path("theirs"));
    let digest = layout.artifact("1", &std::fs::read(guest("hello")).unwrap(), &[], &[]);
    // With another writer's spaces and order: the bytes are signed, not the parsed JSON.
    let payload = format!(
        r#"{{ "optional": null, "critical": {{ "identity": {{"docker-reference": ""}}, "type": "cosign container image signature",
           "image": {{"docker-manifest-digest": "{digest}"}} }} }}"#
    );
    std::fs::write(sandbox.path("payload.json"), &payload).unwrap();
    openssl(&["dgst", "-sha256", "-sign", "theirs.key", "-out", "signature.der", "payload.json"]);
    let mut layer = layout.blob(PAYLOAD, payload.as_bytes());
    layer["annotations"] =
        json!({ SIGNATURE: BASE64.encode(std::fs::read(sandbox.path("signature.der")).unwrap()) });
    let config = layout.blob("application/vnd.oci.image.config.v1+json", b"{}");
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    layout.manifest(&signature_tag(&digest), &manifest);
    let ended = keynet(&sandbox, ["verify", &layout.reference("1"), "--key", "theirs.pub"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(keynet(&sandbox, ["keygen", "mine"]).code, Some(0));
    says(&keynet(&sandbox, ["verify", &layout.reference("1"), "--key", "mine.pub"]), 11, &[]);
}

#[test]
fn a_signature_that_was_tampered_with_or_moved_is_noticed() {
    let sandbox = Sandbox::new();
    assert_eq!(keynet(&sandbox, ["keygen", "mine"]).code, Some(0));
    let sign = |file: &Path, tag: &str| {
        let reference = format!("oci-layout:here:{tag}");
        let ended = keynet(
            &sandbox,
            [
                "push".as_ref(),
                file.as_os_str(),
                reference.as_ref(),
                "--sign".as_ref(),
                "mine.key".as_ref(),
                "--json".as_ref(),
            ],
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
        text(&ended.json()["digest"]).to_owned()
    };
    let other = sandbox.path("other.wasm");
    std::fs::write(&other, padded(&std::fs::read(guest("hello")).unwrap(), 100, 1)).unwrap();
    let (first, second) = (sign(&guest("hello"), "first"), sign(&other, "second"));
    check_layout(&sandbox.path("here"));
    let verify = |reference: &str| keynet(&sandbox, ["verify", reference, "--key", "mine.pub"]);
    assert_eq!(verify("oci-layout:here:first").code, Some(0));
    assert_eq!(verify(&format!("oci-layout:here@{second}")).code, Some(0));
    let (manifest, payload) = signature_of(&sandbox.path("here"), &signature_tag(&first));

    // A layout of the first artifact alone, with a signature that is changed in one respect each.
    let changed = |name: &str, of: &dyn Fn(&Layout) -> Value| {
        let layout = Layout::create(sandbox.path(name));
        for file in files_in(&sandbox.path("here/blobs")) {
            std::fs::copy(
                &file,
                sandbox.path(name).join("blobs/sha256").join(file.file_name().unwrap()),
            )
            .unwrap();
        }
        let mut index = read_json(&sandbox.path("here/index.json"));
        index["manifests"]
            .as_array_mut()
            .unwrap()
            .retain(|entry| entry["digest"] == first.as_str());
        std::fs::write(sandbox.path(name).join("index.json"), index.to_string()).unwrap();
        let signature = of(&layout);
        layout.manifest(&signature_tag(&first), &signature);
        verify(&layout.reference("first"))
    };
    assert_eq!(
        changed("same", &|_| manifest.clone()).code,
        Some(0),
        "the way it is changed breaks nothing itself"
    );
    let replaced = |layout: &Layout, payload: &[u8]| {
        let mut layer = layout.blob(PAYLOAD, payload);
        layer["annotations"] = manifest["layers"][0]["annotations"].clone();
        let mut manifest = manifest.clone();
        manifest["layers"] = json!([layer]);
        manifest
    };
    says(&changed("payload", &|layout| replaced(layout, &[&payload[..], b"\n"].concat())), 11, &[]);
    let for_second = String::from_utf8(payload.clone()).unwrap().replace(&first, &second);
    says(&changed("promise", &|layout| replaced(layout, for_second.as_bytes())), 11, &[]);
    let moved =
        changed("moved", &|_| signature_of(&sandbox.path("here"), &signature_tag(&second)).0);
    says(&moved, 11, &[&second]);
    let unsigned = changed("unsigned", &|_| {
        let mut manifest = manifest.clone();
        manifest["layers"][0]["annotations"] = json!({});
        manifest
    });
    says(&unsigned, 11, &[]);
    let garbled = changed("garbled", &|_| {
        let mut manifest = manifest.clone();
        manifest["layers"][0]["annotations"][SIGNATURE] = json!("bm90IGEgc2lnbmF0dXJl");
        manifest
    });
    says(&garbled, 11, &[]);
}

#[test]
fn a_second_signature_stands_beside_the_first() {
    let sandbox = Sandbox::new();
    let hello = guest("hello");
    for key in ["ada", "bob"] {
        assert_eq!(keynet(&sandbox, ["keygen", key]).code, Some(0));
        let key = format!("{key}.key");
        let ended = keynet(
            &sandbox,
            [
                "push".as_ref(),
                hello.as_os_str(),
                "oci-layout:here:1".as_ref(),
                "--sign".as_ref(),
                key.as_ref(),
            ],
        );
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    for key in ["ada.pub", "bob.pub"] {
        assert_eq!(
            keynet(&sandbox, ["verify", "oci-layout:here:1", "--key", key]).code,
            Some(0),
            "{key}"
        );
    }
    check_layout(&sandbox.path("here"));
}

#[test]
fn keys_that_cannot_be_used_are_told_before_anything_is_published() {
    let sandbox = Sandbox::new();
    assert_eq!(keynet(&sandbox, ["keygen"]).code, Some(0));
    assert!(sandbox.path("keynet.key").exists() && sandbox.path("keynet.pub").exists());
    let before = std::fs::read(sandbox.path("keynet.key")).unwrap();
    says(&keynet(&sandbox, ["keygen"]), 6, &["keynet."]);
    assert_eq!(std::fs::read(sandbox.path("keynet.key")).unwrap(), before, "keys are not replaced");
    std::fs::write(sandbox.path("text.key"), "no key").unwrap();
    std::fs::set_permissions(sandbox.path("text.key"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::copy(sandbox.path("keynet.key"), sandbox.path("open.key")).unwrap();
    std::fs::set_permissions(sandbox.path("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    for key in ["text.key", "open.key", "missing.key", "keynet.pub"] {
        let hello = guest("hello");
        let ended = keynet(
            &sandbox,
            [
                "push".as_ref(),
                hello.as_os_str(),
                "oci-layout:here:1".as_ref(),
                "--sign".as_ref(),
                key.as_ref(),
            ],
        );
        assert!(
            [2, 4, 6].contains(&ended.code.unwrap()) && ended.stderr.contains(key),
            "{key}: {ended:?}"
        );
        assert!(!sandbox.path("here").exists(), "{key}");
    }
}
