//! Fuzzing of settings and quantities; see [`crate::fuzzing`].

use std::collections::BTreeMap;

use super::quantity::{parse_count, parse_flag};
use super::{Config, Origin, parse_bytes, parse_duration};
use crate::fuzzing::{checked, text};

const SECRET: &str = "q7Zk2LwPx9Vd";

/// Fuzzes lines of `NAME=value`, as an action's owner or a caller sets them. Checks that neither
/// changes settings of the operator, and that no message contains a secret.
pub fn configuration(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let secrets = ["AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"]
        .map(|name| (name.to_owned(), SECRET.to_owned()));
    let lines = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables: BTreeMap<_, _> = secrets.into_iter().chain(lines).collect();
    let operators = BTreeMap::from([("HOME".to_owned(), "/home/operator".to_owned())]);
    for origin in [Origin::Init, Origin::Parameters] {
        match Config::from_origins(vec![
            (Origin::Container, operators.clone()),
            (origin, variables.clone()),
        ]) {
            Ok(config) => {
                assert!(
                    config.state_dir.starts_with("/home/operator")
                        && config.cache_dir.starts_with("/home/operator")
                );
                assert!(
                    config.policy.is_none() && config.limits == super::LimitOverrides::default()
                );
            }
            Err(error) => {
                crate::fuzzing::check_message(&error);
                assert!(!error.to_string().contains(SECRET), "{error}");
            }
        }
    }
}

/// Fuzzes numbers with units. Checks that a parsed number survives a round trip.
pub fn quantity(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(bytes) = checked(parse_bytes(text)) {
        assert_eq!(parse_bytes(&format!("{bytes}B")), Ok(bytes));
    }
    if let Some(duration) = checked(parse_duration(text)) {
        assert_eq!(parse_duration(&format!("{}ms", duration.as_millis())), Ok(duration));
    }
    assert!(checked(parse_count(text)).is_none_or(|count| count > 0));
    checked(parse_flag(text));
}
