//! Settings that are read from the environment, as typed values.
//!
//! Values come from origins in this order: the container's environment first, then the variables of
//! `/init`, then, only if the operator allows it, the parameters of `/run`. Settings of the host
//! itself (`KEYNET_…`) are read from the container only. Each backend (Triton, S3, MLflow) is one
//! unit, taken whole from the first origin that sets any part of it: this prevents an owner or a
//! caller from combining an endpoint of their own with another origin's credentials.

mod backends;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod model_repository;
mod onnxruntime;
mod private_folder;
mod quantity;
mod registry;
mod runtime;
mod secrets;
mod settings;
mod telemetry;
mod triton;

use std::collections::BTreeMap;
use std::fmt;

pub use backends::{MlflowConfig, S3Config, S3Credentials, Secret};
pub use model_repository::ModelRepositoryConfig;
pub use onnxruntime::OnnxRuntimeConfig;
pub use quantity::{parse_bytes, parse_duration};
pub use registry::RegistryConfig;
pub use runtime::RuntimeConfig;
use settings::Settings;
pub use telemetry::{OtlpProtocol, Sampler, TelemetryConfig, TraceConfig};
pub use triton::{TritonConfig, TritonLink};

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::cpu::Cpu;

/// Origin of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Environment of the container or of the command line, set by the operator.
    Container,
    /// `env` of `/init`, set by the action's owner.
    Init,
    /// Parameters of `/run`, set by the caller, who may be anonymous.
    Parameters,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "the environment",
            Self::Init => "the action's init variables",
            Self::Parameters => "the caller's parameters",
        })
    }
}

/// Error of a value that cannot be used. It never contains the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} in {origin}: {why}")]
pub struct ConfigError {
    /// Name of the variable.
    pub name: &'static str,
    /// Origin of the value.
    pub origin: Origin,
    /// Description of the problem and of the expected format.
    pub why: String,
}

/// Names that the Keynet platform and the previous package use for configuration. They never reach
/// an action: not as parameters, not as its environment.
pub const RESERVED_NAMES: &[&str] = &[
    "APP_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_BUCKET_NAME",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MODEL_NAME",
    "TRITON_MODEL_REPO",
    "TRITON_URL",
];

/// Reports whether `name` is configuration, which an action must not see.
pub fn is_reserved(name: &str) -> bool {
    RESERVED_NAMES.binary_search(&name).is_ok() || name.starts_with("KEYNET_")
}

/// Configuration of a host.
#[derive(Debug, Clone)]
pub struct Config {
    /// `KEYNET_STATE_DIR`: folder of the keys.
    pub state_dir: PathBuf,
    /// `KEYNET_CACHE`: folder of compiled code and unpacked SDKs.
    pub cache_dir: PathBuf,
    /// `KEYNET_CACHE_SIZE`: largest size of the compiled code, in bytes. Pulled components may use
    /// a quarter as much in addition.
    pub cache_size: u64,
    /// `KEYNET_POLICY`: policy file of the operator.
    pub policy: Option<PathBuf>,
    /// `KEYNET_CPU`: processors that components are compiled for.
    pub cpu: Cpu,
    /// `KEYNET_CONCURRENCY`: largest number of activations at once.
    pub concurrency: u32,
    /// `KEYNET_PROCESS_MEMORY`: largest memory of all activations together, in bytes.
    pub process_memory: u64,
    /// `KEYNET_COMPILE_MEMORY`: largest memory for compiling a component, in bytes.
    pub compile_memory: u64,
    /// `KEYNET_COMPILE_TIME`: time limit for compiling a component.
    pub compile_time: Duration,
    /// Limits on an activation that override the policy's.
    pub limits: LimitOverrides,
    /// `MODEL_NAME`: model for requests that name none.
    pub model_name: Option<String>,
    /// Triton; `None` for embedded models.
    pub triton: Option<TritonConfig>,
    /// S3; `None` for objects in a folder.
    pub s3: Option<S3Config>,
    /// MLflow's model registry; `None` without one.
    pub mlflow: Option<MlflowConfig>,
    /// Embedded models, run in process.
    pub embedded_models: EmbeddedModelsConfig,
    /// Embedded storage: objects in a folder.
    pub embedded_storage: EmbeddedStorageConfig,
    /// `KEYNET_ARTIFACTS`: local layout of artifacts that are not pushed to a registry.
    pub artifacts: PathBuf,
    /// Access to registries.
    pub registry: RegistryConfig,
    /// `KEYNET_STORAGE_MAX_READ`: largest number of bytes that one call reads.
    pub storage_max_read: u64,
    /// `KEYNET_STORAGE_MAX_WRITE`: largest object that is written, in bytes.
    pub storage_max_write: u64,
}

/// Values of `KEYNET_MEMORY` and the like for an activation; `None` to use the policy's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// `KEYNET_MEMORY`: bytes.
    pub memory: Option<u64>,
    /// `KEYNET_TIME`.
    pub time: Option<Duration>,
    /// `KEYNET_LOGS`: bytes.
    pub logs: Option<u64>,
    /// `KEYNET_HANDLES`: tensors, objects, uploads and streams open at once.
    pub handles: Option<u32>,
    /// `KEYNET_CALL_BYTES`: bytes that one call may pass to the host.
    pub call_bytes: Option<u64>,
}

/// Embedded models, run in process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedModelsConfig {
    /// `KEYNET_MODELS`: folder in Triton's model repository layout.
    pub folder: PathBuf,
    /// `KEYNET_EMBEDDED_MAX_DIMENSION`: largest size of one dimension of an input.
    pub max_dimension: u64,
    /// `KEYNET_EMBEDDED_RUN_MEMORY`: largest memory of one run of a model, in bytes.
    pub run_memory: u64,
    /// `KEYNET_EMBEDDED_MODEL_BYTES`: largest model in bytes, its weights included.
    pub model_bytes: u64,
    /// `KEYNET_ONNXRUNTIME`: the library that runs them, where there is one.
    pub onnxruntime: OnnxRuntimeConfig,
}

/// Embedded storage: objects in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedStorageConfig {
    /// `KEYNET_STORAGE`: folder of the objects.
    pub folder: PathBuf,
    /// `KEYNET_STORAGE_PUBLIC_URL`: URL at which `keynet-inference storage serve` can be reached.
    /// Without it objects cannot be written.
    pub public_url: Option<Url>,
    /// `KEYNET_STORAGE_MAX_TOTAL`: most bytes of all objects; no limit without it.
    pub max_total: Option<u64>,
}

impl EmbeddedStorageConfig {
    /// Returns the public URL; on a developer's machine it defaults to the address at which
    /// `keynet-inference storage serve` listens.
    pub fn local_url(&self) -> Url {
        self.public_url.clone().unwrap_or_else(default_public_url)
    }
}

impl Config {
    /// Reads the configuration from this process's environment.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_origins(vec![(Origin::Container, environment())])
    }

    /// Reads the configuration of `origins`, the first of which wins.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn from_origins(
        origins: Vec<(Origin, BTreeMap<String, String>)>,
    ) -> Result<Self, ConfigError> {
        let settings = Settings::new(origins);
        let host = settings.host();
        let home = |variable: &'static str, below: &str| {
            let base = host.text(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            base.or_else(|| Some(PathBuf::from(host.text("HOME")?).join(below)))
                .map(|base| base.join("keynet-inference"))
        };
        let temporary = |name: &'static str| {
            let path = private_folder::path();
            let why = |why| {
                format!("it is not set, nor is HOME, and {why}: set it to a folder of your own")
            };
            private_folder::claim(&path)
                .map_err(|error| host.error(name, why(error)))
                .map(|()| path)
        };
        let folder = |name: &'static str, base: &'static str, below: &str| {
            host.path(name).or_else(|| home(base, below)).map_or_else(|| temporary(name), Ok)
        };
        let state_dir = folder("KEYNET_STATE_DIR", "XDG_STATE_HOME", ".local/state")?;
        let cache_dir = folder("KEYNET_CACHE", "XDG_CACHE_HOME", ".cache")?;
        Ok(Self {
            state_dir,
            cache_size: host.parse("KEYNET_CACHE_SIZE", parse_bytes)?.unwrap_or(4 << 30),
            policy: host.path("KEYNET_POLICY"),
            cpu: host.parse("KEYNET_CPU", str::parse)?.unwrap_or_default(),
            concurrency: host.parse("KEYNET_CONCURRENCY", quantity::parse_count)?.unwrap_or(128),
            process_memory: host.parse("KEYNET_PROCESS_MEMORY", parse_bytes)?.unwrap_or(4 << 30),
            compile_memory: host.parse("KEYNET_COMPILE_MEMORY", parse_bytes)?.unwrap_or(2 << 30),
            compile_time: host
                .parse("KEYNET_COMPILE_TIME", parse_duration)?
                .unwrap_or(Duration::from_secs(120)),
            limits: LimitOverrides {
                memory: host.parse("KEYNET_MEMORY", parse_bytes)?,
                time: host.parse("KEYNET_TIME", parse_duration)?,
                logs: host.parse("KEYNET_LOGS", parse_bytes)?,
                handles: host.parse("KEYNET_HANDLES", quantity::parse_count)?,
                call_bytes: host.parse("KEYNET_CALL_BYTES", parse_bytes)?,
            },
            model_name: settings.first("MODEL_NAME").map(|(_, value)| value.to_owned()),
            triton: TritonConfig::read(&settings)?,
            s3: S3Config::read(&settings)?,
            mlflow: MlflowConfig::read(&settings)?,
            embedded_models: EmbeddedModelsConfig {
                folder: host.path("KEYNET_MODELS").unwrap_or_else(|| "models".into()),
                max_dimension: host
                    .parse("KEYNET_EMBEDDED_MAX_DIMENSION", quantity::parse_count)?
                    .map_or(1 << 16, u64::from),
                run_memory: host
                    .parse("KEYNET_EMBEDDED_RUN_MEMORY", parse_bytes)?
                    .unwrap_or(1 << 30),
                model_bytes: host
                    .parse("KEYNET_EMBEDDED_MODEL_BYTES", parse_bytes)?
                    .unwrap_or(1 << 30),
                onnxruntime: OnnxRuntimeConfig::read(host, &cache_dir)?,
            },
            cache_dir,
            embedded_storage: EmbeddedStorageConfig {
                folder: host.path("KEYNET_STORAGE").unwrap_or_else(|| "storage".into()),
                public_url: host.parse("KEYNET_STORAGE_PUBLIC_URL", backends::parse_url)?,
                max_total: host.parse("KEYNET_STORAGE_MAX_TOTAL", parse_bytes)?,
            },
            artifacts: host.path("KEYNET_ARTIFACTS").unwrap_or_else(|| "artifacts".into()),
            registry: RegistryConfig::read(host)?,
            storage_max_read: host
                .parse("KEYNET_STORAGE_MAX_READ", parse_bytes)?
                .unwrap_or(256 << 20),
            storage_max_write: host
                .parse("KEYNET_STORAGE_MAX_WRITE", parse_bytes)?
                .unwrap_or(1 << 30),
        })
    }
}

/// Returns the environment variables of this process. Variables that are not UTF-8 cannot be
/// settings of the host and are skipped.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Default address of `keynet-inference storage serve`.
pub const DEFAULT_STORAGE_ADDRESS: &str = "127.0.0.1:9797";

#[expect(clippy::expect_used, reason = "a constant, and tested")]
fn default_public_url() -> Url {
    Url::parse(&format!("http://{DEFAULT_STORAGE_ADDRESS}/")).expect("a constant URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn container(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_origins(vec![(Origin::Container, origin(pairs))])
    }

    #[test]
    fn an_empty_environment_is_the_embedded_defaults() {
        let config = container(&[("HOME", "/home/ada")]).unwrap();
        assert!(config.triton.is_none() && config.s3.is_none() && config.mlflow.is_none());
        assert_eq!(config.state_dir, PathBuf::from("/home/ada/.local/state/keynet-inference"));
        assert_eq!(config.embedded_storage.public_url, None);
        assert_eq!(config.embedded_storage.local_url().as_str(), "http://127.0.0.1:9797/");
    }

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(RESERVED_NAMES.is_sorted());
        assert!(
            is_reserved("TRITON_URL") && is_reserved("KEYNET_MEMORY") && !is_reserved("image_url")
        );
    }

    #[test]
    fn a_caller_cannot_add_an_endpoint_to_the_hosts_credentials() {
        let host = origin(&[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_BUCKET_NAME", "b"),
        ]);
        let caller =
            origin(&[("MLFLOW_S3_ENDPOINT_URL", "http://evil.example"), ("MODEL_NAME", "theirs")]);
        let config =
            Config::from_origins(vec![(Origin::Container, host), (Origin::Parameters, caller)])
                .unwrap();
        let s3 = config.s3.unwrap();
        assert_eq!((s3.origin, s3.endpoint), (Origin::Container, None));
        assert_eq!(config.model_name.as_deref(), Some("theirs"));
    }

    #[test]
    fn a_caller_cannot_set_what_runs_the_host() {
        let config = Config::from_origins(vec![
            (Origin::Container, BTreeMap::new()),
            (Origin::Init, origin(&[("KEYNET_MEMORY", "1TiB"), ("KEYNET_STORAGE", "/etc")])),
        ])
        .unwrap();
        assert_eq!(config.limits, LimitOverrides::default());
        assert_eq!(config.embedded_storage.folder, PathBuf::from("storage"));
    }

    #[test]
    fn credentials_of_the_machine_are_used_only_where_the_operator_says_so() {
        let store = [("AWS_BUCKET_NAME", "b"), ("KEYNET_AWS_INSTANCE_CREDENTIALS", "true")];
        assert_eq!(container(&store).unwrap().s3.unwrap().credentials, S3Credentials::Instance);
        for other in ["false", ""] {
            let error =
                container(&[("AWS_BUCKET_NAME", "b"), ("KEYNET_AWS_INSTANCE_CREDENTIALS", other)])
                    .unwrap_err();
            assert_eq!(error.name, "AWS_ACCESS_KEY_ID");
        }
        assert!(
            container(&[("AWS_BUCKET_NAME", "b"), ("KEYNET_AWS_INSTANCE_CREDENTIALS", "yes")])
                .is_err()
        );
        // The machine's credentials are used neither with half a key nor for another origin's
        // store.
        let error =
            container(&[store[0], store[1], ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")]).unwrap_err();
        assert_eq!(error.name, "AWS_SECRET_ACCESS_KEY");
        for theirs in [Origin::Init, Origin::Parameters] {
            let host = origin(&[("KEYNET_AWS_INSTANCE_CREDENTIALS", "true")]);
            let error =
                Config::from_origins(vec![(Origin::Container, host), (theirs, origin(&store))])
                    .unwrap_err();
            assert_eq!((error.name, error.origin), ("AWS_ACCESS_KEY_ID", theirs));
        }
    }

    #[test]
    fn an_error_names_the_variable_and_shows_no_secret() {
        let error = container(&[("KEYNET_MEMORY", "lots")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "KEYNET_MEMORY in the environment: \"lots\" is not a size; write 256MiB, 1GiB or \
                1048576"
        );
        let error = container(&[("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_BUCKET_NAME", "b")])
            .unwrap_err();
        assert!(
            error.to_string().contains("AWS_ACCESS_KEY_ID")
                && !error.to_string().contains("hunter2"),
            "{error}"
        );
        let error = container(&[("TRITON_URL", "localhost:8001")]).unwrap_err();
        assert!(error.to_string().contains("http://"), "{error}");
    }
}
