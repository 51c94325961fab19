//! What the metrics are told of alerts and their tasks, and of what waits.

use std::{sync::Arc, time::Duration};

use kit::{Clock, Db, Result, Suite, changes, db::Tx};
use metrics::{counter, gauge};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    dispatch,
    domain::alert::Severity,
    ingest::{self, Ingest},
    store,
};

/// How often gauges are read.
const EVERY: Duration = Duration::from_secs(5);

/// What happens to an alert.
#[derive(Clone, Copy)]
pub enum Event {
    /// It is new.
    Raised,
    /// It lasts no more.
    Cleared,
    /// It never was.
    Removed,
}

impl Event {
    const ALL: [Self; 3] = [Self::Raised, Self::Cleared, Self::Removed];

    fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Cleared => "cleared",
            Self::Removed => "removed",
        }
    }

    /// Notes that it happens to so many alerts in the transaction.
    pub fn note(self, tx: &mut Tx, alerts: u64) {
        tx.count("flightline_alerts_total", ("event", self.name()), alerts);
    }
}

/// What came of the wish of an alert for a task.
#[derive(Clone, Copy)]
pub enum Task {
    /// There is one.
    Opened,
    /// The maintenance service will never open it.
    Refused,
}

impl Task {
    const ALL: [Self; 2] = [Self::Opened, Self::Refused];

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Refused => "refused",
        }
    }

    /// Notes it in the transaction that notes it at the alert.
    pub fn note(self, tx: &mut Tx) {
        tx.count("flightline_alert_tasks_total", ("outcome", self.name()), 1);
    }
}

/// Tells how things stand for as long as the process runs. What has not happened yet is told as 0, so that its first time
/// shows.
pub fn start(db: &Db, suite: &Suite, ingest: Arc<Ingest>) {
    for event in Event::ALL {
        counter!("flightline_alerts_total", "event" => event.name()).increment(0);
    }
    for task in Task::ALL {
        counter!("flightline_alert_tasks_total", "outcome" => task.name()).increment(0);
    }
    for outcome in ingest::OUTCOMES {
        counter!("flightline_ingest_values_total", "outcome" => outcome).increment(0);
    }
    let (db, clock) = (db.clone(), suite.clock.clone());
    suite.spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (kind, values) in ingest.waiting() {
                let values = u32::try_from(values).unwrap_or(u32::MAX);
                gauge!("flightline_ingest_waiting_values", "kind" => kind).set(values);
            }
            if let Err(error) = look(&db, &clock).await {
                tracing::debug!(%error, "the database can't be asked for gauges");
            }
        }
    });
}

/// Tells what stands in the database, for all replicas.
async fn look(db: &Db, clock: &Clock) -> Result<()> {
    let mut conn = db.read().await?;
    let open = store::alert::count_open(&mut conn).await?;
    for severity in Severity::ALL {
        let of = open.iter().find(|(other, _)| other == severity);
        let count = of.and_then(|(_, count)| u32::try_from(*count).ok()).unwrap_or_default();
        gauge!("flightline_alerts_open", "severity" => severity.name()).set(count);
    }
    let since = changes::waiting_since(&mut conn, dispatch::CURSOR).await?;
    let lag = since.map_or(Duration::ZERO, |since| clock.now().since(since));
    gauge!("flightline_consumer_lag_seconds",
        "database" => db.name(), "consumer" => dispatch::CURSOR)
    .set(lag.as_secs_f64());
    Ok(())
}
