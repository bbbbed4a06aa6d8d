//! Address that a server listens on.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use tokio::net::TcpListener;

use crate::errors::ExpectedError;

/// `HOST:PORT`; a port alone listens on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress(String);

impl ListenAddress {
    /// Default address of `run --serve`.
    pub const DEFAULT: &str = "127.0.0.1:8080";

    /// Creates an address from a host and port.
    pub fn new(host: &str, port: u16) -> Self {
        Self(format!("{host}:{port}"))
    }

    /// Wraps an address that is known to be valid.
    pub fn at(address: &str) -> Self {
        Self(address.to_owned())
    }

    pub fn host(&self) -> &str {
        self.0.rsplit_once(':').map_or(&self.0, |(host, _)| host)
    }

    /// Starts a listener; returns it with the address it got.
    ///
    /// # Errors
    /// The address is in use, or does not belong to this machine.
    pub async fn bind(&self) -> Result<(TcpListener, SocketAddr), ExpectedError> {
        let bound = async {
            let listener = TcpListener::bind(&self.0).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        bound.await.map_err(ExpectedError::io_on("listen on", &self.0))
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port: u16 = port.parse().map_err(|_| {
            format!("{text:?} is not an address; write 127.0.0.1:8080, or a port alone")
        })?;
        Ok(Self::new(if host.is_empty() { "127.0.0.1" } else { host }, port))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_local() {
        for (text, address) in [
            ("80", "127.0.0.1:80"),
            (":80", "127.0.0.1:80"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), address);
        }
        for text in ["", "action.wasm", "host:", "1.2.3.4", "h:99999"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
