//! Commands that are killed.

use super::*;

/// Starts a command that the test observes by its requests, and kills.
fn begin(mut command: Command) -> Process {
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

#[test]
fn a_push_that_is_killed_between_two_parts_goes_on_where_it_was() {
    let case = Case::new("basic", 34 << 20);
    let size = case.component.len() as u64;
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::HoldUpload(0));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    let held = |seen: &[Seen]| seen.iter().filter(|seen| seen.is("PATCH", "")).count() == 2;
    case.proxy.wait_until(held);
    push.kill();
    let before = case.proxy.uploaded();
    assert!(before >= PART && before < size, "{before} of {size}");
    case.proxy.forget();
    case.is_published(&case.push());
    let after = case.proxy.uploaded();
    assert!(
        before + after < size + 100_000,
        "{before} bytes, then {after}, of {size}: {:#?}",
        case.proxy.seen()
    );
}

#[test]
fn a_push_that_is_killed_in_the_middle_of_a_part_can_be_made_again() {
    let case = Case::new("none", 34 << 20);
    case.proxy.on("PATCH", "/blobs/uploads/", 1..2, Fault::HoldUpload(PART / 2));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    case.proxy.wait_for(|seen| seen.is("PATCH", "") && seen.received == PART / 2);
    push.kill();
    let missing = case.desk.keynet(["pull", &case.desk.reference("big:1"), "-o", "check.wasm"]);
    assert_eq!(missing.code, Some(11), "{missing:?}");
    case.proxy.forget();
    case.is_published(&case.push());
}

#[test]
fn a_push_that_is_killed_before_its_manifest_uploads_nothing_twice() {
    let case = Case::new("none", 1 << 20);
    case.proxy.on("PUT", "/manifests/", 0..1, Fault::HoldUpload(0));
    let push = begin(case.desk.sandbox.command(["push", "big.wasm", &case.at("big:1")]));
    case.proxy.wait_for(|seen| seen.is("PUT", "/manifests/"));
    push.kill();
    case.proxy.forget();
    case.is_published(&case.push());
    assert_eq!(case.proxy.uploaded(), 0, "{:#?}", case.proxy.seen());
}

#[test]
fn a_pull_that_is_killed_leaves_no_file() {
    let (case, _) = Case::published("none", 3 << 20);
    let layer = case.layer();
    case.proxy.on("GET", &layer, 0..1, Fault::HoldDownload(case.half()));
    let folder = case.out();
    let pull =
        begin(case.desk.sandbox.command(["pull", &case.at("big:1"), "-o", "out/pulled.wasm"]));
    case.proxy.wait_for(|seen| seen.is("GET", &layer) && seen.sent == case.half());
    pull.kill();
    assert_eq!(files_in(&folder), BTreeSet::new());
    case.proxy.forget();
    case.is_pulled(&case.pull("big:1"));
    // An existing file is either the old one or the new one.
    std::fs::write(folder.join("pulled.wasm"), "old").unwrap();
    case.proxy.on("GET", &layer, 0..1, Fault::HoldDownload(case.half()));
    let pull =
        begin(case.desk.sandbox.command(["pull", &case.at("big:1"), "-o", "out/pulled.wasm"]));
    case.proxy.wait_for(|seen| seen.is("GET", &layer) && seen.sent == case.half());
    pull.kill();
    assert_eq!(std::fs::read(folder.join("pulled.wasm")).unwrap(), b"old");
    case.is_pulled(&case.pull("big:1"));
}

#[test]
fn a_push_into_a_layout_can_be_killed_at_any_time() {
    let sandbox = Sandbox::new();
    let hello = std::fs::read(guest("hello")).unwrap();
    std::fs::write(sandbox.path("first.wasm"), &hello).unwrap();
    assert_eq!(keynet(&sandbox, ["push", "first.wasm", "oci-layout:here:first"]).code, Some(0));
    let push = |at: usize| {
        let file = format!("big-{at}.wasm");
        std::fs::write(sandbox.path(&file), padded(&hello, 8 << 20, at as u64 + 1)).unwrap();
        sandbox.command(["push".to_owned(), file, format!("oci-layout:here:big-{at}")])
    };
    let started = Instant::now();
    assert!(push(0).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let (whole, rounds) = (started.elapsed(), 8);
    let mut killed = 0;
    for at in 1..=rounds {
        let started = Instant::now();
        let mut running = begin(push(at));
        // The command writes during the second half of its time.
        let moment = whole.mul_f64(0.4 + 0.6 * at as f64 / rounds as f64);
        while started.elapsed() < moment && running.ended().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        killed += usize::from(!running.kill().success());
        let (tags, _) = check_layout(&sandbox.path("here"));
        assert!(tags.contains("first") && tags.contains("big-0"), "{tags:?}");
        let skopeo =
            keynet_tests::end(sandbox.program("skopeo", ["inspect", "--raw", "oci:here:first"]));
        assert_eq!(skopeo.code, Some(0), "{skopeo:?}");
    }
    assert!(killed > 0, "all were faster");
    let ended = keynet(&sandbox, ["push", "big-1.wasm", "oci-layout:here:last"]);
    says(&ended, 0, &[]);
    let (tags, mut strangers) = check_layout(&sandbox.path("here"));
    // A blob that was just being renamed is complete; the killed process could not remove it.
    strangers.retain(|file| {
        !file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".keynet-"))
    });
    assert!(tags.contains("last") && strangers.is_empty(), "{tags:?} {strangers:?}");
    assert_eq!(
        keynet(&sandbox, ["pull", "oci-layout:here:last", "-o", "pulled.wasm"]).code,
        Some(0)
    );
    assert!(std::fs::read(sandbox.path("pulled.wasm")).unwrap() == padded(&hello, 8 << 20, 2));
}

#[test]
fn pushes_into_one_layout_at_the_same_time_lose_nothing() {
    let sandbox = Sandbox::new();
    let hello = std::fs::read(guest("hello")).unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    thread::scope(|scope| {
        let running = names.map(|name| {
            let file = format!("{name}.wasm");
            std::fs::write(
                sandbox.path(&file),
                padded(&hello, 1000, u64::from(name.as_bytes()[0])),
            )
            .unwrap();
            let sandbox = &sandbox;
            scope.spawn(move || {
                sandbox.run(["push".to_owned(), file, format!("oci-layout:here:{name}")])
            })
        });
        for pushing in running {
            says(&pushing.join().unwrap(), 0, &[]);
        }
    });
    let (tags, strangers) = check_layout(&sandbox.path("here"));
    assert_eq!((tags, strangers), (names.map(str::to_owned).into(), BTreeSet::new()));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let (case, _) = Case::published("none", 3 << 20);
    let folder = case.out();
    // A limit on the file size simulates a full disk: the write fails at the same point.
    let keynet = keynet_tests::binary();
    let script = format!(
        "ulimit -f 1024; trap '' XFSZ; exec {} pull {} -o out/pulled.wasm",
        keynet.display(),
        case.at("big:1")
    );
    let ended = keynet_tests::end(case.desk.sandbox.program("bash", ["-c", &script]));
    says(&ended, 6, &["write"]);
    assert_eq!(files_in(&folder), BTreeSet::new());
}
