//! `--input KEY=FILE`: files that an action receives as URLs.

use std::path::Path;
use std::time::{Duration, Instant};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::{Digest, Error};
use keynet_object_storage::{ContentType, Location, ObjectKey, ObjectStorage, PutConditions};
use serde_json::value::RawValue;

use crate::errors::{ExpectedError, UsageError};
use crate::input::parameters::{Draft, Input};

const TIME: Duration = Duration::from_secs(60);

/// The inputs and the content of their files.
#[derive(Debug)]
pub struct Inputs(Vec<(Input, Vec<u8>)>);

impl Inputs {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(inputs: Vec<Input>) -> Result<Self, ExpectedError> {
        let read = |input: Input| {
            let bytes = std::fs::read(&input.path)
                .map_err(ExpectedError::io("read the input", &input.path))?;
            Ok((input, bytes))
        };
        inputs.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Reports whether there are no inputs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Stores each file in `storage` and sets its parameter in `draft` to a URL that reads it.
    ///
    /// The key begins with a part of the content's digest, so that different files of the same name
    /// do not collide and the same file takes no more space the second time.
    ///
    /// # Errors
    /// The store rejects a file.
    pub async fn store(
        self,
        storage: &ObjectStorage,
        draft: &mut Draft,
    ) -> Result<(), ExpectedError> {
        for (input, bytes) in self.0 {
            let key = key(&input.path, &bytes).map_err(ExpectedError::from)?;
            let content_type = ContentType::guess(key.as_str());
            let budget = CallBudget {
                memory: MemoryBudget::process(u64::MAX),
                deadline: Instant::now() + TIME,
            };
            let put = storage.put(
                bytes.into(),
                Some(Location::of(key)),
                content_type,
                PutConditions::default(),
                &budget,
            );
            let stored = put.await.map_err(ExpectedError::from)?;
            draft.set(&input.key, json_string(stored.url.as_str())?, "--input")?;
        }
        Ok(())
    }
}

/// Returns `inputs/<digest>/<file name>`, or the name `file` if a key cannot contain the file's
/// name.
fn key(path: &Path, bytes: &[u8]) -> Result<ObjectKey, Error> {
    let digest = Digest::of(bytes).hex();
    let folder = format!("inputs/{}", digest.get(..12).unwrap_or(&digest));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ObjectKey::parse(&format!("{folder}/{name}"))
        .or_else(|_| ObjectKey::parse(&format!("{folder}/file")))
}

fn json_string(text: &str) -> Result<Box<RawValue>, UsageError> {
    serde_json::value::to_raw_value(text).map_err(|error| UsageError::parameters("--input", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_name_and_part_the_contents() {
        let text =
            |path: &str, bytes: &[u8]| key(Path::new(path), bytes).unwrap().as_str().to_owned();
        assert_eq!(text("a/cat.jpg", b"x"), "inputs/2d711642b726/cat.jpg");
        assert_ne!(text("cat.jpg", b"y"), text("cat.jpg", b"x"));
        assert_eq!(text("a/b\n.jpg", b"x"), "inputs/2d711642b726/file");
        assert_eq!(ContentType::guess(&text("a/cat.JPG", b"x")).unwrap().as_str(), "image/jpeg");
    }
}
