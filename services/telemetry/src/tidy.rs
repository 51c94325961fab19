//! Keeps the tables from growing for ever.

use std::time::Duration;

use kit::{Clock, Db, Result, Suite};

use crate::{recent::Recent, store};

/// How often to look.
const EVERY: Duration = Duration::from_mins(1);
/// How long what became durable can be told again to those who watch readings, at most how much of it, and how much goes at
/// a time after that.
const JOURNAL_KEPT: Duration = Duration::from_hours(1);
const JOURNAL_BYTES: i64 = 256 << 20;
const JOURNAL_STEP: i64 = 100;

/// Tidies until the process ends.
pub fn start(db: &Db, suite: &Suite, recent: Recent) {
    let (db, clock) = (db.clone(), suite.clock.clone());
    suite.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = trim(&db, &clock, &recent).await {
                tracing::warn!(%error, "the journal can't be trimmed; the next minute it is");
            }
        }
    });
}

/// Drops what is old or too much of the journal, as far as it is sealed.
async fn trim(db: &Db, clock: &Clock, recent: &Recent) -> Result<()> {
    let beyond = {
        let mut db = db.read().await?;
        recent.catch_up(&mut db).await?;
        store::journal::beyond(&mut db, JOURNAL_BYTES).await?.unwrap_or_default()
    };
    loop {
        let mut tx = db.begin("trim journal").await?;
        store::journal::set_sealed(&mut tx, recent.sealed()).await?;
        let before = clock.now().minus(JOURNAL_KEPT);
        let gone = store::journal::forget(&mut tx, before, beyond, JOURNAL_STEP).await?;
        tx.commit().await?;
        if gone == 0 {
            return Ok(());
        }
    }
}
