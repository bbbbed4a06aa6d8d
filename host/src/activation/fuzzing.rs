//! Fuzzing of an activation's log lines; see [`keynet_base::fuzzing`].

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::StdoutStream as _;

use super::logs::{Logs, MAX_LINE};
use super::{LogSink, RECEIPT_PREFIX, SENTINEL, Stream};

const SECRET: &str = "q7Zk2LwPx9Vd";

#[derive(Default)]
struct Lines(Mutex<Vec<Vec<u8>>>);

impl LogSink for Lines {
    fn line(&self, _: Stream, line: &[u8]) {
        assert!(!line.contains(&b'\n'), "a line with a line's end in it");
        assert!(!contains(line, SENTINEL.as_bytes()), "a line with the platform's mark");
        assert!(!line.starts_with(RECEIPT_PREFIX.as_bytes()), "a line that begins as a receipt");
        assert!(
            !contains(line, SECRET.as_bytes()),
            "a line with a secret: {}",
            String::from_utf8_lossy(line)
        );
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_vec());
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

fn lines(output: &[u8], limit: u64, piece: usize) -> (Vec<Vec<u8>>, Vec<String>) {
    let sink = Arc::new(Lines::default());
    let logs = Logs::new(Arc::clone(&sink) as Arc<dyn LogSink>, limit);
    let mut stream = logs.stream(Stream::Stderr).p2_stream();
    for piece in output.chunks(piece.min(MAX_LINE)) {
        assert!(stream.write(Bytes::copy_from_slice(piece)).is_ok());
    }
    logs.end();
    assert_eq!(logs.written(), (output.len() as u64, output.len() as u64 > limit));
    let lines = std::mem::take(&mut *sink.0.lock().unwrap_or_else(PoisonError::into_inner));
    (lines, logs.tail())
}

/// Input is the output of a guest: a byte for the size of its writes, one for the number of
/// repetitions, and the text. A secret beside its name is inserted half-way.
pub fn log_lines(data: &[u8]) {
    let [piece, times, text @ ..] = data else { return };
    if contains(text, SECRET.get(..4).unwrap_or_default().as_bytes()) {
        return;
    }
    let times = usize::from(*times).min((160 << 10) / text.len().max(1));
    let filler = text.repeat(times);
    let output = [&filler[..], b" password = ", SECRET.as_bytes(), b" ", text].concat();
    let (whole, tail) = lines(&output, u64::MAX, output.len());
    assert!(whole.iter().map(Vec::len).sum::<usize>() <= output.len() * 8 + 64);
    assert!(
        tail.len() <= 12
            && tail.iter().all(|line| line.chars().count() <= 1024 && !line.contains(SECRET))
    );
    // The sizes of the guest's writes do not change the lines.
    let piece = usize::from(*piece).max(1 + output.len() / 1024);
    assert_eq!(lines(&output, u64::MAX, piece).0, whole);
    let limit = output.len() as u64 / 2;
    let (cut, _) = lines(&output, limit, piece);
    assert_eq!(cut.iter().filter(|line| contains(line, b"KEYNET_LOGS")).count().min(1), 1);
}
