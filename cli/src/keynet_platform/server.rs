//! URL of the Keynet platform's server.

use std::fmt;

use url::{Host, Url};

/// Path that the API of the inference commands is below.
const APP: &str = "app-training";

/// URL such as `https://api.example.com/app-training`: without a trailing slash, with the path
/// appended once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Parses a user's input.
    ///
    /// # Errors
    /// The text is not such a URL; the message shows the accepted form and never repeats a
    /// password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write the server's URL, such as https://api.example.com";
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| format!("{error}: {FORM}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("{} is no scheme of a server: {FORM}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a user or a password has no place in it: use --username and --password-stdin"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("it has a query or a fragment: {FORM}"));
        }
        let bare = url.as_str().trim_end_matches('/');
        let appended = bare.ends_with(&format!("/{APP}"));
        Ok(Self(if appended { bare.to_owned() } else { format!("{bare}/{APP}") }))
    }

    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether the connection is unencrypted and leaves this machine.
    pub fn is_readable_on_the_way(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_appended_once() {
        for (text, server) in [
            ("https://api.example.com", "https://api.example.com/app-training"),
            ("https://api.example.com/", "https://api.example.com/app-training"),
            ("https://api.example.com///", "https://api.example.com/app-training"),
            ("https://api.example.com/app-training", "https://api.example.com/app-training"),
            ("https://api.example.com/app-training//", "https://api.example.com/app-training"),
            (" http://localhost:6100/x ", "http://localhost:6100/x/app-training"),
            (
                "https://api.example.com/my-app-training",
                "https://api.example.com/my-app-training/app-training",
            ),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().as_str(), server);
        }
    }

    #[test]
    fn what_is_no_server_says_what_to_write() {
        for text in [
            "",
            "api.example.com",
            "localhost:6100",
            "ftp://x",
            "https://ada:hunter2@x",
            "https://x/?a=b",
        ] {
            let error = ServerUrl::parse(text).unwrap_err();
            assert!(!error.contains("hunter2") && error.len() > 20, "{text}: {error}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let readable = |text| ServerUrl::parse(text).unwrap().is_readable_on_the_way();
        assert!(readable("http://api.example.com") && readable("http://10.0.0.1:80"));
        assert!(
            !readable("https://api.example.com")
                && !readable("http://localhost:6100")
                && !readable("http://[::1]:1")
        );
    }
}
