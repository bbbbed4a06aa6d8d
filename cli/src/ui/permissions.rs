//! Permissions of an action on this machine as text: shown by `inspect`, and by `run` before a
//! published action's first run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use keynet_base::granted::Granted;
use keynet_base::{Config, FileCache};
use keynet_host::Action;
use keynet_host::policy::{Grants, Limits};

use crate::ui::console::{Console, printable};
use crate::ui::units;

/// Total size in bytes of the texts that were shown. The oldest are evicted, and then shown again.
const REMEMBERED: u64 = 1 << 20;

/// Returns the grants of `action`, by name, for the interfaces that it imports.
pub fn grants(action: &Action) -> Vec<(&'static str, &Granted)> {
    let kinds = action.grants().kinds().into_iter();
    let imported = kinds.filter(|kind| action.imports().has(kind.interface));
    imported.map(|kind| (kind.label, kind.granted)).collect()
}

/// Returns [`grants`] as lines; the line for URLs includes the permitted addresses.
pub fn lines(action: &Action) -> Vec<String> {
    let place = if action.grants().private_addresses {
        "private addresses too"
    } else {
        "public addresses only"
    };
    let line = |(name, granted): (&str, &Granted)| match name {
        "urls" => format!("{name}: {granted}, at {place}"),
        _ => format!("{name}: {granted}"),
    };
    grants(action).into_iter().map(line).collect()
}

/// Returns what the action asks for in its `keynet.toml` and the policy does not grant, by name.
pub fn denied_by_name(action: &Action) -> BTreeMap<&'static str, Vec<String>> {
    let patterns =
        |granted: &Granted| granted.denied().iter().map(str::to_owned).collect::<Vec<_>>();
    let mut denied: BTreeMap<_, _> = grants(action)
        .into_iter()
        .map(|(name, granted)| (name, patterns(granted)))
        .filter(|(_, patterns)| !patterns.is_empty())
        .collect();
    if action.grants().lacks_api_key() {
        denied.insert(Grants::API_KEY, Vec::new());
    }
    denied
}

/// Returns [`denied_by_name`] as lines.
pub fn denied(action: &Action) -> Vec<String> {
    let line = |(name, patterns): (&str, Vec<String>)| match name {
        Grants::API_KEY => {
            "the caller's OpenWhisk key, which keynet.toml asks for: a policy grants it with \
            `api-key = true`"
                .to_owned()
        }
        _ => format!(
            "{name}: {}, which keynet.toml asks for and the policy does not grant",
            patterns.join(", ")
        ),
    };
    denied_by_name(action).into_iter().map(line).collect()
}

/// Reports what the action asks for and is not granted.
pub fn tell_denied(action: &Action, console: Console) {
    for line in denied(action) {
        console.note(format_args!("not granted here: {}", printable(&line)));
    }
}

/// Formats the limits of a run on one line.
pub fn limits(Limits { memory, time, logs, .. }: &Limits) -> String {
    format!("{}, {}, {} of logs", units::bytes(*memory), units::time(*time), units::bytes(*logs))
}

/// Shows the permissions of a published action, unless the same text was shown before on this
/// machine.
pub fn show_once(action: &Action, reference: &str, config: &Config, console: Console) {
    let shown = FileCache::new(config.state_dir.join("shown"), REMEMBERED);
    let path = shown.path(action.digest().hex());
    let text = described(action, config);
    if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
        shown.used(&path);
        return;
    }
    console.note(format_args!(
        "{reference} was not run here before, or not with this policy. It may use\n{text}"
    ));
    if let Err(error) = shown.keep(&path, |mut file| file.write_all(text.as_bytes())) {
        tracing::debug!(file = %path.display(), %error, "cannot remember what an action was shown \
            to use");
    }
}

fn described(action: &Action, config: &Config) -> String {
    let mut text = String::new();
    for line in lines(action) {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(s3) = config.s3.as_ref().filter(|_| action.imports().has("storage")) {
        let _ = writeln!(text, "  bucket: {}", s3.bucket);
    }
    let _ = write!(text, "  limits: {}", limits(action.limits()));
    text
}
