//! The replay of a recording.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use keynet_base::digest::Digest;
use keynet_base::error::{Error, Result};
use keynet_models::inference::InferenceBackend;
use keynet_object_storage::Objects;

use super::calls::{Answer, Call, Question};
use super::comparison::{differences, is_alike, named, results};
use super::document::{Document, RecordedOutcome};
use super::error::RecordingError;
use super::folder::Folder;
use super::machine::ReplayedMachine;
use super::replayed_models::ReplayedModels;
use super::replayed_objects::ReplayedObjects;
use super::veil::Veil;
use crate::activation::{Machine, Surroundings};
use crate::capabilities::Backend;
use crate::capabilities::user_input::Parameters;
use crate::policy::Policy;

/// Differences that are reported.
const REPORTED: usize = 100;

/// Recording that answers the calls of one activation.
pub struct Replay {
    script: Arc<Script>,
    parameters: Parameters,
    machine: Arc<ReplayedMachine>,
}

/// Calls of a recording, and what an activation asked of them.
pub(super) struct Script {
    pub(super) folder: Folder,
    pub(super) document: Document,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Recorded calls that were made, by their numbers.
    made: Vec<bool>,
    /// Calls that were made.
    asked: usize,
    differences: Differences,
    /// Calls that the recording does not have, each with its number among all.
    others: Vec<(usize, Question)>,
}

/// Differences, within a limit.
#[derive(Default)]
struct Differences {
    told: Vec<String>,
    left_out: usize,
}

/// Comparison of an activation with the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayReport {
    /// Calls and results that differ, in words; empty if nothing does.
    pub differences: Vec<String>,
    /// Number of calls that were made.
    pub calls: usize,
}

impl Differences {
    fn add(&mut self, difference: String) {
        if self.told.len() < REPORTED {
            self.told.push(difference);
        } else {
            self.left_out += 1;
        }
    }

    fn take(&mut self) -> Vec<String> {
        let mut told = std::mem::take(&mut self.told);
        if self.left_out > 0 {
            told.push(format!("there are {} further differences", self.left_out));
        }
        told
    }
}

impl Replay {
    /// Reads the recording in `folder` and checks all of it. Blocks.
    ///
    /// # Errors
    /// It is none, or was damaged or changed.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        let (opened, document) = Folder::open(folder)?;
        let damaged = |why: String| RecordingError::damaged(folder, why);
        let parameters = document.parameters().map_err(damaged)?;
        let seed = document.seed().map_err(damaged)?;
        let machine = Arc::new(ReplayedMachine::new(seed, &document.clocks));
        let made = vec![false; document.calls.len()];
        let state = Mutex::new(State { made, ..State::default() });
        Ok(Self {
            script: Arc::new(Script { folder: opened, document, state }),
            parameters,
            machine,
        })
    }

    /// Returns the parameters of the recorded activation, without their secrets.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the policy that the recorded activation ran under.
    pub fn policy(&self) -> &Policy {
        &self.script.document.policy
    }

    /// Returns the names of the environment variables of the recorded activation.
    pub fn environment(&self) -> &[String] {
        &self.script.document.environment
    }

    /// Reports whether `digest` is that of the recorded component.
    pub fn is_of(&self, digest: &Digest) -> bool {
        self.script.document.component.digest == digest.to_string()
    }

    /// Returns the digest of the recorded component.
    pub fn component(&self) -> &str {
        &self.script.document.component.digest
    }

    /// Compares an activation that ended with the recorded one.
    pub fn report(&self, outcome: &RecordedOutcome) -> ReplayReport {
        let calls = self.script.lock().asked;
        let mut found = self.script.differences();
        found.extend(outcomes(&self.script.document.outcome, outcome));
        ReplayReport { differences: found, calls }
    }
}

/// Returns where two outcomes differ.
fn outcomes(before: &RecordedOutcome, now: &RecordedOutcome) -> Vec<String> {
    use RecordedOutcome::{Error, Result};
    match (before, now) {
        (Result(before), Result(now)) => results(before.get(), &Veil::default().json(now.get())),
        (Result(_), Error { kind, message }) => {
            vec![format!("it had a result, and now fails ({kind}): {message}")]
        }
        (Error { kind, message }, Result(_)) => {
            vec![format!("it failed ({kind}): {message}; and now has a result")]
        }
        (Error { kind: one, .. }, Error { kind: other, .. })
            // The message has the time that it waited.
            if one == other && one == "out-of-time" =>
        {
            Vec::new()
        }
        (Error { kind: one, message: was }, Error { kind: other, message: is }) => {
            let is = Veil::default().message(is);
            if one == other && *was == is {
                return Vec::new();
            }
            vec![format!("it failed ({one}): {was}; and now fails ({other}): {is}")]
        }
    }
}

impl Surroundings for Replay {
    fn models(&self, _: Backend<dyn InferenceBackend>) -> Backend<dyn InferenceBackend> {
        Ok(Arc::new(ReplayedModels::new(Arc::clone(&self.script))))
    }

    fn objects(&self, _: Backend<dyn Objects>) -> Backend<dyn Objects> {
        Ok(Arc::new(ReplayedObjects::new(Arc::clone(&self.script))))
    }

    fn default_model(&self, _: Option<Arc<str>>) -> Option<Arc<str>> {
        self.script.document.default_model.as_deref().map(Arc::from)
    }

    fn machine(&self) -> Arc<dyn Machine> {
        Arc::clone(&self.machine) as Arc<dyn Machine>
    }
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the answer to `question`, which has `data` in the order of its payloads. An answer
    /// that the recording lacks because the activation ended is never there.
    ///
    /// # Errors
    /// The recorded error. `unavailable`: the recording has no answer to the question.
    pub(super) async fn ask(&self, question: Question, data: &[Bytes]) -> Result<Answer> {
        match self.find(question, data)? {
            Answer::Error(error) => Err(error.error()),
            Answer::None => std::future::pending().await,
            answer => Ok(answer),
        }
    }

    /// Returns the recorded answer to `question`; for one that the recording lacks and that changes
    /// objects, `Answer::Done`.
    fn find(&self, question: Question, data: &[Bytes]) -> Result<Answer> {
        let calls = &self.document.calls;
        let mut state = self.lock();
        state.asked += 1;
        let number = state.asked;
        let free = |state: &State, fits: &dyn Fn(&Call) -> bool| {
            let mut all = calls.iter().zip(&state.made).enumerate();
            all.find(|(_, (call, made))| !**made && fits(call)).map(|(at, (call, _))| (at, call))
        };
        if let Some((at, call)) = free(&state, &|call| call.call == question) {
            mark(&mut state.made, at);
            return Ok(call.answer.clone());
        }
        if let Some((at, call)) = free(&state, &|call| is_alike(&call.call, &question)) {
            mark(&mut state.made, at);
            let recorded: Vec<_> = call
                .call
                .payloads()
                .into_iter()
                .map_while(|payload| self.folder.read(payload).ok())
                .collect();
            for difference in differences((&call.call, &recorded), (&question, data)) {
                let name = named(&question);
                state.differences.add(format!("call {}, {name}: {difference}", at + 1));
            }
            return Ok(call.answer.clone());
        }
        let answer = match question.is_write() {
            true => Ok(Answer::Done),
            false => Err(Error::unavailable(format!(
                "the recording has no answer to this call, {}: in a replay there are no servers; \
                    record the action again for calls that are new",
                named(&question)
            ))),
        };
        if state.others.len() < REPORTED {
            state.others.push((number, question));
        } else {
            state.differences.left_out += 1;
        }
        answer
    }

    /// Returns the next recorded key for an object without a location; `None` if there were no more.
    pub(super) fn next_key(&self) -> Option<String> {
        let mut state = self.lock();
        for (at, call) in self.document.calls.iter().enumerate() {
            if let (Question::NewKey {}, Answer::Key(key)) = (&call.call, &call.answer)
                && state.made.get(at) == Some(&false)
            {
                mark(&mut state.made, at);
                return Some(key.clone());
            }
        }
        None
    }

    /// Returns where the calls differ. A call that is missing and a new one of the same operation
    /// are one difference.
    fn differences(&self) -> Vec<String> {
        let mut state = self.lock();
        let State { made, differences: found, others, .. } = &mut *state;
        let mut others = std::mem::take(others);
        let calls = self.document.calls.iter().zip(made.iter()).enumerate();
        for (at, (call, made)) in calls {
            if *made || matches!(call.call, Question::NewKey {}) {
                continue;
            }
            let same = |(_, other): &(usize, Question)| other.operation() == call.call.operation();
            match others.iter().position(same) {
                Some(place) => {
                    let (_, other) = others.remove(place);
                    for difference in differences((&call.call, &[]), (&other, &[])) {
                        found.add(format!("call {}, {}: {difference}", at + 1, named(&call.call)));
                    }
                }
                None => found.add(format!("call {}, {}, was not made", at + 1, named(&call.call))),
            }
        }
        for (number, other) in others {
            found.add(format!(
                "a call that the recording lacks: {}, as call {number}",
                named(&other)
            ));
        }
        found.take()
    }
}

fn mark(made: &mut [bool], at: usize) {
    if let Some(made) = made.get_mut(at) {
        *made = true;
    }
}
