//! The attribute `#[keynet_function]` of keynet-inference-sdk, which re-exports and documents it.

mod expand;
mod function;
mod options;

use proc_macro::{Span, TokenStream};

/// Makes a function the action's entry point.
///
/// ```text
/// #[keynet_function(name = "image-detection", description = "Finds things in a picture.")]
/// fn main(args: Args) -> Result<Output> { … }
/// ```
///
/// `name` is what callers invoke the action by: up to 63 of `a-z`, `0-9` and `-`, not starting with
/// `-`. `description` tells a person what it does, in at most 1 KiB. Both are string literals.
///
/// The function takes its parameters as one value of a type with
/// `#[derive(Deserialize, JsonSchema)]` (or as `serde_json::Value`), or takes none, and returns a
/// `Result` whose `Ok` is `Serialize` and becomes a JSON object or array. The attribute leaves it
/// as it is: tests call it.
///
/// Compiled for wasm, the crate then exports `describe` and `run` of `keynet:inference/function`.
/// There is one such function in a crate.
#[proc_macro_attribute]
pub fn keynet_function(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), &Span::call_site().file()).into()
}
