//! The state that a test set up, and the current one of this thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::objects::StoredObject;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::triton::{ModelMetadata, Tensors};

/// One or more responses, each of named tensors.
pub(crate) type Answers = Vec<Vec<(String, Tensor)>>;

type Answer = Box<dyn Fn(&Tensors) -> Result<Answers>>;

/// Fake model.
#[derive(Default)]
pub(crate) struct Model {
    pub name: String,
    pub answer: Option<Answer>,
    pub metadata: Option<ModelMetadata>,
}

/// State of the environment that all calls use.
#[derive(Default)]
pub(crate) struct State {
    pub parameters: Map<String, Value>,
    /// Objects by location, as written by the caller; the first model is the default one.
    pub objects: BTreeMap<String, StoredObject>,
    pub models: Vec<Rc<Model>>,
    /// Number of objects stored so far. Etags and new keys are derived from it, so that tests are
    /// repeatable.
    pub stored: u64,
}

/// Handle to a [`State`] that the calls and the test share.
#[derive(Clone)]
pub(crate) struct Current(Rc<RefCell<State>>);

impl Current {
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T> {
        Ok(look(&self.0.borrow()))
    }

    pub fn change<T>(&self, act: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        act(&mut self.0.borrow_mut())
    }

    /// Returns the model of this name, in any notation; the first one for an empty name.
    pub fn model(&self, wanted: &str) -> Result<Rc<Model>> {
        let state = self.0.borrow();
        if wanted.is_empty() {
            return state.models.first().cloned().ok_or_else(|| {
                Error::unavailable(
                    "there is no model in this testing::Environment: add one with `.model(name, \
                        |inputs| …)`",
                )
            });
        }
        let found = state
            .models
            .iter()
            .find(|model| model.name == wanted || model.name == plain_name(wanted));
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = state.models.iter().map(|model| model.name.as_str()).collect();
            Error::not_found(format_args!(
                "there is no model `{wanted}` in this testing::Environment: there is [{}]",
                names.join(", ")
            ))
        })
    }
}

/// Returns the name without version or alias: `models:/name/3`, `models:/name@alias`, `name:3`.
fn plain_name(wanted: &str) -> &str {
    let (name, ends): (&str, &[char]) = match wanted.strip_prefix("models:/") {
        Some(name) => (name, &['/', '@']),
        None => (wanted, &[':']),
    };
    name.split(ends).next().unwrap_or(name)
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Returns this thread's environment.
pub(crate) fn current() -> Result<Current> {
    CURRENT.with_borrow(Clone::clone).ok_or_else(|| {
        Error::unavailable(
            "outside the runtime there are no parameters, models or objects: wrap the call in \
                keynet_inference_sdk::testing::Environment::new().run(|| …)",
        )
    })
}

/// Sets this thread's state while `body` runs, and restores the previous one afterwards, even after
/// a panic.
pub(crate) fn enter<R>(state: &Rc<RefCell<State>>, body: impl FnOnce() -> R) -> R {
    struct Back(Option<Current>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _back = Back(CURRENT.replace(Some(Current(Rc::clone(state)))));
    body()
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn a_model_by_any_of_its_names() {
        for name in ["detector", "detector:2", "models:/detector/2", "models:/detector@champion"] {
            assert_eq!(plain_name(name), "detector");
        }
    }
}
