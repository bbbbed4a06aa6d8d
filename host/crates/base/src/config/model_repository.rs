//! `TRITON_MODEL_REPO`: model repository of a Triton server. Only deploying models needs it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::backends::parse_url;
use super::settings::Settings;
use super::{ConfigError, Origin, S3Config, S3Credentials};

const NAME: &str = "TRITON_MODEL_REPO";

/// Model repository, in the notation of Triton's `--model-repository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRepositoryConfig {
    /// A folder.
    Folder(PathBuf),
    /// `s3://bucket/prefix`, or `s3://http://host:port/bucket/prefix`.
    S3 {
        /// S3 store, with the repository's bucket and the keys of the environment.
        store: Box<S3Config>,
        /// Prefix of the keys of its objects, without leading or trailing slash; may be empty.
        prefix: String,
    },
}

/// Parsed `s3://` URL of a repository.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    endpoint: Option<Url>,
    bucket: String,
    prefix: String,
}

impl ModelRepositoryConfig {
    /// Reads the model repository from this process's environment; `None` if it is not set.
    ///
    /// # Errors
    /// The value cannot be used, or a store's keys are missing.
    pub fn from_environment() -> Result<Option<Self>, ConfigError> {
        Self::read(super::environment())
    }

    fn read(environment: BTreeMap<String, String>) -> Result<Option<Self>, ConfigError> {
        let settings = Settings::new(vec![(Origin::Container, environment)]);
        let host = settings.host();
        let Some(text) = host.text(NAME) else { return Ok(None) };
        let Some(place) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                None => Ok(Some(Self::Folder(text.into()))),
                Some(_) => Err(host
                    .error(NAME, format!("{text:?} is neither a folder nor s3://bucket/prefix"))),
            };
        };
        let place = Place::parse(place).map_err(|why| host.error(NAME, why))?;
        let store = S3Config {
            endpoint: match place.endpoint {
                None => S3Config::endpoint(host)?,
                own => own,
            },
            region: S3Config::region(host),
            bucket: place.bucket,
            credentials: S3Credentials::read(host)?,
            ca: host.path("KEYNET_S3_CA"),
            origin: host.origin,
        };
        Ok(Some(Self::S3 { store: Box::new(store), prefix: place.prefix }))
    }
}

impl Place {
    /// Parses the text after `s3://`: `bucket/prefix`, `http://host:port/bucket/prefix` or, as
    /// Triton also accepts, `host:port/bucket/prefix`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write s3://bucket/prefix, or s3://http://host:port/bucket/prefix for a store of your \
                own"
            .to_owned()
        };
        let explicit = text.starts_with("http://") || text.starts_with("https://");
        let (endpoint, path) = match (explicit, text.split_once('/')) {
            (true, _) => {
                let mut url = parse_url(text).map_err(|_| wrong())?;
                let path = url.path().trim_start_matches('/').to_owned();
                if url.query().is_some() || url.fragment().is_some() {
                    return Err(wrong());
                }
                url.set_path("");
                (Some(url), path)
            }
            (false, Some((server, path))) if server.contains(':') => (
                Some(parse_url(&format!("http://{server}")).map_err(|_| wrong())?),
                path.to_owned(),
            ),
            _ => (None, text.to_owned()),
        };
        let path = path.trim_end_matches('/');
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() || bucket.contains(':') || prefix.starts_with('/') {
            return Err(wrong());
        }
        Ok(Self { endpoint, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(endpoint: Option<&str>, bucket: &str, prefix: &str) -> Result<Place, String> {
        let endpoint = endpoint.map(|url| Url::parse(url).unwrap());
        Ok(Place { endpoint, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    #[test]
    fn repositories_are_written_as_for_triton() {
        assert_eq!(Place::parse("models/production"), place(None, "models", "production"));
        assert_eq!(Place::parse("models"), place(None, "models", ""));
        assert_eq!(Place::parse("models/a/b/"), place(None, "models", "a/b"));
        assert_eq!(
            Place::parse("http://127.0.0.1:9000/models/a"),
            place(Some("http://127.0.0.1:9000"), "models", "a")
        );
        assert_eq!(
            Place::parse("https://s3.example.com/models"),
            place(Some("https://s3.example.com"), "models", "")
        );
        assert_eq!(
            Place::parse("s3.example.com:443/models/a"),
            place(Some("http://s3.example.com:443"), "models", "a")
        );
        for wrong in [
            "",
            "/models",
            "http://127.0.0.1:9000",
            "http://127.0.0.1:9000/",
            "http://user:pass@host/models",
            "http://host/m?x=1",
        ] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Option<ModelRepositoryConfig>, ConfigError> {
        ModelRepositoryConfig::read(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn a_repository_in_s3_uses_the_environments_keys() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(
            read(&[(NAME, "/models")]).unwrap(),
            Some(ModelRepositoryConfig::Folder("/models".into()))
        );
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ];
        let Some(ModelRepositoryConfig::S3 { store, prefix }) =
            read(&[&keys[..], &[(NAME, "s3://b/p")]].concat()).unwrap()
        else {
            panic!("no S3");
        };
        assert_eq!((store.bucket.as_str(), prefix.as_str()), ("b", "p"));
        assert_eq!(store.endpoint.unwrap().as_str(), "http://127.0.0.1:1/");
        let own = [(NAME, "s3://http://127.0.0.1:2/b")];
        let Some(ModelRepositoryConfig::S3 { store, .. }) =
            read(&[&keys[..], &own].concat()).unwrap()
        else {
            panic!("no S3")
        };
        assert_eq!(store.endpoint.unwrap().as_str(), "http://127.0.0.1:2/");
        assert_eq!(read(&own).unwrap_err().name, "AWS_ACCESS_KEY_ID");
        assert_eq!(read(&[(NAME, "gs://b/p")]).unwrap_err().name, NAME);
    }
}
