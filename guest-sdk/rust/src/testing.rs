//! Native tests of actions, without a runtime: parameters, objects and models are in memory. Not
//! available in components.
//!
//! ```
//! # fn test() -> keynet_inference_sdk::Result<()> {
//! use keynet_inference_sdk::{prelude::*, testing::Environment};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Args {
//!     image: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Output {
//!     score: f32,
//! }
//!
//! #[keynet_function(name = "score", description = "Scores a picture.")]
//! fn main(args: Args) -> Result<Output> {
//!     let image = Storage::new()?.get(&args.image)?;
//!     let input = Tensor::from_slice(&[image.len()], &image)?;
//!     let outputs = Triton::new()?.predict([("image", &input)])?;
//!     Ok(Output { score: outputs["score"].item()? })
//! }
//!
//! let environment = Environment::new()
//!     .param("image", "cat.png")
//!     .object("cat.png", [1, 2, 3])
//!     .model("scorer", |inputs| {
//!         assert_eq!(inputs["image"].shape(), [3]);
//!         Ok([("score", Tensor::from_slice(&[1], &[0.5_f32])?)])
//!     });
//!
//! // With parameters and result as JSON, as a caller sees it …
//! assert_eq!(environment.call(main)?, json!({ "score": 0.5 }));
//! // … or in Rust.
//! let output = environment.run(|| main(Args { image: "cat.png".into() }))?;
//! assert_eq!(output.score, 0.5);
//! # Ok(())
//! # }
//! # test().unwrap();
//! ```

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::function::{Answer, Failure, Parameters};
use crate::host::memory::{Model, State, StoredObject, enter};
use crate::tensor::Tensor;
use crate::triton::{ModelMetadata, Tensors};

/// Environment of an action while [`run`](Self::run) or [`call`](Self::call) runs it, on this
/// thread.
///
/// Stored objects remain: [`written`](Self::written) returns them afterwards. Keys and etags are
/// derived from the order of storing, so that a test can predict them.
pub struct Environment {
    state: Rc<RefCell<State>>,
}

impl Default for Environment {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment {
    /// Creates an environment without parameters, objects and models.
    pub fn new() -> Self {
        Self { state: Rc::default() }
    }

    /// Adds a parameter of the caller.
    ///
    /// # Panics
    /// The value cannot be represented as JSON.
    #[must_use]
    pub fn param(self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => self.state.borrow_mut().parameters.insert(name, value),
            Err(error) => panic!("the parameter `{name}` cannot be JSON: {error}"),
        };
        self
    }

    /// Adds all parameters of the caller: an object made with `json!({…})`.
    ///
    /// # Panics
    /// The value is not an object.
    #[must_use]
    pub fn params(self, all: Value) -> Self {
        match all {
            Value::Object(all) => self.state.borrow_mut().parameters.extend(all),
            other => panic!("parameters are a JSON object, not {other}"),
        }
        self
    }

    /// Adds an existing object: under a key, an `s3://bucket/key`, or an http(s) URL for reading.
    #[must_use]
    pub fn object(self, location: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        self.state.borrow_mut().store(location.into(), data.into(), None, false);
        self
    }

    /// Adds an existing object with a MIME type.
    #[must_use]
    pub fn object_of_type(
        self,
        location: impl Into<String>,
        data: impl Into<Vec<u8>>,
        content_type: impl Into<String>,
    ) -> Self {
        self.state.borrow_mut().store(
            location.into(),
            data.into(),
            Some(content_type.into()),
            false,
        );
        self
    }

    /// Adds a model that responds once. The first model is the default one. The function may
    /// inspect the inputs and fail: `Err(Error::timeout("too slow"))`.
    #[must_use]
    pub fn model<N, O>(
        self,
        name: impl Into<String>,
        answer: impl Fn(&Tensors) -> Result<O> + 'static,
    ) -> Self
    where
        N: Into<String>,
        O: IntoIterator<Item = (N, Tensor)>,
    {
        self.stream_model(name, move |inputs| Ok([answer(inputs)?]))
    }

    /// Adds a model that responds many times.
    #[must_use]
    pub fn stream_model<N, O, A>(
        self,
        name: impl Into<String>,
        answers: impl Fn(&Tensors) -> Result<A> + 'static,
    ) -> Self
    where
        N: Into<String>,
        O: IntoIterator<Item = (N, Tensor)>,
        A: IntoIterator<Item = O>,
    {
        let named =
            |outputs: O| outputs.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        let answer =
            Box::new(move |inputs: &Tensors| Ok(answers(inputs)?.into_iter().map(named).collect()));
        self.change_model(name.into(), |model| model.answer = Some(answer))
    }

    /// Sets the metadata that `Triton::metadata` returns for the model of that name.
    #[must_use]
    pub fn metadata(self, metadata: ModelMetadata) -> Self {
        self.change_model(metadata.name.clone(), |model| model.metadata = Some(metadata))
    }

    fn change_model(self, name: String, change: impl FnOnce(&mut Model)) -> Self {
        let mut state = self.state.borrow_mut();
        let position = state.models.iter().position(|model| model.name == name);
        let mut model = position
            .and_then(|position| Rc::into_inner(state.models.remove(position)))
            .unwrap_or_else(|| Model { name, ..Model::default() });
        change(&mut model);
        let end = state.models.len();
        state.models.insert(position.unwrap_or(end), Rc::new(model));
        drop(state);
        self
    }

    /// Runs code of the action in this environment.
    ///
    /// # Errors
    /// The errors of the code.
    pub fn run<T>(&self, code: impl FnOnce() -> Result<T>) -> Result<T> {
        enter(&self.state, code)
    }

    /// Runs the action's function as the runtime does: the parameters as `args`, the result as
    /// JSON.
    ///
    /// # Errors
    /// The errors of the function; `Invalid`: the parameters do not match its `Args`; `Internal`:
    /// the result is not a JSON object or array.
    pub fn call<A, T, E>(&self, function: impl FnOnce(A) -> Result<T, E>) -> Result<Value>
    where
        A: Parameters,
        T: Answer,
        E: Failure,
    {
        let args = Value::Object(self.parameters()).to_string();
        let text = self.run(|| match function(A::from_text(&args)?) {
            Ok(answer) => answer.into_text(),
            Err(failure) => Err(failure.into_error()),
        })?;
        serde_json::from_str(&text).map_err(Error::from)
    }

    fn parameters(&self) -> Map<String, Value> {
        self.state.borrow().parameters.clone()
    }

    /// Returns the objects that the action stored and did not delete, in the order of their
    /// locations.
    pub fn written(&self) -> Vec<Written> {
        let state = self.state.borrow();
        let written = state.objects.iter().filter(|(_, object)| object.written);
        written
            .map(|(location, StoredObject { data, content_type, .. })| Written {
                location: location.clone(),
                data: data.clone(),
                content_type: content_type.clone(),
            })
            .collect()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Environment")
            .field("parameters", &state.parameters)
            .field("objects", &state.objects.keys())
            .field("models", &state.models.iter().map(|model| &model.name).collect::<Vec<_>>())
            .finish()
    }
}

/// Returns the JSON Schema that an action with these parameters publishes to its callers; `None`
/// for `serde_json::Value`. The runtime accepts at most 64 KiB.
pub fn input_schema<A: Parameters>() -> Option<Value> {
    A::input_schema().and_then(|schema| serde_json::from_str(&schema).ok())
}

/// Object that an action stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Location of the object.
    pub location: String,
    /// Content of the object.
    pub data: Vec<u8>,
    /// MIME type, if the action gave one.
    pub content_type: Option<String>,
}
