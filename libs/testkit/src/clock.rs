//! A clock that moves only when told to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kit::{Clock, Timestamp};

/// Stands at 2026-01-02 03:04:05 UTC until a test advances it.
#[derive(Clone)]
pub struct FrozenClock(Arc<AtomicI64>);

impl FrozenClock {
    /// 2026-01-02 03:04:05 UTC.
    pub const START: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.0.store(self.now().plus(by).micros(), Ordering::SeqCst);
    }

    /// The time it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// The clock to hand to a service.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

impl Default for FrozenClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(Self::START.micros())))
    }
}
