//! Builds a model's folder in a repository from the files of the model.
//!
//! * `onnx`: one ONNX file, with the files of its external weights. It becomes
//!   `VERSION/model.onnx`; the `config.pbtxt` beside it is used, or one is generated from the
//!   graph; label files are included.
//! * `triton`: a folder in the layout of a model repository. It is used unchanged, except that its
//!   only version is renamed to the deployed version number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::configuration::{CONFIG, Configuration};
use super::record::RECORD;
use super::repository::{failed, files_below};
use crate::inference::model_files::{onnx_file, version_number};
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};

/// Files that MLflow writes beside a model.
const OF_MLFLOW: [&str; 6] = [
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "registered_model_meta",
    "input_example.json",
];

/// Format of a model's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// An ONNX file.
    Onnx,
    /// A model's folder of a Triton repository.
    Triton,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onnx => "onnx",
            Self::Triton => "triton",
        })
    }
}

impl FromStr for Flavor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "onnx" => Ok(Self::Onnx),
            "triton" => Ok(Self::Triton),
            _ => Err("a flavor is onnx or triton".to_owned()),
        }
    }
}

/// Instructions for building a package.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub name: &'a str,
    pub version: u64,
    /// `None` to detect it from the files.
    pub flavor: Option<Flavor>,
    /// Versions that remain served.
    pub beside: &'a BTreeSet<u64>,
    /// The ONNX file among several; `None` for the only one or `model.onnx`.
    pub file: Option<&'a str>,
    /// Set if Triton is to load the model.
    pub for_triton: bool,
}

/// A model's folder, ready to be written into a repository.
#[derive(Debug)]
pub(super) struct Package {
    pub flavor: Flavor,
    /// The deployed version.
    pub version: u64,
    /// All versions in the folder.
    pub versions: BTreeSet<u64>,
    /// Set if the model's configuration has a version policy.
    pub own_policy: bool,
    pub folder: PathBuf,
}

impl Package {
    /// Builds the folder `into` from the files in `artifact`, which are moved.
    ///
    /// # Errors
    /// `invalid`: they are not a model, or not one that can be deployed this way.
    pub fn assemble(artifact: &Path, into: PathBuf, plan: &Plan<'_>) -> Result<Self> {
        let files = files_below(artifact)?;
        let triton = triton_folder(&files);
        let flavor =
            plan.flavor.unwrap_or(if triton.is_some() { Flavor::Triton } else { Flavor::Onnx });
        match (flavor, triton) {
            (Flavor::Triton, Some(folder)) => of_triton(&artifact.join(folder), into, plan),
            (Flavor::Triton, None) => Err(Error::invalid(
                "the files are no model of a Triton repository: none of their folders has a \
                    numbered folder in it; is the flavor onnx?",
            )),
            (Flavor::Onnx, _) => {
                fs::create_dir(&into).map_err(|error| failed("make", &into, &error))?;
                of_onnx(artifact, &files, into, plan)
            }
        }
    }

    /// Returns the files beside the versions, the configuration last.
    pub fn files_beside(&self) -> Result<Vec<String>> {
        let mut files: Vec<_> = files_below(&self.folder)?
            .into_keys()
            .filter(|name| version_of(name).is_none())
            .collect();
        files.sort_by_key(|name| (name == CONFIG, name == RECORD));
        Ok(files)
    }
}

/// Returns the number of the version that a file of a model belongs to.
pub(super) fn version_of(path: &str) -> Option<u64> {
    version_number(path.split_once('/')?.0)
}

/// Returns the folder that is a model of a Triton repository, relative to the files: the root
/// itself, or its only subfolder that has versions.
fn triton_folder(files: &BTreeMap<String, u64>) -> Option<&str> {
    if files.keys().any(|path| version_of(path).is_some()) {
        return Some("");
    }
    let folders: BTreeSet<&str> = files
        .keys()
        .filter_map(|path| {
            path.split_once('/')
                .filter(|(_, below)| version_of(below).is_some())
                .map(|(folder, _)| folder)
        })
        .collect();
    folders.first().copied().filter(|_| folders.len() == 1)
}

fn of_triton(folder: &Path, into: PathBuf, plan: &Plan<'_>) -> Result<Package> {
    rename(folder, &into)?;
    for name in OF_MLFLOW.iter().chain([&RECORD]) {
        let _ = fs::remove_file(into.join(name)); // if present
    }
    let config = Configuration::read(&into)?;
    let mut versions: BTreeSet<u64> =
        files_below(&into)?.keys().filter_map(|path| version_of(path)).collect();
    if let Some(only) =
        versions.first().copied().filter(|only| versions.len() == 1 && *only != plan.version)
    {
        rename(&into.join(only.to_string()), &into.join(plan.version.to_string()))?;
        versions = [plan.version].into();
    }
    if !versions.contains(&plan.version) {
        let found: Vec<_> = versions.iter().map(u64::to_string).collect();
        return Err(Error::invalid(format!(
            "the model's folder has the versions {}, and none of them is {}, which is deployed",
            found.join(", "),
            plan.version
        )));
    }
    // Without a configuration the server generates one, and reads the served versions from this
    // file.
    let config = config.unwrap_or_default();
    config.check_name(plan.name)?;
    config.check_scalars(plan.for_triton)?;
    write(&into.join(CONFIG), &config.serving(&(&versions | plan.beside)))?;
    Ok(Package {
        flavor: Flavor::Triton,
        version: plan.version,
        versions,
        own_policy: config.has_policy(),
        folder: into,
    })
}

fn of_onnx(
    artifact: &Path,
    files: &BTreeMap<String, u64>,
    into: PathBuf,
    plan: &Plan<'_>,
) -> Result<Package> {
    let found = onnx_file_of(files, plan.file)?;
    let model = artifact.join(found);
    let beside = model.parent().unwrap_or(artifact).to_owned();
    let graph = onnx_file::read_graph(&model)
        .map_err(|error| Error::invalid(format!("{found} is no ONNX model: {error}")))?;
    let given = match Configuration::read(&beside)? {
        None => Configuration::read(artifact)?,
        given => given,
    };
    let labels = label_files(files);
    let config = match given {
        Some(config) => config,
        None => Configuration::of_graph(
            plan.name,
            &graph,
            labels.keys().next().copied().filter(|_| labels.len() == 1),
        )?,
    };
    config.check_name(plan.name)?;
    config.check_scalars(plan.for_triton)?;
    let version = into.join(plan.version.to_string());
    fs::create_dir(&version).map_err(|error| failed("make", &version, &error))?;
    let mut weights = BTreeSet::new();
    for location in onnx_file::external_files(&graph) {
        let file = onnx_file::path_inside(location).filter(|file| beside.join(file).is_file());
        weights.insert(file.ok_or_else(|| {
            Error::invalid(format!(
                "the weights of {found} lie in {location:?}, which is not among the files: name \
                    their folder"
            ))
        })?);
    }
    for file in &weights {
        rename(&beside.join(file), &version.join(file))?;
    }
    rename(&model, &version.join(config.model_file()?.unwrap_or("model.onnx")))?;
    let mut labels: BTreeMap<&str, PathBuf> =
        labels.into_iter().map(|(name, path)| (name, artifact.join(path))).collect();
    for name in config.label_files()? {
        let place = [&beside, artifact]
            .map(|folder: &Path| folder.join(name))
            .into_iter()
            .find(|path| path.is_file());
        let missing = || {
            Error::invalid(format!(
                "the model's {CONFIG} names the labels {name:?}, which are not among the files"
            ))
        };
        let place = place.or_else(|| labels.remove(name)).ok_or_else(missing)?;
        labels.insert(name, place);
    }
    for (name, path) in labels {
        rename(&path, &into.join(name))?;
    }
    let versions = [plan.version].into();
    write(&into.join(CONFIG), &config.serving(&(&versions | plan.beside)))?;
    Ok(Package {
        flavor: Flavor::Onnx,
        version: plan.version,
        versions,
        own_policy: config.has_policy(),
        folder: into,
    })
}

/// Folders into which exporters write a model: Optimum and transformers.js write `onnx/model.onnx`
/// beside its variants.
const FOLDERS: [&str; 2] = ["", "onnx/"];

/// Returns the ONNX file: the requested one, the only one, or the one called `model.onnx`, in the
/// root folder or in `onnx/`.
fn onnx_file_of<'a>(files: &'a BTreeMap<String, u64>, asked: Option<&str>) -> Result<&'a str> {
    if let Some(asked) = asked {
        let found = files.keys().find(|path| *path == asked.trim_start_matches("./"));
        return found.map(String::as_str).ok_or_else(|| {
            Error::invalid(format!(
                "{} is not among the model's files: {}",
                quoted(asked),
                told(files.keys())
            ))
        });
    }
    // Hidden files belong to tools: `.ipynb_checkpoints/net-checkpoint.onnx`, `._detector.onnx`.
    let onnx: Vec<&String> = files
        .keys()
        .filter(|path| is_onnx(path) && !path.split('/').any(|part| part.starts_with('.')))
        .collect();
    match onnx.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::invalid(format!(
            "there is no ONNX file among the model's files; there is {}",
            told(files.keys())
        ))),
        many => {
            let model = |folder: &&str| {
                many.iter().find(|path| path.to_ascii_lowercase() == format!("{folder}model.onnx"))
            };
            FOLDERS.iter().find_map(model).map(|path| path.as_str()).ok_or_else(|| {
                Error::invalid(format!(
                    "there are several ONNX files, and none of them is called model.onnx: choose \
                        with --file: {}",
                    told(many.iter().copied())
                ))
            })
        }
    }
}

fn is_onnx(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// Formats the first ten names, with the number of the others.
fn told<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names = names.map(|name| shown(name).to_string());
    let first: Vec<_> = names.by_ref().take(10).collect();
    let more = names.count();
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// Returns the label files, by their names.
fn label_files(files: &BTreeMap<String, u64>) -> BTreeMap<&str, &str> {
    let name =
        |path: &'_ str| path.rsplit('/').next().map(str::to_ascii_lowercase).unwrap_or_default();
    let labels = files.keys().filter(|path| {
        let name = name(path);
        name.contains("label")
            && [".txt", ".csv", ".names"].iter().any(|ending| name.ends_with(ending))
    });
    labels.filter_map(|path| Some((path.rsplit('/').next()?, path.as_str()))).collect()
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::rename(from, to)).map_err(|error| failed("move", from, &error))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| failed("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    const ONNX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/add_sub/1/model.onnx");

    /// Returns the result of assembling an artifact with these files, where every file that ends in
    /// `.onnx` is a model.
    fn assembled(
        files: &[(&str, &str)],
        name: &str,
        flavor: Option<Flavor>,
        beside: &[u64],
    ) -> Result<(BTreeMap<String, String>, Package)> {
        let place = tempfile::tempdir().unwrap();
        let artifact = place.path().join("artifact");
        for (path, text) in files {
            let path = artifact.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.is_empty() {
                true => drop(fs::copy(ONNX, path).unwrap()),
                false => fs::write(path, text).unwrap(),
            }
        }
        let beside = beside.iter().copied().collect();
        let plan =
            Plan { name, version: 3, flavor, beside: &beside, file: None, for_triton: false };
        let package = Package::assemble(&artifact, place.path().join("model"), &plan)?;
        let read = |path: &String| {
            fs::read(package.folder.join(path))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap()
        };
        Ok((
            files_below(&package.folder)
                .unwrap()
                .into_keys()
                .map(|path| (path.clone(), read(&path)))
                .collect(),
            package,
        ))
    }

    fn names(files: &BTreeMap<String, String>) -> Vec<&str> {
        files.keys().map(String::as_str).collect()
    }

    #[test]
    fn an_onnx_file_gets_the_folder_of_its_version_and_a_configuration() {
        let of_mlflow = [
            ("model.onnx", ""),
            ("MLmodel", "flavors:"),
            ("requirements.txt", "onnx"),
            ("labels.txt", "a\nb"),
        ];
        let (files, package) = assembled(&of_mlflow, "add_sub", None, &[1]).unwrap();
        assert_eq!((package.flavor, package.versions.clone()), (Flavor::Onnx, [3].into()));
        assert_eq!(names(&files), ["3/model.onnx", "config.pbtxt", "labels.txt"]);
        // the folder was deleted with the temporary folder of the test
        assert_eq!(package.files_beside().unwrap_or_default(), Vec::<String>::new());
        assert!(
            files["config.pbtxt"]
                .ends_with("version_policy: { specific { versions: [ 1, 3 ] } }\n"),
            "{}",
            files["config.pbtxt"]
        );
        assert!(!files["config.pbtxt"].contains("label_filename"), "it has two outputs");
    }

    #[test]
    fn the_model_among_its_variants_is_found_or_chosen() {
        let files: BTreeMap<String, u64> =
            ["config.json", "onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_quantized.onnx"]
                .map(|name| (name.to_owned(), 1))
                .into();
        assert_eq!(onnx_file_of(&files, None).unwrap(), "onnx/model.onnx");
        assert_eq!(
            onnx_file_of(&files, Some("onnx/model_fp16.onnx")).unwrap(),
            "onnx/model_fp16.onnx"
        );
        let error = onnx_file_of(&files, Some("fp16")).unwrap_err();
        assert!(error.message.contains("onnx/model_fp16.onnx"), "{error}");
        let upper: BTreeMap<String, u64> = [("Detector.ONNX".to_owned(), 1)].into();
        assert_eq!(onnx_file_of(&upper, None).unwrap(), "Detector.ONNX");
        let hidden: BTreeMap<String, u64> =
            ["net.onnx", "._net.onnx", ".ipynb_checkpoints/net.onnx"]
                .map(|name| (name.to_owned(), 1))
                .into();
        assert_eq!(onnx_file_of(&hidden, None).unwrap(), "net.onnx");
        let several: BTreeMap<String, u64> =
            ["a.onnx", "b.onnx"].map(|name| (name.to_owned(), 1)).into();
        assert!(onnx_file_of(&several, None).unwrap_err().message.contains("--file"));
    }

    #[test]
    fn a_configuration_that_came_along_is_taken() {
        let config = "default_model_filename: \"best.onnx\" output { name: \"OUTPUT0\" \
            label_filename: \"names\" }";
        let (files, _) = assembled(
            &[("nets/small.onnx", ""), ("nets/config.pbtxt", config), ("nets/names", "a")],
            "m",
            None,
            &[],
        )
        .unwrap();
        assert_eq!(names(&files), ["3/best.onnx", "config.pbtxt", "names"]);
        assert!(files["config.pbtxt"].starts_with(config));
        let missing =
            assembled(&[("model.onnx", ""), ("config.pbtxt", config)], "m", None, &[]).unwrap_err();
        assert!(missing.message.contains("\"names\", which are not among the files"), "{missing}");
        let other =
            assembled(&[("model.onnx", ""), ("config.pbtxt", "name: \"a\"")], "m", None, &[])
                .unwrap_err();
        assert!(other.message.contains("deploy it as a"), "{other}");
    }

    #[test]
    fn a_folder_of_a_repository_is_taken_as_it_is() {
        let files = [
            ("m/config.pbtxt", "backend: \"python\""),
            ("m/1/model.py", "x"),
            ("m/warmup/data", "y"),
            ("MLmodel", "z"),
        ];
        let (made, package) = assembled(&files, "m", None, &[]).unwrap();
        assert_eq!((package.flavor, package.versions), (Flavor::Triton, [3].into()));
        assert_eq!(names(&made), ["3/model.py", "config.pbtxt", "warmup/data"]);
        let (made, _) = assembled(
            &[("1/model.py", "x"), ("3/model.py", "y"), ("MLmodel", "z")],
            "m",
            None,
            &[],
        )
        .unwrap();
        assert_eq!(names(&made), ["1/model.py", "3/model.py", "config.pbtxt"]);
        assert_eq!(
            made["config.pbtxt"].trim(),
            "version_policy: { specific { versions: [ 1, 3 ] } }"
        );
        let error =
            assembled(&[("1/model.py", "x"), ("2/model.py", "y")], "m", None, &[]).unwrap_err();
        assert!(error.message.contains("versions 1, 2, and none of them is 3"), "{error}");
    }

    #[test]
    fn what_is_no_model_is_refused_with_what_it_is() {
        for (files, flavor, text) in [
            (
                &[("readme.md", "x")][..],
                None,
                "no ONNX file among the model's files; there is readme.md",
            ),
            (&[("a.onnx", ""), ("b.onnx", "")], None, "several ONNX files"),
            (&[("model.onnx", "no model")], None, "model.onnx is no ONNX model"),
            (&[("model.onnx", "")], Some(Flavor::Triton), "is the flavor onnx?"),
            (&[("model.onnx", ""), ("config.pbtxt", "name: {")], None, "config.pbtxt, line 1"),
        ] {
            let error = assembled(files, "m", flavor, &[]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(text), "{error}");
        }
    }
}
