//! Pages of a linear memory: those that an activation used are made present for the next one.
//!
//! The first access to each page interrupts the guest, and a page that it writes is copied. Guests
//! with an interpreter write hundreds of them, which takes longer than what they compute. What is
//! in the pages does not change here: the kernel only does early what it would do at the access.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::ptr::without_provenance_mut;
use std::sync::LazyLock;

use rustix::mm::{Advice, madvise};

/// Written pages below which an activation loses little time to them.
const FEW: usize = 64;

/// Pages to write above which making them present takes too long: 4 MiB, about a millisecond.
const MANY: usize = 1024;

/// Largest memory that is looked at, in pages: 64 MiB.
const LARGE: usize = 16 << 10;

/// Pages between two that were used which are made present as well: fewer calls of the kernel.
const GAP: usize = 3;

/// Bits of an entry of `/proc/self/pagemap`: the page is present; it belongs to a file, such as
/// the component's initial memory, and was not written.
const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;

/// Pages that an activation used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UsedPages {
    read: Vec<Range<usize>>,
    written: Vec<Range<usize>>,
}

impl UsedPages {
    /// Returns the used pages of the linear memory at the addresses `memory`; `None` if there are
    /// too few or too many, or if the kernel does not say.
    pub(super) fn of(memory: &Range<usize>) -> Option<Self> {
        static PAGEMAP: LazyLock<Option<File>> =
            LazyLock::new(|| File::open("/proc/self/pagemap").ok());
        let page = rustix::param::page_size();
        let count = memory.len() / page;
        if !(FEW..=LARGE).contains(&count) {
            return None;
        }
        let mut entries = vec![0; count * size_of::<u64>()];
        let at = memory.start / page * size_of::<u64>();
        PAGEMAP.as_ref()?.read_exact_at(&mut entries, at as u64).ok()?;
        let (mut used, mut written) = (Self::default(), 0);
        for (number, entry) in entries.as_chunks().0.iter().enumerate() {
            let (address, entry) = (memory.start + number * page, u64::from_ne_bytes(*entry));
            if entry & PRESENT == 0 {
                continue;
            }
            let is_written = entry & OF_FILE == 0;
            written += usize::from(is_written);
            let runs = if is_written { &mut used.written } else { &mut used.read };
            extend(runs, address..address + page, GAP * page);
        }
        let present: usize = used.written.iter().map(|run| run.len() / page).sum();
        (written >= FEW && present <= MANY).then_some(used)
    }

    /// Makes the pages present in the memory that lies at the same addresses now. If it is that of
    /// another instance, or of none, its contents stay what they are too.
    pub(super) fn make_present(&self) {
        advise(&self.read, Advice::LinuxPopulateRead);
        advise(&self.written, Advice::LinuxPopulateWrite);
    }
}

/// Adds `page` to the last of `runs` if it lies at most `gap` bytes behind it.
fn extend(runs: &mut Vec<Range<usize>>, page: Range<usize>, gap: usize) {
    match runs.last_mut() {
        Some(last) if page.start - last.end <= gap => last.end = page.end,
        _ => runs.push(page),
    }
}

fn advise(runs: &[Range<usize>], advice: Advice) {
    for run in runs {
        // SAFETY: both advices leave the contents of all pages as they are, and fail where nothing
        // is mapped.
        #[expect(unsafe_code, reason = "the memory belongs to wasmtime's pool")]
        let outcome = unsafe { madvise(without_provenance_mut(run.start), run.len(), advice) };
        if outcome.is_err() {
            return; // an older kernel, or no memory: the guest's accesses do it
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    use super::*;

    /// A private mapping of a file, as the initial memory of a component is.
    struct Memory {
        at: *mut u8,
        pages: usize,
    }

    impl Memory {
        fn new(pages: usize) -> Self {
            let mut file = tempfile::tempfile().unwrap();
            for number in 0..pages {
                file.write_all(&vec![number as u8; rustix::param::page_size()]).unwrap();
            }
            let (length, access) =
                (pages * rustix::param::page_size(), ProtFlags::READ | ProtFlags::WRITE);
            let flags = MapFlags::PRIVATE;
            // SAFETY: a new mapping.
            #[expect(unsafe_code, reason = "a mapping of the test's own")]
            let at = unsafe { mmap(std::ptr::null_mut(), length, access, flags, &file, 0) };
            Self { at: at.unwrap().cast(), pages }
        }

        fn addresses(&self) -> Range<usize> {
            self.at.addr()..self.at.addr() + self.pages * rustix::param::page_size()
        }

        #[expect(unsafe_code, reason = "a mapping of the test's own")]
        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the mapping lives as long as `self`, which is borrowed.
            unsafe { std::slice::from_raw_parts_mut(self.at, self.addresses().len()) }
        }

        fn write(&mut self, page: usize) {
            self.bytes()[page * rustix::param::page_size()] = 255;
        }

        /// Discards what was written, as the pool does.
        fn reset(&mut self) {
            // SAFETY: the mapping is this test's, and nothing refers to it.
            #[expect(unsafe_code, reason = "a mapping of the test's own")]
            unsafe { madvise(self.at.cast(), self.addresses().len(), Advice::LinuxDontNeed) }
                .unwrap();
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: nothing refers to the mapping any more.
            #[expect(unsafe_code, reason = "a mapping of the test's own")]
            unsafe { munmap(self.at.cast(), self.addresses().len()) }.unwrap();
        }
    }

    #[test]
    fn pages_that_were_written_are_present_in_the_next_memory_with_their_first_contents() {
        let mut memory = Memory::new(512);
        let addresses = memory.addresses();
        let written: Vec<usize> = (0..FEW).map(|number| 10 + number * 6).collect();
        written.iter().for_each(|page| memory.write(*page));
        let used = UsedPages::of(&addresses).unwrap();
        assert_eq!(used.written.len(), written.len(), "{used:?}");

        memory.reset();
        assert_eq!(UsedPages::of(&addresses), None, "nothing is written");
        used.make_present();
        let present = UsedPages::of(&addresses).unwrap();
        assert_eq!(present.written, used.written);
        let first: Vec<u8> =
            memory.bytes().chunks(rustix::param::page_size()).map(|page| page[0]).collect();
        assert_eq!(first, (0..512).map(|number| number as u8).collect::<Vec<_>>());
    }

    #[test]
    fn pages_that_are_close_are_one_run() {
        let mut memory = Memory::new(256);
        let page = rustix::param::page_size();
        (0..FEW).for_each(|number| memory.write(100 + number * 2));
        let used = UsedPages::of(&memory.addresses()).unwrap();
        let start = memory.addresses().start + 100 * page;
        assert_eq!(used.written, vec![start..start + (2 * FEW - 1) * page]);
    }

    #[test]
    fn few_pages_and_very_many_are_left_alone() {
        let mut memory = Memory::new(4 * MANY);
        (0..FEW - 1).for_each(|page| memory.write(page));
        assert_eq!(UsedPages::of(&memory.addresses()), None);
        (0..=MANY).for_each(|page| memory.write(page));
        assert_eq!(UsedPages::of(&memory.addresses()), None);
        assert_eq!(UsedPages::of(&(0..0)), None);
        assert_eq!(UsedPages::of(&(4096..1 << 40)), None);
    }

    #[test]
    fn addresses_where_nothing_is_mapped_are_left_alone() {
        let memory = Memory::new(64);
        let gone = memory.addresses();
        drop(memory);
        UsedPages { read: vec![gone.clone()], written: vec![gone] }.make_present();
    }
}
