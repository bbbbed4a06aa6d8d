//! The policy is enforced: nothing that an action, a caller or a registry supplies extends it.

use keynet_tests::hostile::{Ended, HttpServer, VictimSetup};
use keynet_tests::registry::Desk;
use keynet_tests::{guest, says};
use serde_json::json;

#[test]
fn a_listing_shows_what_may_be_read_and_nothing_beside_it() {
    let victim =
        VictimSetup::new([]).with_policy("[storage]\nread = [\"report\", \"public/*\"]\n").start();
    let storage = victim.sandbox().path("storage");
    for key in ["report", "report-private", "reports/secret", "public/a", "private/b"] {
        let path = storage.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, key).unwrap();
    }
    for prefix in ["report", "repor", "", "public/", "p", "private/", "report-private", "reports/"]
    {
        match victim.ask(&json!({ "do": "list", "location": prefix })) {
            Ended::Allowed(page) => {
                let shown: Vec<_> = page["locations"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|key| key.as_str().unwrap())
                    .collect();
                assert!(
                    shown.iter().all(|key| *key == "report" || key.starts_with("public/")),
                    "{prefix:?} shows {shown:?}"
                );
            }
            Ended::Refused { kind, .. } => assert_eq!(kind, "denied", "{prefix:?}"),
            other => panic!("{prefix:?}: {other:?}"),
        }
    }
    let page = victim.ask(&json!({ "do": "list", "location": "public/" }));
    assert_eq!(
        page,
        Ended::Allowed(json!({ "locations": ["public/a"], "more": false })),
        "what may be read is listed"
    );
}

#[test]
fn writing_an_object_returns_no_url_that_reads_what_may_not_be_read() {
    let victim = VictimSetup::new([])
        .with_policy(
            "[storage]\nread = [\"in/*\"]\nwrite = \
        [\"out/*\", \"in/*\"]\n",
        )
        .start();
    for attack in ["put-and-read-its-url", "finish-and-read-its-url"] {
        let Ended::Allowed(stored) = victim.ask(&json!({ "do": attack, "location": "out/report" }))
        else {
            panic!("{attack} is refused")
        };
        assert_eq!(
            (&stored["read by key"], &stored["read by url"], &stored["url"]),
            (&json!(false), &json!(false), &json!("")),
            "{attack}"
        );
        // If the action may read it, the URL exists and can be read.
        let Ended::Allowed(stored) = victim.ask(&json!({ "do": attack, "location": "in/report" }))
        else {
            panic!("{attack} is refused")
        };
        assert_eq!(
            (&stored["read by key"], &stored["read by url"]),
            (&json!(true), &json!(true)),
            "{attack}: {stored}"
        );
    }
    let ended = victim.ask(&json!({ "do": "presign", "location": "out/report" }));
    assert!(matches!(&ended, Ended::Refused { kind, .. } if kind == "denied"), "{ended:?}");
}

#[test]
fn a_caller_s_own_store_adds_no_host_to_those_that_may_be_read() {
    let server = HttpServer::start(|_, out| {
        out.head(200, &[("Content-Length", "6")])?;
        std::io::Write::write_all(out, b"secret")
    });
    let policy = "[http]\nhosts = [\"images.example.com\"]\nprivate-addresses = true\n";
    let victim =
        VictimSetup::new([("KEYNET_CONFIG_FROM_PARAMETERS", "true")]).with_policy(policy).start();
    let location = format!("{}/secret", server.url());
    let plain = json!({ "do": "get", "location": location });
    let mut with_store = plain.clone();
    for (name, value) in [
        ("MLFLOW_S3_ENDPOINT_URL", server.url().as_str()),
        ("AWS_BUCKET_NAME", "b"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ] {
        with_store[name] = json!(value);
    }
    // A caller's store at a private address is rejected itself, independent of the policy for URLs.
    for (attack, why) in [(plain, "images.example.com"), (with_store, "not a public address")] {
        match victim.ask(&attack) {
            Ended::Refused { kind, message, .. } if kind == "denied" && message.contains(why) => {}
            ended => panic!("{attack}: {ended:?}"),
        }
    }
    assert_eq!(server.requests(), 0, "nothing was asked for");
}

/// A component that a developer runs from a file is trusted; a pulled one is not.
#[test]
fn an_action_of_a_registry_has_no_way_into_the_private_network() {
    let server = HttpServer::start(|_, out| {
        out.head(200, &[("Content-Length", "6")])?;
        std::io::Write::write_all(out, b"secret")
    });
    let desk = Desk::signed_in("none");
    let reference = desk.reference("evil:1");
    desk.push(&guest("evil"), &reference);
    let parameters =
        json!({ "do": "get", "location": format!("{}/secret", server.url()) }).to_string();
    std::fs::write(desk.sandbox.path("parameters.json"), parameters).unwrap();
    let run = |what: &str| desk.sandbox.run(["run", what, "--params-file", "parameters.json"]);

    let own = run(guest("evil").to_str().unwrap());
    assert_eq!((own.code, own.json()), (Some(0), json!({ "allowed": 6 })), "{own:?}");
    let before = server.requests();
    let pulled = run(&reference);
    says(&pulled, 0, &[]);
    assert_eq!(pulled.json()["refused"]["kind"], "denied", "{pulled:?}");
    assert_eq!(server.requests(), before, "nothing was asked for");
    // The first run prints what the action may use.
    assert!(
        pulled.stderr.contains("storage") || pulled.stderr.contains("may "),
        "{}",
        pulled.stderr
    );
}
