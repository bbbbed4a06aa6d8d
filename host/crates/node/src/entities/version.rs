//! Versions of entities: `0.0.1` and up.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Version of an action or a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u64, u64, u64);

impl Version {
    /// Version of a new entity.
    pub const FIRST: Self = Self(0, 0, 1);

    /// Returns the version of the next change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0, self.1, self.2.saturating_add(1))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|part| part.parse().ok());
        let version = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The text in formats that people read, the three numbers in others.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.0, self.1, self.2).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let (major, minor, patch) = Deserialize::deserialize(deserializer)?;
            return Ok(Self(major, minor, patch));
        }
        Self::parse(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("semantic version malformed"))
    }
}
