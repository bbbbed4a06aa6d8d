//! JSON that is deep, wide, or has strange numbers and names.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_tests::node::key_of;
use keynet_tests::{Answer, http};

use super::Attacked;

fn send(attacked: &Attacked, method: &str, path: &str, body: &str) -> Answer {
    let key = format!("Basic {}", BASE64_STANDARD.encode(key_of("evil")));
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let target = format!("/api/v1/namespaces{path}");
    http(attacked.node.address(), method, &target, &headers, body.as_bytes())
}

fn bombs() -> Vec<String> {
    let deep = |open: &str, close: &str| {
        format!("{{\"x\":{}1{}}}", open.repeat(100_000), close.repeat(100_000))
    };
    vec![
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"x\":{}", "[".repeat(400_000)),
        r#"{"x":1e400,"y":-1e-400,"z":123456789012345678901234567890}"#.to_owned(),
        format!("{{\"x\":{}}}", "9".repeat(500_000)),
        format!("{{{}\"x\":1}}", "\"x\":1,".repeat(100_000)),
        format!("{{\"{}\":1}}", "k".repeat(900_000)),
        format!("{{{}\"x\":1}}", (0..60_000).map(|n| format!("\"{n}\":1,")).collect::<String>()),
        r#"{"\u0000":"\ud800","__proto__":{},"":1}"#.to_owned(),
        "{\"x\":\"\u{202e}\\u001b[2J\"}".to_owned(),
    ]
}

#[test]
fn good_is_answered_while_evil_sends_json_bombs_as_parameters() {
    let attacked = Attacked::start("", "");
    for bomb in bombs() {
        let begun = &bomb[..bomb.len().min(40)];
        let path = "/_/actions/contract?blocking=true&result=true";
        let answer = send(&attacked, "POST", path, &bomb);
        assert!([200, 400, 413, 502].contains(&answer.status), "{begun}: {}", answer.status);
        attacked.good_answers(1);
    }
}

#[test]
fn annotations_and_parameters_that_cannot_be_shown_are_refused_and_lists_stay_readable() {
    let attacked = Attacked::start("", "");
    for bomb in bombs() {
        let begun = &bomb[..bomb.len().min(40)];
        for (field, path) in [
            ("annotations", "/_/actions/contract?overwrite=true"),
            ("parameters", "/_/actions/contract?overwrite=true"),
            ("annotations", "/_/packages/p?overwrite=true"),
            ("parameters", "/_/packages/p?overwrite=true"),
        ] {
            let body = format!("{{\"{field}\":[{{\"key\":\"bomb\",\"value\":{bomb}}}]}}");
            let answer = send(&attacked, "PUT", path, &body);
            assert!([200, 400, 413].contains(&answer.status), "{begun}: {}", answer.status);
        }
        attacked.evil.get("/_/actions");
        attacked.evil.get("/_/actions/contract");
        attacked.evil.get("/_/packages");
        attacked.good_answers(1);
    }
}

#[test]
fn good_is_answered_while_evil_sends_annotations_by_the_hundred_thousand() {
    let attacked = Attacked::start("", "");
    let pairs: String =
        (0..200_000).map(|number| format!("{{\"key\":\"{number}\",\"value\":1}},")).collect();
    let body = format!("{{\"annotations\":[{pairs}{{\"key\":\"x\",\"value\":1}}]}}");
    let names: String = (0..30_000).map(|number| format!("\"{number}\",")).collect();
    let removed = format!("{{\"delAnnotations\":[{names}\"x\"]}}");
    // In time that grows with the square of their number no answer comes before the client gives up.
    for (body, status) in [(body, 413), (removed, 200)] {
        let answer = send(&attacked, "PUT", "/_/actions/contract?overwrite=true", &body);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    attacked.good_answers(3);
}

#[test]
fn many_small_changes_of_annotations_do_not_pass_the_limit_of_one() {
    let attacked = Attacked::start("", "");
    let statuses: Vec<u16> = (0..8)
        .map(|number| {
            let value = "x".repeat(200_000);
            let body =
                format!("{{\"annotations\":[{{\"key\":\"{number}\",\"value\":\"{value}\"}}]}}");
            send(&attacked, "PUT", "/_/actions/contract?overwrite=true", &body).status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 413, 413, 413]);
}

#[test]
fn what_evil_keeps_in_parameters_counts_in_its_stored_bytes() {
    let attacked = Attacked::start("", "quotas = { stored = '20MiB' }");
    let value = "x".repeat(1_000_000);
    let body = format!("{{\"parameters\":[{{\"key\":\"x\",\"value\":\"{value}\"}}]}}");
    let statuses: Vec<u16> = (0..30)
        .map(|number| send(&attacked, "PUT", &format!("/_/packages/p{number}"), &body).status)
        .collect();
    let stored = statuses.iter().filter(|status| **status == 200).count();
    assert!(stored < 21 && statuses.last() == Some(&413), "{statuses:?}");
    attacked.good_answers(1);
}

#[test]
fn good_is_answered_while_evil_asks_for_strange_pages() {
    let attacked = Attacked::start("", "");
    for query in [
        "limit=1e400",
        "limit=99999999999999999999",
        "skip=18446744073709551615",
        "skip=-1",
        "since=-1",
        "since=99999999999999999999",
        "upto=NaN",
        "limit=%00",
        "name=%2F%2F%2F",
        "count=maybe",
        "docs=1&count=1",
        "since=18446744073709551615&upto=0",
        "limit=1&limit=2&limit=x",
        "%ff=%ff",
        "=&&&=",
        "name='%3B%20DROP%20TABLE%20records--",
    ] {
        let answer = send(&attacked, "GET", &format!("/_/activations?{query}"), "");
        assert!([200, 400].contains(&answer.status), "{query}: {}", answer.text());
    }
    let query: String = (0..8000).map(|number| format!("a{number}&")).collect();
    let target = format!("/api/v1/web/evil/default/contract.json?{query}");
    assert_eq!(http(attacked.node.address(), "GET", &target, &[], b"").status, 404);
    attacked.good_answers(1);
}
