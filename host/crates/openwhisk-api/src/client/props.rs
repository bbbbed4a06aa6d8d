//! `.wskprops`: the file that `wsk property set` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::ClientError;

/// Properties of a file, and its path.
#[derive(Default)]
pub struct Props {
    values: BTreeMap<String, String>,
    path: Option<PathBuf>,
}

impl Props {
    /// Reads the file of `WSK_CONFIG_FILE`, otherwise `.wskprops` in the home folder. As with
    /// `wsk`, a missing file is empty.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let named = variable("WSK_CONFIG_FILE").map(PathBuf::from);
        let Some(path) = named.or_else(|| Some(Path::new(&variable("HOME")?).join(".wskprops")))
        else {
            return Ok(Self::default());
        };
        match fs::read(&path) {
            Ok(bytes) => {
                Ok(Self { values: parse(&String::from_utf8_lossy(&bytes)), path: Some(path) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { values: BTreeMap::new(), path: Some(path) })
            }
            Err(error) => Err(ClientError::read(&path)(error)),
        }
    }

    /// Returns a property; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the path of the file, even if it does not exist.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Parses lines of `NAME=VALUE`; `#` begins a comment. Other lines are skipped, as `wsk` does.
fn parse(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let (name, value) = line.split_once('=')?;
        (!value.contains('=')).then(|| (name.trim().to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_wsk_reads_them() {
        let text = "# of mine\nAPIHOST=https://ow.example.com # here\r\n AUTH = \
            a:b\nNAMESPACE=\nKEY=a=b\nnonsense\nAPIHOST=other\n";
        let props = Props { values: parse(text), path: None };
        assert_eq!((props.get("APIHOST"), props.get("AUTH")), (Some("other"), Some("a:b")));
        assert_eq!(
            (props.get("NAMESPACE"), props.get("KEY"), props.get("nonsense")),
            (None, None, None)
        );
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let find = |named: Option<&str>| {
            Props::find(|name| match name {
                "HOME" => Some(home.clone()),
                "WSK_CONFIG_FILE" => named.map(str::to_owned),
                _ => None,
            })
        };
        fs::write(folder.path().join(".wskprops"), "AUTH=x:y").unwrap();
        assert_eq!(find(None).unwrap().get("AUTH"), Some("x:y"));
        assert_eq!(find(Some("/no/such/file")).unwrap().get("AUTH"), None);
        assert!(find(Some(&home)).is_err(), "a folder is no file");
        assert!(Props::find(|_| None).unwrap().path().is_none());
    }
}
