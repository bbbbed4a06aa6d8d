//! Options of the attribute: `name = "…", description = "…"`.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token};

/// Correct form, for every error about the options.
const FORM: &str = "#[keynet_function(name = \"my-function\", description = \"What it does, for a \
    person.\")]";

/// Limits of the contract (`wit/function.wit` and the host's check of `describe`).
const NAME_LIMIT: usize = 63;
const DESCRIPTION_LIMIT: usize = 1024;

pub struct Options {
    pub name: LitStr,
    pub description: LitStr,
}

impl Options {
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let pairs = Punctuated::<Pair, Token![,]>::parse_terminated.parse2(tokens)?;
        let (mut name, mut description) = (None, None);
        for Pair { key, value } in pairs {
            let place = match key.to_string().as_str() {
                "name" => &mut name,
                "description" => &mut description,
                other => {
                    return Err(Error::new(
                        key.span(),
                        format!("there is no option `{other}`: write\n{FORM}"),
                    ));
                }
            };
            if place.replace(value).is_some() {
                return Err(Error::new(key.span(), format!("`{key}` is given twice")));
            }
        }
        let missing = |what: &str| {
            Error::new(Span::call_site(), format!("the function has no {what}: write\n{FORM}"))
        };
        let name = name.ok_or_else(|| missing("name"))?;
        let description = description.ok_or_else(|| missing("description"))?;
        check_name(&name)?;
        check_description(&description)?;
        Ok(Self { name, description })
    }
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let problem = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > NAME_LIMIT {
        format!("it has {} bytes, at most {NAME_LIMIT} are allowed", text.len())
    } else if text.starts_with('-') {
        "it starts with `-`".to_owned()
    } else if let Some(wrong) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        format!("it contains `{wrong}`; allowed are a-z, 0-9 and -")
    } else {
        return Ok(());
    };
    let suggestion = suggest(&text);
    let hint = if suggestion.is_empty() {
        String::new()
    } else {
        format!(": write `name = \"{suggestion}\"`")
    };
    Err(Error::new(
        name.span(),
        format!("`{text}` cannot be a function's name, because {problem}{hint}"),
    ))
}

/// Returns the nearest valid name: `Image Detection` → `image-detection`.
fn suggest(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if matches!(c, 'a'..='z' | '0'..='9') { c } else { '-' })
        .collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-").chars().take(NAME_LIMIT).collect()
}

fn check_description(description: &LitStr) -> Result<()> {
    let text = description.value();
    let problem = if text.trim().is_empty() {
        "the description is empty: say in a sentence what the function does".to_owned()
    } else if text.len() > DESCRIPTION_LIMIT {
        format!("the description has {} bytes, at most {DESCRIPTION_LIMIT} are allowed", text.len())
    } else {
        return Ok(());
    };
    Err(Error::new(description.span(), problem))
}

struct Pair {
    key: Ident,
    value: LitStr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Lit) {
            let literal: Lit = input.parse()?;
            return Err(Error::new(literal.span(), format!("options have names: write\n{FORM}")));
        }
        let key: Ident = input.parse()?;
        if !input.peek(Token![=]) {
            return Err(Error::new(key.span(), format!("`{key}` has no value: write\n{FORM}")));
        }
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        match value {
            Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) => Ok(Self { key, value }),
            other => {
                let span = syn::spanned::Spanned::span(&other);
                Err(Error::new(
                    span,
                    format!("`{key}` must be a string literal, such as {key} = \"…\""),
                ))
            }
        }
    }
}
