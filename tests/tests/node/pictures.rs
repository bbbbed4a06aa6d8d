//! Pictures that the page stores.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keynet_tests::node::{Client, Node, Tenant};
use keynet_tests::{Answer, Sandbox};

/// Stores a picture of 100 kB that no other number has.
fn store(team: &Client, number: u8) -> Answer {
    // Files that are written within a tick of the kernel have the same time: none is the oldest.
    std::thread::sleep(Duration::from_millis(20));
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    picture.resize(100_000, number);
    team.send("POST", "/_/pictures", "image/png", &picture)
}

fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["location"].as_str().unwrap().to_owned()
}

fn made_days_ago(file: &Path, days: u64) {
    let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    File::open(file).unwrap().set_modified(time).unwrap();
}

#[test]
fn pictures_that_were_dropped_on_the_page_are_counted_and_expire() {
    let sandbox = Sandbox::new();
    let tenant = Tenant::new("team-a").with("quotas = { pictures = '350KB' }");
    let node = Node::start(&sandbox, "", &[tenant]);
    let team = node.client("team-a");
    let storage = sandbox.path("node-data/namespaces/team-a/storage");
    let file = |location: &str| -> PathBuf { storage.join(location) };

    let first = location(&store(&team, 1));
    assert_eq!(location(&store(&team, 1)), first, "the same picture is stored once");
    let own = file("ui/logo.png");
    std::fs::write(&own, vec![7; 500_000]).unwrap();
    let kept: Vec<_> = (2..10).map(|number| location(&store(&team, number))).collect();
    let there = |location: &String| file(location).exists();
    assert_eq!(kept.iter().filter(|location| there(location)).count(), 3, "350 kB");
    assert!(!there(&first) && kept.iter().rev().take(3).all(there), "the oldest went");
    assert!(own.exists(), "a user's own object under ui/");

    for location in kept.iter().rev().take(2) {
        made_days_ago(&file(location), 8);
    }
    let last = location(&store(&team, 20));
    assert_eq!(kept.iter().filter(|location| there(location)).count(), 1);
    assert!(there(&last) && own.exists());

    let large = team.send("POST", "/_/pictures", "image/png", &vec![0x89; 360_000]);
    assert_eq!(large.status, 413, "{}", large.text());
    assert!(large.text().contains("`pictures`"), "{}", large.text());
}
