//! TLS and credentials.

use keynet_base::ErrorKind;
use keynet_base::config::{Config, Origin};
use keynet_models::inference::InferenceBackend;
use keynet_models::inference::triton::TritonInference;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_given_authority_and_a_header_that_is_needed() {
    let server = triton("add_sub", &[("TRITON_TLS", "1"), ("TRITON_TOKEN", "hunter2")]);
    let url = format!("https://{}", server.get("TRITON_GRPC"));
    let ca = server.folder().join("triton-tls/ca.crt").display().to_string();
    let asked = || add_sub("add_sub", &[1.0], &[2.0]);
    let (url, ca) = (("TRITON_URL", url.as_str()), ("KEYNET_TRITON_CA", ca.as_str()));
    let quick = ("KEYNET_TRITON_RETRY", "0");
    let header = ("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token: hunter2");

    let good = at(&[url, ca, header]).unwrap();
    assert_eq!(f32s(&good.predict(asked(), &enough()).await.unwrap()[0].tensor), [3.0]);
    let statistics = statistics_of(&good, "add_sub", 1).await;
    assert_eq!(statistics.iter().map(|version| version.success.times).sum::<u64>(), 1);

    for wrong in [
        &[url, ca][..],
        &[url, ca, ("KEYNET_TRITON_HEADERS", "triton-grpc-protocol-x-token: wrong")],
    ] {
        let (kind_of_it, told) = kind(at(wrong).unwrap().predict(asked(), &enough()).await);
        assert!(
            kind_of_it == ErrorKind::Denied
                && told.contains("x-token")
                && told.contains("KEYNET_TRITON_HEADERS"),
            "{told}"
        );
        assert!(!told.contains("hunter2") && !told.contains("wrong"), "{told}");
    }

    // The system's certificate authorities do not include this one; and there is no fallback to a
    // connection without TLS.
    let plain = url.1.replace("https", "http");
    for wrong in [&[url, header, quick][..], &[("TRITON_URL", plain.as_str()), header, quick]] {
        let told = match at(wrong) {
            Ok(backend) => kind(backend.predict(asked(), &enough()).await),
            Err(error) => (error.kind, error.message),
        };
        assert!(told.0 == ErrorKind::Unavailable, "{told:?}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let told =
        at(&[("TRITON_URL", "https://127.0.0.1:1"), ("KEYNET_TRITON_CA", "/nowhere/ca.crt")])
            .unwrap_err()
            .message;
    assert!(told.starts_with("KEYNET_TRITON_CA: cannot read /nowhere/ca.crt"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_name_a_server_of_the_private_network() {
    let named = |url: &str| {
        let variables = [("TRITON_URL".to_owned(), url.to_owned())].into();
        let config = Config::from_origins(vec![(Origin::Parameters, variables)]).unwrap();
        TritonInference::open(&config.triton.unwrap())
    };
    let (kind_of_it, told) = kind(named("http://169.254.169.254:8001"));
    assert!(kind_of_it == ErrorKind::Denied && told.contains("169.254.169.254"), "{told}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let backend =
        named(&format!("http://localhost:{}", listener.local_addr().unwrap().port())).unwrap();
    let (kind_of_it, told) =
        kind(backend.predict(add_sub("add_sub", &[1.0], &[1.0]), &enough()).await);
    assert!(
        kind_of_it == ErrorKind::Denied && told.contains("localhost is not a public address"),
        "{kind_of_it}: {told}"
    );
}
