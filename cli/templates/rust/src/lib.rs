//! An action that greets. Change what it takes and returns, and have `cargo test` and
//! `keynet-inference build` say what you think of it.

use keynet_inference_sdk::prelude::*;

/// What callers send: the comments on the fields are shown to them.
#[derive(Deserialize, JsonSchema)]
struct Args {
    /// Who is greeted.
    name: String,
}

/// What they get, as a JSON object.
#[derive(Debug, PartialEq, Serialize)]
struct Output {
    greeting: String,
}

#[keynet_function(name = "{{name}}", description = "Greets a person by name.")]
fn main(args: Args) -> Result<Output> {
    ensure!(
        !args.name.is_empty(),
        invalid,
        "the parameter `name` is empty"
    );
    println!("greeting {}", args.name);
    Ok(Output {
        greeting: greet(&args.name)?,
    })
}

/// Parameters can also be asked for by name, anywhere.
fn greet(name: &str) -> Result<String> {
    let word = UserInput::get::<String>("word")?.unwrap_or("Hello".to_owned());
    Ok(format!("{word}, {name}!"))
}

#[cfg(test)]
mod tests {
    use keynet_inference_sdk::testing::Environment;

    use super::*;

    #[test]
    fn greets_as_the_caller_likes() -> Result<()> {
        let environment = Environment::new()
            .param("name", "Ada")
            .param("word", "Good morning");
        assert_eq!(
            environment.call(main)?,
            json!({ "greeting": "Good morning, Ada!" })
        );
        Ok(())
    }

    #[test]
    fn an_empty_name_is_the_callers_mistake() {
        let error = Environment::new().param("name", "").call(main).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
