//! Process of a test: killed with the test in any case.

use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Process that is killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts a process.
    pub fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}")),
        )
    }

    /// Returns its pipes, which the caller may take.
    pub fn pipes(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Returns its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns its peak memory so far, in MiB.
    pub fn peak_mib(&self) -> u64 {
        peak_of(self.id())
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Returns its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("its state")
    }

    /// Waits until it listens on `address`, within `time`; the error describes what happened
    /// instead.
    pub fn listens_within(&mut self, address: &str, time: Duration) -> Result<(), String> {
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.ended() {
                return Err(format!("it ended before it listened ({status})"));
            }
            if started.elapsed() > time {
                return Err(format!("nothing listens on {address}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Kills it, unless it has ended, and returns its exit status.
    pub fn kill(mut self) -> ExitStatus {
        let _ = self.0.kill();
        self.0.wait().expect("its state")
    }

    /// Waits for its end, for at most `time`.
    pub fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            match self.ended() {
                Some(status) => return status,
                None => assert!(started.elapsed() < time, "it has not ended within {time:?}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a process a signal, such as `TERM`.
pub fn signal(process: u32, name: &str) {
    let sent =
        Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().expect("kill");
    assert!(sent.success(), "there is no process {process}");
}

/// Returns the number of files and connections that a process has open.
pub fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process").count()
}

/// Resets the peak memory of a process to its current memory (proc(5), `clear_refs`).
pub fn reset_peak(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the process");
}

/// Returns the current memory of a process in MiB; 0 if it has ended.
pub fn resident(process: u32) -> u64 {
    mib_of(process, "VmRSS:")
}

/// Returns the peak memory of a process so far in MiB; 0 if it has ended.
pub fn peak_of(process: u32) -> u64 {
    mib_of(process, "VmHWM:")
}

/// Reads a size in `/proc/PID/status`, in MiB.
fn mib_of(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        / 1024
}
