//! Smaller attacks.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Instant;

use keynet_tests::hostile::{Bomb, bombs};
use keynet_tests::terminal::Terminal;
use keynet_tests::{Sandbox, end, guest, http};
use serde_json::json;

/// Characters that change the direction of text, or that move a terminal's cursor: the text after
/// them is displayed as something else.
const MISLEADING: &[char] = &[
    '\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{200e}',
    '\u{200f}', '\u{61c}',
];

#[test]
fn what_a_guest_says_reads_on_a_terminal_as_it_was_written() {
    let text: String = MISLEADING.iter().flat_map(|character| ['a', *character, 'b']).collect();
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_TIME", "5s");
    for attack in ["say", "error", "panic"] {
        std::fs::write(
            sandbox.path("parameters.json"),
            json!({ "do": attack, "text": format!("{text} end") }).to_string(),
        )
        .unwrap();
        let (_, shown) = Terminal::keynet(
            &sandbox,
            &["run", guest("evil").to_str().unwrap(), "--params-file", "parameters.json"],
        )
        .end();
        assert!(shown.contains("end"), "{attack}: {shown:?}");
        let misleading: Vec<_> =
            shown.chars().filter(|character| MISLEADING.contains(character)).collect();
        assert!(misleading.is_empty(), "{attack} shows {misleading:?}: {shown:?}");
    }
}

#[test]
fn the_pages_of_another_site_cannot_run_an_action() {
    let server = Sandbox::new().serve(&guest("evil"));
    let hello = json!({ "do": "hello" }).to_string();
    let address = server.address().to_owned();
    let post = |headers: &[(&str, &str)]| http(&address, "POST", "/", headers, hello.as_bytes());
    assert_eq!(post(&[]).json(), json!({ "allowed": "hello" }));
    for origin in ["http://evil.example.com", "https://localhost.example.com", "null"] {
        let answer = post(&[("Origin", origin)]);
        assert!((400..500).contains(&answer.status), "Origin: {origin}: {answer:?}");
    }
    // A name of the attacker's that resolves to this machine.
    for host in ["evil.example.com", "evil.example.com:80", "localhost.example.com"] {
        let answer = with_host(&address, host, &hello);
        assert!(answer.starts_with("HTTP/1.1 4"), "Host: {host}: {answer}");
    }
    let port = address.rsplit(':').next().unwrap();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let answer = with_host(&address, &host, &hello);
        assert!(answer.starts_with("HTTP/1.1 200"), "Host: {host}: {answer}");
    }
}

fn with_host(address: &str, host: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: \
        {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Without HOME, keys and compiled code go to the temporary folder, where another user can create
/// the folder first.
#[test]
fn a_folder_of_another_owner_is_not_taken_over() {
    let sandbox = Sandbox::new();
    let temporary = sandbox.path("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let user = std::fs::metadata(&temporary).unwrap().uid();
    let theirs = temporary.join(format!("keynet-inference-{user}"));
    std::fs::create_dir(&theirs).unwrap();
    std::fs::set_permissions(&theirs, Permissions::from_mode(0o777)).unwrap();
    // Change the owner if the test may do that; for other users, a folder that is writable by all
    // counts as another's.
    let _ = std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534));
    let mut command =
        sandbox.command(["run", guest("hello").to_str().unwrap(), "--param", "name=Ada"]);
    for name in [
        "HOME",
        "KEYNET_STATE_DIR",
        "KEYNET_CACHE",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
    ] {
        command.env_remove(name);
    }
    command.env("TMPDIR", &temporary);
    let ended = end(command);
    let written: Vec<_> =
        std::fs::read_dir(&theirs).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(written.is_empty(), "{written:?} was written there: {ended:?}");
    let refused = ended.code != Some(0) && ended.stderr.contains("keynet-inference-");
    assert!(refused || ended.stdout.contains("Hello, Ada!"), "{ended:?}");
}

#[test]
fn a_feature_that_is_off_is_named() {
    let sandbox = Sandbox::new();
    for (name, fields, text) in [
        ("custom page sizes", "(memory 1 1 (pagesize 0x1))", "page size"),
        ("memory64", "(memory i64 1)", "memory64"),
        ("threads", "(memory 1 1 shared)", "threads"),
    ] {
        let path = sandbox.path("feature.wasm");
        std::fs::write(&path, bombs::with_core(fields)).unwrap();
        let ended = sandbox.run(["inspect", path.to_str().unwrap()]);
        assert_ne!(ended.code, Some(0), "{name}: {ended:?}");
        let told = ended.stderr.to_lowercase().replace('-', " ");
        assert!(told.contains(text), "{name}: {}", ended.stderr);
    }
}

#[test]
fn the_time_that_describe_has_is_the_one_that_is_told() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("spins.wasm");
    std::fs::write(
        &path,
        Bomb { describe: "(loop $l (br $l))".to_owned(), ..Bomb::default() }.component(),
    )
    .unwrap();
    // compiled from now on
    assert_ne!(sandbox.run(["inspect", path.to_str().unwrap()]).code, Some(0));
    let asked = Instant::now();
    let ended = sandbox.run(["inspect", path.to_str().unwrap()]);
    let took = asked.elapsed().as_secs_f64();
    // "for which it has 3 s and 64 MiB"
    let words: Vec<_> = ended.stderr.split_whitespace().collect();
    let told = words
        .windows(2)
        .find(|pair| pair[1].trim_end_matches([',', ':', ';']) == "s")
        .and_then(|pair| pair[0].parse::<f64>().ok());
    let told = told.unwrap_or_else(|| panic!("no time is told: {}", ended.stderr));
    assert!(
        took > told * 0.8 && took < told * 1.6,
        "it took {took:.1} s, and {told} s are told: {}",
        ended.stderr
    );
}
