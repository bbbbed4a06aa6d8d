//! The parameters of a run: a file, overridden by `--param`s, overridden by the URLs of `--input`s.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use keynet_base::config::is_reserved;
use keynet_host::Parameters;
use serde_json::value::RawValue;

use crate::errors::{ExpectedError, UsageError};

/// `KEY=VALUE`: the value is JSON if it can be parsed as JSON, otherwise text.
#[derive(Debug, Clone)]
pub struct Param {
    key: String,
    value: Box<RawValue>,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = key_value(text)?;
        let json = RawValue::from_string(value.to_owned())
            .or_else(|_| serde_json::value::to_raw_value(value));
        Ok(Self { key: key.to_owned(), value: json.map_err(|error| error.to_string())? })
    }
}

impl Param {
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns its JSON text, unchanged.
    pub fn value(&self) -> &RawValue {
        &self.value
    }
}

/// `KEY=FILE`: a file whose URL becomes a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub key: String,
    pub path: PathBuf,
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, path) = key_value(text)?;
        if path.is_empty() {
            Err(format!("{key}= names no file"))
        } else {
            Ok(Self { key: key.to_owned(), path: path.into() })
        }
    }
}

fn key_value(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

/// Parameters that can still be changed.
#[derive(Debug)]
pub struct Draft(Values);

#[derive(Debug)]
enum Values {
    Object(BTreeMap<String, Box<RawValue>>),
    /// An action called in a sequence gets an array; it has no names to set.
    Array(Box<RawValue>),
}

impl Draft {
    /// Reads the file (`-` for standard input) and sets the `--param`s over it.
    ///
    /// # Errors
    /// The file cannot be read, or holds neither a JSON object nor an array.
    pub fn read(file: Option<&Path>, params: &[Param]) -> Result<Self, ExpectedError> {
        let mut draft = match file {
            None => Self(Values::Object(BTreeMap::new())),
            Some(path) => {
                let (origin, text) = text(path)?;
                Self::parse(&text).map_err(|source| UsageError::parameters(origin, source))?
            }
        };
        for param in params {
            draft.set(&param.key, param.value.clone(), "--param")?;
        }
        Ok(draft)
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let text = text.trim_start_matches('\u{feff}').trim_ascii();
        match text.as_bytes().first() {
            Some(b'{') => Ok(Self(Values::Object(serde_json::from_str(text)?))),
            Some(b'[') => Ok(Self(Values::Array(serde_json::from_str(text)?))),
            None => Err("it is empty; no parameters are `{}`".into()),
            Some(_) => {
                serde_json::from_str::<&RawValue>(text)?;
                Err("it is neither a JSON object nor an array; an object is `{\"name\": value}`"
                    .into())
            }
        }
    }

    /// Sets one parameter; `flag` is named in the error.
    ///
    /// # Errors
    /// The file is an array.
    pub fn set(&mut self, key: &str, value: Box<RawValue>, flag: &str) -> Result<(), UsageError> {
        match &mut self.0 {
            Values::Object(values) => {
                values.insert(key.to_owned(), value);
                Ok(())
            }
            Values::Array(_) => Err(UsageError::parameters(
                format!("{flag} {key}"),
                "the parameters' file is a JSON array, which has no names to set",
            )),
        }
    }

    /// Returns the names that are configuration, which the host removes.
    pub fn reserved(&self) -> Vec<&str> {
        match &self.0 {
            Values::Object(values) => {
                values.keys().map(String::as_str).filter(|name| is_reserved(name)).collect()
            }
            Values::Array(_) => Vec::new(),
        }
    }

    /// Returns the JSON text, including the names that are configuration: another host decides
    /// about them itself.
    pub fn into_text(self) -> String {
        match self.0 {
            Values::Object(values) => serde_json::to_string(&values).unwrap_or_default(),
            Values::Array(text) => text.get().to_owned(),
        }
    }

    /// Returns the parameters by name.
    ///
    /// # Errors
    /// The file is an array.
    pub fn into_object(self) -> Result<BTreeMap<String, Box<RawValue>>, UsageError> {
        match self.0 {
            Values::Object(values) => Ok(values),
            Values::Array(_) => {
                Err(UsageError::parameters("the file", "they are a JSON array, which has no names"))
            }
        }
    }

    /// Returns the parameters for this host.
    ///
    /// # Errors
    /// The host rejects the parameters.
    pub fn finish(self) -> Result<Parameters, UsageError> {
        let text = match &self.0 {
            Values::Object(values) => serde_json::to_string(values).unwrap_or_default(),
            Values::Array(text) => text.get().to_owned(),
        };
        Parameters::parse(&text).map_err(|error| UsageError::parameters("the command line", error))
    }
}

fn text(path: &Path) -> Result<(String, String), ExpectedError> {
    let (name, bytes) = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        ("standard input".to_owned(), read)
    } else {
        (path.display().to_string(), std::fs::read(path))
    };
    let bytes = bytes.map_err(ExpectedError::io_on("read", format!("the parameters in {name}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(UsageError::parameters(name, error.utf8_error()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(texts: &[&str]) -> Vec<Param> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_value_is_json_where_it_can_be() {
        let params = params(&[
            "n=1.50",
            "b=true",
            "list=[1, 2]",
            "name=Ada",
            "text=\"5\"",
            "empty=",
            "url=http://h/?a=b",
            "bad={",
        ]);
        let all = Draft::read(None, &params).unwrap().finish().unwrap();
        assert_eq!(
            all.text(),
            r#"{"b":true,"bad":"{","empty":"","list":[1, 2],"n":1.50,"name":"Ada","text":"5","url":"http://h/?a=b"}"#
        );
    }

    #[test]
    fn later_wins_over_earlier_and_over_the_file() {
        let file = file("\u{feff}{\"a\": 1, \"b\": 12345678901234567890123}\n");
        let all =
            Draft::read(Some(file.path()), &params(&["a=2", "a=3"])).unwrap().finish().unwrap();
        assert_eq!(all.text(), r#"{"a":3,"b":12345678901234567890123}"#);
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        assert!("novalue".parse::<Param>().is_err() && "=1".parse::<Param>().is_err());
        assert!("image=".parse::<Input>().is_err());
        assert_eq!(
            "image_url=a=b.jpg".parse::<Input>().unwrap(),
            Input { key: "image_url".into(), path: "a=b.jpg".into() }
        );
    }

    #[test]
    fn a_broken_file_says_where() {
        let broken = file("{\n  \"a\": 1,\n}");
        let error = Draft::read(Some(broken.path()), &[]).unwrap_err();
        assert!(error.one_line().contains("line 3 column 1"), "{}", error.one_line());
        for (text, why) in [("", "it is empty"), ("3", "neither"), ("nonsense", "line 1")] {
            let error = Draft::read(Some(file(text).path()), &[]).unwrap_err().one_line();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_array_has_no_names() {
        let array = file("[1, {\"a\": 2}]");
        assert_eq!(
            Draft::read(Some(array.path()), &[]).unwrap().finish().unwrap().text(),
            "[1, {\"a\": 2}]"
        );
        assert!(Draft::read(Some(array.path()), &params(&["a=1"])).is_err());
    }

    #[test]
    fn configuration_is_not_a_parameter() {
        let draft = Draft::read(None, &params(&["MODEL_NAME=x", "a=1"])).unwrap();
        assert_eq!(draft.reserved(), ["MODEL_NAME"]);
        assert_eq!(draft.finish().unwrap().text(), r#"{"a":1}"#);
    }
}
