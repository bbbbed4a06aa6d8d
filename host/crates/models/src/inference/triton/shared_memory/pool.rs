//! The pool of reusable regions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::server::Server;
use super::region::{Memory, Region, SUBJECT};
use keynet_base::error::{Error, Result};

/// Time that a region whose call did not end is left to the server, before it is unregistered.
const QUARANTINE: Duration = Duration::from_secs(60);
/// Minimum size of a region in bytes, so that it fits many calls.
const SMALLEST: u64 = 256 << 10;
/// Maximum ratio of a region's size to the required size.
const SLACK: u64 = 4;
/// Maximum time that the shutdown of the process waits for the server: for its responses, and until
/// it has finished with interrupted calls.
const CLOSING: Duration = Duration::from_secs(2);
/// Interval of requests to unregister a region that the server still uses.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Pool of the regions of one server.
#[derive(Debug)]
pub(super) struct Pool {
    limit: u64,
    /// Bytes of all regions: free, used and in quarantine.
    held: AtomicU64,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// In the order of their last use, the most recent last.
    free: Vec<Region>,
    quarantine: Vec<(Region, Instant)>,
}

/// Region that one call uses. On drop it goes into quarantine, unless it was never used or the
/// server has finished with it.
#[derive(Debug)]
pub(super) struct Lent {
    region: Option<Region>,
    pool: Arc<Pool>,
    free: bool,
}

impl Pool {
    /// Creates a pool whose regions together have at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, held: AtomicU64::new(0), idle: Mutex::default() }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a region of at least `bytes` bytes for one call.
    ///
    /// # Errors
    /// `unavailable`: the limit is reached, `/dev/shm` has no room, or the server does not see the
    /// region.
    pub async fn take(self: &Arc<Self>, server: &Arc<Server>, bytes: u64) -> Result<Lent> {
        let size = bytes
            .checked_next_power_of_two()
            .ok_or_else(|| Error::unavailable(format!("{SUBJECT}: {bytes} bytes")))?
            .max(SMALLEST);
        let (pool, server) = (Arc::clone(self), Arc::clone(server));
        self.release(&server);
        if let Some(region) = self.free(size) {
            return Ok(Lent { region: Some(region), pool, free: true });
        }
        // Runs to completion even if the caller stops waiting, because every registration must be
        // recorded here.
        let made = tokio::spawn(async move {
            pool.make_room(&server, size).await;
            let fits = |held: u64| held.checked_add(size).filter(|held| *held <= pool.limit);
            if pool.held.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
                let limit = pool.limit;
                return Err(Error::unavailable(format!(
                    "{SUBJECT}: {size} bytes more are above the {limit} of KEYNET_TRITON_SHM_BYTES"
                )));
            }
            match Region::register(&server, size).await {
                Ok(region) => Ok(Lent { region: Some(region), pool, free: true }),
                Err(error) => {
                    pool.held.fetch_sub(size, Ordering::Relaxed);
                    Err(error)
                }
            }
        });
        made.await.map_err(|error| Error::internal(format!("{SUBJECT}: {error}")))?
    }

    /// Takes the smallest free region that is large enough and at most [`SLACK`] times as large.
    fn free(&self, size: u64) -> Option<Region> {
        let mut idle = self.idle();
        let fitting =
            idle.free.iter().enumerate().filter(|(_, region)| {
                (size..=size.saturating_mul(SLACK)).contains(&region.bytes())
            });
        let (index, _) = fitting.min_by_key(|(_, region)| region.bytes())?;
        Some(idle.free.remove(index))
    }

    /// Removes regions whose quarantine is over, in the background, so that the next call does not
    /// wait.
    fn release(self: &Arc<Self>, server: &Arc<Server>) {
        let over = self.over(Instant::now());
        if over.is_empty() {
            return;
        }
        let (pool, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            for region in over {
                pool.end(&server, region).await;
            }
        });
    }

    /// Takes the regions whose quarantine is over.
    fn over(&self, now: Instant) -> Vec<Region> {
        let is_over =
            |quarantined: &mut (Region, Instant)| now.duration_since(quarantined.1) > QUARANTINE;
        self.idle().quarantine.extract_if(.., is_over).map(|(region, _)| region).collect()
    }

    /// Removes free regions until one of `size` bytes fits.
    async fn make_room(&self, server: &Server, size: u64) {
        while self.held.load(Ordering::Relaxed).saturating_add(size) > self.limit {
            let Some(oldest) = self.oldest() else { return };
            self.end(server, oldest).await;
        }
    }

    fn oldest(&self) -> Option<Region> {
        let free = &mut self.idle().free;
        (!free.is_empty()).then(|| free.remove(0))
    }

    /// Unregisters and removes a region. If the server still uses it, it goes back into quarantine.
    async fn end(&self, server: &Server, region: Region) {
        let bytes = region.bytes();
        match region.unregister(server).await {
            Ok(()) => self.gone(bytes),
            Err(used) => self.idle().quarantine.push((used, Instant::now())),
        }
    }

    fn gone(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn take_all(&self) -> (Vec<Region>, Vec<Region>) {
        let idle = std::mem::take(&mut *self.idle());
        (idle.free, idle.quarantine.into_iter().map(|(region, _)| region).collect())
    }

    /// Drops all regions, after the server has lost its registrations.
    pub fn forget(&self) {
        let (free, quarantine) = self.take_all();
        self.gone(free.iter().chain(&quarantine).map(Region::bytes).sum());
    }

    /// Unregisters and removes every region: free ones immediately, the others when their calls
    /// have ended. Regions that the server has not released within [`CLOSING`] are removed anyway;
    /// the next process that starts unregisters them.
    pub async fn close(&self, server: &Server) {
        let given_back = async {
            loop {
                let (free, quarantine) = self.take_all();
                for region in free.into_iter().chain(quarantine) {
                    self.end(server, region).await;
                }
                if self.held.load(Ordering::Relaxed) == 0 {
                    return;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, given_back).await;
        self.forget();
    }
}

impl Lent {
    /// Returns its name; empty if there is no region, which does not happen while it is leased.
    pub fn name(&self) -> &str {
        self.region.as_ref().map_or("", Region::name)
    }

    /// Returns the memory, for a thread that copies. From then on the region counts as in use by
    /// others.
    pub fn memory(&mut self) -> Option<Memory> {
        self.free = false;
        self.region.as_ref().map(Region::memory)
    }

    /// Marks the region as free: it is neither written to nor read from any more.
    pub fn done(mut self) {
        self.free = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(region) = self.region.take() else { return };
        let mut idle = self.pool.idle();
        if self.free {
            idle.free.push(region);
        } else {
            idle.quarantine.push((region, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantine_is_over_after_a_minute_though_other_regions_are_free() {
        let (pool, now) = (Pool::new(1 << 20), Instant::now());
        let region = || Region::make(4096).unwrap();
        pool.idle().free.push(region());
        pool.idle().quarantine.extend([(region(), now), (region(), now + QUARANTINE)]);
        assert_eq!(pool.over(now + QUARANTINE).len(), 0);
        assert_eq!(pool.over(now + QUARANTINE + Duration::from_millis(1)).len(), 1);
        let idle = pool.idle();
        assert_eq!((idle.free.len(), idle.quarantine.len()), (1, 1));
    }
}
