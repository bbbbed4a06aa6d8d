//! Scope of a login at a registry: the whole registry, or the repositories below one of its paths.

use std::fmt;
use std::str::FromStr;

/// Prefix such as `host`, `host:port` or `host/team`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryPrefix {
    text: String,
    host: usize,
}

impl RegistryPrefix {
    /// Parses a prefix; ignores `https://` before it and slashes after it.
    ///
    /// # Errors
    /// The text is not a prefix; the message shows the accepted forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .unwrap_or(text)
            .trim_end_matches('/');
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        let of_host =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let of_path = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '/')
        };
        if host.is_empty() || !host.chars().all(of_host) || !path.chars().all(of_path) {
            // The text may contain a password, so the message does not quote it.
            return Err("no registry: write registry.example.com, localhost:5000 or \
                registry.example.com/team"
                .to_owned());
        }
        let host = host.to_ascii_lowercase();
        let text = if path.is_empty() { host.clone() } else { format!("{host}/{path}") };
        Ok(Self { text, host: host.len() })
    }

    /// Returns the `host` or `host:port`.
    pub fn host(&self) -> &str {
        self.text.get(..self.host).unwrap_or(&self.text)
    }

    /// Returns the path below the host; empty for the whole registry.
    pub fn path(&self) -> &str {
        self.text.get(self.host + 1..).unwrap_or_default()
    }

    /// Returns the whole prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RegistryPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for RegistryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_host_and_perhaps_a_path() {
        for (text, host, path) in [
            ("registry.example.com", "registry.example.com", ""),
            ("https://Registry.example.com/", "registry.example.com", ""),
            ("localhost:5000/team/x/", "localhost:5000", "team/x"),
            ("[::1]:5000", "[::1]:5000", ""),
        ] {
            let prefix = RegistryPrefix::parse(text).unwrap();
            assert_eq!((prefix.host(), prefix.path()), (host, path), "{text}");
        }
        for text in [
            "",
            "/team",
            "https://",
            "ada:hunter2@registry.example.com",
            "registry.example.com/Team",
            "a b",
        ] {
            let error = RegistryPrefix::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
