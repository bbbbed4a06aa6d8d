//! Keys that sign and verify artifacts: ECDSA over NIST's curve P-256, in PEM files as openssl and
//! cosign read them.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};

use super::error::{ArtifactError, Result};

/// Files of keys are small.
const LIMIT: u64 = 64 << 10;

/// A private key, in PKCS#8. It is not shown.
pub struct PrivateKey(SigningKey);

/// A public key, in SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        Self(SigningKey::generate())
    }

    /// Reads the PEM file at `path`.
    ///
    /// # Errors
    /// `Key`: it can be read by others, or is no P-256 key. `Io`.
    pub fn read(path: &Path) -> Result<Self> {
        let (pem, mode) = read(path)?;
        let wrong = |why: String| Err(ArtifactError::Key { path: path.to_owned(), why });
        if mode & 0o077 != 0 {
            return wrong(format!(
                "it can be read by others (mode {:04o}): run `chmod 600` on it",
                mode & 0o7777
            ));
        }
        match SigningKey::from_pkcs8_pem(&pem) {
            Ok(key) => Ok(Self(key)),
            Err(_) if pem.contains("ENCRYPTED") => {
                wrong("it is encrypted: only keys without a password can be used".to_owned())
            }
            Err(_) if pem.contains("BEGIN PUBLIC KEY") => {
                wrong("it is a public key: the private one signs".to_owned())
            }
            Err(_) if pem.contains("BEGIN EC PRIVATE KEY") => wrong(
                "it is not in PKCS#8: convert it with `openssl pkcs8 -topk8 -nocrypt`".to_owned(),
            ),
            Err(_) => wrong(
                "it is no private key of the curve P-256 in PEM: make one with `keynet-inference \
                    keygen`"
                    .to_owned(),
            ),
        }
    }

    /// Writes a PEM file for its owner only (0600). A file that is there is not replaced.
    ///
    /// # Errors
    /// `Key`: there is one. `Io`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).map_err(|error| ArtifactError::Key {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        create(path, pem.as_bytes(), 0o600)
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// A signature over the SHA-256 of `message`, in DER. The same message has the same signature
    /// (RFC 6979).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

impl PublicKey {
    /// Reads the PEM file at `path`.
    ///
    /// # Errors
    /// `Key`: it is no P-256 key. `Io`.
    pub fn read(path: &Path) -> Result<Self> {
        let (pem, _) = read(path)?;
        VerifyingKey::from_public_key_pem(&pem).map(Self).map_err(|_| {
            let why = if pem.contains("PRIVATE KEY") {
                "it is a private key: the public one verifies"
            } else {
                "it is no public key of the curve P-256 in PEM"
            };
            ArtifactError::Key { path: path.to_owned(), why: why.to_owned() }
        })
    }

    /// Its PEM text.
    ///
    /// # Errors
    /// Of the encoder, which has none for these keys.
    pub fn pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|error| ArtifactError::Key {
            path: "(public key)".into(),
            why: error.to_string(),
        })
    }

    /// Writes a PEM file. A file that is there is not replaced.
    ///
    /// # Errors
    /// `Key`: there is one. `Io`.
    pub fn write(&self, path: &Path) -> Result<()> {
        create(path, self.pem()?.as_bytes(), 0o644)
    }

    pub(super) fn verifies(&self, message: &[u8], der: &[u8]) -> bool {
        Signature::from_der(der).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

fn read(path: &Path) -> Result<(String, u32)> {
    let metadata = std::fs::metadata(path).map_err(ArtifactError::io("read the key", path))?;
    if metadata.len() > LIMIT {
        return Err(ArtifactError::Key {
            path: path.to_owned(),
            why: "it is too large for a key".to_owned(),
        });
    }
    let pem = std::fs::read_to_string(path).map_err(ArtifactError::io("read the key", path))?;
    Ok((pem, metadata.mode()))
}

fn create(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ArtifactError::Key {
            path: path.to_owned(),
            why: "there is one already: keys are not replaced, remove it first".to_owned(),
        },
        _ => ArtifactError::io("write the key", path)(error),
    })?;
    file.write_all(text)
        .and_then(|()| file.sync_all())
        .map_err(ArtifactError::io("write the key", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("k.key"), folder.path().join("k.pub"));
        let key = PrivateKey::generate();
        key.write(&private).unwrap();
        key.public().write(&public).unwrap();
        assert_eq!(std::fs::metadata(&private).unwrap().mode() & 0o777, 0o600);
        assert!(
            std::fs::read_to_string(&public).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n")
        );
        let read = PrivateKey::read(&private).unwrap();
        assert_eq!(PublicKey::read(&public).unwrap(), read.public());
        let signature = read.sign(b"message");
        assert_eq!(signature, key.sign(b"message"));
        assert!(key.public().verifies(b"message", &signature));
        assert!(
            !key.public().verifies(b"messagf", &signature)
                && !PrivateKey::generate().public().verifies(b"message", &signature)
        );
        assert!(!key.public().verifies(b"message", b"no DER"));
        assert!(key.write(&private).unwrap_err().to_string().contains("not replaced"));
        assert!(!format!("{key:?}").contains("BEGIN"));
    }

    #[test]
    fn what_is_no_key_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let check = |text: &str, mode: u32, says: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = PrivateKey::read(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        let key = PrivateKey::generate();
        let pem = key.0.to_pkcs8_pem(LineEnding::LF).unwrap();
        check(&pem, 0o644, "chmod 600");
        check("", 0o600, "keygen");
        check("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", 0o600, "encrypted");
        check("-----BEGIN EC PRIVATE KEY-----\n", 0o600, "openssl pkcs8");
        check(&key.public().pem().unwrap(), 0o600, "public key");
        std::fs::write(&path, pem.as_bytes()).unwrap();
        assert!(PublicKey::read(&path).unwrap_err().to_string().contains("private key"));
    }
}
