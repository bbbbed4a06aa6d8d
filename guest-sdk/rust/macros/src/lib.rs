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
/// `name` is the name by which callers invoke the action: up to 63 of `a-z`, `0-9` and `-`, not
/// starting with `-`. `description` is a description for people, of at most 1 KiB. Both are string
/// literals.
///
/// The function takes its parameters as one value of a type with
/// `#[derive(Deserialize, JsonSchema)]` (or as `serde_json::Value`), or takes none, and returns a
/// `Result` whose `Ok` is `Serialize` and becomes a JSON object or array. The attribute leaves the function unchanged, so
/// that tests can call it.
///
/// Compiled for wasm, the crate then exports `describe` and `run` of `keynet:inference/function`. A
/// crate has exactly one such function.
#[proc_macro_attribute]
pub fn keynet_function(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), &Span::call_site().file()).into()
}
