//! Pseudo-terminal: a test can wait for its output, and type.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::{Sandbox, binary};

/// Program in a terminal of its own.
pub struct Terminal {
    process: Process,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts `keynet-inference ARGUMENTS` in a terminal made by `script`, which is part of every
    /// Debian.
    pub fn keynet(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|word| format!(" '{word}'")).collect::<String>();
        let line = format!("'{}'{arguments}", binary().display());
        let mut command = sandbox.program("script", ["-qefc", &line, "/dev/null"]);
        command
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        let mut output = process.pipes().stdout.take().expect("a pipe");
        let shown = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                keep.lock()
                    .expect("the text")
                    .push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { process, shown }
    }

    /// Waits until the terminal shows `text`.
    pub fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !self.shown().contains(text) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it does not show {text:?}: {:?}",
                self.shown()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types a line, a moment after the prompt as a person does: the echo is turned off just after it.
    pub fn type_line(&mut self, text: &str) {
        thread::sleep(Duration::from_millis(200));
        let keyboard = self.process.pipes().stdin.as_mut().expect("a keyboard");
        keyboard
            .write_all(format!("{text}\r").as_bytes())
            .and_then(|()| keyboard.flush())
            .expect("a key");
    }

    /// Returns the whole output so far.
    pub fn shown(&self) -> String {
        self.shown.lock().expect("the text").clone()
    }

    /// Waits for the end, and returns the exit code and the whole output.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.process.ends_within(Duration::from_secs(60));
        thread::sleep(Duration::from_millis(50)); // the reader is as far as the pipe
        (status.code(), self.shown())
    }
}
