//! From the attribute and its function to the component's exports.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result};

use crate::function;
use crate::options::Options;

/// The function as it was, and beside it the exports or the errors: the function stays usable either way, so that the compiler
/// does not add "cannot find function" to our message.
pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let beside = exports(options, item.clone()).unwrap_or_else(Error::into_compile_error);
    quote! { #item #beside }
}

fn exports(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options)?;
    let function = entry_point(item)?;
    let parameters = function::parameters(&function)?;

    let Options { name, description } = options;
    let ident = &function.sig.ident;
    let sdk = quote!(::keynet_inference_sdk::__private);
    // Where a type does not suit, the error points at it, or else at the function's name.
    let located = quote_spanned!(ident.span()=> ::keynet_inference_sdk::__private);
    let (describe, run, call) = match parameters {
        Some(parameters) => (
            quote! { #sdk::describe::<#parameters>(#name, #description) },
            quote! { #sdk::run::<#parameters, _, _>(#ident, &args) },
            quote! { #located::call::<#parameters, _, _>(#ident, args) },
        ),
        None => (
            quote! { #sdk::describe_without_parameters(#name, #description) },
            quote! { #sdk::run_without_parameters(#ident, &args) },
            quote! { { let _ = args; #located::call_without_parameters(#ident) } },
        ),
    };
    Ok(quote! {
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

        // The same checks where tests run.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(&str) -> ::keynet_inference_sdk::Result<::std::string::String> = |args| #call;
    })
}

fn entry_point(item: TokenStream) -> Result<ItemFn> {
    let span = item.span();
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        _ => Err(Error::new(span, "#[keynet_function] belongs on a function: write\nfn main(args: Args) -> Result<Output> { … }")),
    }
}
