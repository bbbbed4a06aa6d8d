//! Standard output and error of one activation: bytes from the guest in, whole lines out.
//!
//! Lines are passed on as they end, at most 64 KiB at a time, without their secrets. A sink that
//! has no room makes the guest wait ([`LogSink::room`]), within the activation's time. Output
//! beyond the limit is dropped with one notice, and the activation continues. A guest cannot forge
//! OpenWhisk's end-of-activation mark or a receipt.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::receipt;
use keynet_base::redaction::{self, Redactor};

/// End-of-activation mark that an OpenWhisk invoker searches a container's output for: an
/// activation's logs end at the mark.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// Zero-width space: it keeps a line readable but different from a mark.
const BREAK: &str = "\u{200B}";

/// Length at which a longer line is split.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Number of the last lines of standard error that are kept for the report of a panic.
const TAIL_LINES: usize = 12;
const TAIL_LINE: usize = 1024;

/// One of a guest's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Sink for an activation's lines.
pub trait LogSink: Send + Sync {
    /// Accepts one line, without its newline. It may be any bytes. Must not block.
    fn line(&self, stream: Stream, line: &[u8]);

    /// Called when the guest waits or has computed for a tick of the epoch: a sink that buffers lines
    /// passes them on, since the next ones may be long in coming.
    fn flush(&self) {}

    /// Reports whether the guest may write more without waiting for [`LogSink::room`].
    fn has_room(&self, _: Stream) -> bool {
        true
    }

    /// Waits until the guest may write more. The sink decides whether to keep or drop lines that
    /// arrive in the meantime.
    fn room(&self, _: Stream) -> BoxFuture<'_, ()> {
        Box::pin(future::ready(()))
    }
}

/// The logs of one activation. Cheap to clone.
#[derive(Clone)]
pub(super) struct Logs {
    sink: Arc<dyn LogSink>,
    assembler: Arc<Mutex<Assembler>>,
}

struct Assembler {
    sink: Arc<dyn LogSink>,
    limit: u64,
    written: u64,
    cut: bool,
    stdout: Partial,
    stderr: Partial,
    tail: VecDeque<String>,
}

/// Bytes that a stream has written since its last line.
#[derive(Default)]
struct Partial {
    line: Vec<u8>,
    redactor: Redactor,
}

impl Logs {
    pub(super) fn new(sink: Arc<dyn LogSink>, limit: u64) -> Self {
        let (stdout, stderr, tail) = (Partial::default(), Partial::default(), VecDeque::new());
        let assembler = Assembler {
            sink: Arc::clone(&sink),
            limit,
            written: 0,
            cut: false,
            stdout,
            stderr,
            tail,
        };
        Self { sink, assembler: Arc::new(Mutex::new(assembler)) }
    }

    fn lock(&self) -> MutexGuard<'_, Assembler> {
        self.assembler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the guest's handle on `stream`.
    pub(super) fn stream(&self, stream: Stream) -> GuestStream {
        GuestStream { logs: self.clone(), stream, granted: false }
    }

    /// Tells the sink that the next lines may be long in coming.
    pub(super) fn flush(&self) {
        self.sink.flush();
    }

    /// Passes on incomplete lines: the guest has ended.
    pub(super) fn end(&self) {
        let mut logs = self.lock();
        logs.end_line(Stream::Stdout);
        logs.end_line(Stream::Stderr);
    }

    /// Returns the number of bytes that the guest wrote, and `true` if some were dropped.
    pub(super) fn written(&self) -> (u64, bool) {
        let logs = self.lock();
        (logs.written, logs.cut)
    }

    /// Returns the last lines of standard error.
    pub(super) fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }
}

impl Assembler {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.written);
        self.written = self.written.saturating_add(bytes.len() as u64);
        let kept = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        for piece in bytes.get(..kept).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.append(stream, end);
                    self.emit(stream, true);
                }
                None => self.append(stream, piece),
            }
        }
        // The reason of a panic after the limit is still reported.
        if kept < bytes.len() && stream == Stream::Stderr {
            let dropped =
                String::from_utf8_lossy(bytes.get(kept..).unwrap_or_default()).into_owned();
            let redacted = redaction::redact(&dropped);
            let last: Vec<_> = redacted.lines().rev().take(TAIL_LINES).collect();
            last.into_iter().rev().for_each(|line| self.remember(line));
        }
        if kept < bytes.len() && !self.cut {
            self.cut = true;
            self.end_line(Stream::Stdout);
            self.end_line(Stream::Stderr);
            let notice = format!(
                "keynet: the log limit of {} bytes is reached; what follows is dropped (raise \
                    KEYNET_LOGS)",
                self.limit
            );
            self.sink.line(Stream::Stderr, notice.as_bytes());
        }
    }

    fn partial(&mut self, stream: Stream) -> &mut Partial {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn append(&mut self, stream: Stream, mut bytes: &[u8]) {
        loop {
            let line = &mut self.partial(stream).line;
            let (now, later) = bytes.split_at((MAX_LINE - line.len()).min(bytes.len()));
            line.extend_from_slice(now);
            if later.is_empty() {
                return;
            }
            self.emit(stream, false);
            bytes = later;
        }
    }

    /// Passes on an incomplete line if it is not empty.
    fn end_line(&mut self, stream: Stream) {
        if !self.partial(stream).line.is_empty() {
            self.emit(stream, true);
        }
    }

    /// Passes on the line, or the first part of a line that is too long.
    fn emit(&mut self, stream: Stream, whole: bool) {
        let partial = self.partial(stream);
        let mut line = std::mem::take(&mut partial.line);
        let rest = if whole { Vec::new() } else { line.split_off(redaction::cut(&line)) };
        let redacted = match partial.redactor.piece(&line, whole) {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted),
        };
        let line = redacted.unwrap_or(line);
        if stream == Stream::Stderr {
            self.remember(&String::from_utf8_lossy(line.get(..TAIL_LINE).unwrap_or(&line)));
        }
        let mut line = disarm(line);
        self.sink.line(stream, &line);
        line.clear(); // its memory is reused
        line.extend_from_slice(&rest);
        self.partial(stream).line = line;
    }

    /// Keeps the last lines. The line with which Go's runtime gives up stays before them: the
    /// traces of its goroutines follow it.
    fn remember(&mut self, line: &str) {
        let gives_up =
            |line: &String| line.starts_with("panic: ") || line.starts_with("fatal error: ");
        if self.tail.len() == TAIL_LINES {
            let mut reasons = self.tail.iter().map(gives_up);
            let keeps_first = reasons.next() == Some(true) && !reasons.any(|reason| reason);
            self.tail.remove(usize::from(keeps_first));
        }
        self.tail.push_back(line.chars().take(TAIL_LINE).collect());
    }
}

/// The output of an activation that is dropped before its end is not lost.
impl Drop for Assembler {
    fn drop(&mut self) {
        self.end_line(Stream::Stdout);
        self.end_line(Stream::Stderr);
    }
}

/// Breaks text that OpenWhisk would take for its mark, or a reader of receipts for a receipt.
pub(crate) fn disarm(line: Vec<u8>) -> Vec<u8> {
    let forged = line.starts_with(receipt::PREFIX.as_bytes());
    let Some(first) = find(&line, SENTINEL.as_bytes()) else {
        return if forged { [BREAK.as_bytes(), &line].concat() } else { line };
    };
    // Copied only once: a line may consist of nothing but marks.
    let mut whole = Vec::with_capacity(line.len() + line.len() / 8);
    whole.extend_from_slice(if forged { BREAK.as_bytes() } else { b"" });
    let mut rest = line.as_slice();
    let mut next = Some(first);
    while let Some((before, after)) =
        next.and_then(|at| rest.split_at_checked(at + SENTINEL.len() / 2))
    {
        whole.extend_from_slice(before);
        whole.extend_from_slice(BREAK.as_bytes());
        rest = after;
        next = find(rest, SENTINEL.as_bytes());
    }
    whole.extend_from_slice(rest);
    whole
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // Few lines contain an X: search for the mark's first byte before comparing.
    let mut at = 0;
    loop {
        at += haystack.get(at..)?.iter().position(|byte| Some(byte) == needle.first())?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

/// A guest's output stream, for WASI.
#[derive(Clone)]
pub(super) struct GuestStream {
    logs: Logs,
    stream: Stream,
    /// `true` if the guest has waited for room and may write once.
    granted: bool,
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 calls this; the linker provides 0.2 alone.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_LINE {
            // WASI 0.2, wasi:io/streams: a write needs a permit of check-write for its length.
            return Err(StreamError::trap(&format!(
                "it wrote {} bytes of logs at once, and check-write permits {MAX_LINE}",
                bytes.len()
            )));
        }
        self.logs.lock().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let granted = std::mem::take(&mut self.granted);
        Ok(if granted || self.logs.sink.has_room(self.stream) { MAX_LINE } else { 0 })
    }
}

#[async_trait::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {
        if !self.granted && !self.logs.sink.has_room(self.stream) {
            self.logs.sink.room(self.stream).await;
            // The guest may write after one wait, even if other activations have filled the room
            // again: WASI traps a guest that has to wait too often.
            self.granted = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<(Stream, String)>>);

    impl LogSink for Lines {
        fn line(&self, stream: Stream, line: &[u8]) {
            self.0.lock().unwrap().push((stream, String::from_utf8_lossy(line).into_owned()));
        }
    }

    fn logs(limit: u64) -> (Arc<Lines>, Logs) {
        let lines = Arc::new(Lines::default());
        (lines.clone(), Logs::new(lines, limit))
    }

    fn write(logs: &Logs, stream: Stream, text: &str) {
        for permitted in text.as_bytes().chunks(MAX_LINE) {
            logs.stream(stream).write(Bytes::copy_from_slice(permitted)).unwrap();
        }
    }

    #[test]
    fn a_write_of_megabytes_without_a_permit_is_a_trap() {
        let (lines, logs) = logs(1 << 30);
        let refused =
            logs.stream(Stream::Stdout).write(Bytes::from(vec![b'x'; MAX_LINE + 1])).unwrap_err();
        assert!(refused.to_string().contains("check-write permits 65536"), "{refused}");
        assert!(lines.0.lock().unwrap().is_empty());
    }

    #[test]
    fn lines_are_whole_and_the_last_needs_no_newline() {
        let (lines, logs) = logs(1000);
        write(&logs, Stream::Stdout, "one\ntw");
        write(&logs, Stream::Stderr, "error\n");
        write(&logs, Stream::Stdout, "o\n\nthree");
        logs.end();
        logs.end();
        let got: Vec<_> = lines.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect();
        assert_eq!(got, ["one", "error", "two", "", "three"]);
    }

    #[test]
    fn the_end_mark_and_receipts_cannot_be_forged() {
        let (lines, logs) = logs(1 << 20);
        write(
            &logs,
            Stream::Stdout,
            &format!("a {SENTINEL}{SENTINEL} b\n{}{{}}\n", receipt::PREFIX),
        );
        let half = SENTINEL.len() / 2;
        write(&logs, Stream::Stdout, &SENTINEL[..half]);
        write(&logs, Stream::Stdout, &format!("{}\n", &SENTINEL[half..]));
        let got = lines.0.lock().unwrap();
        assert_eq!(got.len(), 3);
        assert!(
            got.iter()
                .all(|(_, line)| !line.contains(SENTINEL) && !line.starts_with(receipt::PREFIX)),
            "{got:?}"
        );
        assert_eq!(got[0].1.replace(BREAK, ""), format!("a {SENTINEL}{SENTINEL} b"));
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let (lines, logs) = logs(1 << 20);
        write(&logs, Stream::Stdout, &"x".repeat(150 << 10));
        logs.end();
        let lengths: Vec<_> = lines.0.lock().unwrap().iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths, [64 << 10, 64 << 10, 22 << 10]);
    }

    #[test]
    fn secrets_are_hidden_also_where_a_long_line_is_broken() {
        let (lines, logs) = logs(1 << 20);
        let filler = "x ".repeat((MAX_LINE - 10) / 2);
        write(
            &logs,
            Stream::Stderr,
            &format!(
                "{filler}password = hunter2 {filler}token={}\nplain\n",
                "q7Zk".repeat(MAX_LINE / 4)
            ),
        );
        write(&logs, Stream::Stdout, "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIAK0\n");
        write(&logs, Stream::Stderr, "MHcCAQEEIAK0\n");
        let got = lines.0.lock().unwrap();
        assert!(
            got.iter().all(|(_, line)| !line.contains("hunter") && !line.contains("q7Zk")),
            "{got:?}"
        );
        assert!(got.iter().any(|(_, line)| line.contains("password = ***PASSWORD_f52f***")));
        assert!(
            got.iter()
                .all(|(stream, line)| *stream == Stream::Stderr
                    || line.starts_with("***PRIVATE_KEY_")),
            "{got:?}"
        );
        assert_eq!(got.last().unwrap().1, "MHcCAQEEIAK0");
        assert!(logs.tail().iter().all(|line| !line.contains("hunter")));
    }

    #[test]
    fn the_reason_stays_in_the_tail_before_a_long_trace() {
        let (_lines, logs) = logs(1 << 20);
        write(&logs, Stream::Stderr, "panic: handled\n");
        write(&logs, Stream::Stderr, "fatal error: all goroutines are asleep - deadlock!\n");
        for number in 0..100 {
            write(&logs, Stream::Stderr, &format!("\tmain.go:{number} +0x1\n"));
        }
        let tail = logs.tail();
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail[0], "fatal error: all goroutines are asleep - deadlock!");
        assert_eq!(tail[TAIL_LINES - 1], "\tmain.go:99 +0x1");
    }

    #[test]
    fn output_past_the_limit_is_cut_with_one_notice() {
        let (lines, logs) = logs(5);
        for _ in 0..1000 {
            write(&logs, Stream::Stdout, "123\n");
        }
        write(&logs, Stream::Stderr, "panicked at the end\n");
        let got = lines.0.lock().unwrap();
        assert_eq!(got[0], (Stream::Stdout, "123".into()));
        assert_eq!(got[1], (Stream::Stdout, "1".into()));
        assert!(got[2].1.contains("KEYNET_LOGS"), "{got:?}");
        assert_eq!(got.len(), 3);
        assert_eq!(logs.written(), (4020, true));
        assert_eq!(logs.tail().last().map(String::as_str), Some("panicked at the end"));
    }
}
