//! Attacks in a table.

use serde_json::Value;

use super::{Ended, Victim};

/// One attack, and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// How many callers make it at once.
    pub callers: usize,
    /// What they send to the guest.
    pub attack: Value,
    /// How it must end for each of them.
    pub expected: Expected,
    /// The most memory that the process may hold meanwhile, in MiB.
    pub peak_mib: u64,
}

/// How an attack must end.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// The call is refused with an error of one of these kinds, and the message, which is short,
    /// has this text.
    Refused(&'static [&'static str], &'static str),
    /// A limit stops it: the call is refused, or the activation fails. The message, which is short,
    /// has one of these texts.
    Limit(&'static [&'static str]),
    /// The activation fails, and the message, which is short, has this text.
    Failed(&'static str),
    /// It may be let through, within its memory, or be stopped as by [`Expected::Limit`].
    Contained(&'static [&'static str]),
    /// It is let through.
    Allowed,
}

/// A message that repeats what it refuses is no longer than this, in bytes: every part that is
/// quoted is cut at 200 characters.
const MESSAGE: u64 = 4096;

/// The message of an error that an action returns itself is kept up to 64 KiB; the notice of the
/// cut follows it.
const OWN_MESSAGE: u64 = (64 << 10) + 64;

impl Expected {
    /// # Errors
    /// What came instead.
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

/// What went wrong in a table of attacks; reported all at once, when it is over.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Notes what came of `name`, and shows it.
    pub fn note(&mut self, name: &str, result: Result<String, String>) {
        match result {
            Ok(told) => eprintln!("ok      {name}: {told}"),
            Err(told) => {
                eprintln!("FAILED  {name}: {told}");
                self.0.push(format!("{name}: {told}"));
            }
        }
    }

    /// Fails the test if anything went wrong.
    pub fn none(self) {
        assert!(self.0.is_empty(), "{} failed:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// Makes the attacks of a table on `victim`, one after another, each with its callers at once.
pub fn run(victim: &Victim, cases: &[Case]) {
    let mut failures = Failures::default();
    run_each(victim, cases, &mut failures);
    failures.none();
}

/// The same, noting what went wrong.
pub fn run_each(victim: &Victim, cases: &[Case], failures: &mut Failures) {
    for case in cases {
        let result = attempt(victim, case);
        if result.is_err() {
            victim.renew(); // what this attack left behind is not the next one's fault
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
