//! The location of a registered model's files, from the registry's URI.

use std::path::PathBuf;

use url::Url;

/// Location of files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Path in MLflow's own artifact service.
    Mlflow(String),
    /// Objects of a bucket, below this key.
    Objects { bucket: String, prefix: String },
    /// Local folder or file.
    Files(PathBuf),
}

/// Path of MLflow's artifact service.
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts/";

impl Place {
    /// Parses a URI of the registry at `tracking`. The path of `http:`, `https:` and `file:` is
    /// percent-encoded; that of other schemes is a literal key, in which `%20` is three characters.
    ///
    /// # Errors
    /// The reason why the URI cannot be used.
    pub(super) fn parse(uri: &str, tracking: &Url) -> Result<Self, String> {
        let unusable = || "only mlflow-artifacts:, s3: and file: can be read".to_owned();
        if uri.starts_with('/') {
            return Ok(Self::Files(uri.into()));
        }
        let url = Url::parse(uri).map_err(|_| unusable())?;
        let decoded = percent_encoding::percent_decode_str(url.path())
            .decode_utf8()
            .map_err(|_| unusable())?;
        if decoded.split('/').any(|segment| segment == "..") {
            return Err("it has a segment `..`".to_owned());
        }
        let path = match url.scheme() {
            "http" | "https" | "file" => decoded.trim_matches('/'),
            _ => literal_path(uri).trim_matches('/'),
        };
        let path = path.to_owned();
        let elsewhere = || "that is another server than MLFLOW_TRACKING_URI names".to_owned();
        match (url.scheme(), url.host_str()) {
            ("mlflow-artifacts", None | Some("")) => Ok(Self::Mlflow(path)),
            ("mlflow-artifacts", host)
                if host == tracking.host_str()
                    && url.port().or(tracking.port()) == tracking.port() =>
            {
                Ok(Self::Mlflow(path))
            }
            ("http" | "https", _) if url.origin() == tracking.origin() => {
                let below = format!("{}{}", tracking.path().trim_matches('/'), ARTIFACTS);
                path.strip_prefix(below.trim_start_matches('/'))
                    .map(|path| Self::Mlflow(path.trim_start_matches('/').to_owned()))
                    .ok_or_else(unusable)
            }
            ("mlflow-artifacts" | "http" | "https", _) => Err(elsewhere()),
            ("s3", Some(bucket)) if !bucket.is_empty() => {
                Ok(Self::Objects { bucket: bucket.to_owned(), prefix: path })
            }
            ("file", None | Some("" | "localhost")) => Ok(Self::Files(format!("/{path}").into())),
            _ => Err(unusable()),
        }
    }
}

/// Returns the path of `scheme://host/path` or `scheme:/path`, without decoding.
fn literal_path(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let tracking = Url::parse("http://127.0.0.1:5000/mlflow").unwrap();
        let mlflow = |path: &str| Ok(Place::Mlflow(path.to_owned()));
        for (uri, place) in [
            ("mlflow-artifacts:/1/abc/artifacts/model", mlflow("1/abc/artifacts/model")),
            ("mlflow-artifacts://127.0.0.1:5000/1/abc", mlflow("1/abc")),
            (
                "http://127.0.0.1:5000/mlflow/api/2.0/mlflow-artifacts/artifacts/1/a%20b",
                mlflow("1/a b"),
            ),
            ("http://127.0.0.1:5000/mlflow/api/2.0/mlflow-artifacts/artifacts///a", mlflow("a")),
            (
                "s3://models/a/b/",
                Ok(Place::Objects { bucket: "models".to_owned(), prefix: "a/b".to_owned() }),
            ),
            (
                "s3://models/a%20b/c d?e#f",
                Ok(Place::Objects {
                    bucket: "models".to_owned(),
                    prefix: "a%20b/c d?e#f".to_owned(),
                }),
            ),
            ("mlflow-artifacts:/1/a%20b", mlflow("1/a%20b")),
            ("mlflow-artifacts://127.0.0.1:5000/1/a%2Fb", mlflow("1/a%2Fb")),
            ("/srv/models/a", Ok(Place::Files("/srv/models/a".into()))),
            ("file:///srv/a%20b", Ok(Place::Files("/srv/a b".into()))),
        ] {
            assert_eq!(Place::parse(uri, &tracking), place, "{uri}");
        }
        for uri in [
            "",
            "models",
            "mlflow-artifacts://evil.example/1/abc",
            "http://169.254.169.254/api/2.0/mlflow-artifacts/artifacts/1",
            "http://127.0.0.1:5000/other",
            "mlflow-artifacts:/1/..%2f..%2fetc",
            "file://elsewhere/srv",
            "gs://bucket/a",
            "s3:///a",
        ] {
            assert!(Place::parse(uri, &tracking).is_err(), "{uri}");
        }
    }
}
