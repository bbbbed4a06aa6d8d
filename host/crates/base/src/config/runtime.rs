//! Settings of `keynet-runtime`, the container's process, besides the configuration of its host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::quantity::{parse_duration, parse_flag};
use super::settings::Settings;
use super::telemetry::TelemetryConfig;
use super::{ConfigError, Origin};

/// Path of a component that is part of the image.
const DEFAULT_ACTION: &str = "/action/action.wasm";

/// Grace period, a little less than the 30 s that Kubernetes gives a container by default.
const DEFAULT_GRACE: Duration = Duration::from_secs(25);

/// Settings of the container's server. All of them are set by the operator: they are read from the
/// container's environment only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// `KEYNET_ACTION`: component that is used for an `/init` without code.
    pub action: PathBuf,
    /// `__OW_ALLOW_CONCURRENT`, OpenWhisk's own name: allows concurrent activations.
    pub concurrent: bool,
    /// `KEYNET_CONFIG_FROM_PARAMETERS`: allows callers to configure servers of their own in the
    /// parameters of `/run`.
    pub config_from_parameters: bool,
    /// `KEYNET_GRACE`: time that running activations have to finish after the container is asked to
    /// stop.
    pub grace: Duration,
    /// `KEYNET_RECEIPTS`: appends the resource usage to each activation's log.
    pub receipts: bool,
    /// `KEYNET_DIAGNOSTICS`: file that the host's own messages are appended to; `None` to drop
    /// them.
    pub diagnostics: Option<PathBuf>,
    /// `KEYNET_ALLOW_TAGS`: allows `/init` to name an artifact by a tag, which can refer to another
    /// component tomorrow.
    pub allow_tags: bool,
    /// Metrics and traces.
    pub telemetry: TelemetryConfig,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            action: DEFAULT_ACTION.into(),
            concurrent: false,
            config_from_parameters: false,
            grace: DEFAULT_GRACE,
            receipts: false,
            diagnostics: None,
            allow_tags: false,
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl RuntimeConfig {
    /// Reads the settings from the container's `environment`.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn read(environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let settings = Settings::new(vec![(Origin::Container, environment.clone())]);
        let host = settings.host();
        let default = Self::default();
        Ok(Self {
            action: host.path("KEYNET_ACTION").unwrap_or(default.action),
            concurrent: host
                .text("__OW_ALLOW_CONCURRENT")
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
            config_from_parameters: host
                .parse("KEYNET_CONFIG_FROM_PARAMETERS", parse_flag)?
                .unwrap_or(default.config_from_parameters),
            grace: host.parse("KEYNET_GRACE", parse_duration)?.unwrap_or(default.grace),
            receipts: host.parse("KEYNET_RECEIPTS", parse_flag)?.unwrap_or(default.receipts),
            diagnostics: host.path("KEYNET_DIAGNOSTICS"),
            allow_tags: host.parse("KEYNET_ALLOW_TAGS", parse_flag)?.unwrap_or(default.allow_tags),
            telemetry: TelemetryConfig::of(host)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<RuntimeConfig, ConfigError> {
        RuntimeConfig::read(
            &pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn only_the_word_true_allows_activations_to_overlap() {
        for (text, concurrent) in [
            ("true", true),
            ("True", true),
            ("TRUE", true),
            ("1", false),
            ("yes", false),
            ("", false),
        ] {
            assert_eq!(
                read(&[("__OW_ALLOW_CONCURRENT", text)]).unwrap().concurrent,
                concurrent,
                "{text}"
            );
        }
        assert!(!read(&[]).unwrap().concurrent);
    }

    #[test]
    fn callers_bring_no_servers_unless_the_operator_says_so() {
        assert!(!read(&[]).unwrap().config_from_parameters);
        assert!(read(&[("KEYNET_CONFIG_FROM_PARAMETERS", "true")]).unwrap().config_from_parameters);
        let error = read(&[("KEYNET_CONFIG_FROM_PARAMETERS", "perhaps")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "KEYNET_CONFIG_FROM_PARAMETERS in the environment: \"perhaps\" is neither true nor \
                false"
        );
    }
}
