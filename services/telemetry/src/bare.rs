//! The store alone, without wire, checks and rules: for the benchmarks that compare the service with it, and to fill a
//! database.

use std::{sync::Arc, time::Duration};

use kit::{Clock, Db, Result, Suite, Timestamp, db::Conn};

use crate::{
    SCHEMA,
    domain::{
        reading::{EquipmentId, Key, Reading},
        retention::Retention,
    },
    ingest::{self, Ingest, Sealer},
    recent::{Limits, Recent},
    register, tidy,
};

/// A store at work on a database of its own.
pub struct Store {
    db: Db,
    clock: Clock,
    recent: Recent,
    ingest: Ingest,
}

impl Store {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// The database can't be opened.
    pub async fn open(db: &kit::db::Config, suite: &Suite) -> anyhow::Result<Self> {
        let db = SCHEMA.open(db).await?;
        let recent = Recent::new(Limits::default());
        let (register, retention) = (register::follow(suite), Arc::new(Retention::default()));
        let ingest = ingest::start(&db, suite, register, &recent, retention);
        Ok(Self { db, clock: suite.clock.clone(), recent, ingest })
    }

    /// Keeps values of one metric, each of an equipment and a time in microseconds, once there is room for them; what this
    /// answers is done when they are durable.
    ///
    /// # Errors
    ///
    /// Storage is away.
    pub async fn write(
        &self,
        metric: &str,
        values: &[(EquipmentId, i64, f64)],
    ) -> Result<impl Future<Output = Result<()>> + use<>> {
        let reading = |(equipment_id, at, value): &(EquipmentId, i64, f64)| Reading {
            key: Key { equipment_id: *equipment_id, recorded_at: Timestamp::from_micros(*at) },
            metrics: [(metric.to_owned(), *value)].into(),
        };
        let kept = self.ingest.queue(values.iter().map(reading).collect()).await?;
        Ok(async move { kept.await.map(drop) })
    }

    /// Seals everything and drops the journal, as time does.
    ///
    /// # Errors
    ///
    /// Storage is away.
    pub async fn settle(&self) -> Result<()> {
        self.recent.catch_up(&mut self.db.read().await?).await?;
        self.recent.ripen(self.clock.now().plus(Duration::from_hours(24)));
        let mut sealer = Sealer::new(&self.db, &self.clock);
        while sealer.step(&self.recent).await? {}
        tidy::trim_to(&self.db, Timestamp::MIN, 0, &self.recent).await
    }

    /// A connection to look at the tables.
    ///
    /// # Errors
    ///
    /// Storage is away.
    pub async fn read(&self) -> Result<Conn> {
        self.db.read().await
    }

    /// Closes it.
    pub async fn close(self) {
        self.db.close().await;
    }
}

/// An equipment's id.
pub type Equipment = EquipmentId;
