//! Servers that answer otherwise, and artifacts of other tools.

use super::*;

fn everywhere() -> RegistryOptions {
    /// Source with the same password for every server.
    struct Everywhere;
    impl keynet_artifact::CredentialSource for Everywhere {
        fn find(&self, _: &str, _: &str) -> Result<Option<Credential>, ArtifactError> {
            Ok(Some(Credential::Basic {
                username: "ada".to_owned(),
                password: Secret::new("hunter22"),
            }))
        }
    }
    let retry = RetryPolicy {
        times: 1,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(50),
    };
    RegistryOptions { credentials: Arc::new(Everywhere), retry, ..RegistryOptions::default() }
}

#[tokio::test]
async fn a_token_server_of_another_domain_sees_nothing() {
    let (address, asked) = stranger(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer \
            realm=\"https://tokens.example.org/t?x=y\",service=\"s\"\r\nContent-Length: \
            0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let error = keynet_artifact::look(&format!("{address}/a:1").parse().unwrap(), &everywhere())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ArtifactError::Realm { realm_host, .. } if realm_host == "tokens.example.org"),
        "{error}"
    );
    assert!(!error.to_string().contains("x=y"), "{error}");
    assert!(
        asked.lock().unwrap().iter().all(|head| !head.to_lowercase().contains("authorization"))
    );
}

#[tokio::test]
async fn what_a_server_says_is_shown_on_one_line_without_the_password() {
    let (address, asked) = stranger(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 37\r\nConnection: \
            close\r\n\r\n\u{1b}[31myour password\nhunter22 is wrong\n",
    )
    .await;
    let error = keynet_artifact::look(&format!("{address}/a:1").parse().unwrap(), &everywhere())
        .await
        .unwrap_err();
    assert!(matches!(error, ArtifactError::Refused { .. }), "{error}");
    assert!(
        error.to_string().contains("[31myour password")
            && !error.to_string().contains(['\u{1b}', '\n']),
        "{error}"
    );
    assert!(
        asked.lock().unwrap().iter().all(|head| !head.to_lowercase().contains("authorization"))
    );
}

#[tokio::test]
async fn who_asks_for_an_hour_is_told_to_the_user_at_once() {
    let (address, asked) = stranger(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: \
            0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let error = keynet_artifact::look(&format!("{address}/a:1").parse().unwrap(), &everywhere())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ArtifactError::TooManyRequests { .. })
            && error.to_string().contains("3600 s"),
        "{error}"
    );
    assert_eq!(asked.lock().unwrap().len(), 2, "asked what is spoken, and once");
}

#[tokio::test]
async fn a_container_does_not_reach_a_private_registry_that_is_not_listed() {
    let (address, asked) = stranger(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: \
        close\r\n\r\n",
    )
    .await;
    let port = address.rsplit_once(':').unwrap().1;
    for host in [address.clone(), format!("localhost:{port}")] {
        let strict = RegistryOptions { addresses: AddressPolicy::public(), ..everywhere() };
        let error = keynet_artifact::look(&format!("{host}/a:1").parse().unwrap(), &strict)
            .await
            .unwrap_err();
        assert!(matches!(error, ArtifactError::Host { .. }), "{host}: {error}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_known_is_an_error_of_its_own() {
    let server = RealServer::registry("tls");
    let target = reference(&server, "team/hello:1.0");
    let strict = RegistryOptions { ca_files: vec![], ..options(&server, "tls") };
    let error = keynet_artifact::look(&target, &strict).await.unwrap_err();
    assert!(
        matches!(error, ArtifactError::Tls { .. }) && error.to_string().contains("--ca"),
        "{error}"
    );
    let broken = tempfile::NamedTempFile::new().unwrap();
    let wrong =
        RegistryOptions { ca_files: vec![broken.path().to_owned()], ..options(&server, "tls") };
    assert!(matches!(
        keynet_artifact::look(&target, &wrong).await.unwrap_err(),
        ArtifactError::Key { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_at_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target: ArtifactRef = format!("127.0.0.1:{port}/a:1").parse().unwrap();
    let begun = std::time::Instant::now();
    let error = keynet_artifact::look(&target, &RegistryOptions::default()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// Writes an image layout with the CNCF's format as other tools do.
fn foreign_layout(
    folder: &Path,
    layers: &[(&str, &[u8])],
    config_type: &str,
    config: &str,
) -> ArtifactRef {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
        (Digest::of(bytes).to_string(), bytes.len())
    };
    let digests: Vec<_> = layers.iter().map(|(_, bytes)| Digest::of(bytes).to_string()).collect();
    let config = config.replace("\"LAYERS\"", &serde_json::to_string(&digests).unwrap());
    let (digest, size) = put(config.as_bytes());
    let layers: Vec<_> = layers
        .iter()
        .map(|(kind, bytes)| {
            let (digest, size) = put(bytes);
            serde_json::json!({ "mediaType": kind, "digest": digest, "size": size })
        })
        .collect();
    let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": config_type, "digest": digest, "size": size }, "layers": layers });
    let (digest, size) = put(manifest.to_string().as_bytes());
    let entry = serde_json::json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
        "annotations": { "org.opencontainers.image.ref.name": "1" } });
    std::fs::write(
        folder.join("index.json"),
        serde_json::json!({ "schemaVersion": 2, "manifests": [entry] }).to_string(),
    )
    .unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    format!("oci-layout:{}:1", folder.display()).parse().unwrap()
}

const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// Config as `wkg` writes it.
const WKG: &str = r#"{"created":"2026-01-02T03:04:05.678901234Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":"LAYERS",
    "component":{"exports":["keynet:inference/function@0.1.0"],"imports":["wasi:cli/stdout@0.2.6"],"target":null}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_other_tools_push_is_pulled() {
    let server = RealServer::registry("none");
    let options = options(&server, "none");
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(1000);
    let layout = foreign_layout(folder.path(), &[("application/wasm", &bytes)], CONFIG, WKG);
    assert!(keynet_artifact::pull(&layout, &options).await.unwrap().bytes == bytes);
    let target = reference(&server, "foreign/hello:1");
    let from = format!("oci:{}:1", folder.path().display());
    run("skopeo", &["copy", "-q", "--dest-tls-verify=false", &from, &format!("docker://{target}")]);
    let pulled = keynet_artifact::pull(&target, &options).await.unwrap();
    assert!(pulled.bytes == bytes);
    assert_eq!(pulled.look.config.component.unwrap().imports, ["wasi:cli/stdout@0.2.6"]);
}

#[tokio::test]
async fn what_is_no_action_is_refused_with_the_reason() {
    let wasm: &[u8] = &component(10);
    let module: &[u8] = b"\0asm\x01\0\0\0";
    let container = "application/vnd.oci.image.config.v1+json";
    let wasip1 = WKG.replace("wasip2", "wasip1");
    /// Layers by media type and content, the config by media type and text, and a part of the
    /// expected reason.
    type Misfit<'a> = (&'a [(&'a str, &'a [u8])], &'a str, &'a str, &'a str);
    let cases: &[Misfit] = &[
        (&[("application/wasm", wasm), ("application/wasm", wasm)], CONFIG, WKG, "has 2 layers"),
        (&[], CONFIG, WKG, "has 0 layers"),
        (
            &[("application/vnd.oci.image.layer.v1.tar+gzip", wasm)],
            container,
            "{}",
            "is a container image, not an action",
        ),
        (&[("application/wasm", wasm)], "application/vnd.wasm.config.v1+json", WKG, "another kind"),
        (
            &[("application/vnd.wasm.content.layer.v1+wasm", wasm)],
            CONFIG,
            WKG,
            "a layer of the type",
        ),
        (&[("application/wasm", module)], CONFIG, WKG, "core module"),
        (&[("application/wasm", module)], CONFIG, &wasip1, "core module"),
        (&[("application/wasm", b"#!")], CONFIG, WKG, "not WebAssembly"),
        (&[("application/wasm", wasm)], CONFIG, "{", "a config that cannot be read"),
        (
            &[("application/wasm", wasm)],
            CONFIG,
            &WKG.replace("\"LAYERS\"", "[\"sha256:0\"]"),
            "another layer",
        ),
    ];
    for (layers, config_type, config, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let layout = foreign_layout(folder.path(), layers, config_type, config);
        let error = keynet_artifact::pull(&layout, &RegistryOptions::default()).await.unwrap_err();
        assert!(
            matches!(error, ArtifactError::NotAnAction { .. }) && error.to_string().contains(says),
            "{says}: {error}"
        );
        let out = folder.path().join("out.wasm");
        assert!(
            keynet_artifact::pull_to_file(&layout, &out, &RegistryOptions::default())
                .await
                .is_err()
                && !out.exists()
        );
    }
    // An index, and bytes that do not have the digest of the descriptor.
    let folder = tempfile::tempdir().unwrap();
    let layout = foreign_layout(folder.path(), &[("application/wasm", wasm)], CONFIG, WKG);
    let store = Store::open(&layout, &RegistryOptions::default()).unwrap();
    let index = RawManifest {
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        bytes: br#"{"schemaVersion":2,"manifests":[]}"#.to_vec().into(),
    };
    let digest = store.put_manifest(&Target::Tag("index".to_owned()), &index).await.unwrap();
    let error = keynet_artifact::look(&layout.pinned_to(digest), &RegistryOptions::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("image index"), "{error}");
    let blob = folder.path().join("blobs/sha256").join(Digest::of(wasm).hex());
    let mut changed = wasm.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, &changed).unwrap();
    assert!(matches!(
        keynet_artifact::pull(&layout, &RegistryOptions::default()).await,
        Err(ArtifactError::WrongDigest { .. })
    ));
    std::fs::write(&blob, &changed[1..]).unwrap();
    assert!(matches!(
        keynet_artifact::pull(&layout, &RegistryOptions::default()).await,
        Err(ArtifactError::WrongSize { .. })
    ));
    let small = RegistryOptions { max_component: 5, ..RegistryOptions::default() };
    assert!(matches!(
        keynet_artifact::pull(&layout, &small).await,
        Err(ArtifactError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_layout_of_ours_is_read_by_skopeo_and_a_signature_by_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let layout: ArtifactRef =
        format!("oci-layout:{}:1.0", folder.path().join("artifacts").display()).parse().unwrap();
    let (bytes, options) = (component(5000), RegistryOptions::default());
    let pushed =
        keynet_artifact::push(&Content::Bytes(bytes.clone().into()), &about(), &layout, &options)
            .await
            .unwrap();
    let manifest = run(
        "skopeo",
        &["inspect", "--raw", &format!("oci:{}:1.0", folder.path().join("artifacts").display())],
    );
    assert_eq!(Digest::of(manifest.as_bytes()), pushed.digest);
    assert!(keynet_artifact::pull(&pushed.reference, &options).await.unwrap().bytes == bytes);

    // A signature of another artifact under this one's tag is detected.
    let key = PrivateKey::generate();
    keynet_artifact::sign(&layout, &key, &options).await.unwrap();
    let other =
        keynet_artifact::push(&Content::Bytes(component(6000).into()), &about(), &layout, &options)
            .await
            .unwrap();
    let store = Store::open(&layout, &options).unwrap();
    let tag = |digest: &Digest| Target::Tag(format!("sha256-{}.sig", digest.hex()));
    let signature = store.manifest(&tag(&pushed.digest)).await.unwrap();
    store.put_manifest(&tag(&other.digest), &signature).await.unwrap();
    let error = keynet_artifact::verify(&layout, &key.public(), &options).await.unwrap_err();
    assert!(
        matches!(&error, ArtifactError::OtherArtifact { signed, .. } if *signed == pushed.digest.to_string()),
        "{error}"
    );

    // openssl accepts keys and signatures of this crate, and the other way round.
    let path = |name: &str| folder.path().join(name).display().to_string();
    let manifest: serde_json::Value = serde_json::from_slice(&signature.bytes).unwrap();
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let digest: Digest = layer["digest"].as_str().unwrap().parse().unwrap();
    let payload: PathBuf = folder.path().join("artifacts/blobs/sha256").join(digest.hex());
    let expected = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":""}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        pushed.digest
    );
    assert_eq!(std::fs::read_to_string(&payload).unwrap(), expected);
    std::fs::write(
        path("signature.base64"),
        layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap(),
    )
    .unwrap();
    run(
        "openssl",
        &["base64", "-d", "-A", "-in", &path("signature.base64"), "-out", &path("signature")],
    );
    key.public().write(Path::new(&path("key.pub"))).unwrap();
    run(
        "openssl",
        &[
            "dgst",
            "-sha256",
            "-verify",
            &path("key.pub"),
            "-signature",
            &path("signature"),
            payload.to_str().unwrap(),
        ],
    );
    key.write(Path::new(&path("key"))).unwrap();
    assert_eq!(
        run("openssl", &["pkey", "-in", &path("key"), "-pubout"]),
        key.public().pem().unwrap()
    );
    run(
        "openssl",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            &path("theirs"),
        ],
    );
    run("chmod", &["600", &path("theirs")]);
    let theirs = PrivateKey::read(Path::new(&path("theirs"))).unwrap();
    keynet_artifact::sign(&layout, &theirs, &options).await.unwrap();
    keynet_artifact::verify(&layout, &theirs.public(), &options).await.unwrap();
}
