//! Keys of namespaces, looked up by a keyed digest.

/// Digest of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

/// Hasher of keys, with a key of its own that nobody outside this process knows: the time of a
/// lookup tells nothing about the keys that exist.
pub(super) struct KeyHasher([u8; 32]);

impl KeyHasher {
    pub(super) fn new() -> Self {
        let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let mut key = [0; 32];
        for (byte, random) in key.iter_mut().zip(first.as_bytes().iter().chain(second.as_bytes())) {
            *byte = *random;
        }
        Self(key)
    }

    pub(super) fn digest(&self, key: &[u8]) -> KeyDigest {
        KeyDigest(*blake3::keyed_hash(&self.0, key).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_has_its_digest() {
        let hasher = KeyHasher::new();
        let key = b"23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm";
        assert_eq!(hasher.digest(key), hasher.digest(key));
        for forged in [&key[..key.len() - 1], b"", &[key.as_slice(), b"x"].concat()] {
            assert_ne!(hasher.digest(key), hasher.digest(forged));
        }
        assert_ne!(KeyHasher::new().digest(key), hasher.digest(key), "of this process only");
    }
}
