//! Limits of an action: its timeout, memory, logs and concurrency.

use serde::{Deserialize, Serialize};

/// Limits of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Timeout in milliseconds.
    pub timeout: u64,
    /// Memory in MB.
    pub memory: u64,
    /// Size of the logs in MB.
    pub logs: u64,
    /// Number of concurrent activations in one container; kept, and without effect in a node.
    pub concurrency: u64,
}

/// Limits in the body that creates or changes an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct LimitChanges {
    /// Timeout in milliseconds.
    pub timeout: Option<u64>,
    /// Memory in MB.
    pub memory: Option<u64>,
    /// Size of the logs in MB.
    pub logs: Option<u64>,
    /// Concurrent activations in one container.
    pub concurrency: Option<u64>,
}

/// Largest values of the limits of a namespace's actions, in the units of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxLimits {
    /// Timeout in milliseconds.
    pub timeout: u64,
    /// Memory in MB.
    pub memory: u64,
    /// Size of the logs in MB.
    pub logs: u64,
}

impl MaxLimits {
    /// Smallest timeout in milliseconds.
    pub const MIN_TIMEOUT: u64 = 100;
    /// Smallest memory in MB.
    pub const MIN_MEMORY: u64 = 1;
    /// Largest number of concurrent activations that an action may declare.
    pub const CONCURRENCY: u64 = 500;

    /// Returns the limits of an action that sets none: OpenWhisk's, or the largest allowed ones.
    pub fn standard(&self) -> Limits {
        Limits {
            timeout: self.timeout.min(60_000),
            memory: self.memory.min(256),
            logs: self.logs.min(10),
            concurrency: 1,
        }
    }
}

impl Limits {
    /// Returns these limits with `changes`.
    ///
    /// # Errors
    /// A value is out of range; the error has OpenWhisk's words.
    pub fn changed(self, changes: &LimitChanges, max: &MaxLimits) -> Result<Self, String> {
        let new = Self {
            timeout: changes.timeout.unwrap_or(self.timeout),
            memory: changes.memory.unwrap_or(self.memory),
            logs: changes.logs.unwrap_or(self.logs),
            concurrency: changes.concurrency.unwrap_or(self.concurrency),
        };
        let range = |what: &str, value: u64, least: u64, most: u64, unit: &str| {
            if value > most {
                Err(format!("{what} {value}{unit} exceeds allowed threshold of {most}{unit}"))
            } else if value < least {
                Err(format!("{what} {value}{unit} below allowed threshold of {least}{unit}"))
            } else {
                Ok(())
            }
        };
        let (least, most) = (MaxLimits::MIN_TIMEOUT, max.timeout);
        range("duration", new.timeout, least, most, " milliseconds")?;
        range("memory size", new.memory, MaxLimits::MIN_MEMORY, max.memory, " MB")?;
        range("log size", new.logs, 0, max.logs, " MB")?;
        range("concurrency", new.concurrency, 1, MaxLimits::CONCURRENCY, "")?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: MaxLimits = MaxLimits { timeout: 300_000, memory: 512, logs: 10 };

    #[test]
    fn a_limit_out_of_range_is_refused_in_openwhisks_words() {
        let change =
            |text: &str| MAX.standard().changed(&serde_json::from_str(text).unwrap(), &MAX);
        assert_eq!(change("{}").unwrap(), MAX.standard());
        assert_eq!(change(r#"{"memory":512}"#).unwrap().memory, 512);
        for (text, error) in [
            (r#"{"memory":513}"#, "memory size 513 MB exceeds allowed threshold of 512 MB"),
            (
                r#"{"timeout":99}"#,
                "duration 99 milliseconds below allowed threshold of 100 milliseconds",
            ),
            (r#"{"concurrency":0}"#, "concurrency 0 below allowed threshold of 1"),
        ] {
            assert_eq!(change(text).unwrap_err(), error);
        }
    }
}
