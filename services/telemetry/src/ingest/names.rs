//! The series that this process has met, so that storage is asked once for each.

use std::collections::{HashMap, HashSet};

use kit::{Result, db::Tx};

use super::Job;
use crate::{
    domain::reading::{EquipmentId, Reading},
    store,
};

/// Pieces of equipment whose series are read at a time.
const EQUIPMENT: usize = 500;

/// Numbers and names of series.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<EquipmentId, HashMap<String, i64>>,
    known: HashMap<i64, (EquipmentId, String)>,
    /// Those that the transaction under way made, or met for the first time.
    met: Vec<i64>,
    /// Those of them that it made.
    made: HashSet<i64>,
    /// Whether it has looked for all that its group speaks of.
    looked: bool,
}

impl Names {
    /// The number of a series that was met.
    fn number(&self, equipment_id: EquipmentId, metric: &str) -> Option<i64> {
        self.numbers.get(&equipment_id)?.get(metric).copied()
    }

    /// The equipment and the metric of a series that was met.
    pub fn name(&self, number: i64) -> Option<&(EquipmentId, String)> {
        self.known.get(&number)
    }

    /// Whether the transaction under way made the series: it has no past.
    pub fn is_new(&self, number: i64) -> bool {
        self.made.contains(&number)
    }

    /// The number of a series, which is made if it is new. With the first that was not met, all of `group` are looked for.
    pub async fn ensure(
        &mut self,
        tx: &mut Tx,
        equipment_id: EquipmentId,
        metric: &str,
        group: &[Job],
    ) -> Result<i64> {
        if let Some(number) = self.number(equipment_id, metric) {
            return Ok(number);
        }
        if !self.looked {
            self.looked = true;
            self.meet(tx, group.iter().flat_map(Job::readings)).await?;
            if let Some(number) = self.number(equipment_id, metric) {
                return Ok(number);
            }
        }
        let series = store::reading::ensure_series(tx, equipment_id, metric).await?;
        self.add(equipment_id, metric, series);
        Ok(series.0)
    }

    /// Meets the series of `readings` that are there.
    async fn meet(&mut self, tx: &mut Tx, readings: impl Iterator<Item = &Reading>) -> Result<()> {
        let mut equipment_ids = HashSet::new();
        for Reading { key, metrics } in readings {
            if metrics.keys().any(|metric| self.number(key.equipment_id, metric).is_none()) {
                equipment_ids.insert(key.equipment_id);
            }
        }
        let equipment_ids: Vec<_> = equipment_ids.into_iter().collect();
        for ids in equipment_ids.chunks(EQUIPMENT) {
            for series in store::reading::series_of(tx, ids, &[]).await? {
                if self.number(series.equipment_id, &series.metric).is_none() {
                    self.add(series.equipment_id, &series.metric, (series.id, false));
                }
            }
        }
        Ok(())
    }

    /// The transaction under way found a series, or made it.
    fn add(&mut self, equipment_id: EquipmentId, metric: &str, (number, is_new): (i64, bool)) {
        self.numbers.entry(equipment_id).or_default().insert(metric.to_owned(), number);
        self.known.insert(number, (equipment_id, metric.to_owned()));
        self.met.push(number);
        if is_new {
            self.made.insert(number);
        }
    }

    /// The transaction has committed.
    pub fn keep(&mut self) {
        self.met.clear();
        self.made.clear();
        self.looked = false;
    }

    /// The transaction has not committed, or nobody knows.
    pub fn forget(&mut self) {
        self.made.clear();
        self.looked = false;
        for number in std::mem::take(&mut self.met) {
            if let Some((equipment_id, metric)) = self.known.remove(&number)
                && let Some(metrics) = self.numbers.get_mut(&equipment_id)
            {
                metrics.remove(&metric);
            }
        }
    }
}
