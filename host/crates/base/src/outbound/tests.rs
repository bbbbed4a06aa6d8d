//! Addresses that must not be reached, however they are written and whatever a name server says.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use reqwest::dns::{Name, Resolve as _};

use super::resolver::{GlobalResolver, Lookup, NotAllowed};
use super::*;
use crate::error::ErrorKind;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_in_a_url_is_checked_however_it_is_written() {
    let check = |url: &str| Reach::GlobalOnly.check(&Url::parse(url).unwrap());
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1:80/",
        "http://127.1/",
        "http://0/",
        "http://[::1]:9000/x",
        "http://[::ffff:7f00:1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://１２７.0.0.1/",
    ] {
        let error = check(url).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied, "{url}");
        assert!(error.message.contains("private-addresses"), "{error}");
        assert!(Reach::Anywhere.check(&Url::parse(url).unwrap()).is_ok());
    }
    assert!(check("http://1.1.1.1/").is_ok() && check("http://[2606:4700::1111]/").is_ok());
    assert!(check("http://localhost/").is_ok(), "names are for the resolver");
}

/// A name server that answers what a test says.
struct Says(&'static [&'static str]);

impl Lookup for Says {
    fn addresses(
        &self,
        _: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>> {
        let found = self.0.iter().map(|text| SocketAddr::new(address(text), 0)).collect();
        Box::pin(async move { Ok(found) })
    }
}

async fn connected_to(answer: &'static [&'static str]) -> Result<Vec<String>, String> {
    let resolved =
        GlobalResolver::new(Says(answer)).resolve(Name::from_str("name.example").unwrap()).await;
    match resolved {
        Ok(addresses) => Ok(addresses.map(|address| address.ip().to_string()).collect()),
        Err(error) => Err(error.downcast_ref::<NotAllowed>().unwrap().to_string()),
    }
}

#[tokio::test]
async fn of_an_answer_that_mixes_public_and_private_only_the_public_is_connected_to() {
    let mixed = connected_to(&[
        "127.0.0.1",
        "8.8.8.8",
        "::1",
        "10.0.0.1",
        "2606:4700::1111",
        "::ffff:10.0.0.1",
    ])
    .await;
    assert_eq!(mixed.unwrap(), ["8.8.8.8", "2606:4700::1111"]);
    for private in [&["127.0.0.1"] as &[&str], &["10.0.0.1", "fd00::1"], &["64:ff9b::7f00:1"], &[]]
    {
        assert_eq!(
            connected_to(private).await.unwrap_err(),
            "name.example is not at a public address"
        );
    }
}

#[tokio::test]
async fn a_name_of_this_machine_is_not_reached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let refused = client(Reach::GlobalOnly, None).unwrap().get(&url).send().await.unwrap_err();
    let error = unanswered(&refused);
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.message.contains("localhost is not a public address"), "{error}");
}

#[test]
fn a_file_that_holds_no_certificate_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for content in ["", "not PEM"] {
        std::fs::write(&file, content).unwrap();
        let error = client(Reach::Anywhere, Some(file.path())).unwrap_err();
        assert!(
            error.kind == ErrorKind::Invalid
                && error.message.contains(&*file.path().to_string_lossy()),
            "{error}"
        );
    }
}
