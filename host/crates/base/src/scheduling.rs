//! What threads ask of the operating system's scheduler.

use std::fmt;
use std::time::Duration;

/// The longest that the kernel has.
const LONGEST: Duration = Duration::from_millis(100);

/// Makes this thread, and those that it starts, one for background work: [`lengthen_slices`] and
/// [`leave_a_processor`].
pub fn to_background() {
    lengthen_slices();
    leave_a_processor();
}

/// Does `work` in the background on this thread, which has all processors and the usual time slices
/// before and afterwards. Processes that `work` starts stay in the background.
pub fn in_background<T>(work: impl FnOnce() -> T) -> T {
    let _background = Background::begin();
    work()
}

/// Background work of a thread that has all processors and the usual time slices before, and when this
/// is dropped.
#[derive(Debug)]
pub struct Background(Usual);

impl Background {
    /// Begins background work on this thread.
    pub fn begin() -> Self {
        let usual = Usual::of_this_thread();
        to_background();
        Self(usual)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.restore();
    }
}

/// Asks the kernel for the longest time slices for this thread and those that it starts, at the same
/// priority: of two threads that it owes time, the one with the shorter slice runs first. So a thread
/// that computes in the background makes way for those that have little to do, and its share stays the
/// same. Kernels before Linux 6.12 have the same slice for all.
pub fn lengthen_slices() {
    set_slices(LONGEST);
}

#[expect(unsafe_code, reason = "system calls that no library has")]
fn set_slices(length: Duration) {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>();
    // SAFETY: the kernel writes up to `size` bytes to a struct of that size; 0 is this thread.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if read != 0 {
        return; // a sandbox forbids it: the slices stay as they are
    }
    attributes.sched_runtime = length.as_nanos() as u64;
    // SAFETY: the kernel reads the struct, whose size is in it; 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Leaves one of several processors to others, the same one for all who call this: this thread and
/// those that it starts run on the rest.
///
/// Background work of several threads would otherwise be on all processors, and whoever wakes up would
/// wait until the kernel interrupts one of them.
pub fn leave_a_processor() {
    let Some(mut processors) = processors() else { return };
    let set = |processor: &usize| is_set(&processors, *processor);
    let mut allowed = (0..libc::CPU_SETSIZE as usize).filter(set);
    let (Some(first), Some(_)) = (allowed.next(), allowed.next()) else { return };
    clear(&mut processors, first);
    set_processors(&processors);
}

/// What a thread has that was not started by one that makes way for others.
#[derive(Clone, Copy)]
pub struct Usual(Option<libc::cpu_set_t>);

impl Usual {
    /// Returns what this thread has.
    pub fn of_this_thread() -> Self {
        Self(processors())
    }

    /// Gives it to this thread: the processors, and the usual time slices. A thread has those of the
    /// thread that started it otherwise.
    pub fn restore(&self) {
        self.0.iter().for_each(set_processors);
        set_slices(Duration::ZERO); // the usual ones
    }
}

impl fmt::Debug for Usual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usual").finish_non_exhaustive()
    }
}

/// Returns the processor time that this thread has used; `None` if a sandbox forbids to ask.
#[expect(
    unsafe_code,
    reason = "rustix has it with a feature that all of wasmtime would be built with"
)]
pub fn processor_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the struct.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let (seconds, nanoseconds) = (time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?);
    (read == 0).then(|| Duration::new(seconds, nanoseconds))
}

/// Returns the processors of this thread; `None` if there are more than a set has, or a sandbox
/// forbids it.
#[expect(
    unsafe_code,
    reason = "rustix has it with a feature that all of wasmtime would be built with"
)]
fn processors() -> Option<libc::cpu_set_t> {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut processors: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the kernel writes up to `size` bytes to a set of that size; 0 is this thread.
    let read = unsafe { libc::sched_getaffinity(0, size, &raw mut processors) };
    (read == 0).then_some(processors)
}

#[expect(
    unsafe_code,
    reason = "rustix has it with a feature that all of wasmtime would be built with"
)]
fn set_processors(processors: &libc::cpu_set_t) {
    // SAFETY: the kernel reads the set, whose size is given; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), processors) };
}

#[expect(unsafe_code, reason = "an array of bits that libc has")]
fn is_set(processors: &libc::cpu_set_t, processor: usize) -> bool {
    // SAFETY: libc checks that the set has this bit.
    unsafe { libc::CPU_ISSET(processor, processors) }
}

#[expect(unsafe_code, reason = "an array of bits that libc has")]
fn clear(processors: &mut libc::cpu_set_t, processor: usize) {
    // SAFETY: libc checks that the set has this bit.
    unsafe { libc::CPU_CLR(processor, processors) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count() -> usize {
        let processors = processors().unwrap();
        (0..libc::CPU_SETSIZE as usize).filter(|number| is_set(&processors, *number)).count()
    }

    #[test]
    fn work_in_the_background_leaves_a_processor_until_it_ends_or_panics() {
        let all = count();
        let fewer = all.saturating_sub(1).max(1);
        assert_eq!((in_background(count), count()), (fewer, all));
        assert!(std::panic::catch_unwind(|| in_background(|| panic!("of the test"))).is_err());
        assert_eq!(count(), all);
    }

    #[test]
    fn a_thread_leaves_one_of_several_processors_and_those_that_it_starts_can_have_all() {
        let (all, usual) = (count(), Usual::of_this_thread());
        let left = std::thread::spawn(move || {
            leave_a_processor();
            lengthen_slices();
            let inherited = std::thread::spawn(count).join().unwrap();
            let reset = std::thread::spawn(move || {
                usual.restore();
                count()
            });
            (count(), inherited, reset.join().unwrap())
        });
        let fewer = all.saturating_sub(1).max(1);
        assert_eq!(left.join().unwrap(), (fewer, fewer, all));
        assert_eq!(count(), all);
    }
}
