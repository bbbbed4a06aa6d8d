//! Tests of clients that must not reach this machine.

use super::*;
use crate::error::ErrorKind;

#[tokio::test]
async fn a_name_of_this_machine_is_not_reached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let client = client(&AddressPolicy::public(), None).unwrap();
    let error = unanswered(&client.get(&url).send().await.unwrap_err());
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.message.contains("localhost is not a public address"), "{error}");
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for content in ["", "not PEM"] {
        std::fs::write(&file, content).unwrap();
        let error = client(&AddressPolicy::Any, Some(file.path())).unwrap_err();
        assert!(
            error.kind == ErrorKind::Invalid
                && error.message.contains(&*file.path().to_string_lossy()),
            "{error}"
        );
    }
}
