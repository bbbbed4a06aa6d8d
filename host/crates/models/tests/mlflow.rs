//! Models of a real MLflow registry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{MlflowConfig, Origin, S3Config, S3Credentials, Secret};
use keynet_base::{Error, ErrorKind};
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_models::inference::{
    DataType, InferenceBackend as _, InferenceRequest, ModelRef, NamedTensor, Shape, Tensor,
};
use keynet_models::model_registry::{
    DownloadLimits, Downloaded, ModelRegistry, ModelVersion, Registered, Sources,
};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{Location, ObjectStorage, PutConditions, StorageLimits};
use keynet_test_servers::{Fault, FaultyProxy, RealServer};
use serde_json::{Value, json};
use url::Url;

const PASSWORD: &str = "adminpassword1234";

fn config(server: &str) -> MlflowConfig {
    MlflowConfig {
        url: Url::parse(server).unwrap(),
        basic: Some(("admin".to_owned(), Secret::new(PASSWORD))),
        bearer: None,
        ca: None,
        ttl: Duration::from_secs(30),
        stale: Duration::from_secs(3600),
        origin: Origin::Container,
    }
}

fn budget() -> CallBudget {
    CallBudget {
        memory: MemoryBudget::process(1 << 30),
        deadline: Instant::now() + Duration::from_secs(120),
    }
}

fn model(text: &str) -> ModelRef {
    text.parse().unwrap()
}

async fn version(registry: &ModelRegistry, name: &str) -> Result<u64, Error> {
    registry.version(&model(name), &budget()).await.map(|found| found.version)
}

/// Client for the changes that an operator makes to a registry.
struct Operator {
    client: reqwest::Client,
    server: String,
}

impl Operator {
    fn new(server: &RealServer) -> Self {
        keynet_base::tls::install();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, server: server.get("MLFLOW_TRACKING_URI").to_owned() }
    }

    async fn post(&self, what: &str, body: Value) -> Value {
        let request = self
            .client
            .post(format!("{}/api/2.0/mlflow/{what}", self.server))
            .basic_auth("admin", Some(PASSWORD));
        let answer = request.json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{what}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn alias(&self, alias: &str, version: u64) {
        self.post(
            "registered-models/alias",
            json!({ "name": "detector", "alias": alias, "version": version.to_string() }),
        )
        .await;
    }

    async fn upload(&self, path: &str, bytes: &'static str) {
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}", self.server);
        self.client
            .put(url)
            .basic_auth("admin", Some(PASSWORD))
            .body(bytes)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }
}

fn asked_for_aliases(server: &RealServer) -> usize {
    let logs = std::fs::read_dir(server.folder()).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|log| {
        std::fs::read_to_string(log)
            .unwrap()
            .matches("GET /api/2.0/mlflow/registered-models/alias")
            .count()
    })
    .sum()
}

#[tokio::test]
async fn names_of_the_registry_are_versions_of_the_model_server() {
    let server = RealServer::mlflow("basic");
    server.seed();
    let operator = Operator::new(&server);
    let registry = ModelRegistry::open(&config(server.get("MLFLOW_TRACKING_URI"))).unwrap();

    let second = registry.version(&model("models:/detector@champion"), &budget()).await.unwrap();
    let told = ModelVersion {
        source: String::new(),
        run_id: None,
        tags: second
            .tags
            .iter()
            .filter(|(key, _)| *key == "validation_status")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        ..(*second).clone()
    };
    let expected = ModelVersion {
        name: "detector".to_owned(),
        version: 2,
        source: String::new(),
        run_id: None,
        status: "READY".to_owned(),
        stage: None,
        tags: BTreeMap::from([("validation_status".to_owned(), "approved".to_owned())]),
        aliases: vec!["champion".to_owned()],
    };
    assert_eq!(told, expected);
    assert!(
        second.source.starts_with("mlflow-artifacts:/") && second.run_id.is_some(),
        "{second:?}"
    );
    assert_eq!(
        registry.served(&model("models:/detector@champion"), &budget()).await.unwrap(),
        model("detector:2")
    );
    assert_eq!(
        registry.served(&model("models:/detector/1"), &budget()).await.unwrap(),
        model("detector:1")
    );
    assert_eq!(registry.served(&model("detector"), &budget()).await.unwrap(), model("detector"));
    operator
        .post(
            "model-versions/transition-stage",
            json!({ "name": "detector", "version": "1", "stage": "Production" }),
        )
        .await;
    assert_eq!(version(&registry, "models:/detector/Production").await.unwrap(), 1);
    assert_eq!(version(&registry, "models:/detector/latest").await.unwrap(), 2);

    for (name, kind, word) in [
        ("models:/detector@nope", ErrorKind::NotFound, "nope"),
        ("models:/nobody@champion", ErrorKind::NotFound, "nobody"),
        ("models:/nobody/1", ErrorKind::NotFound, "nobody"),
        ("models:/detector/9", ErrorKind::NotFound, "9"),
        (
            "models:/detector/Staging",
            ErrorKind::NotFound,
            "no version of detector is in the stage Staging",
        ),
        ("models:/detector/Sideways", ErrorKind::Invalid, "Sideways"),
    ] {
        let error = version(&registry, name).await.unwrap_err();
        assert!(
            error.kind == kind && error.message.contains(word) && error.message.contains(name),
            "{name}: {error:?}"
        );
    }

    // Ten thousand activations that resolve an alias cause no request to MLflow.
    let before = asked_for_aliases(&server);
    for _ in 0..10_000 {
        assert_eq!(version(&registry, "models:/detector@champion").await.unwrap(), 2);
    }
    assert_eq!(asked_for_aliases(&server), before);

    // A moved alias is followed within the time to live.
    let ttl = Duration::from_secs(2);
    let quick =
        ModelRegistry::open(&MlflowConfig { ttl, ..config(server.get("MLFLOW_TRACKING_URI")) })
            .unwrap();
    assert_eq!(version(&quick, "models:/detector@champion").await.unwrap(), 2);
    operator.alias("champion", 1).await;
    tokio::time::sleep(ttl).await;
    assert_eq!(version(&quick, "models:/detector@champion").await.unwrap(), 1);

    let stranger = MlflowConfig {
        basic: Some(("admin".to_owned(), Secret::new("hunter2"))),
        ..config(server.get("MLFLOW_TRACKING_URI"))
    };
    for (config, word) in [
        (MlflowConfig { basic: None, ..stranger.clone() }, "MLFLOW_TRACKING_USERNAME"),
        (stranger, "does not accept"),
    ] {
        let error = version(&ModelRegistry::open(&config).unwrap(), "models:/detector@champion")
            .await
            .unwrap_err();
        assert!(
            error.kind == ErrorKind::Denied
                && error.message.contains(word)
                && !error.message.contains("hunter2"),
            "{error}"
        );
    }
    let elsewhere = config(&format!("{}/elsewhere", server.get("MLFLOW_TRACKING_URI")));
    let error = version(&ModelRegistry::open(&elsewhere).unwrap(), "models:/detector@champion")
        .await
        .unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("MLFLOW_TRACKING_URI"),
        "{error}"
    );

    // Cached versions remain valid while MLflow is down, even after their time to live.
    server.stop();
    tokio::time::sleep(ttl).await;
    let began = Instant::now();
    for _ in 0..1000 {
        assert_eq!(version(&quick, "models:/detector@champion").await.unwrap(), 1);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(version(&registry, "models:/detector@champion").await.unwrap(), 2);
    let error = version(&quick, "models:/detector@unheard-of").await.unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("connection refused"),
        "{error}"
    );
    assert_eq!(
        quick.served(&model("models:/detector/7"), &budget()).await.unwrap(),
        model("detector:7")
    );
    drop(quick);

    // Error responses have the same effect as no response; then MLflow recovers.
    let mut server = server;
    server.resume();
    let proxy = FaultyProxy::before(server.get("MLFLOW_TRACKING_URI"));
    let through = ModelRegistry::open(&MlflowConfig {
        ttl: Duration::from_millis(1),
        ..config(&proxy.url())
    })
    .unwrap();
    proxy.plan([Fault::Answer(503, "busy"), Fault::Close]);
    assert_eq!(version(&through, "models:/detector@champion").await.unwrap(), 1);
    let fresh = ModelRegistry::open(&config(&proxy.url())).unwrap();
    proxy.always(Fault::Silence);
    let began = Instant::now();
    let short = CallBudget { deadline: Instant::now() + Duration::from_millis(500), ..budget() };
    assert_eq!(
        fresh.version(&model("models:/detector@champion"), &short).await.unwrap_err().kind,
        ErrorKind::Timeout
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_action_that_asks_by_alias_gets_the_version_it_means_now() {
    let server = RealServer::mlflow("basic");
    let operator = Operator::new(&server);
    operator.post("registered-models/create", json!({ "name": "versions" })).await;
    for _ in 1..=2 {
        operator
            .post(
                "model-versions/create",
                json!({ "name": "versions", "source": "s3://models/versions" }),
            )
            .await;
    }
    let alias = async |version: u64| {
        let body =
            json!({ "name": "versions", "alias": "champion", "version": version.to_string() });
        operator.post("registered-models/alias", body).await;
    };
    let ttl = Duration::from_secs(2);
    let registry =
        ModelRegistry::open(&MlflowConfig { ttl, ..config(server.get("MLFLOW_TRACKING_URI")) })
            .unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    let embedded = EmbeddedInference::open(&models, EmbeddedLimits::default()).unwrap();
    let backend = Registered::new(Arc::new(embedded), registry);
    let ask = async |name: &str| {
        let one = Tensor::new(
            DataType::Fp32,
            Shape::new(vec![1]).unwrap(),
            1_f32.to_le_bytes().to_vec().into(),
            None,
        )
        .unwrap();
        let inputs = vec![NamedTensor { name: "x".to_owned(), tensor: one }];
        let request = InferenceRequest {
            model: model(name),
            inputs,
            outputs: Vec::new(),
            parameters: serde_json::Map::new(),
        };
        let outputs = backend.predict(request, &budget()).await?;
        Ok::<_, Error>(f32::from_le_bytes(outputs[0].tensor.data()[..4].try_into().unwrap()))
    };
    let (first, second) = (ask("versions:1").await.unwrap(), ask("versions:2").await.unwrap());
    assert_ne!(first, second);
    alias(2).await;
    assert_eq!(ask("models:/versions@champion").await.unwrap(), second);
    assert_eq!(ask("models:/versions/1").await.unwrap(), first);
    alias(1).await;
    tokio::time::sleep(ttl).await;
    assert_eq!(ask("models:/versions@champion").await.unwrap(), first);
    assert_eq!(ask("models:/versions@nope").await.unwrap_err().kind, ErrorKind::NotFound);
    let known = backend.metadata(&model("models:/versions@champion"), &budget()).await.unwrap();
    assert_eq!(known.name, "versions");
    server.stop();
    tokio::time::sleep(ttl).await;
    assert_eq!(ask("models:/versions@champion").await.unwrap(), first);
}

#[tokio::test]
async fn the_files_of_a_model_are_brought_as_a_whole() {
    let server = RealServer::mlflow("basic");
    let operator = Operator::new(&server);
    operator.post("registered-models/create", json!({ "name": "detector" })).await;
    let experiment = operator.post("experiments/create", json!({ "name": "demo" })).await;
    let run =
        operator.post("runs/create", json!({ "experiment_id": experiment["experiment_id"] })).await;
    let artifacts = run["run"]["info"]["artifact_uri"].as_str().unwrap().to_owned();
    // MLflow accepts a source in its own storage only for the run that created it.
    let run_id = &run["run"]["info"]["run_id"];
    let register = async |source: &str| {
        let made = operator
            .post(
                "model-versions/create",
                json!({ "name": "detector", "source": source, "run_id": run_id }),
            )
            .await;
        made["model_version"]["version"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let below = artifacts.strip_prefix("mlflow-artifacts:/").unwrap();
    for (path, bytes) in [
        ("model/model.onnx", "weights"),
        ("model/a b/labels & more.txt", "cat\ndog\n"),
        ("single.onnx", "alone"),
    ] {
        operator
            .upload(&format!("{below}/{}", path.replace(' ', "%20").replace('&', "%26")), bytes)
            .await;
    }
    let registry = ModelRegistry::open(&config(server.get("MLFLOW_TRACKING_URI"))).unwrap();
    let place = tempfile::tempdir().unwrap();
    let bring = async |number: u64, into: &Path, sources: Sources<'_>, limits: DownloadLimits| {
        let version =
            registry.version(&model(&format!("models:/detector/{number}")), &budget()).await?;
        registry.download(&version, into, sources, limits, &budget()).await
    };
    let read = |path: &str| std::fs::read_to_string(place.path().join(path)).unwrap();

    let folder = register(&format!("{artifacts}/model")).await;
    let into = place.path().join("new/folder");
    let brought =
        bring(folder, &into, Sources::default(), DownloadLimits::default()).await.unwrap();
    assert_eq!(brought, Downloaded { bytes: 15, files: 2 });
    assert_eq!(
        (read("new/folder/model.onnx"), read("new/folder/a b/labels & more.txt")),
        ("weights".into(), "cat\ndog\n".into())
    );
    let again =
        bring(folder, &into, Sources::default(), DownloadLimits::default()).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Invalid);
    let single = register(&format!("{artifacts}/single.onnx")).await;
    bring(single, &place.path().join("single"), Sources::default(), DownloadLimits::default())
        .await
        .unwrap();
    assert_eq!(read("single/single.onnx"), "alone");

    let missing = register(&format!("{artifacts}/nothing")).await;
    for (number, limits, kind) in [
        (missing, DownloadLimits::default(), ErrorKind::NotFound),
        (folder, DownloadLimits { bytes: 14, ..DownloadLimits::default() }, ErrorKind::TooLarge),
        (folder, DownloadLimits { files: 1, ..DownloadLimits::default() }, ErrorKind::TooLarge),
    ] {
        let error = bring(number, &place.path().join("failed"), Sources::default(), limits)
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    let left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");

    let s3 = RealServer::s3(&[("S3_BUCKETS", "test,models")]);
    let store = S3Store::open(&S3Config {
        endpoint: Some(Url::parse(s3.get("S3_ENDPOINT")).unwrap()),
        region: None,
        bucket: "test".to_owned(),
        credentials: S3Credentials::Key {
            id: "testkey".to_owned(),
            secret: Secret::new("testsecret123"),
            token: None,
        },
        ca: None,
        origin: Origin::Container,
    });
    let objects = ObjectStorage::of_s3(&store.unwrap(), StorageLimits::default());
    for key in ["a/detector/1/model.onnx", "a/detector/labels.txt", "a/detector2"] {
        let location = Location::parse(&format!("s3://models/{key}")).unwrap();
        objects
            .put(key.into(), Some(location), None, PutConditions::default(), &budget())
            .await
            .unwrap();
    }
    let sources = Sources { objects: Some(&objects), files: false };
    let in_s3 = register("s3://models/a/detector").await;
    let brought =
        bring(in_s3, &place.path().join("s3"), sources, DownloadLimits::default()).await.unwrap();
    assert_eq!(brought.files, 2);
    assert_eq!(
        (read("s3/1/model.onnx"), read("s3/labels.txt")),
        ("a/detector/1/model.onnx".into(), "a/detector/labels.txt".into())
    );
    let one = register("s3://models/a/detector2").await;
    bring(one, &place.path().join("one"), sources, DownloadLimits::default()).await.unwrap();
    assert_eq!(read("one/detector2"), "a/detector2");
    let error =
        bring(in_s3, &place.path().join("x"), Sources::default(), DownloadLimits::default())
            .await
            .unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("AWS_BUCKET_NAME"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_is_accepted_in_the_place_of_a_password() {
    let server = RealServer::mlflow("bearer");
    server.seed();
    let with = |token: &str| {
        let config = MlflowConfig {
            basic: None,
            bearer: Some(Secret::new(token)),
            ..config(server.get("MLFLOW_TRACKING_URI"))
        };
        ModelRegistry::open(&config).unwrap()
    };
    assert_eq!(version(&with("admin-token"), "models:/detector@champion").await.unwrap(), 2);
    let error = version(&with("hunter2"), "models:/detector@champion").await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && !error.message.contains("hunter2"), "{error}");
}
