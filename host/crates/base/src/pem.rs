//! Files of PEM certificates.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::tls::Certificate;

use crate::error_chain::innermost;

/// A file of certificate authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It does not hold certificates.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        why: String,
    },
}

/// Reads the certificates in a file of PEM, at least one.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn certificates(file: &Path) -> Result<Vec<Certificate>, PemError> {
    let pem =
        std::fs::read(file).map_err(|source| PemError::Read { path: file.to_owned(), source })?;
    let wrong = |why: String| PemError::Content { path: file.to_owned(), why };
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong(format!("not a certificate in PEM: {}", innermost(&error))))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in PEM".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let begins = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for content in ["", "not PEM", begins] {
            std::fs::write(&file, content).unwrap();
            let error = certificates(file.path()).unwrap_err().to_string();
            assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
        }
        assert!(matches!(certificates(Path::new("/no/such")), Err(PemError::Read { .. })));
    }
}
