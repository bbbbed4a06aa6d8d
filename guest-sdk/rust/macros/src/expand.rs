//! Expansion of the attribute and its function to the component's exports.

use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result};

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
    // For a type that does not fit, the error points at the parameters' type or at the function's
    // name.
    let at = ident.span();
    let (describe, run, call) = match parameters {
        Some(parameters) => (
            quote! { #sdk::describe::<#parameters>(#name, #description) },
            quote! { #sdk::run::<#parameters, _, _>(#ident, &args) },
            quote_spanned! {at=> |args| ::keynet_inference_sdk::__private::call::<#parameters, _, _>(#ident, args) },
        ),
        None => (
            quote! { #sdk::describe_without_parameters(#name, #description) },
            quote! { #sdk::run_without_parameters(#ident, &args) },
            quote_spanned! {at=> |_args| ::keynet_inference_sdk::__private::call_without_parameters(#ident) },
        ),
    };
    let exports = quote! {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            struct Action;

            impl #sdk::Guest for Action {
                fn describe() -> #sdk::FunctionInfo {
                    #describe
                }

                fn run(args: ::std::string::String) -> ::core::result::Result<::std::string::String, #sdk::HostError> {
                    #run
                }
            }

            #sdk::bindings::export_action!(Action with_types_in #sdk::bindings);
        };

        // The same type checks when compiling for tests.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(&str) -> ::keynet_inference_sdk::Result<::std::string::String> = #call;
    };
    Ok((function, exports))
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
