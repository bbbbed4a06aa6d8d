//! Keys to sign and verify artifacts: ECDSA over the NIST curve P-256, in PEM files that openssl
//! and cosign can read.

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

use keynet_base::digest::Digest;

use super::error::{ArtifactError, Result};

/// Largest key file that is read, in bytes; key files are small.
const LIMIT: u64 = 64 << 10;

/// Private key, stored as PKCS#8. It has no text representation in logs or errors.
pub struct PrivateKey(SigningKey);

/// Public key, stored as SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// Generates a key from the system's randomness.
    pub fn generate() -> Self {
        Self(SigningKey::generate())
    }

    /// Reads the PEM file at `path`.
    ///
    /// # Errors
    /// `Key`: the file is readable by other users, or is not a P-256 key. `Io`.
    pub fn read(path: &Path) -> Result<Self> {
        let (pem, mode) = read(path)?;
        let wrong = |why: String| Err(ArtifactError::Key { path: path.to_owned(), why });
        if pem.contains("BEGIN PUBLIC KEY") {
            return wrong(match path.with_extension("key") {
                private if private.exists() => {
                    format!("it is a public key: the private one signs, {}", private.display())
                }
                _ => "it is a public key: the private one signs".to_owned(),
            });
        }
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

    /// Writes a PEM file with mode 0600. An existing file is not replaced.
    ///
    /// # Errors
    /// `Key`: the file exists. `Io`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).map_err(|error| ArtifactError::Key {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        create(path, pem.as_bytes(), 0o600)
    }

    /// Returns the public key that verifies signatures of this key.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// Signs the SHA-256 of `message` and returns the signature in DER. The same message always
    /// gets the same signature (RFC 6979).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

impl PublicKey {
    /// Reads the PEM file at `path`.
    ///
    /// # Errors
    /// `Key`: the file is not a P-256 public key. `Io`.
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

    /// Returns the key as PEM text.
    ///
    /// # Errors
    /// Those of the encoder, which cannot occur for these keys.
    pub fn pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|error| ArtifactError::Key {
            path: "(public key)".into(),
            why: error.to_string(),
        })
    }

    /// Returns a text that stands for the key: the SHA-256 of its point on the curve.
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.0.to_sec1_bytes()).to_string()
    }

    /// Writes a PEM file. An existing file is not replaced.
    ///
    /// # Errors
    /// `Key`: the file exists. `Io`.
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
        // The wrong half of the pair is named before its mode is looked at.
        check(&key.public().pem().unwrap(), 0o644, "public key");
        std::fs::write(&path, pem.as_bytes()).unwrap();
        assert!(PublicKey::read(&path).unwrap_err().to_string().contains("private key"));
    }
}
