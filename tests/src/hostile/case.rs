//! Attacks in a table.

use serde_json::Value;

use super::{Ended, Victim};

/// Attack, and its expected end.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the attack.
    pub name: &'static str,
    /// Number of concurrent callers.
    pub callers: usize,
    /// Parameters that they send to the guest.
    pub attack: Value,
    /// Expected end for each caller.
    pub expected: Expected,
    /// Limit on the process's peak memory during the attack, in MiB.
    pub peak_mib: u64,
}

/// Expected end of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The host rejects the call with an error of one of these kinds, and the message, which is
    /// short, contains this text.
    Refused(&'static [&'static str], &'static str),
    /// A limit stops it: the host rejects the call, or the activation fails. The message, which is
    /// short, contains one of these texts.
    Limit(&'static [&'static str]),
    /// The activation fails, and the message, which is short, contains this text.
    Failed(&'static str),
    /// It succeeds within its memory, or is stopped as by [`Expected::Limit`].
    Contained(&'static [&'static str]),
    /// It succeeds.
    Allowed,
}

/// Maximum length in bytes of a message that quotes rejected input: every quotation is cut at 200
/// characters.
const MESSAGE: u64 = 4096;

/// Maximum length in bytes of the message of an error that the action returned: 64 KiB and the
/// notice of the cut.
const OWN_MESSAGE: u64 = (64 << 10) + 64;

impl Expected {
    /// Checks how an attack ended.
    ///
    /// # Errors
    /// A description of the end that occurred instead.
    fn check(self, ended: &Ended) -> Result<(), String> {
        let wrong = || Err(format!("expected {self:?}, got {}", shown(ended)));
        let limit = |settings: &[&str]| {
            let message = match ended {
                Ended::Refused { message, bytes, .. } if *bytes <= MESSAGE => message,
                Ended::Failed(message) if message.len() as u64 <= MESSAGE => message,
                _ => return false,
            };
            settings.iter().any(|setting| message.contains(setting))
        };
        let right = match (self, ended) {
            (Self::Refused(kinds, text), Ended::Refused { kind, message, bytes }) => {
                kinds.contains(&kind.as_str()) && message.contains(text) && *bytes <= MESSAGE
            }
            (Self::Failed(text), Ended::Failed(message)) => {
                message.contains(text) && message.len() as u64 <= OWN_MESSAGE
            }
            (Self::Limit(settings), _) => limit(settings),
            (Self::Contained(settings), _) => {
                matches!(ended, Ended::Allowed(_) | Ended::Returned(_)) || limit(settings)
            }
            (Self::Allowed, Ended::Allowed(_) | Ended::Returned(_)) => true,
            _ => false,
        };
        if right { Ok(()) } else { wrong() }
    }
}

fn shown(ended: &Ended) -> String {
    let text = format!("{ended:?}");
    text.chars().take(600).collect()
}

/// Failures in a table of attacks; reported together at the end.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Records and prints the result of `name`.
    pub fn note(&mut self, name: &str, result: Result<String, String>) {
        match result {
            Ok(told) => eprintln!("ok      {name}: {told}"),
            Err(told) => {
                eprintln!("FAILED  {name}: {told}");
                self.0.push(format!("{name}: {told}"));
            }
        }
    }

    /// Panics if there were failures.
    pub fn none(self) {
        assert!(self.0.is_empty(), "{} failed:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// Runs the attacks of a table on `victim`, one after another, each with its concurrent callers.
pub fn run(victim: &Victim, cases: &[Case]) {
    let mut failures = Failures::default();
    run_each(victim, cases, &mut failures);
    failures.none();
}

/// Same as [`run`], adding failures to `failures`.
pub fn run_each(victim: &Victim, cases: &[Case], failures: &mut Failures) {
    for case in cases {
        let result = attempt(victim, case);
        if result.is_err() {
            victim.renew(); // leftovers of this attack must not affect the next
        }
        failures.note(case.name, result);
    }
}

fn attempt(victim: &Victim, case: &Case) -> Result<String, String> {
    let (ended, peak) = victim.attack(case.callers, &case.attack);
    let told = format!("{peak} MiB of {}", case.peak_mib);
    if let Some(status) = victim.is_gone() {
        return Err(format!("the process is gone ({status}), {told}"));
    }
    for ended in &ended {
        case.expected.check(ended).map_err(|why| format!("{why}; {told}"))?;
    }
    if peak > case.peak_mib {
        return Err(format!("too much memory: {told}; {}", shown(&ended[0])));
    }
    victim.is_well().map_err(|why| format!("{why}; {told}"))?;
    Ok(format!("{told}; {}", shown(&ended[0])))
}
