//! One stream: written directly while its reader keeps up, otherwise by a thread.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::sync::Notify;

use super::queue::{HIGH, LOW, Queue};
use crate::activation::Stream;

/// Time that an activation waits for a reader that makes no room. After it, output that finds no
/// room is dropped until the reader has caught up.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of gathered lines from which on they are written.
const AT_MOST_LATER: usize = 64 << 10;

/// Interval between attempts to write to a stream that is non-blocking, because another process set
/// it so, and not ready.
const AGAIN: Duration = Duration::from_millis(5);

/// One stream of the process.
#[derive(Debug)]
pub(super) struct Pipe(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Name of its thread.
    name: &'static str,
    state: Mutex<State>,
    /// Signal for the thread: there is something to write, or the stream is closed.
    work: Condvar,
    /// `true` if activations must wait before they write more.
    full: AtomicBool,
    /// Signal for waiting activations: there is room.
    room: Notify,
    /// File that the thread writes to, which may block.
    blocking: File,
}

#[derive(Debug)]
struct State {
    /// File that is written without blocking; `None` if only the thread may write.
    direct: Option<File>,
    /// Lines that are written with those of other activations.
    later: Vec<u8>,
    queue: Queue,
    has_thread: bool,
    /// `true` if waiting for the reader timed out and it has not caught up yet.
    given_up: bool,
    closed: bool,
}

impl Pipe {
    /// Returns the process's own stream.
    pub(super) fn of_the_process(stream: Stream) -> Self {
        let (name, number) = match stream {
            Stream::Stdout => ("keynet-stdout", 1),
            Stream::Stderr => ("keynet-stderr", 2),
        };
        let shared = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        // The standard library ensures that both are open.
        let shared =
            shared.map(File::from).or_else(|_| OpenOptions::new().write(true).open("/dev/null"));
        #[expect(
            clippy::expect_used,
            reason = "a process that has neither streams nor /dev/null cannot serve"
        )]
        let shared = shared.expect("a stream");
        let direct = direct(&shared, number);
        Self::new(name, direct, shared)
    }

    fn new(name: &'static str, direct: Option<File>, blocking: File) -> Self {
        let state = State {
            direct,
            later: Vec::new(),
            queue: Queue::default(),
            has_thread: false,
            given_up: false,
            closed: false,
        };
        Self(Arc::new(Shared {
            name,
            state: Mutex::new(state),
            work: Condvar::new(),
            full: AtomicBool::new(false),
            room: Notify::new(),
            blocking,
        }))
    }

    /// See [`super::Output::write`].
    pub(super) fn write(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        if state.later.is_empty() {
            return self.write_to(state, lines);
        }
        state.later.extend_from_slice(lines);
        self.write_later(state);
    }

    /// See [`super::Output::gather`].
    pub(super) fn gather(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        state.later.extend_from_slice(lines);
        if state.later.len() > AT_MOST_LATER {
            self.write_later(state);
        }
    }

    /// See [`super::Output::write_gathered`].
    pub(super) fn write_gathered(&self) {
        let state = self.0.lock();
        if !state.later.is_empty() {
            self.write_later(state);
        }
    }

    fn write_later(&self, mut state: MutexGuard<'_, State>) {
        let lines = std::mem::take(&mut state.later);
        self.write_to(state, &lines);
    }

    fn write_to(&self, mut state: MutexGuard<'_, State>, lines: &[u8]) {
        let rest = match &state.direct {
            Some(direct) if state.queue.is_empty() => write_now(direct, lines),
            _ => lines,
        };
        if rest.is_empty() {
            return;
        }
        state.queue.push(rest);
        if state.queue.bytes() >= HIGH && !state.given_up {
            self.0.full.store(true, Ordering::Relaxed);
        }
        if !state.has_thread {
            let shared = Arc::clone(&self.0);
            // If the operating system has no thread now, it may have one for the next line.
            state.has_thread = std::thread::Builder::new()
                .name(self.0.name.to_owned())
                .spawn(move || shared.write_queue())
                .is_ok();
        }
        drop(state);
        self.0.work.notify_one();
    }

    /// See [`super::Output::has_room`].
    pub(super) fn has_room(&self) -> bool {
        !self.0.full.load(Ordering::Relaxed)
    }

    /// See [`super::Output::room`].
    pub(super) async fn room(&self) {
        let _ = tokio::time::timeout(PATIENCE, self.until(|| self.has_room())).await;
        if !self.has_room() {
            let mut state = self.0.lock();
            // The reader may have caught up since the line above.
            state.given_up = state.queue.bytes() >= LOW;
            self.0.make_room(state);
        }
    }

    /// Waits until everything is written.
    pub(super) async fn drained(&self) {
        self.write_gathered();
        self.until(|| self.0.lock().queue.is_empty()).await;
    }

    /// Waits for writes of the thread until `is_so` returns `true`.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.0.room.notified());
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_room(&self, state: MutexGuard<'_, State>) {
        self.full.store(false, Ordering::Relaxed);
        drop(state);
        self.room.notify_waiters();
    }

    /// Writes the queue, for as long as the stream lives.
    fn write_queue(&self) {
        let mut state = self.lock();
        loop {
            let Some(piece) = state.queue.next() else {
                if state.closed {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            write_all(&self.blocking, &piece);
            state = self.lock();
            state.queue.written(piece.len());
            if state.queue.bytes() < LOW {
                state.given_up = false;
                self.make_room(state);
                state = self.lock();
            }
        }
    }
}

/// Writes as much as the stream has room for and returns the rest; it is empty if there is no
/// reader any more.
fn write_now<'a>(mut direct: &File, mut lines: &'a [u8]) -> &'a [u8] {
    while !lines.is_empty() {
        match direct.write(lines) {
            Ok(count) => lines = lines.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return lines,
            Err(_) => return &[],
        }
    }
    lines
}

/// Writes all lines, unless there is no reader any more.
fn write_all(blocking: &File, mut lines: &[u8]) {
    loop {
        lines = write_now(blocking, lines);
        if lines.is_empty() {
            return;
        }
        std::thread::sleep(AGAIN);
    }
}

/// Returns a handle on `stream`, which has the descriptor `number`, that never blocks: a pipe is
/// opened once more, so that it still blocks for other processes; a file accepts every write.
/// `None` for terminals and sockets.
fn direct(stream: &File, number: i32) -> Option<File> {
    let kind = stream.metadata().ok()?.file_type();
    if kind.is_file() || (kind.is_char_device() && !stream.is_terminal()) {
        return stream.try_clone().ok();
    }
    if kind.is_fifo() { reopened(number) } else { None }
}

fn reopened(number: i32) -> Option<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(format!("/proc/self/fd/{number}"))
        .ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::time::Instant;

    use super::super::queue::CAPACITY;
    use super::*;
    use crate::activation::SENTINEL;

    pub(in super::super) fn pipe() -> (File, Pipe) {
        let (reader, writer) = io::pipe().unwrap();
        let direct = reopened(writer.as_raw_fd());
        assert!(direct.is_some());
        (
            File::from(OwnedFd::from(reader)),
            Pipe::new("test", direct, File::from(OwnedFd::from(writer))),
        )
    }

    fn mark() -> String {
        format!("{SENTINEL}\n")
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_and_gets_whole_lines_and_every_mark_later() {
        let (mut reader, pipe) = pipe();
        let line = [b"x".repeat(99).as_slice(), b"\n"].concat();
        let started = Instant::now();
        (0..20_000).for_each(|_| pipe.write(&line));
        (0..3).for_each(|_| pipe.write(mark().as_bytes()));
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        while !pipe.0.lock().queue.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        pipe.write(b"the next\n");
        drop(pipe);
        let text = reading.join().unwrap();
        let kept =
            text.lines().take_while(|line| line.len() == 99 && line.starts_with('x')).count();
        assert!(kept * 100 >= CAPACITY, "{kept}");
        let dropped = (20_000 - kept) * 100;
        let notice = format!(
            "keynet: {dropped} bytes of logs were dropped here, because their reader did not keep \
                up\n"
        );
        assert_eq!(&text[kept * 100..], format!("{notice}{}the next\n", mark().repeat(3)));
    }

    #[test]
    fn gathered_lines_are_written_in_order_with_the_next_and_never_pile_up() {
        let (mut reader, pipe) = pipe();
        pipe.gather(b"a\n");
        pipe.gather(b"b\n");
        pipe.write(b"c\n");
        let mut text = [0; 6];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"a\nb\nc\n");
        let line = [b"x".repeat(999).as_slice(), b"\n"].concat();
        (0..=AT_MOST_LATER / line.len()).for_each(|_| pipe.gather(&line));
        let mut long = vec![0; AT_MOST_LATER];
        reader.read_exact(&mut long).unwrap();
        pipe.gather(b"d\n");
        pipe.write_gathered();
        drop(pipe);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("x\nd\n"), "{rest}");
    }

    #[test]
    fn a_reader_that_is_gone_costs_nothing() {
        let (reader, pipe) = pipe();
        drop(reader);
        let started = Instant::now();
        (0..100).for_each(|_| pipe.write(b"a line\n"));
        assert!(started.elapsed() < PATIENCE);
        assert!(pipe.has_room() && pipe.0.lock().queue.is_empty());
    }

    #[test]
    fn a_stream_that_cannot_be_written_directly_keeps_the_order_too() {
        let (reader, writer) = io::pipe().unwrap();
        let pipe = Pipe::new("test", None, File::from(OwnedFd::from(writer)));
        let writing = std::thread::spawn(move || {
            (0..10_000).for_each(|line| pipe.write(format!("{line}\n").as_bytes()))
        });
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        writing.join().unwrap();
        assert!(
            lines
                .iter()
                .map(String::as_str)
                .eq((0..10_000).map(|line| line.to_string()).collect::<Vec<_>>()),
            "{}",
            lines.len()
        );
    }

    #[tokio::test]
    async fn an_activation_waits_for_a_slow_reader_and_loses_nothing() {
        let (reader, pipe) = pipe();
        let reading = std::thread::spawn(move || {
            let mut lines = 0;
            for line in BufReader::new(reader).lines() {
                assert_eq!(line.unwrap().len(), 1023);
                lines += 1;
                if lines % 256 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            lines
        });
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..8 << 10 {
            if !pipe.has_room() {
                pipe.room().await;
            }
            pipe.write(line.as_bytes());
        }
        drop(pipe);
        assert_eq!(reading.join().unwrap(), 8 << 10);
    }

    #[tokio::test]
    async fn an_activation_waits_for_a_reader_that_stands_still_once() {
        let (_reader, pipe) = pipe();
        let line = vec![b'\n'; 64 << 10];
        let started = Instant::now();
        for _ in 0..100 {
            if !pipe.has_room() {
                pipe.room().await;
            }
            pipe.write(&line);
        }
        let took = started.elapsed();
        assert!(took >= PATIENCE && took < PATIENCE * 2, "{took:?}");
    }
}
