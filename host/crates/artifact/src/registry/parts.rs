//! How a registry takes uploads, as far as its answers have shown: the size of a part, and what its
//! `Range` means.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::{Response, StatusCode, header};

/// No smaller parts are sent: what takes less is no registry.
const SMALLEST: u64 = 1 << 20;

/// What was learned of a registry, for all uploads to it.
pub(super) struct Parts {
    /// Bytes of a part.
    size: AtomicU64,
    /// Whether an upload is sent in one request, since parts are not taken.
    whole: AtomicBool,
    /// Whether `Range: 0-N` means N bytes, and not N + 1 as the specification has it.
    counts: AtomicBool,
}

/// How far an upload is after a part was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes that the registry has.
    pub(super) offset: u64,
    /// Whether it took less than was sent.
    pub(super) short: bool,
}

impl Parts {
    /// Parts of `size` bytes, as long as the registry takes them.
    pub(super) fn new(size: u64) -> Self {
        Self {
            size: AtomicU64::new(size.max(1)),
            whole: AtomicBool::new(false),
            counts: AtomicBool::new(false),
        }
    }

    /// Returns the bytes of a part: all of an upload where parts are not taken.
    pub(super) fn size(&self) -> u64 {
        if self.whole.load(Ordering::Relaxed) {
            u64::MAX
        } else {
            self.size.load(Ordering::Relaxed)
        }
    }

    /// Learns from a refusal of a request that carried `sent` bytes: a quarter of it is sent next
    /// time where that was too much (413, and 416 of registries that count so), and all at once
    /// where parts are unknown (405, 501). Returns whether it is worth trying again.
    pub(super) fn learn(&self, status: StatusCode, part: bool, sent: u64) -> bool {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::RANGE_NOT_SATISFIABLE
                if sent > SMALLEST && !self.whole.load(Ordering::Relaxed) =>
            {
                let smaller = (sent.min(self.size()) / 4).max(SMALLEST);
                self.size.fetch_min(smaller, Ordering::Relaxed) > smaller
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED if part => {
                !self.whole.swap(true, Ordering::Relaxed)
            }
            _ => false,
        }
    }

    /// Takes the least size of a part from the answer that begins an upload
    /// (`OCI-Chunk-Min-Length`).
    pub(super) fn begin(&self, response: &Response) {
        let least = response
            .headers()
            .get("oci-chunk-min-length")
            .and_then(|least| least.to_str().ok()?.trim().parse().ok());
        self.size.fetch_max(least.unwrap_or(0), Ordering::Relaxed);
    }

    /// Returns how far an upload is whose part from `from` to `to` was taken. A registry that says
    /// that it has no more than before has not counted (Amazon ECR's `Range` stays at the first
    /// part); one that says one byte more counts bytes and names no last one.
    pub(super) fn taken(&self, response: &Response, from: u64, to: u64) -> Taken {
        let all = Taken { offset: to, short: false };
        let Some(last) = last_byte(response) else { return all };
        if last == to && last > 0 {
            self.counts.store(true, Ordering::Relaxed);
            return all;
        }
        match self.bytes(last) {
            got if got > from && got < to => Taken { offset: got, short: true },
            _ => all,
        }
    }

    /// Returns how many bytes a registry has that is asked for an unfinished upload; `None` if it
    /// does not say.
    pub(super) fn received(&self, response: &Response) -> Option<u64> {
        last_byte(response).map(|last| self.bytes(last))
    }

    /// Bytes of `Range: 0-LAST`. Registries also answer `0-0` when they have none.
    fn bytes(&self, last: u64) -> u64 {
        if last == 0 || self.counts.load(Ordering::Relaxed) { last } else { last + 1 }
    }
}

/// `LAST` of `Range: 0-LAST`.
fn last_byte(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::RANGE)?.to_str().ok()?;
    range
        .trim()
        .trim_start_matches("bytes=")
        .strip_prefix("0-")?
        .parse()
        .ok()
        .filter(|last| *last < u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn answer(name: &str, value: &str) -> Response {
        http::Response::builder().header(name, value).body("").unwrap().into()
    }

    #[test]
    fn parts_get_smaller_until_they_are_taken() {
        let parts = Parts::new(16 * MIB);
        assert!(parts.learn(StatusCode::RANGE_NOT_SATISFIABLE, true, 16 * MIB));
        assert_eq!(parts.size(), 4 * MIB);
        assert!(parts.learn(StatusCode::PAYLOAD_TOO_LARGE, false, 4 * MIB));
        assert_eq!(parts.size(), MIB);
        assert!(!parts.learn(StatusCode::PAYLOAD_TOO_LARGE, true, MIB), "no smaller part is sent");
        assert!(!parts.learn(StatusCode::BAD_REQUEST, true, 16 * MIB));
    }

    #[test]
    fn an_upload_without_parts_is_one_request() {
        let parts = Parts::new(16 * MIB);
        assert!(!parts.learn(StatusCode::METHOD_NOT_ALLOWED, false, MIB));
        assert!(parts.learn(StatusCode::METHOD_NOT_ALLOWED, true, 16 * MIB));
        assert_eq!(parts.size(), u64::MAX);
        assert!(!parts.learn(StatusCode::METHOD_NOT_ALLOWED, true, 16 * MIB), "once");
        assert!(
            !parts.learn(StatusCode::PAYLOAD_TOO_LARGE, false, 20 * MIB),
            "it cannot be sent in parts"
        );
    }

    #[test]
    fn a_registry_may_ask_for_larger_parts() {
        let parts = Parts::new(4 * MIB);
        parts.begin(&answer("OCI-Chunk-Min-Length", "5242880"));
        assert_eq!(parts.size(), 5 * MIB);
    }

    #[test]
    fn ranges_are_understood_as_they_are_meant() {
        let parts = Parts::new(16);
        let taken = |range: &str| {
            let Taken { offset, short } = parts.taken(&answer("range", range), 16, 32);
            (offset, short)
        };
        assert_eq!(taken("0-31"), (32, false));
        assert_eq!(taken("0-15"), (32, false), "it stays at the first part");
        assert_eq!(taken("0-0"), (32, false));
        assert_eq!(taken("nonsense"), (32, false));
        assert_eq!(taken("0-1000"), (32, false));
        assert_eq!(taken("bytes=0-23"), (24, true));
        assert_eq!(parts.received(&answer("range", "0-31")), Some(32));
        assert_eq!(taken("0-32"), (32, false));
        assert_eq!(
            parts.received(&answer("range", "0-48")),
            Some(48),
            "it counts bytes, as it did before"
        );
        assert_eq!(parts.received(&answer("x", "y")), None);
    }
}
