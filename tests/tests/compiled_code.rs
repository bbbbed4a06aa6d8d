//! Cache of compiled code under faults: every run gives the right result.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::process::signal;
use keynet_tests::{Ended, Sandbox, guest};
use serde_json::json;

fn greets(sandbox: &Sandbox) -> Ended {
    let hello = guest("hello");
    let ended = sandbox.run([
        "run".as_ref(),
        hello.as_os_str(),
        "-v".as_ref(),
        "--param".as_ref(),
        "name=Ada".as_ref(),
    ]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"),
        "{ended:?}"
    );
    ended
}

/// Returns the files in `compiled/ENGINE/`.
fn entries(sandbox: &Sandbox) -> Vec<PathBuf> {
    let engines = fs::read_dir(sandbox.path("cache/compiled"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    engines
        .flat_map(|engine| fs::read_dir(engine).unwrap().map(|entry| entry.unwrap().path()))
        .collect()
}

#[test]
fn an_entry_that_is_not_what_this_host_wrote_is_compiled_again() {
    let sandbox = Sandbox::without_cache();
    greets(&sandbox);
    let [entry] = entries(&sandbox).try_into().unwrap();
    let ours = fs::read(&entry).unwrap();
    assert!(!greets(&sandbox).stderr.contains("compiling again"));

    sandbox.run(["inspect".as_ref(), guest("hostile").as_os_str()]);
    let other = entries(&sandbox)
        .into_iter()
        .find(|path| *path != entry)
        .expect("that of the other component");
    let other = fs::read(other).unwrap();
    let mut turned = ours.clone();
    let middle = turned.len() / 2;
    turned[middle] ^= 0x40;
    let random: Vec<u8> = (0..ours.len() as u64)
        .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let kinds = [
        ("another component's", &other[..]),
        ("half", &ours[..ours.len() / 2]),
        ("empty", &[]),
        ("turned", &turned),
        ("random", &random),
    ];
    for (kind, bytes) in kinds {
        fs::write(&entry, bytes).unwrap();
        let ended = greets(&sandbox);
        assert!(ended.stderr.contains("compiling again"), "{kind}: {}", ended.stderr);
        assert_eq!(fs::read(&entry).unwrap(), ours, "{kind}: the entry is good again");
        assert!(!greets(&sandbox).stderr.contains("compiling again"), "{kind}");
    }
}

#[test]
fn code_that_is_not_used_any_more_makes_room() {
    let mut sandbox = Sandbox::without_cache();
    greets(&sandbox);
    let [hello] = entries(&sandbox).try_into().unwrap();
    // Room for the code of two components, but not for that of the previous engine version.
    let room = fs::metadata(&hello).unwrap().len() * 2 + (100 << 10);
    let before = sandbox.path("cache/compiled/the-engine-before/code");
    fs::create_dir_all(before.parent().unwrap()).unwrap();
    fs::write(&before, vec![0; room as usize]).unwrap();
    fs::File::open(&before).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    sandbox.set("KEYNET_CACHE_SIZE", format!("{room}B"));
    fs::write(sandbox.path("answer.wasm"), keynet_tests::made::answers("{}")).unwrap();
    sandbox.run(["inspect", "answer.wasm"]);
    assert!(!before.exists() && hello.exists(), "{:?}", entries(&sandbox));
    assert_eq!(entries(&sandbox).len(), 2);
    // The newest file is kept, even if it exceeds the limit.
    sandbox.set("KEYNET_CACHE_SIZE", "1B");
    sandbox.run(["inspect".as_ref(), guest("hostile").as_os_str()]);
    assert!(entries(&sandbox).len() == 1 && !hello.exists(), "{:?}", entries(&sandbox));
    assert!(!greets(&sandbox).stderr.contains("cannot keep"));
    let [again] = entries(&sandbox).try_into().unwrap();
    assert_eq!(again, hello);
    sandbox.set("KEYNET_CACHE_SIZE", "much");
    let ended = sandbox.run(["inspect".as_ref(), guest("hello").as_os_str()]);
    assert!(ended.code == Some(4) && ended.stderr.contains("KEYNET_CACHE_SIZE"), "{ended:?}");
}

#[test]
fn an_entry_that_another_key_signed_is_compiled_again() {
    let (sandbox, stranger) = (Sandbox::without_cache(), Sandbox::without_cache());
    greets(&sandbox);
    greets(&stranger);
    let ([ours], [theirs]): ([PathBuf; 1], [PathBuf; 1]) =
        (entries(&sandbox).try_into().unwrap(), entries(&stranger).try_into().unwrap());
    assert_eq!(ours.file_name(), theirs.file_name());
    fs::copy(theirs, ours).unwrap();
    assert!(greets(&sandbox).stderr.contains("compiling again"));
}

#[test]
fn an_entry_that_is_a_folder_is_passed_over() {
    let sandbox = Sandbox::without_cache();
    greets(&sandbox);
    let [entry] = entries(&sandbox).try_into().unwrap();
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    greets(&sandbox);
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let mut sandbox = Sandbox::without_cache();
    fs::write(sandbox.path("file"), "").unwrap();
    // A path below a file is not writable, not even for root.
    sandbox.set("KEYNET_CACHE", sandbox.path("file/cache").display());
    let ended = greets(&sandbox);
    assert!(ended.stderr.contains("cannot keep compiled code"), "{}", ended.stderr);
    greets(&sandbox);
}

#[test]
fn keys_that_cannot_be_written_are_an_error_that_names_them() {
    let mut sandbox = Sandbox::without_cache();
    fs::write(sandbox.path("file"), "").unwrap();
    sandbox.set("KEYNET_STATE_DIR", sandbox.path("file/state").display());
    let ended = sandbox.run(["inspect".as_ref(), guest("hello").as_os_str()]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("file/state") && ended.stderr.contains("KEYNET_STATE_DIR"),
        "{}",
        ended.stderr
    );
}

#[test]
fn keys_are_the_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::without_cache();
    greets(&sandbox);
    let keys: Vec<_> =
        fs::read_dir(sandbox.path("state")).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", key.path());
    }
}

/// Returns the children of a process.
fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts =
        tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    texts
        .flat_map(|text| {
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_run_that_is_killed_while_it_compiles_breaks_nothing() {
    let sandbox = Sandbox::without_cache();
    let hostile = guest("hostile");
    for kill_the_compiler in [false, true] {
        let arguments =
            ["run".as_ref(), hostile.as_os_str(), "--param".as_ref(), "do=no-newline".as_ref()];
        let mut child = sandbox
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let compiler = loop {
            if let [compiler, ..] = children(child.id())[..] {
                break compiler;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none(),
                "it did not compile"
            );
            thread::sleep(Duration::from_millis(1));
        };
        thread::sleep(Duration::from_millis(50)); // in the middle of compiling
        assert!(
            Path::new(&format!("/proc/{compiler}")).exists(),
            "it compiles too fast for this test"
        );
        signal(if kill_the_compiler { compiler } else { child.id() }, "KILL");
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        if kill_the_compiler {
            assert_eq!(ended.status.code(), Some(3), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        assert!(
            ended.stdout.is_empty() && entries(&sandbox).is_empty(),
            "it was too late to be killed"
        );
        // The compiler must not keep running after its parent has gone.
        while Path::new(&format!("/proc/{compiler}")).exists() {
            assert!(started.elapsed() < Duration::from_secs(120), "the compiler goes on");
            thread::sleep(Duration::from_millis(10));
        }
    }
    let ended = sandbox.run([
        "run".as_ref(),
        hostile.as_os_str(),
        "--param".as_ref(),
        "do=no-newline".as_ref(),
    ]);
    assert_eq!((ended.code, ended.json()), (Some(0), json!({})), "{ended:?}");
    assert_eq!(entries(&sandbox).len(), 1);
}

#[test]
fn many_at_once_compile_into_one_entry() {
    let sandbox = Sandbox::without_cache();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| greets(&sandbox));
        }
    });
    assert_eq!(entries(&sandbox).len(), 1, "{:?}", entries(&sandbox));
    assert!(!greets(&sandbox).stderr.contains("compiling again"));
}
