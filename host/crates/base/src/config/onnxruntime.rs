//! `KEYNET_ONNXRUNTIME`: the library that runs models in process, where there is one.

use std::path::PathBuf;

use super::ConfigError;
use super::settings::Variables;
use crate::quote::quoted;

/// The folder below `KEYNET_CACHE` that a library is looked for in.
const INSTALLED: &str = "onnxruntime";

/// The place of ONNX Runtime's library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnnxRuntimeConfig {
    /// Nowhere: models are run by rten, and no library is looked for or loaded.
    Off,
    /// In one of the usual folders, or nowhere.
    Auto {
        /// The folder below `KEYNET_CACHE`.
        installed: PathBuf,
    },
    /// In this file.
    Path(PathBuf),
}

impl OnnxRuntimeConfig {
    pub(super) fn read(host: &Variables, cache: &std::path::Path) -> Result<Self, ConfigError> {
        let installed = cache.join(INSTALLED);
        let read = host.parse("KEYNET_ONNXRUNTIME", |text| match text {
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto { installed: installed.clone() }),
            path if path.contains('/') => std::path::absolute(path)
                .map(Self::Path)
                .map_err(|error| format!("{} is not a path: {error}", quoted(path))),
            other => Err(format!(
                "{} is neither `auto` nor `off` nor the path of a library; write a path such as \
                 /usr/lib/libonnxruntime.so",
                quoted(other)
            )),
        })?;
        Ok(read.unwrap_or(Self::Auto { installed }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Config, Origin};
    use super::*;

    fn read(value: &str) -> Result<OnnxRuntimeConfig, ConfigError> {
        let pairs = [("KEYNET_ONNXRUNTIME", value), ("KEYNET_CACHE", "/cache")];
        let variables: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_origins(vec![(Origin::Container, variables)])
            .map(|config| config.embedded_models.onnxruntime)
    }

    #[test]
    fn the_library_of_onnx_runtime_is_off_found_or_named() {
        assert_eq!(read("off").unwrap(), OnnxRuntimeConfig::Off);
        let found = OnnxRuntimeConfig::Auto { installed: "/cache/onnxruntime".into() };
        assert_eq!(read("auto").unwrap(), found);
        assert_eq!(read("/a/b.so").unwrap(), OnnxRuntimeConfig::Path("/a/b.so".into()));
        let error = read("on").unwrap_err().to_string();
        assert!(
            error.starts_with("KEYNET_ONNXRUNTIME in the environment: \"on\" is neither `auto`"),
            "{error}"
        );
    }
}
