//! The environment of a guest.

use std::collections::HashSet;

use keynet_base::config::is_reserved;

/// Variable that holds the caller's OpenWhisk key; a guest receives it only if it is granted.
const API_KEY: &str = "__OW_API_KEY";

/// The environment of a guest. It is never the process's own, and excludes the names that configure
/// the host and pairs that an environment cannot hold.
#[derive(Debug, Clone, Default)]
pub struct GuestEnvironment(Vec<(String, String)>);

impl GuestEnvironment {
    /// Keeps the pairs that a guest may have, in order.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let allowed = |(name, value): &(String, String)| {
            !is_reserved(name)
                && !name.is_empty()
                && !name.contains(['=', '\0'])
                && !value.contains('\0')
        };
        Self(pairs.into_iter().filter(allowed).collect())
    }

    /// Returns this environment, overridden by the variables of `above`.
    #[must_use]
    pub fn under(&self, above: Self) -> Self {
        const FEW: usize = 16;
        if self.0.is_empty() {
            return above;
        }
        let many: Option<HashSet<&str>> =
            (above.0.len() > FEW).then(|| above.0.iter().map(|(name, _)| name.as_str()).collect());
        let is_replaced = |name: &str| match &many {
            Some(names) => names.contains(name),
            None => above.0.iter().any(|(other, _)| other == name),
        };
        let mut all = Vec::with_capacity(self.0.len() + above.0.len());
        all.extend(self.0.iter().filter(|(name, _)| !is_replaced(name)).cloned());
        all.extend(above.0);
        Self(all)
    }

    /// Returns the variables for a guest; includes the caller's key only if `api_key` is granted.
    pub(super) fn granted(mut self, api_key: bool) -> Vec<(String, String)> {
        if !api_key {
            self.0.retain(|(name, _)| name != API_KEY);
        }
        self.0
    }

    /// Returns the pairs.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}
