//! Errors for parameters that do not match, and the published schemas.

#![allow(clippy::unwrap_used)]

use keynet_inference_sdk::prelude::*;
use keynet_inference_sdk::testing::{Environment, input_schema};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// Where the picture is.
    ///
    /// More about it.
    image_url: String,
    #[serde(default)]
    threshold: Option<f64>,
    #[serde(default)]
    limit: u32,
    #[serde(default)]
    boxes: Vec<Rectangle>,
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Rectangle {
    width: u16,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Exact,
}

#[keynet_function(name = "parameters", description = "Returns its parameters.")]
fn main(args: Args) -> Result<Args> {
    Ok(args)
}

fn told(parameters: Value) -> String {
    let error = Environment::new().params(parameters).call(main).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.message().to_owned()
}

#[test]
fn right_parameters_arrive() -> Result<()> {
    let all = json!({ "image_url": "cat.png", "threshold": 0.5, "limit": 3, "boxes": [{ "width": 7 }], "mode": "exact" });
    assert_eq!(Environment::new().params(all.clone()).call(main)?, all);
    Ok(())
}

#[test]
fn a_mistake_is_told_in_the_callers_words() {
    let url = "image_url";
    for (parameters, expected) in [
        (
            json!({}),
            "the parameter `image_url` is missing: expected a string, \"Where the picture is.\"",
        ),
        (json!({ url: 7 }), "the parameter `image_url`: expected a string, came integer `7`"),
        (json!({ url: null }), "the parameter `image_url`: expected a string, came null"),
        (
            json!({ url: "", "threshold": "high" }),
            "the parameter `threshold`: expected a number, came string \"high\"",
        ),
        (
            json!({ url: "", "limit": -1 }),
            "the parameter `limit`: expected a whole number, 0 or more (u32), came integer `-1`",
        ),
        (
            json!({ url: "", "boxes": {} }),
            "the parameter `boxes`: expected an array, came an object",
        ),
        (
            json!({ url: "", "boxes": [{ "width": 1 }, {}] }),
            "the parameter `boxes[1].width` is missing",
        ),
        (
            json!({ url: "", "boxes": [{ "width": 99_999 }] }),
            "the parameter `boxes[0].width`: expected a whole number, 0 or more (u16), came \
                integer `99999`",
        ),
        (
            json!({ url: "", "mode": "slow" }),
            "the parameter `mode`: expected `fast` or `exact`, came `slow`",
        ),
        (
            json!({ url: "", "treshold": 1 }),
            "there is no parameter `treshold`: expected one of `image_url`, `threshold`, `limit`, \
                `boxes`, `mode`",
        ),
    ] {
        assert_eq!(told(parameters), expected);
    }
}

#[test]
fn user_input_tells_the_same() -> Result<()> {
    let environment =
        Environment::new().param("limit", -1).param("box", json!({})).param("none", Value::Null);
    environment.run(|| {
        let message = |error: Error| error.message().to_owned();
        assert_eq!(
            UserInput::get::<u32>("limit").map_err(message),
            Err("the parameter `limit`: expected a whole number, 0 or more (u32), came integer `-1`".into())
        );
        assert_eq!(UserInput::get::<Rectangle>("box").map_err(message).unwrap_err(), "the \
            parameter `box.width` is missing");
        assert_eq!(UserInput::get::<u32>("none")?, None);
        assert_eq!(UserInput::require::<u32>("none").map_err(message), Err("the parameter `none` \
            is missing".into()));
        assert_eq!(UserInput::names()?, ["box", "limit", "none"]);
        assert_eq!(Value::Object(UserInput::all()?), json!({ "limit": -1, "box": {}, "none": null }));
        Ok(())
    })
}

#[test]
fn outside_an_environment_calls_say_what_to_do() {
    let error = UserInput::get::<u32>("limit").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("testing::Environment::new().run"), "{error}");
    assert!(Triton::new().is_err() && Storage::new().is_err());
}

#[test]
fn a_result_must_be_an_object_or_an_array() {
    let error = Environment::new().call(|_: Value| Result::<_, Error>::Ok("done")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(
        error.message().starts_with(
            "the function returned \"done\", but a result must be a JSON object or array"
        ),
        "{error}"
    );
}

#[test]
fn the_schema_is_that_of_the_parameters() {
    let schema = input_schema::<Args>().unwrap();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["required"], json!(["image_url"]));
    assert_eq!(schema["properties"]["threshold"]["type"], json!(["number", "null"]));
    assert_eq!(schema.get("title"), None);
    assert_eq!(input_schema::<Value>(), None);
}

fn asks(_args: Value) -> Result<Value> {
    Ok(json!({
        "number": UserInput::get::<f64>("number")?,
        "flag": UserInput::get::<bool>("flag")?,
        "text": UserInput::get::<String>("text")?,
    }))
}

#[test]
fn a_web_actions_query_sends_numbers_as_text() -> Result<()> {
    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    struct Query {
        whole: u32,
        fraction: Option<f64>,
        flag: bool,
        text: String,
    }
    fn query(args: Query) -> Result<Query> {
        Ok(args)
    }
    let sent = json!({ "whole": "12", "fraction": " 0.5", "flag": "TRUE", "text": "7" });
    let of_web_action = |mut sent: Value| {
        sent["__ow_method"] = json!("get");
        sent
    };
    let read = json!({ "whole": 12, "fraction": 0.5, "flag": true, "text": "7" });
    assert_eq!(Environment::new().params(of_web_action(sent.clone())).call(query)?, read);
    let error = Environment::new().params(sent).call(query).unwrap_err();
    assert_eq!(error.message(), "the parameter `flag`: expected a boolean, came string \"TRUE\"");
    // The parameter that is not a number is named, not the first.
    let wrong = json!({ "whole": "12", "fraction": "half", "flag": "1", "text": "7" });
    let error = Environment::new().params(of_web_action(wrong)).call(query).unwrap_err();
    assert_eq!(
        error.message(),
        "the parameter `fraction`: expected a number, came string \"half\""
    );

    let sent = json!({ "number": "0.5", "flag": "0", "text": "7" });
    let read = json!({ "number": 0.5, "flag": false, "text": "7" });
    assert_eq!(Environment::new().params(of_web_action(sent.clone())).call(asks)?, read);
    assert!(Environment::new().params(sent).call(asks).is_err());
    Ok(())
}
