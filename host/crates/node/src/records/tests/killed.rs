//! The end of the process at any moment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

const VICTIM: &str = "KEYNET_TEST_RECORDS_OF_A_VICTIM";
const FIRST: &str = "KEYNET_TEST_FIRST_NUMBER";
const CALLERS: u64 = 8;

/// Stores records and prints what is stored, until the next test kills it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of the next test"]
async fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let one = Entry::finish(&record("flood", first)).unwrap().bytes() as u64;
    let records = Records::open(Path::new(&folder), ALL, interrupted).unwrap();
    let flooded = Retention { bytes_per_namespace: 500 * one, ..ALL };
    records.set_retention(ALL, HashMap::from([("flood".into(), flooded)]));
    let records = Arc::new(records);
    let callers = (0..CALLERS).map(|caller| {
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            let tell = |what: &str, number: u64| {
                let line = format!("\n{what} {number};\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            };
            for number in (first + caller..).step_by(CALLERS as usize) {
                if number % 3 == 0 {
                    records.accept(&accepted("ada", number)).await.unwrap();
                    tell("accepted", number);
                }
                let mut record = record("ada", number);
                if number % 50 == 0 {
                    record.logs = "x".repeat(300_000);
                }
                records.finish(&record.clone()).await.unwrap();
                tell("finished", number);
                records.finish(&Record { namespace: "flood".into(), ..record }).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// Reads the numbers that a victim told: accepted ones, and finished ones.
fn acknowledgements(
    lines: impl Iterator<Item = std::io::Result<String>>,
    begin: &std::sync::mpsc::Sender<()>,
) -> (Vec<u64>, Vec<u64>) {
    let (mut accepted, mut finished) = (Vec::new(), Vec::new());
    for line in lines.map_while(Result::ok) {
        // A line that the kill cut has no semicolon.
        let told = line.strip_suffix(';').and_then(|line| line.split_once(' '));
        match told {
            Some(("accepted", number)) => accepted.push(number.parse().unwrap()),
            Some(("finished", number)) => finished.push(number.parse().unwrap()),
            _ => continue,
        }
        let _ = begin.send(());
    }
    (accepted, finished)
}

#[tokio::test]
async fn every_acknowledged_record_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let test = format!("{}::victim", module_path!().split_once("::").unwrap().1);
    let (mut acknowledged, mut accepted_before) = (0, 0);
    for round in 0..30_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--ignored", "--nocapture"])
            .env(VICTIM, folder.path())
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (begin, begun) = std::sync::mpsc::channel();
        let reading = std::thread::spawn(move || acknowledgements(lines, &begin));
        begun.recv().unwrap();
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..80_000)));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let (accepted, finished) = reading.join().unwrap();
        assert!(!finished.is_empty() || !accepted.is_empty(), "round {round}: it did nothing");

        let records = open(folder.path());
        for number in &finished {
            let stored = records.get("ada", &id(*number)).await.unwrap();
            let mut stored = stored.unwrap_or_else(|| panic!("round {round}: {number} is lost"));
            if number % 50 == 0 {
                assert_eq!(stored.logs.len(), 300_000);
                stored.logs = record("ada", *number).logs;
            }
            assert_eq!(stored, record("ada", *number));
        }
        for number in &accepted {
            let stored = records.get("ada", &id(*number)).await.unwrap();
            assert!(stored.is_some(), "round {round}: {number} was accepted and is lost");
        }
        let listed = records.list("ada", all()).await.unwrap();
        let bytes: usize = listed.iter().map(|record| Entry::finish(record).unwrap().bytes()).sum();
        assert_eq!(records.usage("ada"), bytes as u64, "round {round}");
        let reader = records.readers.database.reader().unwrap();
        let check: String =
            reader.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "round {round}");
        acknowledged += finished.len();
        accepted_before += accepted.len();
    }
    assert!(acknowledged > 100 && accepted_before > 30, "{acknowledged} and {accepted_before}");
}
