//! Secrets of the configuration, which are never shown.

use super::{Config, S3Credentials, Secret};
use crate::redaction;

/// Minimum length of a secret. A shorter one is part of too many other texts: hiding `test` or
/// `admin` would hide what the logs are about.
const SHORTEST: usize = 8;

impl Config {
    /// Hides the secrets of this configuration from now on in everything that this process logs or
    /// shows: as they are and encoded.
    pub fn hide_secrets(&self) {
        let s3 = self.s3.as_ref().map(|s3| &s3.credentials);
        let s3 = s3.into_iter().flat_map(|credentials| match credentials {
            S3Credentials::Key { secret, token, .. } => {
                vec![(Some(secret), "AWS_SECRET"), (token.as_ref(), "AWS_TOKEN")]
            }
            S3Credentials::Instance => Vec::new(),
        });
        let mlflow = self.mlflow.iter().flat_map(|mlflow| {
            [
                (mlflow.basic.as_ref().map(|(_, password)| password), "MLFLOW_PASSWORD"),
                (mlflow.bearer.as_ref(), "MLFLOW_TOKEN"),
            ]
        });
        let triton = self.triton.iter().flat_map(|triton| {
            let headers = triton.headers.iter().map(|(_, value)| (Some(value), "TRITON_HEADER"));
            headers.chain([(triton.token.as_ref(), "TRITON_TOKEN")])
        });
        let registry =
            self.registry.login.iter().map(|login| (Some(&login.password), "REGISTRY_PASSWORD"));
        let all = s3.chain(mlflow).chain(triton).chain(registry);
        for (secret, label) in
            all.filter_map(|(secret, label)| Some((secret.map(Secret::expose)?, label)))
        {
            hide(secret, label);
        }
    }
}

/// Hides `secret` unless it is too short.
pub(super) fn hide(secret: &str, label: &'static str) {
    if secret.len() >= SHORTEST {
        redaction::remember(secret, label);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Config, Origin};
    use crate::redaction::redact;

    #[test]
    fn a_secret_of_the_configuration_is_hidden_wherever_it_appears() {
        let pairs = [
            ("AWS_BUCKET_NAME", "models"),
            ("AWS_ACCESS_KEY_ID", "minioadmin"),
            ("AWS_SECRET_ACCESS_KEY", "of this test: s3"),
            ("MLFLOW_TRACKING_URI", "http://mlflow:5000"),
            ("MLFLOW_TRACKING_TOKEN", "of-this-test-mlflow"),
            ("KEYNET_REGISTRY", "registry.example.com"),
            ("KEYNET_REGISTRY_USERNAME", "ada"),
            ("KEYNET_REGISTRY_PASSWORD", "short"),
        ];
        let pairs: BTreeMap<_, _> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Config::from_origins(vec![(Origin::Container, pairs)]).unwrap().hide_secrets();
        for shown in
            ["the key of this test: s3", "k=of%20this%20test%3A%20s3", "got of-this-test-mlflow."]
        {
            assert!(redact(shown).contains("***"), "{shown}");
        }
        assert_eq!(redact("a short line"), "a short line");
    }
}
