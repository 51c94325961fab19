//! The connections to one replica. A server takes only so many calls at once over one and lets the others wait. Watches last as
//! long as their watchers please, so calls beyond what a connection carries get another.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::Channel;

/// How many calls a connection carries at once, beside questions of health: servers should take a hundred (RFC 9113, 6.5.2).
const CARRIES: usize = 64;

/// As many connections as the calls under way need.
pub struct Lines {
    connect: Box<dyn Fn() -> Channel + Send + Sync>,
    first: Line,
    more: Mutex<Vec<Line>>,
}

struct Line {
    channel: Channel,
    places: Arc<Semaphore>,
}

/// Keeps a call's place on its connection until it is dropped.
pub type Place = OwnedSemaphorePermit;

impl Line {
    fn new(channel: Channel) -> Self {
        Self { channel, places: Arc::new(Semaphore::new(CARRIES)) }
    }

    fn take(&self) -> Option<(Channel, Place)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some((self.channel.clone(), place))
    }

    fn is_used(&self) -> bool {
        self.places.available_permits() < CARRIES
    }
}

impl Lines {
    /// Connections that `connect` makes.
    pub fn new(connect: impl Fn() -> Channel + Send + Sync + 'static) -> Self {
        let first = Line::new(connect());
        Self { connect: Box::new(connect), first, more: Mutex::default() }
    }

    /// The one that is always there, for questions beside the calls.
    pub fn first(&self) -> Channel {
        self.first.channel.clone()
    }

    /// A connection that has a place for a call.
    pub fn take(&self) -> (Channel, Place) {
        if let Some(taken) = self.first.take() {
            return taken;
        }
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(taken) = more.iter().find_map(Line::take) {
                return taken;
            }
            more.push(Line::new((self.connect)()));
        }
    }

    /// Hangs up what carries nothing.
    pub fn tidy(&self) {
        self.more.lock().unwrap_or_else(PoisonError::into_inner).retain(Line::is_used);
    }
}
