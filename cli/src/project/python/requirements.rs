//! The packages that a project requires: `requirements.txt`, or the dependencies in
//! `pyproject.toml`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::PythonError;
use crate::errors::ExpectedError;

/// The packages that a component has anyway.
const OURS: [&str; 2] = ["keynet-inference", "keynet-inference-sdk"];

/// How deeply files of requirements may include others.
const MAX_DEPTH: usize = 8;

/// Requirements as pip reads them, a line each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    lines: Vec<String>,
}

impl Requirements {
    /// Reads those of the project in `folder`.
    ///
    /// # Errors
    /// A file cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Self, ExpectedError> {
        let mut requirements = Self::default();
        let path = folder.join("requirements.txt");
        if path.is_file() {
            requirements.add_file(&path, 0)?;
        } else {
            requirements.add_manifest(&folder.join("pyproject.toml"))?;
        }
        Ok(requirements)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| !line.starts_with('-'))
    }

    /// The text of a file with them.
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Whether one of them is of the package `name`, in lower case.
    pub fn name(&self, name: &str) -> bool {
        self.lines.iter().any(|line| normalized_name(line) == name)
    }

    /// Their names, for people.
    pub fn names(&self) -> String {
        let names = self
            .lines
            .iter()
            .filter(|line| !line.starts_with('-'))
            .map(|line| normalized_name(line));
        names.collect::<Vec<_>>().join(", ")
    }

    fn add_file(&mut self, path: &Path, depth: usize) -> Result<(), ExpectedError> {
        let text = fs::read_to_string(path).map_err(ExpectedError::io("read", path))?;
        let folder = path.parent().unwrap_or(path);
        let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
        for (at, line) in joined.lines().enumerate() {
            let wrong = |why: &str| PythonError::Requirements {
                path: path.to_owned(),
                line: at + 1,
                why: why.to_owned(),
            };
            let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
            if line.is_empty()
                || line.starts_with('#')
                || OURS.contains(&normalized_name(line).as_str())
            {
                continue;
            }
            if let Some(other) = option(line, "-r", "--requirement") {
                if depth == MAX_DEPTH {
                    return Err(wrong("files of requirements include each other too deeply").into());
                }
                self.add_file(&folder.join(other), depth + 1)?;
            } else if let Some(other) = option(line, "-c", "--constraint") {
                self.lines.push(format!("--constraint {}", absolute(folder, other)));
            } else if let Some(other) = option(line, "-f", "--find-links") {
                let place =
                    if other.contains("://") { other.to_owned() } else { absolute(folder, other) };
                self.lines.push(format!("--find-links {place}"));
            } else if line.starts_with("-e")
                || line.starts_with("--editable")
                || line.starts_with('.')
                || line.starts_with('/')
            {
                return Err(wrong(
                    "packages of this machine cannot be required: put their modules into the \
                        project's folder",
                )
                .into());
            } else {
                self.lines.push(line.to_owned());
            }
        }
        Ok(())
    }

    fn add_manifest(&mut self, path: &Path) -> Result<(), ExpectedError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.map_err(ExpectedError::io("read", path))?,
        };
        let wrong = |why: String| PythonError::Manifest { path: path.to_owned(), why };
        let manifest: Table =
            text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let dependencies = manifest.get("project").and_then(|project| project.get("dependencies"));
        for dependency in dependencies
            .map(|list| list.as_array().map(Vec::as_slice))
            .unwrap_or(Some(&[]))
            .into_iter()
            .flatten()
        {
            let Value::String(line) = dependency else {
                return Err(wrong("[project] dependencies must be texts".to_owned()).into());
            };
            if !OURS.contains(&normalized_name(line).as_str()) {
                self.lines.push(line.clone());
            }
        }
        Ok(())
    }
}

/// The value of a line with an option, in its short or its long form.
fn option<'a>(line: &'a str, short: &str, long: &str) -> Option<&'a str> {
    let value = line.strip_prefix(long).or_else(|| line.strip_prefix(short))?;
    let value = value.strip_prefix(['=', ' ']).unwrap_or(value).trim();
    (!value.is_empty() && !value.starts_with('-')).then_some(value)
}

fn absolute(folder: &Path, file: &str) -> String {
    let path: PathBuf = folder.join(file);
    path.display().to_string()
}

/// The name of a requirement as package indexes compare names.
pub fn normalized_name(requirement: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = requirement.trim().chars().take_while(allowed).collect();
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Requirements, ExpectedError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Requirements::read(folder.path())
    }

    #[test]
    fn both_kinds_of_files_are_read() {
        let text = "# packages\nnumpy>=2 # arrays\n\nKeynet_Inference==0.8.5\nidna \\\n    \
            --hash=sha256:00\n-r more.txt\n";
        let requirements =
            read(&[("requirements.txt", text), ("more.txt", "pillow\n"), ("pyproject.toml", "")])
                .unwrap();
        assert_eq!(requirements.text(), "numpy>=2\nidna      --hash=sha256:00\npillow\n");
        assert!(
            requirements.name("numpy") && !requirements.name("idn") && !requirements.is_empty()
        );
        let manifest = "[project]\nname = 'x'\ndependencies = ['Jinja2>=3', 'keynet-inference']\n";
        let requirements = read(&[("pyproject.toml", manifest)]).unwrap();
        assert_eq!(
            (requirements.text().as_str(), requirements.names().as_str()),
            ("Jinja2>=3\n", "jinja2")
        );
        assert!(
            read(&[]).unwrap().is_empty()
                && read(&[("pyproject.toml", "[tool.x]\n")]).unwrap().is_empty()
        );
        assert!(
            read(&[("requirements.txt", "keynet-inference\n--index-url https://x\n")])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_required_is_named_with_its_line() {
        let error = read(&[("requirements.txt", "idna\n-e ./lib\n")]).unwrap_err().one_line();
        assert!(error.contains("requirements.txt, line 2"), "{error}");
        let error = read(&[("requirements.txt", "-r requirements.txt\n")]).unwrap_err().one_line();
        assert!(error.contains("too deeply"), "{error}");
        let error = read(&[("pyproject.toml", "[project\n")]).unwrap_err().one_line();
        assert!(error.contains("pyproject.toml cannot be used"), "{error}");
    }
}
