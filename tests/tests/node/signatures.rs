//! Signatures that a namespace requires.

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::node::{Client, Node, Tenant};
use keynet_tests::registry::Desk;
use keynet_tests::{Answer, guest};
use serde_json::{Value, json};

/// Creates or replaces an action from a reference.
fn deploy(team: &Client, name: &str, reference: &str) -> Answer {
    let exec = json!({ "kind": "wasm:component", "code": format!("oci://{reference}") });
    team.call("PUT", &format!("/_/actions/{name}?overwrite=true"), &json!({ "exec": exec }))
}

/// Invokes an action until its answer is as expected: the configuration is being reloaded.
fn invoke_until(team: &Client, name: &str, is_expected: impl Fn(&Answer) -> bool) {
    let started = Instant::now();
    loop {
        let answer = team.invoke(name, &json!({ "name": "Ada" }));
        if is_expected(&answer) {
            return;
        }
        let late = started.elapsed() > Duration::from_secs(30);
        assert!(!late, "{name}: {} {}", answer.status, answer.text());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_unsigned_action_runs_no_more_once_a_signature_is_required() {
    let desk = Desk::at("none");
    for key in ["mine", "other"] {
        desk.json(["keygen", key]);
    }
    let push = |guest_name: &str, name: &str, sign: Option<&str>| {
        let (component, reference) = (guest(guest_name), desk.reference(name));
        let mut arguments = vec!["push", component.to_str().unwrap(), &reference];
        arguments.extend(sign.iter().flat_map(|key| ["--sign", key]));
        let digest = desk.json(arguments)["digest"].as_str().unwrap().to_owned();
        format!("{}@{digest}", reference.rsplit_once(':').unwrap().0)
    };
    let signed = push("hello", "hello:1", Some("mine.key"));
    let unsigned = push("contract", "contract:1", None);

    let allowed = "settings-file = 'registry.env'\n";
    let folder = desk.sandbox.path("node-config");
    std::fs::create_dir_all(&folder).unwrap();
    let settings =
        format!("KEYNET_REGISTRY_INSECURE={0}\nKEYNET_REGISTRY_HOSTS={0}\n", desk.host());
    let file = folder.join("registry.env");
    std::fs::write(&file, settings).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for key in ["mine.pub", "other.pub"] {
        std::fs::copy(desk.sandbox.path(key), folder.join(key)).unwrap();
    }
    let tenant = |lines: &str| [Tenant::new("team-a").with(allowed).with(lines)];
    let mut node = Node::start(&desk.sandbox, "", &tenant(""));
    let team = node.client("team-a");
    for (name, reference) in [("signed", &signed), ("unsigned", &unsigned)] {
        let answer = deploy(&team, name, reference);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    team.deployed("code", &guest("hello"));
    let body = json!({ "exec": { "kind": "sequence", "components": ["/_/code"] } });
    assert_eq!(team.call("PUT", "/_/actions/sequence", &body).status, 200);
    for name in ["signed", "unsigned", "code", "sequence"] {
        assert_eq!(team.invoke(name, &json!({ "name": "Ada" })).status, 200, "{name}");
    }

    node.configure("", &tenant("require-signature = ['mine.pub']"));
    node.server().signal("HUP");
    let is_refused = |words: [&'static str; 2]| {
        move |answer: &Answer| {
            let text = answer.text();
            answer.status == 502 && words.iter().all(|word| text.contains(word))
        }
    };
    invoke_until(&team, "code", is_refused(["deployed as code", "push --sign"]));
    invoke_until(&team, "sequence", is_refused(["deployed as code", "push --sign"]));
    invoke_until(&team, "unsigned", is_refused(["cannot be verified", "push --sign"]));
    assert_eq!(team.invoke("signed", &json!({ "name": "Ada" })).json()["greeting"], "Hello, Ada!");
    assert_eq!(deploy(&team, "unsigned", &unsigned).status, 400);

    // What was verified is stored: the registry is not asked again.
    let Desk { sandbox, registry, .. } = desk;
    drop(registry);
    node.server().signal("TERM");
    node.server().ends_within(Duration::from_secs(20));
    let mut node = Node::restart(&sandbox);
    let team = node.client("team-a");
    assert_eq!(team.invoke("signed", &json!({ "name": "Ada" })).status, 200);
    assert_eq!(team.invoke("code", &json!({ "name": "Ada" })).status, 502);

    // A key that is no longer accepted signed nothing.
    node.configure("", &tenant("require-signature = ['other.pub']"));
    node.server().signal("HUP");
    invoke_until(&team, "signed", is_refused(["cannot be verified", "push --sign"]));
    assert_eq!(team.call("GET", "/_/actions/signed", &Value::Null).status, 200, "it is kept");
    node.configure("", &tenant(""));
    node.server().signal("HUP");
    invoke_until(&team, "code", |answer| answer.status == 200);
}
