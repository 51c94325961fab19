//! Keeps the tables from growing for ever.

use std::{sync::Arc, time::Duration};

use kit::{Clock, Db, Result, Suite, Timestamp};

use crate::{domain::retention::Retention, recent::Recent, store};

/// How often to look.
const EVERY: Duration = Duration::from_mins(1);
/// How long what became durable can be told again to those who watch readings, at most how much of it, and how much goes at
/// a time after that.
const JOURNAL_KEPT: Duration = Duration::from_hours(1);
const JOURNAL_BYTES: i64 = 256 << 20;
const JOURNAL_STEP: i64 = 100;
/// Chunks that go at a time when they have been kept for long enough.
const CHUNKS_STEP: i64 = 500;

/// Tidies until the process ends.
pub fn start(db: &Db, suite: &Suite, recent: Recent, retention: Arc<Retention>) {
    let (db, clock) = (db.clone(), suite.clock.clone());
    suite.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = trim(&db, &clock, &recent).await {
                tracing::warn!(%error, "the journal can't be trimmed; the next minute it is");
            }
            if let Err(error) = expire(&db, &clock, &retention).await {
                tracing::warn!(%error, "old readings can't be dropped; the next minute they are");
            }
        }
    });
}

/// Drops what is old or too much of the journal, as far as it is sealed.
async fn trim(db: &Db, clock: &Clock, recent: &Recent) -> Result<()> {
    trim_to(db, clock.now().minus(JOURNAL_KEPT), JOURNAL_BYTES, recent).await
}

/// Drops of the journal what was written before `before` or is more than `bytes`, as far as it is sealed.
pub async fn trim_to(db: &Db, before: Timestamp, bytes: i64, recent: &Recent) -> Result<()> {
    let beyond = {
        let mut db = db.read().await?;
        recent.catch_up(&mut db).await?;
        store::journal::beyond(&mut db, bytes).await?.unwrap_or_default()
    };
    loop {
        let mut tx = db.begin("trim journal").await?;
        // Two that trim at once would take each other's place for the end.
        store::journal::take_turn(&mut tx).await?;
        store::journal::set_sealed(&mut tx, recent.sealed()).await?;
        let gone = store::journal::forget(&mut tx, before, beyond, JOURNAL_STEP).await?;
        tx.commit().await?;
        if gone == 0 {
            return Ok(());
        }
    }
}

/// Drops chunks whose values have all been kept for long enough.
pub async fn expire(db: &Db, clock: &Clock, retention: &Retention) -> Result<()> {
    if retention.is_endless() {
        return Ok(());
    }
    let metrics = store::chunk::metrics(&mut db.read().await?).await?;
    for metric in metrics {
        let begin = retention.begin(&metric, clock.now());
        if begin == Timestamp::MIN {
            continue;
        }
        loop {
            let mut tx = db.begin("expire readings").await?;
            // Not while somebody merges into one of them.
            store::journal::take_turn(&mut tx).await?;
            let gone = store::chunk::expire(&mut tx, &metric, begin, CHUNKS_STEP).await?;
            tx.commit().await?;
            if gone == 0 {
                break;
            }
        }
    }
    Ok(())
}
