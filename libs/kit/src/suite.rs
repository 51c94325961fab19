//! What a service is started with.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Db, Result, changes, databases::Databases, db::Tx, once, peer::Peers, session::Sessions,
    token::ServiceToken,
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
    /// The databases that the services of this process opened.
    pub databases: Databases,
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

    /// Looks after a service's database until the process ends: watches whether it answers, closes it at the end, and keeps
    /// the tables of this library from growing for ever.
    pub fn look_after(&self, db: &Db) {
        self.databases.add(db);
        self.spawn(self.databases.clone().watch(db.clone()));
        self.keep_tidy(db);
    }

    /// Drops old changes and old first answers.
    fn keep_tidy(&self, db: &Db) {
        let clock = self.clock.clone();
        self.hourly(db, "tidy answers", move |tx| {
            let before = clock.now().minus(once::KEPT);
            Box::pin(once::forget(tx, before, ROWS))
        });
        let clock = self.clock.clone();
        self.hourly(db, "tidy changes", move |tx| {
            let before = clock.now().minus(LOG_KEPT);
            Box::pin(changes::trim(tx, before, ROWS))
        });
    }

    /// Runs `step` every hour, again and again until it changes nothing: in small transactions, so that nobody waits long
    /// for one of them.
    pub fn hourly(
        &self,
        db: &Db,
        name: &'static str,
        step: impl for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<u64>> + Send + Sync + 'static,
    ) {
        let db = db.clone();
        self.spawn(async move {
            let mut hourly = tokio::time::interval(Duration::from_hours(1));
            loop {
                hourly.tick().await;
                if let Err(error) = until_done(&db, name, &step).await {
                    tracing::warn!(name, %error, "not done; the next hour it will be");
                }
            }
        });
    }
}

/// Rows that one small transaction drops.
const ROWS: i64 = 1000;

async fn until_done(
    db: &Db,
    name: &'static str,
    step: &(impl for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<u64>> + Sync),
) -> Result<()> {
    loop {
        let mut tx = db.begin(name).await?;
        let rows = step(&mut tx).await?;
        tx.commit().await?;
        if rows == 0 {
            return Ok(());
        }
    }
}
