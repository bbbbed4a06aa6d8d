//! `user-input`: the caller's parameters and nothing else.

use wasmtime::component::{HasData, Linker};

use super::CallContext;
use super::bindings::keynet::inference::user_input;
use keynet_base::budget::Reservation;
use keynet_base::error::Result;

pub use super::parameters::Parameters;

/// Context of `user-input` in a store.
#[derive(Debug)]
pub struct UserInputCtx {
    parameters: Parameters,
    calls: CallContext,
    _held: Reservation,
}

impl UserInputCtx {
    /// Creates the context for `parameters`, which count in the activation's memory.
    ///
    /// # Errors
    /// `too-large`: the memory is not available.
    pub fn new(parameters: Parameters, calls: CallContext) -> Result<Self> {
        let held = calls.memory().reserve(parameters.bytes(), "the parameters")?;
        Ok(Self { parameters, calls, _held: held })
    }
}

/// View that implements the generated trait.
#[derive(Debug)]
pub struct UserInputView<'a> {
    /// Context.
    pub ctx: &'a mut UserInputCtx,
}

impl user_input::Host for UserInputView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let UserInputCtx { parameters, calls, .. } = self.ctx;
        calls.meter.allow("user-input.get")?;
        let Some(value) = parameters.get(&name) else { return Ok(None) };
        calls.lend(value.len(), "a copy of a parameter")?;
        Ok(Some(value.to_owned()))
    }

    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        let UserInputCtx { parameters, calls, .. } = self.ctx;
        calls.meter.allow("user-input.names")?;
        calls.lend(
            parameters.names().map(|name| size_of::<String>() + name.len()).sum(),
            "the names of the parameters",
        )?;
        Ok(parameters.names().map(str::to_owned).collect())
    }

    fn all(&mut self) -> wasmtime::Result<String> {
        let UserInputCtx { parameters, calls, .. } = self.ctx;
        calls.meter.allow("user-input.all")?;
        let text = if parameters.names().len() == 0 { "{}" } else { parameters.text() };
        calls.lend(text.len(), "a copy of the parameters")?;
        Ok(text.to_owned())
    }
}

struct HasUserInput;

impl HasData for HasUserInput {
    type Data<'a> = UserInputView<'a>;
}

/// Adds `user-input` to `linker`.
///
/// # Errors
/// It was already added.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> UserInputView<'_>,
) -> wasmtime::Result<()> {
    user_input::add_to_linker::<T, HasUserInput>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::super::Meter;
    use super::*;
    use user_input::Host;

    fn input(json: &str) -> UserInputCtx {
        UserInputCtx::new(
            Parameters::parse(json).unwrap(),
            CallContext::with_memory(1 << 20, Meter::default()),
        )
        .unwrap()
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
        let parameters = Parameters::parse(
            r#"{"TRITON_URL": "http://x", "AWS_SECRET_ACCESS_KEY": "s", "KEYNET_X": 1, "a": 1}"#,
        )
        .unwrap();
        assert_eq!(parameters.text(), r#"{"a":1}"#);
        let mut ctx =
            UserInputCtx::new(parameters, CallContext::with_memory(1 << 20, Meter::default()))
                .unwrap();
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
        let mut ctx = UserInputCtx::new(
            Parameters::none(),
            CallContext::with_memory(1 << 20, Meter::describing()),
        )
        .unwrap();
        let error = UserInputView { ctx: &mut ctx }.names().unwrap_err();
        assert!(error.to_string().contains("`describe` called user-input.names"), "{error}");
    }

    #[test]
    fn parameters_and_the_copy_that_a_guest_asks_for_are_counted() {
        let json = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
        let parameters = Parameters::parse(&json).unwrap();
        assert!(
            UserInputCtx::new(
                parameters.clone(),
                CallContext::with_memory(100_000, Meter::default())
            )
            .is_err()
        );

        let calls = CallContext::with_memory(250_000, Meter::default());
        let (mut ctx, memory) =
            (UserInputCtx::new(parameters, calls.clone()).unwrap(), calls.memory().clone());
        let own = memory.used();
        let mut view = UserInputView { ctx: &mut ctx };
        view.get("a".into()).unwrap();
        assert_eq!(memory.used(), own + 100_002, "until the guest's next call");
        view.all().unwrap();
        assert_eq!(memory.used(), own + json.len() as u64);
        view.names().unwrap();
        assert!(memory.used() < own + 100);
        let other = memory.reserve(100_000, "a tensor").unwrap();
        let trap = view.get("a".into()).unwrap_err();
        assert!(
            trap.downcast_ref::<keynet_base::Error>()
                .is_some_and(|error| error.kind == keynet_base::ErrorKind::TooLarge),
            "{trap}"
        );
        drop(other);
        assert_eq!(memory.used(), own);
    }
}
