//! Expansion of the attribute and its function to the component's exports.

use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, Item, ItemFn, Result};

use crate::function;
use crate::options::Options;

/// Returns the function unchanged, followed by the exports or the errors. The function stays usable
/// in both cases, so that the compiler does not add "cannot find function" to the macro's error.
pub fn expand(options: TokenStream, item: TokenStream, file: &str) -> TokenStream {
    if let Err(error) = in_a_library(file) {
        let error = error.into_compile_error();
        return quote! { #error fn main() {} };
    }
    match exports(options, item.clone()) {
        // Keeps the function's own name in trap reports.
        Ok((function, exports)) if !is_inlined_by_hand(&function) => {
            quote! { #[inline(never)] #item #exports }
        }
        Ok((_, exports)) => quote! { #item #exports },
        Err(error) => {
            let error = error.into_compile_error();
            quote! { #item #error }
        }
    }
}

/// Rejects a program's `main.rs`: rustc would report an error about `fn main`, and nothing could
/// call the exports.
fn in_a_library(file: &str) -> Result<()> {
    if Path::new(file).file_name().is_some_and(|name| name == "main.rs") {
        return Err(Error::new(
            Span::call_site(),
            "an action is a library, not a program: rename src/main.rs to src/lib.rs, and write in \
                Cargo.toml\n[lib]\ncrate-type = [\"cdylib\"]",
        ));
    }
    Ok(())
}

fn is_inlined_by_hand(function: &ItemFn) -> bool {
    function.attrs.iter().any(|attribute| attribute.path().is_ident("inline"))
}

fn exports(options: TokenStream, item: TokenStream) -> Result<(ItemFn, TokenStream)> {
    let options = Options::parse(options)?;
    let function = entry_point(item)?;
    let parameters = function::parameters(&function)?;

    let Options { name, description } = options;
    let ident = &function.sig.ident;
    let sdk = quote!(::keynet_inference_sdk::__private);
    // Names that no user's function has, at the function's place: errors about their types point
    // there, which a hygienic name would turn into the whole attribute.
    let local = |name| Ident::new(name, ident.span());
    let (args, answer, failure) =
        (local("__keynet_args"), local("__keynet_answer"), local("__keynet_failure"));
    // For a type that does not fit, the error points at the parameters' type or at the function's
    // name, once: every expression that needs the type has that place.
    let (schema, result) = match parameters {
        Some(parameters) => {
            let at = parameters.span();
            let fits = quote_spanned! {at=> <#parameters as ::keynet_inference_sdk::function::Parameters> };
            (quote!(#fits::input_schema()), quote!(#ident(#fits::from_text(#args)?)))
        }
        None => (quote!(::core::option::Option::None), quote!(#ident())),
    };
    let at = ident.span();
    let text = quote_spanned! {at=> ::keynet_inference_sdk::function::Answer::into_text(#answer) };
    let error =
        quote_spanned! {at=> ::keynet_inference_sdk::function::Failure::into_error(#failure) };
    let only = only_one(ident);
    let exports = quote! {
        #only

        const _: () = {
            // Also in native builds, so that tests check the same types.
            #[allow(dead_code, unused_variables)]
            fn __keynet_call(#args: &str) -> ::keynet_inference_sdk::Result<::std::string::String> {
                match #result {
                    ::core::result::Result::Ok(#answer) => #text,
                    ::core::result::Result::Err(#failure) => ::core::result::Result::Err(#error),
                }
            }

            #[cfg(target_family = "wasm")]
            #[allow(unsafe_code)]
            const _: () = {
                struct __KeynetAction;

                impl #sdk::Guest for __KeynetAction {
                    fn describe() -> #sdk::FunctionInfo {
                        #sdk::describe(#name, #description, #schema)
                    }

                    fn run(args: ::std::string::String) -> ::core::result::Result<::std::string::String, #sdk::HostError> {
                        #sdk::run(__keynet_call, &args)
                    }
                }

                #sdk::bindings::export_action!(__KeynetAction with_types_in #sdk::bindings);
            };
        };
    };
    Ok((function, exports))
}

/// Returns an item whose name is that of the whole crate's, so that rustc reports a second function,
/// in whichever module it is, as the second definition of that name.
fn only_one(function: &Ident) -> TokenStream {
    let name = Ident::new("a_crate_has_only_one_keynet_function", function.span());
    quote_spanned! {name.span()=>
        #[doc(hidden)]
        #[allow(non_local_definitions)]
        #[macro_export]
        macro_rules! #name { () => {}; }
    }
}

fn entry_point(item: TokenStream) -> Result<ItemFn> {
    let span = item.span();
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        _ => Err(Error::new(
            span,
            "#[keynet_function] belongs on a function: write\nfn main(args: Args) -> \
                Result<Output> { … }",
        )),
    }
}
