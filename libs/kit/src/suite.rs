//! What a service is started with.

use std::time::Duration;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Db, Result, changes, once, peer::Peers, session::Sessions, token::ServiceToken,
};

/// How long the change log is kept for those who were away.
const LOG_KEPT: Duration = Duration::from_hours(7 * 24);

/// The suite around a service: the time, the other services, and the life of the process.
#[derive(Clone)]
pub struct Suite {
    /// Where the time comes from.
    pub clock: Clock,
    /// The other services.
    pub peers: Peers,
    /// How this service proves itself to them, in work that no person asked for.
    pub identity: ServiceToken,
    /// Which credentials are good no longer, as far as this process knows.
    pub sessions: Sessions,
    /// Work beside the calls; the process waits for it at its end.
    pub tasks: TaskTracker,
    /// Cancelled when the process shall end.
    pub shutdown: CancellationToken,
}

impl Suite {
    /// Runs `work` beside the calls until it ends or the process does.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = shutdown.cancelled() => {}
            }
        });
    }

    /// Keeps the tables of this library from growing for ever: drops old changes and old first answers, hourly.
    pub fn keep_tidy(&self, db: &Db) {
        let (db, clock) = (db.clone(), self.clock.clone());
        self.spawn(async move {
            let mut hourly = tokio::time::interval(Duration::from_hours(1));
            loop {
                hourly.tick().await;
                if let Err(error) = tidy(&db, &clock).await {
                    tracing::warn!(%error, "could not tidy up; the next hour will");
                }
            }
        });
    }
}

async fn tidy(db: &Db, clock: &Clock) -> Result<()> {
    let now = clock.now();
    let mut tx = db.begin("tidy up").await?;
    once::forget(&mut tx, now.minus(once::KEPT)).await?;
    changes::trim(&mut tx, now.minus(LOG_KEPT)).await?;
    tx.commit().await
}
