//! The store without the service.

use kit::{Timestamp, uuid::Uuid};
use telemetry::bare::{self, Equipment};
use testkit::World;

use crate::METRIC;

/// A store that takes batches.
pub struct Store(bare::Store);

pub fn ids(machines: &[String]) -> anyhow::Result<Vec<Equipment>> {
    machines.iter().map(|id| Ok(id.parse::<Uuid>()?.into())).collect()
}

impl Store {
    pub async fn open(db: &kit::db::Config, world: &World) -> anyhow::Result<Self> {
        Ok(Self(bare::Store::open(db, &world.suite).await?))
    }

    /// A value of each of `ids` at `second`; what this answers is done when they are durable.
    pub async fn batch(
        &self,
        ids: &[Equipment],
        second: i64,
        number: usize,
    ) -> anyhow::Result<impl Future<Output = kit::Result<()>> + use<>> {
        let value = value(second, number);
        let values: Vec<_> = ids.iter().map(|id| (*id, second * 1_000_000, value)).collect();
        Ok(self.0.write(METRIC, &values).await?)
    }

    /// A value of one series.
    pub async fn run(
        &self,
        id: Equipment,
        values: &[(Timestamp, f64)],
    ) -> anyhow::Result<impl Future<Output = kit::Result<()>> + use<>> {
        let values: Vec<_> = values.iter().map(|(at, value)| (id, at.micros(), *value)).collect();
        Ok(self.0.write(METRIC, &values).await?)
    }

    pub async fn settle(&self) -> anyhow::Result<()> {
        Ok(self.0.settle().await?)
    }

    pub async fn read(&self) -> anyhow::Result<kit::db::Conn> {
        Ok(self.0.read().await?)
    }

    pub async fn close(self) {
        self.0.close().await;
    }
}

/// With two decimals, as a sensor gives it.
pub fn value(second: i64, number: usize) -> f64 {
    let tenths = (second * 7 + i64::try_from(number).unwrap_or_default() * 13) % 4096;
    f64::from(i32::try_from(tenths).unwrap_or_default()) / 100.0
}
