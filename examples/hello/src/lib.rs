//! Greeting: the smallest useful action.

use keynet_inference_sdk::prelude::*;

#[derive(Deserialize, JsonSchema)]
struct Args {
    /// Who is greeted.
    name: String,
}

#[derive(Debug, Serialize)]
struct Output {
    greeting: String,
}

#[keynet_function(name = "hello", description = "Greets a person by name.")]
fn main(args: Args) -> Result<Output> {
    ensure!(!args.name.trim().is_empty(), invalid, "the parameter `name` must not be empty");
    println!("greeting {}", args.name);
    Ok(Output { greeting: greet(&args.name)? })
}

/// Returns the greeting. Any function can read parameters, not only the main function.
fn greet(name: &str) -> Result<String> {
    let word = UserInput::get::<String>("word")?.unwrap_or_else(|| "Hello".to_owned());
    Ok(format!("{word}, {name}!"))
}

#[cfg(test)]
mod tests {
    use keynet_inference_sdk::testing::Environment;

    use super::*;

    #[test]
    fn greets() -> Result<()> {
        let result = Environment::new().param("name", "Ada").call(main)?;
        assert_eq!(result, json!({ "greeting": "Hello, Ada!" }));
        Ok(())
    }

    #[test]
    fn the_caller_chooses_the_word() -> Result<()> {
        let environment = Environment::new().param("word", "안녕");
        let output = environment.run(|| main(Args { name: "Ada".into() }))?;
        assert_eq!(output.greeting, "안녕, Ada!");
        Ok(())
    }

    #[test]
    fn a_missing_name_is_the_callers_mistake() {
        let error = Environment::new().call(main).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(
            error.message(),
            "the parameter `name` is missing: expected a string, \"Who is greeted.\""
        );
    }
}
