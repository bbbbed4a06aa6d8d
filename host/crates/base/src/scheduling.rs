//! What threads ask of the operating system's scheduler.

use std::time::Duration;

/// The longest that the kernel has.
const LONGEST: Duration = Duration::from_millis(100);

/// Asks the kernel for the longest time slices for this thread and those that it starts, at the same
/// priority: of two threads that it owes time, the one with the shorter slice runs first. So a thread
/// that computes in the background makes way for those that have little to do, and its share stays the
/// same. Kernels before Linux 6.12 have the same slice for all.
#[expect(unsafe_code, reason = "system calls that no library has")]
pub fn lengthen_slices() {
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

/// Leaves one of several processors to others, the same one for all who call this: this thread and
/// those that it starts run on the rest.
///
/// Background work of several threads would otherwise be on all processors, and whoever wakes up would
/// wait until the kernel interrupts one of them.
#[expect(
    unsafe_code,
    reason = "system calls that no library has without a feature of all of wasmtime"
)]
pub fn leave_a_processor() {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut processors: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the kernel writes up to `size` bytes to a set of that size; 0 is this thread.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut processors) } != 0 {
        return; // more processors than the set has, or a sandbox forbids it
    }
    let mut allowed = (0..libc::CPU_SETSIZE as usize)
        // SAFETY: the number is less than that of the set's bits.
        .filter(|processor| unsafe { libc::CPU_ISSET(*processor, &processors) });
    let (Some(first), Some(_)) = (allowed.next(), allowed.next()) else { return };
    // SAFETY: as above.
    unsafe { libc::CPU_CLR(first, &mut processors) };
    // SAFETY: the kernel reads the set, whose size is given; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, size, &raw const processors) };
}
