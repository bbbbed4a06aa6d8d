//! `keynet-inference dev`: a change of a source is seen in the next result, and a mistake in it ends
//! nothing.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use keynet_tests::process::Process;
use keynet_tests::{Sandbox, says};

/// Compilers share the machine with other tests.
const BUILD: Duration = Duration::from_secs(300);

/// Lines of a stream, as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Waits for a line that has `words`.
fn wait_for(lines: &Receiver<String>, words: &str) {
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(BUILD) {
            Ok(line) if line.contains(words) => return,
            Ok(line) => seen.push(line),
            Err(error) => panic!("no line has {words:?} ({error}): {seen:#?}"),
        }
    }
}

#[test]
fn a_change_is_seen_in_the_next_result_and_a_mistake_ends_nothing() {
    let sandbox = Sandbox::new();
    says(&sandbox.run(["new", "--lang", "c", "greeter"]), 0, &["greeter"]);
    let source = sandbox.path("greeter/main.c");
    let text = fs::read_to_string(&source).unwrap();

    let mut dev = sandbox.command(["dev", "greeter", "--param", "name=Ada"]);
    let mut dev = Process::start(dev.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let results = lines(dev.pipes().stdout.take().unwrap());
    let messages = lines(dev.pipes().stderr.take().unwrap());
    wait_for(&results, r#""greeting":"Hello, Ada!""#);
    wait_for(&messages, "waiting for a change in greeter");

    fs::write(&source, text.replace("\\\"Hello\\\"", "\\\"Good day\\\"")).unwrap();
    wait_for(&results, r#""greeting":"Good day, Ada!""#);

    fs::write(&source, text.replace("return true;", "return tru;")).unwrap();
    wait_for(&messages, "tru");
    fs::write(&source, &text).unwrap();
    wait_for(&results, r#""greeting":"Hello, Ada!""#);
    assert!(dev.ended().is_none());
}
