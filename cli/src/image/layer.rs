//! A tree as a layer: a gzipped tar file with reproducible bytes.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use keynet_artifact::Blob;
use keynet_base::Digest;
use tar::{EntryType, Header};

use super::time::Time;
use super::tree::Tree;

/// Media type of a layer in an OCI image.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a layer in an image of Docker's own media types.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer's bytes and digests.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Gzipped tar file.
    pub bytes: Bytes,
    /// Digest and size of `bytes`.
    pub blob: Blob,
    /// Digest of the uncompressed tar file, which the config of an image names.
    pub diff_id: Digest,
}

impl Layer {
    /// Packs `tree`: sorted by path, owned by root, with one modification time.
    pub fn of(tree: &Tree, time: Time) -> Self {
        #[expect(clippy::expect_used, reason = "it is written to memory, and paths are short")]
        let tar = pack(tree, time).expect("a tar file in memory");
        #[expect(clippy::expect_used, reason = "it is written to memory")]
        let bytes: Bytes = compress(&tar).expect("a gzip file in memory").into();
        Self { blob: Blob::of(&bytes), bytes, diff_id: Digest::of(&tar) }
    }
}

fn pack(tree: &Tree, time: Time) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(
        usize::try_from(tree.size()).unwrap_or(0) + (64 << 10),
    ));
    for (path, entry) in tree.entries() {
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode());
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(time.seconds());
        header.set_device_major(0)?;
        header.set_device_minor(0)?;
        let (kind, path, content) = match entry.content() {
            Some(content) => (EntryType::Regular, path.to_owned(), content),
            None => (EntryType::Directory, format!("{path}/"), &[][..]),
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content)?;
    }
    tar.into_inner()
}

/// Compresses with a header that holds no name, no time and no system.
fn compress(tar: &[u8]) -> io::Result<Vec<u8>> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::new(6));
    gzip.write_all(tar)?;
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::image::tree::Entry;

    fn tree(order: &[usize]) -> Tree {
        let files = [("b/two", b"2".to_vec()), ("a", b"1".to_vec()), ("b/one", vec![7; 100_000])];
        let mut tree = Tree::default();
        order
            .iter()
            .map(|at| files[*at].clone())
            .for_each(|(path, content)| tree.put(path, Entry::File(content)));
        tree
    }

    fn time() -> Time {
        Time::from_environment().unwrap()
    }

    #[test]
    fn the_same_files_make_the_same_layer() {
        let one = Layer::of(&tree(&[0, 1, 2]), time());
        let other = Layer::of(&tree(&[2, 1, 0]), time());
        assert_eq!((one.blob, one.diff_id), (other.blob, other.diff_id));
        assert_eq!(one.bytes, other.bytes);
        assert_ne!(one.diff_id, Layer::of(&tree(&[0, 1]), time()).diff_id);
    }

    #[test]
    fn a_layer_has_no_trace_of_who_made_it() {
        let layer = Layer::of(&tree(&[0, 1, 2]), time());
        assert_eq!(layer.bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&layer.bytes[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(Digest::of(&tar), layer.diff_id);
        let mut paths = Vec::new();
        for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
                (0, 0, time().seconds())
            );
            assert_eq!(
                (header.username().unwrap(), header.groupname().unwrap()),
                (Some(""), Some(""))
            );
            paths.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        let expected = [("a", 0o644), ("b/", 0o755), ("b/one", 0o644), ("b/two", 0o644)];
        assert_eq!(paths, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}
