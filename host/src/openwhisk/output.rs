//! The two streams of the process, as they are written: whole pieces, past the standard library's buffers.
//!
//! A reader that is slow is waited for, one that is gone costs only the logs, and one that stands still must not keep an answer from its
//! caller: what he has not made room for in two seconds, after which the platform takes logs to have ended, is dropped.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::activation::Stream;

/// How long somebody who does not read is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The two streams. Whoever writes has the stream to himself.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Mutex<Pipe>,
    stderr: Mutex<Pipe>,
}

impl Output {
    /// The process's own.
    pub(super) fn of_the_process() -> Self {
        Self { stdout: Mutex::new(Pipe::of(Stream::Stdout)), stderr: Mutex::new(Pipe::of(Stream::Stderr)) }
    }

    /// Writes all of `bytes`, which end with a newline.
    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        let pipe = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        pipe.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
    }
}

#[derive(Debug)]
struct Pipe {
    file: File,
    /// Nobody made room the last time.
    stalled: bool,
    /// The last piece was dropped within a line.
    torn: bool,
}

impl Pipe {
    fn of(stream: Stream) -> Self {
        let shared = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        // The standard library sees to it that both are open.
        let shared = shared.map(File::from).or_else(|_| OpenOptions::new().write(true).open("/dev/null"));
        #[expect(clippy::expect_used, reason = "a process that has neither streams nor /dev/null cannot serve")]
        let shared = shared.expect("a stream");
        Self { file: unblocked(&shared, stream).unwrap_or(shared), stalled: false, torn: false }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        if self.torn && !self.write_all(&mut &b"\n"[..]) {
            return;
        }
        let whole = bytes.len();
        self.torn = !self.write_all(&mut bytes) && bytes.len() < whole;
    }

    /// Whether all went out; `bytes` are what is left.
    fn write_all(&mut self, bytes: &mut &[u8]) -> bool {
        let mut waited: Option<Instant> = None;
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(count) => {
                    *bytes = bytes.get(count..).unwrap_or_default();
                    (self.stalled, waited) = (false, None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let since = *waited.get_or_insert_with(Instant::now);
                    if self.stalled || since.elapsed() > PATIENCE {
                        self.stalled = true;
                        return false;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return false,
            }
        }
        true
    }
}

/// A pipe opened once more, so that writing to it never blocks here, and blocks for others as before.
fn unblocked(shared: &File, stream: Stream) -> Option<File> {
    let number = match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    };
    if !shared.metadata().ok()?.file_type().is_fifo() {
        return None;
    }
    OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(format!("/proc/self/fd/{number}")).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn pipe() -> (File, Pipe) {
        let (reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let file = OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).unwrap();
        (File::from(std::os::fd::OwnedFd::from(reader)), Pipe { file, stalled: false, torn: false })
    }

    #[test]
    fn one_who_stands_still_is_waited_for_once_and_gets_whole_lines_later() {
        let (mut reader, mut pipe) = pipe();
        let line = [b"x".repeat(99).as_slice(), b"\n"].concat();
        let started = Instant::now();
        (0..10_000).for_each(|_| pipe.write(&line));
        let took = started.elapsed();
        assert!(took >= PATIENCE && took < PATIENCE * 4, "{took:?}");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        std::thread::sleep(Duration::from_millis(100));
        pipe.write(b"the next\n");
        drop(pipe);
        let text = reading.join().unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.last(), Some(&"the next"), "not at the end of a torn line");
        assert!(lines.len() > 100 && lines[..lines.len() - 2].iter().all(|line| line.len() == 99));
    }

    #[test]
    fn one_who_is_gone_costs_nothing() {
        let (reader, mut pipe) = pipe();
        drop(reader);
        let started = Instant::now();
        (0..100).for_each(|_| pipe.write(b"a line\n"));
        assert!(started.elapsed() < PATIENCE);
    }
}
