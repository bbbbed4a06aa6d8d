//! Manifests, tags, tokens and blobs of an OCI registry.

use keynet_base::retry::RetryPolicy;
use std::sync::Arc;

use keynet_artifact::{
    ArtifactError, ArtifactRef, Blob, Credential, Given, RegistryOptions, Store,
};
use keynet_test_servers::Hostile;

use super::*;

fn options() -> RegistryOptions {
    RegistryOptions {
        credentials: Arc::new(keynet_artifact::Anonymous),
        retry: RetryPolicy {
            times: 0,
            first: Duration::from_millis(10),
            longest: Duration::from_millis(20),
        },
        ..RegistryOptions::default()
    }
}

fn reference(server: &HostileServer) -> ArtifactRef {
    format!("{}/team/hello:1", server.url().trim_start_matches("http://")).parse().unwrap()
}

fn store(server: &HostileServer) -> Store {
    Store::open(&reference(server), &options()).unwrap()
}

/// Starts a registry that needs no credentials; `answers` handles the paths below `/v2/`.
fn registry(answers: impl Fn(&str) -> Hostile + Send + Sync + 'static) -> HostileServer {
    HostileServer::start(move |asked| match asked.split(' ').nth(1).unwrap() {
        "/v2/" => Hostile::answer("HTTP/1.1 200 OK", "{}"),
        path => answers(path),
    })
}

fn told<T: std::fmt::Debug>(
    answer: Result<T, ArtifactError>,
    words: &str,
    server: &HostileServer,
    limit: u64,
) {
    let error = answer.expect_err("it was believed").to_string();
    assert!(error.contains(words) && error.len() < 1000, "{error}");
    assert!(
        server.sent() <= limit + ON_THE_WAY,
        "the registry sent {} bytes: {error}",
        server.sent()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_tags_and_errors_without_an_end_are_cut() {
    let endless = |status: &str| {
        Hostile::endless(&format!("HTTP/1.1 {status}\nContent-Type: application/json"), "[", "[")
    };
    let server = registry(move |_| endless("200 OK"));
    told(
        keynet_artifact::look(&reference(&server), &options()).await,
        "the manifest 1",
        &server,
        4 * MIB,
    );
    let server = registry(move |_| endless("200 OK"));
    told(store(&server).tags().await, "at most 4194304 are allowed", &server, 4 * MIB);
    let server = registry(move |_| endless("400 Bad Request"));
    told(keynet_artifact::look(&reference(&server), &options()).await, "400", &server, MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tags_that_goes_on_and_on_ends() {
    let server = registry(|path| {
        let tag = path.len();
        Hostile::answer(
            &format!("HTTP/1.1 200 OK\nLink: <{path}x>; rel=\"next\""),
            format!(r#"{{"tags": ["{tag}", "{}"]}}"#, "t".repeat(200)),
        )
    });
    let tags = store(&server).tags().await.unwrap();
    assert_eq!(
        (tags.len(), server.requests()),
        (100, 101),
        "one tag of each page: the other is none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_stops_at_its_size() {
    let server = registry(|_| Hostile::endless("HTTP/1.1 200 OK", "", "x"));
    let (blob, mut into) = (Blob::of(b"hello"), Vec::new());
    let answer = store(&server).get_blob(&blob, &mut into).await;
    told(answer, "5", &server, 0);
    assert!(into.len() <= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_an_end_is_not_read_and_a_long_challenge_not_answered() {
    let challenge = |realm: &str| {
        format!("HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer realm=\"{realm}\"")
    };
    let tokens =
        HostileServer::start(|_| Hostile::endless("HTTP/1.1 200 OK", r#"{"token": ""#, "t"));
    let realm = format!("{}/token", tokens.url());
    let server = HostileServer::start(move |_| Hostile::answer(&challenge(&realm), ""));
    told(
        keynet_artifact::look(&reference(&server), &options()).await,
        "longer than the 262144 bytes",
        &tokens,
        MIB,
    );

    let server =
        HostileServer::start(move |_| Hostile::answer(&challenge(&"r".repeat(100 << 10)), ""));
    let answer = keynet_artifact::look(&reference(&server), &options()).await;
    told(answer, "the header www-authenticate of its answer has", &server, MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_reads_no_more_of_an_error_than_its_beginning() {
    let server =
        HostileServer::start(|_| Hostile::endless("HTTP/1.1 403 Forbidden", "go away ", "now "));
    let credential =
        Credential::Basic { username: "ada".to_owned(), password: Secret::new("hunter2hunter2") };
    let prefix = server.url().trim_start_matches("http://").to_owned();
    let options = RegistryOptions {
        credentials: Arc::new(Given { prefix: prefix.clone(), credential }),
        ..options()
    };
    told(keynet_artifact::check_login(&prefix, "", &options).await, "go away now", &server, MIB);
}
