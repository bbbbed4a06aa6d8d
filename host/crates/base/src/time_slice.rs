//! Time slices of the operating system's scheduler.

use std::time::Duration;

/// The longest that the kernel has.
const LONGEST: Duration = Duration::from_millis(100);

/// Asks the kernel for the longest time slices for this thread and those that it starts, at the same
/// priority: of two threads that it owes time, the one with the shorter slice runs first. So a thread
/// that computes in the background makes way for those that have little to do, and its share stays the
/// same. Kernels before Linux 6.12 have the same slice for all.
#[expect(unsafe_code, reason = "system calls that no library has")]
pub fn lengthen() {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>();
    // SAFETY: the kernel writes up to `size` bytes to a struct of that size; 0 is this thread.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if read != 0 {
        return; // a sandbox forbids it: the slices stay as they are
    }
    attributes.sched_runtime = LONGEST.as_nanos() as u64;
    // SAFETY: the kernel reads the struct, whose size is in it; 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}
