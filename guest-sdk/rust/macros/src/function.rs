//! Requirements on the function that is an action's entry point.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{
    Error, FnArg, GenericArgument, ItemFn, PathArguments, Result, ReturnType, Safety, Signature,
    Type,
};

/// Result types that do not serialise to an object or an array.
const SCALARS: &[&str] = &[
    "String", "str", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

/// Checks the function and returns the type of its parameters, if it takes any.
pub fn parameters(function: &ItemFn) -> Result<Option<&Type>> {
    let signature = &function.sig;
    let form = format!("write\nfn {}(args: Args) -> Result<Output> {{ … }}", signature.ident);
    let wrong = |span, problem: &str| Error::new(span, format!("{problem}: {form}"));

    if let Some(word) = &signature.asyncness {
        return Err(wrong(
            word.span(),
            "an inference function is not async: its calls wait, and the runtime meanwhile runs \
                other activations",
        ));
    }
    if let Safety::Unsafe(word) = &signature.safety {
        return Err(wrong(word.span(), "an inference function is not unsafe"));
    }
    if let Some(abi) = &signature.abi {
        return Err(wrong(
            abi.span(),
            "an inference function is an ordinary Rust function, the attribute exports it",
        ));
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        return Err(wrong(
            signature.generics.span(),
            "an inference function has no type parameters or lifetimes: the runtime calls it with \
                one type",
        ));
    }
    if let Some(dots) = &signature.variadic {
        return Err(wrong(dots.span(), "an inference function takes one value"));
    }
    if signature.inputs.len() > 1 {
        return Err(wrong(
            signature.inputs.span(),
            "an inference function takes all its parameters as one value, a struct with a field \
                for each",
        ));
    }
    result(signature, &wrong)?;
    match signature.inputs.first() {
        None => Ok(None),
        Some(FnArg::Receiver(receiver)) => {
            Err(wrong(receiver.span(), "an inference function is not a method"))
        }
        Some(FnArg::Typed(argument)) => match &*argument.ty {
            Type::Reference(reference) => Err(wrong(
                reference.span(),
                "an inference function owns its parameters, without `&`",
            )),
            Type::ImplTrait(generic) => {
                Err(wrong(generic.span(), "an inference function takes one known type"))
            }
            known => Ok(Some(known)),
        },
    }
}

fn result(signature: &Signature, wrong: &impl Fn(Span, &str) -> Error) -> Result<()> {
    let ReturnType::Type(_, returned) = &signature.output else {
        return Err(wrong(signature.ident.span(), "an inference function returns its result"));
    };
    let Type::Path(path) = &**returned else {
        return Err(wrong(returned.span(), "an inference function returns a Result"));
    };
    let Some(last) =
        path.path.segments.last().filter(|last| last.ident.to_string().ends_with("Result"))
    else {
        return Err(wrong(returned.span(), "an inference function returns a Result"));
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Ok(());
    };
    let Some(GenericArgument::Type(value)) = arguments.args.first() else {
        return Ok(());
    };
    let scalar = match value {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Reference(reference) => is_scalar(&reference.elem),
        other => is_scalar(other),
    };
    if scalar {
        return Err(wrong(
            value.span(),
            "the result must be a JSON object or array, so a struct, a map or a list",
        ));
    }
    Ok(())
}

fn is_scalar(value: &Type) -> bool {
    matches!(value, Type::Path(path) if path.path.get_ident().is_some_and(|ident| SCALARS.iter().any(|scalar| ident == scalar)))
}
