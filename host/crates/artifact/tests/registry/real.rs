//! A real registry in four modes.

use super::*;

async fn pushed_and_pulled(mode: &str) {
    let server = RealServer::registry(mode);
    let seen = Arc::new(Seen::default());
    let options =
        RegistryOptions { progress: seen.clone(), chunk: 1 << 20, ..options(&server, mode) };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("action.wasm");
    let bytes = component(3_500_000);
    std::fs::write(&file, &bytes).unwrap();
    let target = reference(&server, "team/hello:1.0");

    // Pushed in chunks; identical byte for byte, independent of the source.
    let pushed = keynet_artifact::push(&Content::open(&file).unwrap(), &about(), &target, &options)
        .await
        .unwrap();
    assert_eq!(pushed.component, Blob::of(&bytes));
    let events = seen.events(&pushed.component);
    assert_eq!(events.last(), Some(&BlobEvent::Done));
    assert!(events.contains(&BlobEvent::At(bytes.len() as u64)), "{events:?}");
    let pulled = keynet_artifact::pull(&target, &options).await.unwrap();
    assert!(pulled.bytes == bytes);
    assert_eq!((pulled.look.digest, &pulled.look.reference), (pushed.digest, &pushed.reference));
    assert_eq!(
        keynet_artifact::pull(&pushed.reference, &options).await.unwrap().look.digest,
        pushed.digest
    );
    let out = folder.path().join("out.wasm");
    keynet_artifact::pull_to_file(&target, &out, &options).await.unwrap();
    assert!(std::fs::read(&out).unwrap() == bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);

    // A second push sends nothing and gives the same artifact.
    seen.0.lock().unwrap().clear();
    let again =
        keynet_artifact::push(&Content::Bytes(bytes.clone().into()), &about(), &target, &options)
            .await
            .unwrap();
    assert_eq!(
        (again.digest, seen.events(&pushed.component)),
        (pushed.digest, vec![BlobEvent::Exists])
    );

    // Look, tag, list.
    let look = keynet_artifact::look(&target, &options).await.unwrap();
    assert_eq!(look.annotations["org.opencontainers.image.title"], "hello");
    assert_eq!(keynet_artifact::tag(&target, "latest", &options).await.unwrap(), pushed.digest);
    let store = Store::open(&target, &options).unwrap();
    assert_eq!(store.tags().await.unwrap(), ["1.0", "latest"]);
    let missing =
        keynet_artifact::look(&reference(&server, "team/hello:2.0"), &options).await.unwrap_err();
    assert!(
        matches!(&missing, ArtifactError::NoTag { tag, tags, .. } if tag == "2.0"
            && *tags == ["1.0", "latest"]),
        "{missing}"
    );

    // Mounted from another repository of the registry.
    let other = Store::open(&reference(&server, "other/hello:1.0"), &options).unwrap();
    assert!(!other.has_blob(&pushed.component).await.unwrap());
    assert!(other.mount_blob(&pushed.component, "team/hello").await.unwrap());
    assert!(other.has_blob(&pushed.component).await.unwrap());
    assert!(!other.mount_blob(&Blob::of(b"nowhere"), "team/hello").await.unwrap());

    // Sign and verify.
    let (key, stranger) = (PrivateKey::generate(), PrivateKey::generate());
    let not_signed = keynet_artifact::verify(&target, &key.public(), &options).await.unwrap_err();
    assert!(matches!(not_signed, ArtifactError::NotSigned { .. }), "{not_signed}");
    keynet_artifact::sign(&target, &stranger, &options).await.unwrap();
    let other_key = keynet_artifact::verify(&target, &key.public(), &options).await.unwrap_err();
    assert!(matches!(other_key, ArtifactError::OtherKey { signatures: 1, .. }), "{other_key}");
    for _ in 0..2 {
        assert_eq!(keynet_artifact::sign(&target, &key, &options).await.unwrap(), pushed.digest);
    }
    for key in [&key, &stranger] {
        assert_eq!(
            keynet_artifact::verify(&target, &key.public(), &options).await.unwrap(),
            pushed.digest
        );
    }

    // Read by other tools.
    let scheme = if mode == "tls" { "true" } else { "false" };
    let certificates = folder.path().join("certificates");
    std::fs::create_dir(&certificates).unwrap();
    if let [authority] = &options.ca_files[..] {
        std::fs::copy(authority, certificates.join("ca.crt")).unwrap();
    }
    let verify = format!("--tls-verify={scheme}");
    let cert = format!("--cert-dir={}", certificates.display());
    let mut arguments = vec!["inspect", "--raw", &verify, &cert];
    if mode != "none" {
        arguments.extend(["--creds", "alice:s3cret"]);
    }
    let image = format!("docker://{target}");
    let manifest = run("skopeo", &[&arguments[..], &[&image]].concat());
    assert_eq!(Digest::of(manifest.as_bytes()), pushed.digest);
    let signatures = format!(
        "docker://{}/team/hello:sha256-{}.sig",
        server.get("REGISTRY"),
        pushed.digest.hex()
    );
    let signatures: serde_json::Value =
        serde_json::from_str(&run("skopeo", &[&arguments[..], &[&signatures]].concat())).unwrap();
    assert_eq!(signatures["layers"].as_array().unwrap().len(), 2, "each signed once: {signatures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_credentials() {
    pushed_and_pulled("none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_basic_credentials() {
    pushed_and_pulled("basic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_tls_of_its_own_authority() {
    pushed_and_pulled("tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_tokens() {
    pushed_and_pulled("token").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_why() {
    for mode in ["basic", "token"] {
        let server = RealServer::registry(mode);
        let target = reference(&server, "team/hello:1.0");
        let content = Content::Bytes(component(100).into());
        let anonymous = RegistryOptions {
            credentials: Arc::new(keynet_artifact::Anonymous),
            ..options(&server, mode)
        };
        let error =
            keynet_artifact::push(&content, &about(), &target, &anonymous).await.unwrap_err();
        let login = format!("keynet-inference login --registry {}", server.get("REGISTRY"));
        assert!(matches!(error, ArtifactError::Unauthorized { sent: false, .. }), "{error}");
        assert!(
            error.to_string().contains(&login) && error.to_string().contains("anonymous"),
            "{error}"
        );

        let credential = Credential::Basic {
            username: "alice".to_owned(),
            password: Secret::new("wrong-password"),
        };
        let given = |prefix: &str| {
            Arc::new(Given { prefix: prefix.to_owned(), credential: credential.clone() })
        };
        let wrong = RegistryOptions {
            credentials: given(server.get("REGISTRY")),
            ..options(&server, mode)
        };
        let error = keynet_artifact::push(&content, &about(), &target, &wrong).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Unauthorized { sent: true, .. }), "{error}");
        assert!(!error.to_string().contains("wrong-password"), "{error}");

        // The credentials are for another part of the registry.
        let elsewhere = RegistryOptions {
            credentials: given(&format!("{}/other", server.get("REGISTRY"))),
            ..options(&server, mode)
        };
        let error =
            keynet_artifact::push(&content, &about(), &target, &elsewhere).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Unauthorized { sent: false, .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_from_passwords_and_identity_tokens_and_may_be_brought_along() {
    let server = RealServer::registry("token");
    let target = reference(&server, "team/hello:1.0");
    let content = Content::Bytes(component(100).into());
    let with = |credential: Credential| RegistryOptions {
        credentials: Arc::new(Given { prefix: server.get("REGISTRY").to_owned(), credential }),
        ..options(&server, "token")
    };
    let identity = |token: &str| with(Credential::IdentityToken(Secret::new(token)));
    let pushed = keynet_artifact::push(&content, &about(), &target, &identity("identity-of-alice"))
        .await
        .unwrap();
    // An identity with pull access only cannot push.
    let bob = identity("identity-of-bob");
    assert_eq!(keynet_artifact::look(&target, &bob).await.unwrap().digest, pushed.digest);
    let error =
        keynet_artifact::push(&content, &about(), &reference(&server, "team/other:1"), &bob)
            .await
            .unwrap_err();
    assert!(matches!(error, ArtifactError::Unauthorized { sent: true, .. }), "{error}");
    let error = keynet_artifact::look(&target, &identity("identity-of-nobody")).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unauthorized { sent: true, .. }), "{error}");
    assert!(!error.to_string().contains("identity-of-nobody"), "{error}");

    let scope = "service=test-registry&scope=repository:team/hello:pull";
    let answer = run(
        "curl",
        &["-sf", "-u", "alice:s3cret", &format!("{}?{scope}", server.get("REGISTRY_TOKEN_REALM"))],
    );
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let brought = with(Credential::Bearer(Secret::new(answer["token"].as_str().unwrap())));
    assert_eq!(keynet_artifact::look(&target, &brought).await.unwrap().digest, pushed.digest);
    let error =
        keynet_artifact::look(&reference(&server, "team/other:1"), &brought).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unauthorized { sent: true, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_soon_is_renewed_before_each_request() {
    let server = RealServer::registry_with("token", &[("TOKEN_TTL", "1")]);
    let options = RegistryOptions { chunk: 64 << 10, ..options(&server, "token") };
    let target = reference(&server, "team/hello:1.0");
    let bytes = component(200_000);
    keynet_artifact::push(&Content::Bytes(bytes.clone().into()), &about(), &target, &options)
        .await
        .unwrap();
    assert!(keynet_artifact::pull(&target, &options).await.unwrap().bytes == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_was_named_is_not_published() {
    let server = RealServer::registry("none");
    let options = RegistryOptions { chunk: 64 << 10, ..options(&server, "none") };
    let store = Store::open(&reference(&server, "team/hello:1.0"), &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("action.wasm");
    let bytes = component(200_000);
    let blob = Blob::of(&bytes);
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&file, other).unwrap();
    let error = store.put_blob(&blob, &Content::open(&file).unwrap()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::WrongDigest { .. }), "{error}");
    std::fs::write(&file, &bytes[..150_000]).unwrap();
    let error = store.put_blob(&blob, &Content::open(&file).unwrap()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::WrongSize { .. }), "{error}");
    assert!(!store.has_blob(&blob).await.unwrap());
}
