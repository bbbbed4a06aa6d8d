//! The recorder of one activation.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use keynet_base::error::{Error, Result};
use keynet_base::offload;
use keynet_models::inference::{InferenceBackend, NamedTensor};
use keynet_object_storage::{Objects, ReadBytes};
use serde_json::value::RawValue;

use super::calls::{Answer, Call, ErrorRecord, Question, TensorRecord};
use super::document::{ComponentFacts, Document, RecordedOutcome};
use super::error::RecordingError;
use super::folder::Draft;
use super::machine::RecordedMachine;
use super::payload::Payload;
use super::recorded_models::RecordedModels;
use super::recorded_objects::RecordedObjects;
use super::veil::Veil;
use super::{CALLS, VERSION};
use crate::action::Action;
use crate::activation::{Machine, Surroundings};
use crate::capabilities::Backend;
use crate::capabilities::user_input::Parameters;
use crate::policy::Policy;

/// Recorder of one activation.
pub struct Recorder {
    tape: Arc<Tape>,
    machine: Arc<RecordedMachine>,
    /// Surroundings behind the recorder: a replay whose activation is recorded again.
    behind: Option<Arc<dyn Surroundings>>,
    default_model: OnceLock<Option<Arc<str>>>,
    default_bucket: OnceLock<String>,
}

/// Facts about an activation that ended.
pub struct Recorded<'a> {
    /// Action that ran.
    pub action: &'a Action,
    /// Policy that it ran under.
    pub policy: &'a Policy,
    /// Parameters of the activation.
    pub parameters: &'a Parameters,
    /// Names of the guest's environment variables.
    pub environment: Vec<String>,
    /// Outcome.
    pub outcome: RecordedOutcome,
}

/// Size of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Number of calls.
    pub calls: usize,
    /// Bytes of the payloads in files of their own.
    pub bytes: u64,
    /// `true` if texts that look like secrets were left out of the parameters.
    pub redacted: bool,
}

/// Calls as they are made, and the folder of their payloads.
pub(super) struct Tape {
    draft: Draft,
    pub(super) veil: Veil,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    /// First reason why there will be no recording.
    failure: Option<RecordingError>,
}

impl Recorder {
    /// Begins a recording in `folder`, of at most `limit` bytes of payloads. Blocks.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written.
    pub fn create(folder: &Path, limit: u64) -> Result<Self, RecordingError> {
        let (veil, state) = (Veil::default(), Mutex::default());
        Ok(Self {
            tape: Arc::new(Tape { draft: Draft::create(folder, limit)?, veil, state }),
            machine: Arc::new(RecordedMachine::new()),
            behind: None,
            default_model: OnceLock::new(),
            default_bucket: OnceLock::new(),
        })
    }

    /// Records what `surroundings` answer in place of the action's own.
    #[must_use]
    pub fn before(self, surroundings: Arc<dyn Surroundings>) -> Self {
        let machine = Arc::new(RecordedMachine::of(surroundings.machine()));
        Self { machine, behind: Some(surroundings), ..self }
    }

    /// Writes the recording. Blocks.
    ///
    /// # Errors
    /// The activation exchanged more than a recording may have, or it cannot be written.
    pub fn finish(self, recorded: Recorded<'_>) -> Result<Summary, RecordingError> {
        let Self { tape, machine, default_model, default_bucket, .. } = self;
        let (mut state, veil) = (tape.lock(), &tape.veil);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let given = recorded.parameters.text();
        let parameters = veil.json(given);
        let redacted = parameters != veil.signed_json(given);
        let outcome = match recorded.outcome {
            RecordedOutcome::Result(json) => RecordedOutcome::result(&veil.json(json.get())),
            RecordedOutcome::Error { kind, message } => {
                RecordedOutcome::Error { kind, message: veil.message(&message) }
            }
        };
        let document = Document {
            keynet_recording: VERSION,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            component: ComponentFacts {
                name: recorded.action.description().name.clone(),
                digest: recorded.action.digest().to_string(),
            },
            // It was JSON before its texts were masked.
            parameters: RawValue::from_string(parameters).unwrap_or_default(),
            environment: recorded.environment,
            policy: recorded.policy.clone(),
            default_model: default_model.into_inner().flatten().map(|name| name.to_string()),
            default_bucket: default_bucket.into_inner().unwrap_or_default(),
            random: hex::encode(machine.seed()),
            clocks: machine.clocks(),
            calls: std::mem::take(&mut state.calls),
            outcome,
        };
        drop(state);
        let calls = document.calls.len();
        let bytes = tape.draft.publish(&document.text())?;
        Ok(Summary { calls, bytes, redacted })
    }
}

impl Surroundings for Recorder {
    fn models(&self, own: Backend<dyn InferenceBackend>) -> Backend<dyn InferenceBackend> {
        let own = match &self.behind {
            Some(behind) => behind.models(own),
            None => own,
        };
        Ok(Arc::new(RecordedModels::new(own, Arc::clone(&self.tape))))
    }

    fn objects(&self, own: Backend<dyn Objects>) -> Backend<dyn Objects> {
        let own = match &self.behind {
            Some(behind) => behind.objects(own),
            None => own,
        };
        let bucket = own.as_ref().map_or("default", |objects| objects.default_bucket()).to_owned();
        let _ = self.default_bucket.set(bucket.clone());
        Ok(Arc::new(RecordedObjects::new(own, bucket, Arc::clone(&self.tape))))
    }

    fn default_model(&self, own: Option<Arc<str>>) -> Option<Arc<str>> {
        let model = match &self.behind {
            Some(behind) => behind.default_model(own),
            None => own,
        };
        let _ = self.default_model.set(model.clone());
        model
    }

    fn machine(&self) -> Arc<dyn Machine> {
        Arc::clone(&self.machine) as Arc<dyn Machine>
    }
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: RecordingError) {
        self.lock().failure.get_or_insert(error);
    }

    /// Begins a call and returns its number.
    pub(super) fn ask(&self, call: Question) -> usize {
        let mut state = self.lock();
        if state.calls.len() >= CALLS {
            state.failure.get_or_insert(RecordingError::TooManyCalls { limit: CALLS });
            return usize::MAX;
        }
        state.calls.push(Call { call, answer: Answer::None });
        state.calls.len() - 1
    }

    /// Keeps the answer of the call `number`.
    pub(super) fn answer(&self, number: usize, answer: Answer) {
        if let Some(call) = self.lock().calls.get_mut(number) {
            call.answer = answer;
        }
    }

    /// Changes the answer of the call `number`.
    pub(super) fn amend(&self, number: usize, change: impl FnOnce(&mut Answer)) {
        if let Some(call) = self.lock().calls.get_mut(number) {
            change(&mut call.answer);
        }
    }

    /// Makes the call `question`, and keeps what `answer` makes of its result.
    pub(super) async fn record<T>(
        &self,
        question: Question,
        call: impl Future<Output = Result<T>>,
        answer: impl FnOnce(&T) -> Answer,
    ) -> Result<T> {
        let number = self.ask(question);
        let result = call.await;
        let answer = result.as_ref().map_or_else(|error| self.error(error), answer);
        self.answer(number, answer);
        result
    }

    /// Makes the call `question`, and keeps the bytes that it reads.
    pub(super) async fn record_read(
        self: &Arc<Self>,
        question: Question,
        call: impl Future<Output = Result<ReadBytes>>,
    ) -> Result<ReadBytes> {
        let number = self.ask(question);
        let result = call.await;
        let answer = match &result {
            Ok(read) => Answer::Data(self.payload(&read.bytes).await),
            Err(error) => self.error(error),
        };
        self.answer(number, answer);
        result
    }

    /// Returns the answer of a call that failed.
    pub(super) fn error(&self, error: &Error) -> Answer {
        Answer::Error(self.error_record(error))
    }

    pub(super) fn error_record(&self, error: &Error) -> ErrorRecord {
        let message = self.veil.message(&error.message);
        ErrorRecord { kind: error.kind.as_str().to_owned(), message }
    }

    /// Returns the payload of `data`, whose file is written.
    pub(super) async fn payload(self: &Arc<Self>, data: &Bytes) -> Payload {
        let (tape, data) = (Arc::clone(self), data.clone());
        let length = data.len();
        let kept = offload::run(length, None, move || {
            let masked = tape.veil.data(&data);
            let payload = Payload::of(&masked);
            if let Some(file) = payload.file()
                && let Err(error) = tape.draft.keep(file, &masked)
            {
                tape.fail(error);
            }
            payload
        });
        kept.await.unwrap_or_else(Payload::empty)
    }

    pub(super) async fn tensors(self: &Arc<Self>, tensors: &[NamedTensor]) -> Vec<TensorRecord> {
        let mut records = Vec::with_capacity(tensors.len());
        for NamedTensor { name, tensor } in tensors {
            records.push(TensorRecord {
                name: name.clone(),
                r#type: tensor.data_type().name().to_owned(),
                shape: tensor.shape().dimensions().to_vec(),
                data: self.payload(tensor.data()).await,
            });
        }
        records
    }
}
