//! Names and files of a model registry.

use keynet_base::config::MlflowConfig;
use keynet_models::inference::ModelRef;
use keynet_models::model_registry::{
    DownloadLimits, Downloaded, ModelRegistry, ModelVersion, Sources,
};
use keynet_test_servers::Hostile;

use super::*;

fn registry(server: &HostileServer) -> ModelRegistry {
    let config = MlflowConfig {
        url: Url::parse(&server.url()).unwrap(),
        basic: None,
        bearer: None,
        ca: None,
        ttl: Duration::from_secs(30),
        stale: Duration::from_secs(3600),
        origin: Origin::Container,
    };
    ModelRegistry::open(&config).unwrap()
}

async fn version(server: &HostileServer) -> Result<std::sync::Arc<ModelVersion>, Error> {
    registry(server).version(&"models:/m@a".parse::<ModelRef>().unwrap(), &enough()).await
}

const JSON: &str = "HTTP/1.1 200 OK\nContent-Type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_read_up_to_its_limit() {
    let server = HostileServer::start(|_| {
        Hostile::endless(
            JSON,
            r#"{"model_version": {"name": "m", "version": "1", "aliases": ["#,
            r#""","#,
        )
    });
    refused(
        version(&server).await,
        ErrorKind::TooLarge,
        "longer than the 1048576 bytes",
        &server,
        MIB,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_error_is_read_up_to_its_limit() {
    let server = HostileServer::start(|_| {
        Hostile::endless("HTTP/1.1 400 Bad Request", "no such thing ", "at all ")
    });
    refused(version(&server).await, ErrorKind::NotFound, "no such thing at all", &server, MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_a_hundred_thousand_aliases_is_not_kept() {
    let server = HostileServer::start(|_| {
        let aliases = [r#""""#; 100_000].join(",");
        Hostile::answer(
            JSON,
            format!(
                r#"{{"model_version": {{"name": "m", "version": "1", "aliases": [{aliases}]}}}}"#
            ),
        )
    });
    refused(version(&server).await, ErrorKind::TooLarge, "remove some of its tags", &server, MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_number_is_a_page_of_text_is_quoted_in_part() {
    let server = HostileServer::start(|_| {
        let number = "x".repeat(200 << 10);
        Hostile::answer(
            JSON,
            format!(r#"{{"model_version": {{"name": "m", "version": "{number}"}}}}"#),
        )
    });
    refused(version(&server).await, ErrorKind::Internal, "(204800 bytes)", &server, MIB);
}

/// Downloads version 1 of a model whose artifacts MLflow serves itself.
async fn download(server: &HostileServer) -> Result<Downloaded, Error> {
    let folder = tempfile::tempdir().unwrap();
    let model = ModelVersion {
        name: "m".to_owned(),
        version: 1,
        source: String::new(),
        run_id: None,
        status: "READY".to_owned(),
        stage: None,
        tags: Default::default(),
        aliases: Vec::new(),
    };
    let (limits, sources) = (DownloadLimits { bytes: MIB, files: 100 }, Sources::default());
    let answer = registry(server)
        .download(&model, &folder.path().join("m"), sources, limits, &enough())
        .await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing of it is left");
    answer
}

fn artifacts(asked: &str, listing: Hostile, file: Hostile) -> Hostile {
    match asked.split([' ', '?']).nth(1).unwrap() {
        path if path.ends_with("get-download-uri") => {
            Hostile::answer(JSON, r#"{"artifact_uri": "mlflow-artifacts:/1/m"}"#)
        }
        path if path.ends_with("/artifacts") => listing,
        _ => file,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_an_end_stops_at_the_size_a_model_may_have() {
    let server = HostileServer::start(|asked| {
        let listing =
            Hostile::answer(JSON, r#"{"files": [{"path": "model.onnx", "is_dir": false}]}"#);
        artifacts(asked, listing, Hostile::endless("HTTP/1.1 200 OK", "", "x"))
    });
    refused(
        download(&server).await,
        ErrorKind::TooLarge,
        "larger than the 1048576 bytes it may have",
        &server,
        MIB,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_an_end_is_not_listed() {
    let endless = HostileServer::start(|asked| {
        artifacts(
            asked,
            Hostile::endless(JSON, r#"{"files": ["#, r#"{"path": "a", "is_dir": true},"#),
            Hostile::answer("HTTP/1.1 500 No", ""),
        )
    });
    refused(
        download(&endless).await,
        ErrorKind::TooLarge,
        "longer than the 4194304 bytes",
        &endless,
        4 * MIB,
    );
    let many = HostileServer::start(|asked| {
        let folders = [r#"{"path": "a", "is_dir": true}"#; 201].join(",");
        artifacts(
            asked,
            Hostile::answer(JSON, format!(r#"{{"files": [{folders}]}}"#)),
            Hostile::answer("HTTP/1.1 500 No", ""),
        )
    });
    refused(download(&many).await, ErrorKind::TooLarge, "201 files and folders", &many, MIB);
}
