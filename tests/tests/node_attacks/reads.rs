//! Reading what belongs to another namespace.

use keynet_tests::node::Client;
use serde_json::{Value, json};

use super::Attacked;

fn run(client: &Client, attack: &Value) -> Value {
    client.invoke("evil", attack).json()
}

#[test]
fn an_activation_of_good_is_not_there_for_evil_even_if_it_knows_the_id() {
    let attacked = Attacked::start("", "");
    let said = json!({ "do": "say", "text": "secret of good" });
    let answer = attacked.good.call("POST", "/_/actions/evil?blocking=true", &said);
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    attacked.good.record(&id);
    for namespace in ["_", "evil", "good"] {
        for rest in ["", "/", "/logs", "/result"] {
            let path = format!("/{namespace}/activations/{id}{rest}");
            let answer = attacked.evil.call("GET", &path, &Value::Null);
            let expected = if namespace == "good" { 403 } else { 404 };
            assert_eq!(answer.status, expected, "{path}: {}", answer.text());
            assert!(!answer.text().contains("secret"), "{}", answer.text());
        }
    }
    for query in
        ["", "?docs=true&limit=200", "?name=evil", "?since=0", "?name=good/evil", "?count=true"]
    {
        let listed = attacked.evil.get(&format!("/_/activations{query}")).to_string();
        assert!(!listed.contains("secret") && !listed.contains(&id), "{query}: {listed}");
    }
}

#[test]
fn objects_of_good_are_not_there_for_evil_by_any_location() {
    let attacked = Attacked::start("", "");
    let put = json!({ "do": "put", "location": "private/one", "text": "secret of good" });
    let url = run(&attacked.good, &put)["allowed"].as_str().unwrap().to_owned();
    let own = json!({ "do": "get", "location": "private/one" });
    assert_eq!(run(&attacked.good, &own), json!({ "allowed": 14 }));
    let presigned = json!({ "do": "presign", "location": "private/one" });
    let presigned = run(&attacked.good, &presigned)["allowed"].as_str().unwrap_or(&url).to_owned();
    let path = |text: &str| attacked.sandbox.path(text).display().to_string();
    let folder = path("node-data/namespaces/good/storage");
    let mut locations = vec![
        "private/one".to_owned(),
        "../../good/storage/private/one".to_owned(),
        "x/../../../good/storage/private/one".to_owned(),
        "..%2F..%2Fgood%2Fstorage%2Fprivate%2Fone".to_owned(),
        "/private/one".to_owned(),
        format!("{folder}/private/one"),
        format!("file://{folder}/private/one"),
        "s3://good/private/one".to_owned(),
        url,
        presigned.clone(),
        presigned.replace("private/one", "private/../private/one"),
    ];
    locations.push(path("node-data/node.db"));
    locations.push(path("node-config/good.key"));
    for location in &locations {
        // Each returns the number of bytes; evil's own objects have one more than good's.
        for attack in ["get", "read", "tensor-data"] {
            let ended = run(&attacked.evil, &json!({ "do": attack, "location": location }));
            assert_ne!(ended["allowed"], 14, "{attack} {location}");
        }
        let presign = json!({ "do": "presign", "location": location });
        if let Some(url) = run(&attacked.evil, &presign)["allowed"].as_str() {
            let shown = run(&attacked.evil, &json!({ "do": "get", "location": url }));
            assert_ne!(shown["allowed"], 14, "{location}");
        }
        let put = json!({ "do": "put", "location": location, "text": "changed by evil" });
        run(&attacked.evil, &put);
    }
    for prefix in ["", "..", "../", "../../good", "/", "private"] {
        let listed = run(&attacked.evil, &json!({ "do": "list", "location": prefix })).to_string();
        assert!(!listed.contains("good") || listed.contains("refused"), "{prefix}: {listed}");
    }
    assert_eq!(run(&attacked.good, &own), json!({ "allowed": 14 }), "it is unchanged");
    let objects = run(&attacked.good, &json!({ "do": "list", "location": "" }));
    assert_eq!(objects["allowed"]["locations"].as_array().unwrap().len(), 1, "{objects}");
}

#[test]
fn the_same_component_in_both_namespaces_shares_code_and_nothing_else() {
    let attacked = Attacked::start("", "");
    let named = |client: &Client| client.get("/_/actions/contract?code=false")["namespace"].clone();
    assert_eq!((named(&attacked.good), named(&attacked.evil)), (json!("good"), json!("evil")));
    let environment = json!({ "do": "environment" });
    for (client, own, other) in [(&attacked.good, "good", "evil"), (&attacked.evil, "evil", "good")]
    {
        let seen = client.invoke("contract", &environment).json();
        assert_eq!(seen["__OW_NAMESPACE"], own);
        assert!(!seen.to_string().contains(other), "{seen}");
    }
    // Removed by one, it is still there for the other.
    attacked.evil.call("DELETE", "/_/actions/contract", &Value::Null);
    attacked.good_answers(2);
}
