//! `user-input`: the caller's parameters and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use wasmtime::component::{HasData, Linker};

use super::bindings::keynet::inference::user_input;
use super::meter::Meter;
use crate::config::is_reserved;
use crate::error::{Error, Result};

/// The parameters of one activation: the text that `run` gets, and each parameter's own text.
#[derive(Debug, Clone)]
pub struct Parameters {
    text: Arc<str>,
    /// In the order of their code points. Empty where the argument is an array.
    by_name: Arc<BTreeMap<String, Box<RawValue>>>,
}

impl Parameters {
    /// Reads JSON text: an object, or an array in a sequence. Configuration names are taken out of an object, wherever they come from.
    ///
    /// # Errors
    /// `invalid`: not JSON, or neither object nor array.
    pub fn parse(json: &str) -> Result<Self> {
        let not_json = |error: serde_json::Error| Error::invalid(format!("the parameters are not JSON: {error}"));
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'[') => {
                let array: &RawValue = serde_json::from_str(json).map_err(not_json)?;
                Ok(Self { text: array.get().into(), by_name: Arc::default() })
            }
            Some(b'{') => {
                let mut by_name: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).map_err(not_json)?;
                let sent = by_name.len();
                by_name.retain(|name, _| !is_reserved(name));
                let text = if by_name.len() == sent { json.into() } else { serde_json::to_string(&by_name).map_err(not_json)?.into() };
                Ok(Self { text, by_name: Arc::new(by_name) })
            }
            _ => Err(Error::invalid("the parameters are neither a JSON object nor an array; an object is `{\"name\": value}`")),
        }
    }

    /// No parameters: `{}`.
    pub fn none() -> Self {
        Self { text: "{}".into(), by_name: Arc::default() }
    }

    /// The JSON text that `run` gets.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `user-input`'s part of a store.
#[derive(Debug)]
pub struct UserInputCtx {
    parameters: Parameters,
    meter: Meter,
}

impl UserInputCtx {
    /// Hands out `parameters`.
    pub fn new(parameters: Parameters, meter: Meter) -> Self {
        Self { parameters, meter }
    }
}

/// What the generated trait is implemented on.
#[derive(Debug)]
pub struct UserInputView<'a> {
    /// The context.
    pub ctx: &'a mut UserInputCtx,
}

impl user_input::Host for UserInputView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.ctx.meter.allow("user-input.get")?;
        Ok(self.ctx.parameters.by_name.get(&name).map(|value| value.get().to_owned()))
    }

    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        self.ctx.meter.allow("user-input.names")?;
        Ok(self.ctx.parameters.by_name.keys().cloned().collect())
    }

    fn all(&mut self) -> wasmtime::Result<String> {
        self.ctx.meter.allow("user-input.all")?;
        let parameters = &self.ctx.parameters;
        Ok(if parameters.by_name.is_empty() { "{}".to_owned() } else { parameters.text.to_string() })
    }
}

struct HasUserInput;

impl HasData for HasUserInput {
    type Data<'a> = UserInputView<'a>;
}

/// Adds `user-input` to `linker`.
///
/// # Errors
/// It is there already.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> UserInputView<'_>) -> wasmtime::Result<()> {
    user_input::add_to_linker::<T, HasUserInput>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use user_input::Host;

    fn input(json: &str) -> UserInputCtx {
        UserInputCtx::new(Parameters::parse(json).unwrap(), Meter::default())
    }

    #[test]
    fn each_parameter_is_json_text() {
        let mut ctx = input(r#"{"b": null, "name": "Ada", "n": 1.50, "é": [1, {"x": 2}]}"#);
        let mut view = UserInputView { ctx: &mut ctx };
        assert_eq!(view.get("name".into()).unwrap().as_deref(), Some("\"Ada\""));
        assert_eq!(view.get("n".into()).unwrap().as_deref(), Some("1.50"));
        assert_eq!(view.get("b".into()).unwrap().as_deref(), Some("null"));
        assert_eq!(view.get("missing".into()).unwrap(), None);
        assert_eq!(view.names().unwrap(), ["b", "n", "name", "é"]);
    }

    #[test]
    fn configuration_never_reaches_an_action() {
        let parameters = Parameters::parse(r#"{"TRITON_URL": "http://x", "AWS_SECRET_ACCESS_KEY": "s", "KEYNET_X": 1, "a": 1}"#).unwrap();
        assert_eq!(parameters.text(), r#"{"a":1}"#);
        let mut ctx = UserInputCtx::new(parameters, Meter::default());
        let mut view = UserInputView { ctx: &mut ctx };
        assert_eq!(view.get("AWS_SECRET_ACCESS_KEY".into()).unwrap(), None);
        assert_eq!(view.all().unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn an_array_has_no_parameters() {
        let mut ctx = input("[1, 2]");
        assert_eq!(ctx.parameters.text(), "[1, 2]");
        let mut view = UserInputView { ctx: &mut ctx };
        assert_eq!(view.all().unwrap(), "{}");
        assert!(view.names().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["", "1", "\"x\"", "null", "{", "[1", "{\"a\":}"] {
            assert!(Parameters::parse(json).is_err(), "{json}");
        }
    }

    #[test]
    fn describing_may_not_read_parameters() {
        let mut ctx = UserInputCtx::new(Parameters::parse("{}").unwrap(), Meter::describing());
        let error = UserInputView { ctx: &mut ctx }.names().unwrap_err();
        assert!(error.to_string().contains("`describe` called user-input.names"), "{error}");
    }
}
