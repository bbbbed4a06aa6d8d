//! Files of PEM certificates.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::tls::Certificate;

use crate::error_chain::innermost;

/// Error of a file of certificate authorities.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file does not contain certificates.
    #[error("{}: {why}", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// Description of the problem.
        why: String,
    },
}

/// Reads the certificates in a PEM file, at least one.
///
/// # Errors
/// The file cannot be read, or contains no certificate.
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
