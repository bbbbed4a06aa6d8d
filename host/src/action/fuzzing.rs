//! Fuzzing of a component's description of itself; see [`keynet_base::fuzzing`].

use super::{Description, Imports};
use keynet_base::fuzzing::{checked, text};

/// Input lines: a name, a description and a schema, as `describe` returns them; further lines are
/// alternately imports and exports.
pub fn description(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut lines = text.split('\n').map(str::to_owned);
    let (name, description) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if let Some(description) = checked(Description::check(name, description, lines.next())) {
        assert!(description.name.len() <= 63 && description.description.len() <= 1 << 10);
        assert!(
            description
                .name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        );
    }
    let rest: Vec<_> = lines.collect();
    let imports: Vec<_> = rest.iter().step_by(2).cloned().collect();
    if let Some(imports) =
        checked(Imports::check_names(imports, rest.iter().skip(1).step_by(2).map(String::as_str)))
    {
        let own =
            |name: &String| name.starts_with("keynet:inference/") || name.starts_with("wasi:");
        assert!(imports.names().iter().all(own), "{imports}");
    }
}
