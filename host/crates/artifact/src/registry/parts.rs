//! Upload behaviour of a registry, as its responses have shown: the size of a part, and the meaning
//! of its `Range`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::{Response, StatusCode, header};

/// Smallest part that is sent: every registry accepts that much.
const SMALLEST: u64 = 1 << 20;

/// Facts learned about a registry, shared by all uploads to it.
pub(super) struct Parts {
    /// Size of a part in bytes.
    size: AtomicU64,
    /// True if an upload is sent in one request, because the registry does not accept parts.
    whole: AtomicBool,
    /// True if `Range: 0-N` means N bytes, not N + 1 as in the specification.
    counts: AtomicBool,
}

/// Progress of an upload after a part was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Number of bytes that the registry has.
    pub(super) offset: u64,
    /// True if the registry accepted less than was sent.
    pub(super) short: bool,
}

impl Parts {
    /// Returns a new state with parts of `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        Self {
            size: AtomicU64::new(size.max(1)),
            whole: AtomicBool::new(false),
            counts: AtomicBool::new(false),
        }
    }

    /// Returns the size of a part in bytes; unlimited if the registry does not accept parts.
    pub(super) fn size(&self) -> u64 {
        if self.whole.load(Ordering::Relaxed) {
            u64::MAX
        } else {
            self.size.load(Ordering::Relaxed)
        }
    }

    /// Adapts to the rejection of a request that carried `sent` bytes: the next part is a quarter
    /// of it if it was too large (413, and 416 from registries that use it for this), and the whole
    /// upload is one request if parts are not supported (405, 501). Returns whether it is worth
    /// trying again.
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

    /// Reads the minimum size of a part (`OCI-Chunk-Min-Length`) from the response that begins an
    /// upload.
    pub(super) fn begin(&self, response: &Response) {
        let least = response
            .headers()
            .get("oci-chunk-min-length")
            .and_then(|least| least.to_str().ok()?.trim().parse().ok());
        self.size.fetch_max(least.unwrap_or(0), Ordering::Relaxed);
    }

    /// Returns the progress of an upload whose part from `from` to `to` was accepted. A registry
    /// that reports no progress does not count (Amazon ECR's `Range` stays at the first part); one
    /// that reports one byte more reports a count and not the last position.
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

    /// Returns the number of bytes that a registry has of an unfinished upload; `None` if the
    /// response does not contain it.
    pub(super) fn received(&self, response: &Response) -> Option<u64> {
        last_byte(response).map(|last| self.bytes(last))
    }

    /// Returns the number of bytes of `Range: 0-LAST`. Registries also answer `0-0` if they have
    /// none.
    fn bytes(&self, last: u64) -> u64 {
        if last == 0 || self.counts.load(Ordering::Relaxed) { last } else { last + 1 }
    }
}

/// Returns `LAST` of `Range: 0-LAST`.
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
