//! What a job comes to, as things stand in the transaction.

use std::collections::HashSet;

use kit::{Error, Result, Timestamp, db::Tx};

use super::{Job, Single, Work, Written};
use crate::{
    domain::{
        reading::{self, Key, Reading},
        retention::Retention,
    },
    recent::Recent,
    store,
};

/// What is to be written for a job.
pub enum Values<'j> {
    /// Readings that are new.
    Readings(&'j [Reading]),
    /// New values of one reading; none where there is to be none.
    Edit(Key, reading::Values),
}

impl Job {
    /// What it comes to where the readings `there` are, and what is to be written for it.
    pub(super) async fn outcome(
        &self,
        tx: &mut Tx,
        recent: &Recent,
        retention: &Retention,
        there: Option<&HashSet<Key>>,
        now: Timestamp,
    ) -> Result<(Written, Values<'_>)> {
        match &self.work {
            Work::Add { readings, single } => {
                let written = match (single, readings.first()) {
                    (Some(single), Some(reading)) => {
                        let is_there = there.is_some_and(|there| there.contains(&reading.key));
                        single.outcome(tx, is_there, now).await?
                    }
                    _ => Written::Kept,
                };
                let is_fresh = !matches!(written, Written::Replayed(_));
                let readings = if is_fresh { readings.as_slice() } else { &[] };
                Ok((written, Values::Readings(readings)))
            }
            Work::Change { key, edit } => {
                let mut metrics = store::reading::find(tx, recent, *key).await?;
                metrics.retain(|(name, _)| retention.begin(name, now) <= key.recorded_at);
                if metrics.is_empty() {
                    return Err(Error::not_found("reading", key.id()));
                }
                let (metrics, values) = edit.apply(&metrics.into_iter().collect())?;
                Ok((Written::Changed(metrics), Values::Edit(*key, values)))
            }
        }
    }
}

impl Single {
    /// What a reading comes to that may be there.
    async fn outcome(&self, tx: &mut Tx, is_there: bool, now: Timestamp) -> Result<Written> {
        if let Some(answer) = self.once.recall(tx, now).await? {
            return Ok(Written::Replayed(answer));
        }
        Ok(if is_there { Written::Merged } else { Written::Kept })
    }
}
