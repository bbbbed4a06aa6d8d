//! A folder in Triton's repository layout: which models and versions there are, and which file each
//! one is.
//!
//! `NAME/VERSION/model.onnx`, optional `NAME/config.pbtxt`. A version is a folder whose name is a
//! positive number without leading zeros; other folders are passed over. Symbolic links are
//! followed: the folder is the operator's, and a name that comes from an action is checked to be
//! one component before it comes here ([`super::super::ModelRef`]). Nothing is remembered between
//! calls, so that a model put into the folder can be asked at once. The layout:
//! <https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html>.

use std::fs;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::model_files::{MAX_CONFIG_BYTES, version_number};
use super::super::signature::listed;
use super::config_pbtxt::{ModelConfig, VersionPolicy};
use keynet_base::error::{Error, Result};

/// The folder.
#[derive(Debug)]
pub(super) struct Repository {
    root: PathBuf,
}

/// One version of a model, found in the folder.
#[derive(Debug, Clone)]
pub(super) struct LocatedModel {
    pub name: String,
    pub version: u64,
    /// Every version that can be asked, ascending.
    pub served: Vec<u64>,
    pub config: ModelConfig,
    /// The ONNX file.
    pub file: PathBuf,
    /// The same, from the folder on: for messages.
    pub shown: String,
    pub stamp: Stamp,
}

/// When a model's files were last written, and how large they are: what tells that it must be
/// loaded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    model: FileStamp,
    config: Option<FileStamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Stamp {
    /// The size of the ONNX file.
    pub fn model_bytes(&self) -> u64 {
        self.model.bytes
    }
}

impl LocatedModel {
    /// `name:version`, for messages.
    pub fn label(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }

    /// Whether the files are still the ones that were found.
    pub fn is_current(&self, repository: &Repository) -> bool {
        repository
            .locate(&self.name, Some(self.version))
            .is_ok_and(|now| now.stamp == self.stamp && now.file == self.file)
    }
}

impl Repository {
    /// # Errors
    /// `unavailable`: it is not a folder that can be read.
    pub fn open(root: &Path) -> Result<Self> {
        match fs::read_dir(root) {
            Ok(_) => Ok(Self { root: root.to_owned() }),
            Err(error) => Err(Error::unavailable(format!(
                "the models folder {} cannot be read: {error}",
                root.display()
            ))),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finds a version of a model: the one asked for, or the highest that its `version_policy`
    /// serves.
    ///
    /// # Errors
    /// `not-found`, naming what there is; `unavailable`: its configuration or its file is wrong.
    pub fn locate(&self, name: &str, version: Option<u64>) -> Result<LocatedModel> {
        let folder = self.root.join(name);
        if !folder.is_dir() {
            return Err(self.no_such_model(name));
        }
        let (config, config_stamp) = self.config(name)?;
        let present = versions(&folder).map_err(|error| unreadable(name, &error))?;
        let served = served(&present, &config.version_policy);
        let Some(version) = version.or(served.last().copied()) else {
            return Err(Error::not_found(if present.is_empty() {
                format!(
                    "model {name} has no version: there is no {name}/1/model.onnx, nor another \
                        numbered folder, in {}",
                    self.root.display()
                )
            } else {
                format!(
                    "model {name} serves none of its versions {}: see version_policy in \
                        {name}/config.pbtxt",
                    listed(&present)
                )
            }));
        };
        if !served.contains(&version) {
            let why = match (present.contains(&version), config_stamp) {
                (false, _) => "",
                (true, Some(_)) => ": version_policy in its config.pbtxt leaves it out",
                (true, None) => {
                    ": without a version_policy in its config.pbtxt only the latest is served"
                }
            };
            let there = if served.is_empty() { "none".to_owned() } else { listed(&served) };
            return Err(Error::not_found(format!(
                "model {name} has no version {version} to ask{why}; there is {there}"
            )));
        }
        let file_name = config.default_model_filename.as_deref().unwrap_or("model.onnx");
        let mut shown = format!("{name}/{version}/{file_name}");
        let mut file = folder.join(version.to_string()).join(file_name);
        if file.is_dir() {
            // Triton's onnxruntime backend takes a folder of this name too, for weights that lie
            // beside the graph.
            file.push("model.onnx");
            shown.push_str("/model.onnx");
        }
        let model = file_stamp(&file).map_err(|error| match error.kind() {
            IoErrorKind::NotFound => Error::unavailable(format!(
                "model {name}:{version} has no {shown}: models run in process are ONNX files{}",
                config.platform.as_ref().map_or_else(String::new, |platform| format!(
                    ", and its config.pbtxt says {platform}"
                )),
            )),
            _ => unreadable(&shown, &error),
        })?;
        let stamp = Stamp { model, config: config_stamp };
        Ok(LocatedModel { name: name.to_owned(), version, served, config, file, shown, stamp })
    }

    fn config(&self, name: &str) -> Result<(ModelConfig, Option<FileStamp>)> {
        let path = self.root.join(name).join("config.pbtxt");
        let shown = format!("{name}/config.pbtxt");
        let stamp = match file_stamp(&path) {
            Err(error) if error.kind() == IoErrorKind::NotFound => {
                return Ok((ModelConfig::default(), None));
            }
            stamp => stamp.map_err(|error| unreadable(&shown, &error))?,
        };
        let mut text = String::new();
        let read = fs::File::open(&path)
            .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text));
        read.map_err(|error| unreadable(&shown, &error))?;
        if text.len() as u64 > MAX_CONFIG_BYTES {
            return Err(Error::unavailable(format!(
                "{shown} is larger than the {MAX_CONFIG_BYTES} bytes that are read"
            )));
        }
        let config = ModelConfig::parse(&text)
            .map_err(|error| Error::unavailable(format!("{shown}, {error}")))?;
        match &config.name {
            Some(other) if other != name => Err(Error::unavailable(format!(
                "{shown} says name: {other:?}, but its folder is {name}: make them equal, or leave \
                    the name out"
            ))),
            _ => Ok((config, Some(stamp))),
        }
    }

    fn no_such_model(&self, name: &str) -> Error {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => return error,
        };
        let root = self.root.display();
        Error::not_found(if names.is_empty() {
            format!("no model {name}: {root} has no models; put one at {root}/{name}/1/model.onnx")
        } else {
            format!("no model {name} in {root}; there is {}", listed(&names))
        })
    }

    /// The models' names, sorted.
    ///
    /// # Errors
    /// `unavailable`: the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.root)
            .map_err(|error| unreadable(&self.root.display().to_string(), &error))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }
}

/// The numbered folders, ascending.
fn versions(folder: &Path) -> std::io::Result<Vec<u64>> {
    let mut versions: Vec<u64> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| {
            let number = version_number(entry.file_name().to_str()?)?;
            entry.path().is_dir().then_some(number)
        })
        .collect();
    versions.sort_unstable();
    Ok(versions)
}

fn served(present: &[u64], policy: &VersionPolicy) -> Vec<u64> {
    match policy {
        VersionPolicy::All => present.to_vec(),
        VersionPolicy::Latest(count) => {
            present.iter().copied().skip(present.len().saturating_sub(*count)).collect()
        }
        VersionPolicy::Specific(versions) => {
            present.iter().copied().filter(|version| versions.contains(version)).collect()
        }
    }
}

fn file_stamp(path: &Path) -> std::io::Result<FileStamp> {
    let metadata = fs::metadata(path)?;
    Ok(FileStamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

fn unreadable(what: &str, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    /// A folder with these files, each of the content beside it.
    fn repository(files: &[(&str, &str)]) -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        (folder, repository)
    }

    const THREE: [(&str, &str); 5] = [
        ("m/1/model.onnx", ""),
        ("m/3/model.onnx", ""),
        ("m/10/model.onnx", ""),
        ("m/011/model.onnx", ""),
        ("m/new/model.onnx", ""),
    ];

    #[test]
    fn versions_are_served_as_triton_serves_them() {
        for (config, served, chosen) in [
            ("", vec![10], 10),
            ("version_policy { latest { num_versions: 2 } }", vec![3, 10], 10),
            ("version_policy { all {} }", vec![1, 3, 10], 10),
            ("version_policy { specific { versions: [1, 3, 7] } }", vec![1, 3], 3),
        ] {
            let (_folder, repository) =
                repository(&[&THREE[..], &[("m/config.pbtxt", config)]].concat());
            let model = repository.locate("m", None).unwrap();
            assert_eq!((model.served, model.version), (served, chosen), "{config}");
        }
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let (_folder, three) = repository(&THREE);
        let refused = three.locate("m", Some(3)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NotFound);
        assert_eq!(
            refused.message,
            "model m has no version 3 to ask: without a version_policy in its config.pbtxt only \
                the latest is served; there is 10"
        );
        assert_eq!(
            three.locate("m", Some(2)).unwrap_err().message,
            "model m has no version 2 to ask; there is 10"
        );
        let unknown = three.locate("n", None).unwrap_err();
        assert!(
            unknown.message.starts_with("no model n in ")
                && unknown.message.ends_with("; there is m"),
            "{unknown}"
        );

        let (_folder, empty) = repository(&[]);
        let unknown = empty.locate("n", None).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::NotFound);
        assert!(unknown.message.contains("has no models; put one at "), "{unknown}");

        let (_folder, no_version) = repository(&[("m/model.onnx", "")]);
        assert!(
            no_version
                .locate("m", None)
                .unwrap_err()
                .message
                .contains("there is no m/1/model.onnx")
        );
    }

    #[test]
    fn many_names_are_cut() {
        let names: Vec<u32> = (0..25).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more");
    }

    #[test]
    fn a_file_of_another_kind_or_name() {
        let python = [("m/1/model.py", ""), ("m/config.pbtxt", "backend: \"python\"")];
        let error = repository(&python).1.locate("m", None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);

        let (_folder, named) = repository(&[
            ("m/1/best.onnx", ""),
            ("m/config.pbtxt", "default_model_filename: \"best.onnx\""),
        ]);
        assert_eq!(named.locate("m", None).unwrap().shown, "m/1/best.onnx");
        let (_folder, folder) = repository(&[("m/1/model.onnx/model.onnx", "")]);
        assert_eq!(folder.locate("m", None).unwrap().shown, "m/1/model.onnx/model.onnx");
    }

    #[test]
    fn a_wrong_config_names_its_place() {
        let (_folder, broken) =
            repository(&[("m/1/model.onnx", ""), ("m/config.pbtxt", "name: \"m\"\ninput {")]);
        assert_eq!(
            broken.locate("m", None).unwrap_err().message,
            "m/config.pbtxt, line 2, column 8: the text ends where `}` is missing"
        );
        let (_folder, other) =
            repository(&[("m/1/model.onnx", ""), ("m/config.pbtxt", "name: \"x\"")]);
        let error = other.locate("m", None).unwrap_err();
        assert!(error.message.contains("says name: \"x\", but its folder is m"), "{error}");
    }

    #[test]
    fn a_link_of_the_operator_is_followed() {
        let (elsewhere, _) = repository(&[("v/model.onnx", "")]);
        let (folder, linked) = repository(&[("m/config.pbtxt", "")]);
        std::os::unix::fs::symlink(elsewhere.path().join("v"), folder.path().join("m/1")).unwrap();
        assert_eq!(linked.locate("m", None).unwrap().version, 1);
    }
}
