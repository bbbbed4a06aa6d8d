//! Regions that wait for the next call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::server::Server;
use super::region::{Memory, Region, SUBJECT};
use keynet_base::error::{Error, Result};

/// How long a region whose call did not end is left to the server before it is asked to forget it.
const QUARANTINE: Duration = Duration::from_secs(60);
/// Regions are no smaller, so that they fit many calls.
const SMALLEST: u64 = 256 << 10;
/// A region may be so many times larger than what it is used for.
const SLACK: u64 = 4;
/// How long the end of a process waits for the server: for its answers, and until it is done with
/// the calls that were cut off.
const CLOSING: Duration = Duration::from_secs(2);
/// How often a region that the server still uses is asked back.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Regions of one server.
#[derive(Debug)]
pub(super) struct Pool {
    limit: u64,
    /// Bytes of all regions: free, used and in quarantine.
    held: AtomicU64,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The last one to be used comes last.
    free: Vec<Region>,
    quarantine: Vec<(Region, Instant)>,
}

/// A region that one call uses. When it is dropped it goes into quarantine, unless nobody was told
/// of it or the server is done with it.
#[derive(Debug)]
pub(super) struct Lent {
    region: Option<Region>,
    pool: Arc<Pool>,
    free: bool,
}

impl Pool {
    /// Its regions together have at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, held: AtomicU64::new(0), idle: Mutex::default() }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A region of at least `bytes` bytes for one call.
    ///
    /// # Errors
    /// `unavailable`: the limit, no room in `/dev/shm`, or the server does not see it.
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
        // To its end, also when nobody waits for it any more: what the server was told must be
        // known here.
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

    /// The smallest free region that is large enough, and not so large that it would be missed.
    fn free(&self, size: u64) -> Option<Region> {
        let mut idle = self.idle();
        let fitting =
            idle.free.iter().enumerate().filter(|(_, region)| {
                (size..=size.saturating_mul(SLACK)).contains(&region.bytes())
            });
        let (index, _) = fitting.min_by_key(|(_, region)| region.bytes())?;
        Some(idle.free.remove(index))
    }

    /// Ends regions whose quarantine is over. The call that comes next does not wait for it.
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

    /// Ends as many free regions as it takes for one of `size` bytes to fit.
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

    /// Lets the server forget a region, and removes it. One that the server still uses stays.
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

    /// The server knows none of the regions any more.
    pub fn forget(&self) {
        let (free, quarantine) = self.take_all();
        self.gone(free.iter().chain(&quarantine).map(Region::bytes).sum());
    }

    /// Unregisters and removes every region: at once those that are free, the others as soon as
    /// their calls are over. What the server does not give back in [`CLOSING`] is removed all the
    /// same; the next process that starts has the server forget it.
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
    /// Its name; empty when it is gone, which it is not while it is lent.
    pub fn name(&self) -> &str {
        self.region.as_ref().map_or("", Region::name)
    }

    /// For a thread that copies. From now on it may be written to and read from elsewhere.
    pub fn memory(&mut self) -> Option<Memory> {
        self.free = false;
        self.region.as_ref().map(Region::memory)
    }

    /// Nobody will write to it or read from it any more.
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
