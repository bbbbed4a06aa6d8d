//! What waits to be written to one stream.

use std::collections::VecDeque;

use crate::activation::SENTINEL;

/// Bytes that wait, beside the piece with which this is exceeded.
pub(super) const CAPACITY: usize = 1 << 20;

/// From so many bytes on activations wait before they write more, and below so many they go on.
pub(super) const HIGH: usize = CAPACITY / 2;
pub(super) const LOW: usize = CAPACITY / 4;

/// Small pieces are joined up to this size: a piece costs more than its bytes.
const PIECE: usize = 16 << 10;

/// Marks that are written in one piece after a gap.
const MARKS: u64 = 1000;

/// Whole pieces of output in order, and what was dropped behind them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the pieces, and of the one that is being written.
    bytes: usize,
    gap: Gap,
}

/// What was dropped behind the last piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gap {
    bytes: u64,
    /// Activations that ended in it: each one's mark is still written, since the platform counts
    /// them.
    marks: u64,
}

impl Queue {
    /// Bytes that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything was written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0 && self.gap == Gap::default()
    }

    /// Takes `lines`, or counts them as dropped if there is no room.
    pub(super) fn push(&mut self, lines: &[u8], ends: bool) {
        if self.bytes < CAPACITY && self.gap == Gap::default() {
            self.append(lines);
        } else {
            let mark = if ends { SENTINEL.len() + 1 } else { 0 };
            self.gap.bytes += lines.len().saturating_sub(mark) as u64;
            self.gap.marks += u64::from(ends);
        }
    }

    fn append(&mut self, lines: &[u8]) {
        self.bytes += lines.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + lines.len() <= PIECE => last.extend_from_slice(lines),
            _ => self.pieces.push_back(lines.to_vec()),
        }
    }

    /// The next piece to write, which counts until it is [`Self::written`].
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if self.bytes == 0 {
            self.tell_gap();
        }
        self.pieces.pop_front()
    }

    /// A piece of so many bytes is out.
    pub(super) fn written(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// Queues a line about what was dropped, and the marks that were.
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
        (0..CAPACITY / 1024).for_each(|_| queue.push(line.as_bytes(), false));
        let mark = format!("{SENTINEL}\n");
        for _ in 0..2500 {
            queue.push(format!("dropped\n{mark}").as_bytes(), true);
        }
        assert!(queue.bytes() < CAPACITY + 2048);
        let text = written(&mut queue);
        let rest = text.strip_prefix(&line.repeat(CAPACITY / 1024)).unwrap();
        let (notice, marks) = rest.split_once('\n').unwrap();
        assert!(notice.starts_with("keynet: 20000 bytes of logs were dropped"), "{notice}");
        assert_eq!(marks, mark.repeat(2500));
        queue.push(b"next\n", false);
        assert_eq!(written(&mut queue), "next\n");
    }

    #[test]
    fn many_short_lines_take_few_pieces() {
        let mut queue = Queue::default();
        (0..100_000).for_each(|_| queue.push(b"a\n", false));
        assert!(queue.pieces.len() <= 200_000 / PIECE + 1);
        assert_eq!(written(&mut queue), "a\n".repeat(100_000));
    }
}
