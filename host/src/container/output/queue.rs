//! Queue of the output of one stream.

use std::collections::VecDeque;

use crate::activation::SENTINEL;

/// Maximum bytes in the queue, not counting the piece that exceeds it.
pub(super) const CAPACITY: usize = 1 << 20;

/// Bytes from which on activations wait before they write more, and bytes below which they
/// continue.
pub(super) const HIGH: usize = CAPACITY / 2;
pub(super) const LOW: usize = CAPACITY / 4;

/// Size in bytes up to which small pieces are joined: a piece costs more than its bytes.
const PIECE: usize = 16 << 10;

/// Maximum number of marks that are written in one piece after a gap.
const MARKS: u64 = 1000;

/// Whole pieces of output in order, and a count of the output dropped behind them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the pieces, and of the piece that is being written.
    bytes: usize,
    gap: Gap,
}

/// Count of the output that was dropped behind the last piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gap {
    bytes: u64,
    /// Activations that ended in the gap: each one's mark is still written, since OpenWhisk counts
    /// the marks.
    marks: u64,
}

impl Queue {
    /// Returns the bytes that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reports whether everything was written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0 && self.gap == Gap::default()
    }

    /// Queues `lines`, or counts them and the marks among them as dropped if there is no room.
    pub(super) fn push(&mut self, lines: &[u8]) {
        if self.bytes < CAPACITY && self.gap == Gap::default() {
            self.append(lines);
        } else {
            let is_mark = |line: &&[u8]| *line == SENTINEL.as_bytes();
            let marks = lines.split(|byte| *byte == b'\n').filter(is_mark).count();
            self.gap.bytes += (lines.len() - marks * (SENTINEL.len() + 1)) as u64;
            self.gap.marks += marks as u64;
        }
    }

    fn append(&mut self, lines: &[u8]) {
        self.bytes += lines.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + lines.len() <= PIECE => last.extend_from_slice(lines),
            _ => self.pieces.push_back(lines.to_vec()),
        }
    }

    /// Returns the next piece to write; it counts until [`Self::written`] is called.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if self.bytes == 0 {
            self.tell_gap();
        }
        self.pieces.pop_front()
    }

    /// Records that a piece of `bytes` was written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// Queues a line that reports the dropped bytes, and the dropped marks.
    fn tell_gap(&mut self) {
        let marks = self.gap.marks.min(MARKS);
        let mut lines = String::new();
        if self.gap.bytes > 0 {
            lines = format!(
                "keynet: {} bytes of logs were dropped here, because their reader did not keep \
                    up\n",
                self.gap.bytes
            );
        }
        for _ in 0..marks {
            lines.push_str(SENTINEL);
            lines.push('\n');
        }
        self.gap = Gap { bytes: 0, marks: self.gap.marks - marks };
        if !lines.is_empty() {
            self.append(lines.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(queue: &mut Queue) -> String {
        let mut text = String::new();
        while let Some(piece) = queue.next() {
            queue.written(piece.len());
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert!(queue.is_empty());
        text
    }

    #[test]
    fn what_has_no_room_is_counted_and_every_mark_still_comes() {
        let mut queue = Queue::default();
        let line = format!("{}\n", "x".repeat(1023));
        (0..CAPACITY / 1024).for_each(|_| queue.push(line.as_bytes()));
        let mark = format!("{SENTINEL}\n");
        for _ in 0..2500 {
            queue.push(format!("dropped\n{mark}").as_bytes());
        }
        assert!(queue.bytes() < CAPACITY + 2048);
        let text = written(&mut queue);
        let rest = text.strip_prefix(&line.repeat(CAPACITY / 1024)).unwrap();
        let (notice, marks) = rest.split_once('\n').unwrap();
        assert!(notice.starts_with("keynet: 20000 bytes of logs were dropped"), "{notice}");
        assert_eq!(marks, mark.repeat(2500));
        queue.push(b"next\n");
        assert_eq!(written(&mut queue), "next\n");
    }

    #[test]
    fn many_short_lines_take_few_pieces() {
        let mut queue = Queue::default();
        (0..100_000).for_each(|_| queue.push(b"a\n"));
        assert!(queue.pieces.len() <= 200_000 / PIECE + 1);
        assert_eq!(written(&mut queue), "a\n".repeat(100_000));
    }
}
