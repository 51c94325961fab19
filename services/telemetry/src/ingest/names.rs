//! The series that this process has met, so that storage is asked once for each. Those that are new are made together, one
//! statement a group.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use kit::{Error, Result, db::Tx};

use super::Job;
use crate::{
    domain::{
        journal::Write,
        reading::{EquipmentId, Key, Reading},
    },
    store,
};

/// Pieces of equipment whose series are read at a time.
const EQUIPMENT: usize = 500;
/// Metrics that one piece of equipment may have: more than any machine has. Each stays for ever, and every process holds it in
/// memory.
const METRICS: usize = 1000;

/// Numbers and names of series.
#[derive(Default)]
pub struct Names {
    /// One that is planned has a number below 0 until it is made.
    numbers: HashMap<EquipmentId, HashMap<String, i64>>,
    known: HashMap<i64, (EquipmentId, String)>,
    /// Those that the transaction under way made, or met for the first time.
    met: Vec<i64>,
    /// Those of them that it made.
    made: HashSet<i64>,
    /// Those that it has yet to make; the first is number -1.
    planned: Vec<(EquipmentId, String)>,
    /// Whether it has looked for all that its group speaks of.
    looked: bool,
}

impl Names {
    /// The number of a series that was met or is planned.
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

    /// Adds the `values` of one reading, which is of `group`, to `writes`; their series have to be [made](Self::make) before
    /// these are of use. Answers whether its equipment may have them all; otherwise nothing is added.
    pub async fn add<'v>(
        &mut self,
        tx: &mut Tx,
        writes: &mut Vec<Write>,
        key: Key,
        values: impl Iterator<Item = (&'v str, Option<f64>)> + Clone,
        group: &[Job],
    ) -> Result<bool> {
        if self.push(writes, key, values.clone()) {
            return Ok(true);
        }
        let metrics = values.clone().map(|(metric, _)| metric);
        if !self.has_room(tx, key.equipment_id, metrics.clone(), group).await? {
            return Ok(false);
        }
        for metric in metrics {
            self.plan(key.equipment_id, metric);
        }
        Ok(self.push(writes, key, values))
    }

    /// Whether the equipment may have all of `metrics`. With the first that was not met, all of `group` are looked for.
    pub async fn has_room<'m>(
        &mut self,
        tx: &mut Tx,
        equipment_id: EquipmentId,
        metrics: impl Iterator<Item = &'m str> + Clone,
        group: &[Job],
    ) -> Result<bool> {
        let strangers = |names: &Self| {
            let is_strange = |metric: &&str| names.number(equipment_id, metric).is_none();
            metrics.clone().filter(is_strange).count()
        };
        if 0 < strangers(self) && !self.looked {
            self.looked = true;
            self.meet(tx, equipment_id, group).await?;
        }
        let (new, known) =
            (strangers(self), self.numbers.get(&equipment_id).map_or(0, HashMap::len));
        Ok(new == 0 || known + new <= METRICS)
    }

    /// Makes the series that are planned, and has `writes` name them by their numbers.
    pub async fn make(&mut self, tx: &mut Tx, writes: &mut [Write]) -> Result<()> {
        if self.planned.is_empty() {
            return Ok(());
        }
        let made = store::reading::insert_series(tx, &self.planned).await?;
        let mut numbers = HashMap::with_capacity(made.len());
        for series in made {
            let planned = self.number(series.equipment_id, &series.metric);
            numbers.extend(planned.map(|planned| (planned, series.id)));
            self.made.insert(series.id);
            self.learn(series);
        }
        self.planned.clear();
        for write in writes.iter_mut().filter(|write| write.series_id < 0) {
            let number = numbers.get(&write.series_id).copied();
            write.series_id = number.context("a planned series was not made")?;
        }
        Ok(())
    }

    /// Adds `values` to `writes` if all their series have numbers.
    fn push<'v>(
        &self,
        writes: &mut Vec<Write>,
        key: Key,
        values: impl Iterator<Item = (&'v str, Option<f64>)>,
    ) -> bool {
        let begin = writes.len();
        for (metric, value) in values {
            let Some(series_id) = self.number(key.equipment_id, metric) else {
                writes.truncate(begin);
                return false;
            };
            writes.push(Write { series_id, at: key.recorded_at, value });
        }
        true
    }

    fn plan(&mut self, equipment_id: EquipmentId, metric: &str) {
        if self.number(equipment_id, metric).is_none() {
            self.planned.push((equipment_id, metric.to_owned()));
            let number = -i64::try_from(self.planned.len()).unwrap_or(i64::MAX);
            self.numbers.entry(equipment_id).or_default().insert(metric.to_owned(), number);
        }
    }

    /// Meets the series of one piece of equipment, and of those in `group` of which any was not met.
    async fn meet(&mut self, tx: &mut Tx, equipment_id: EquipmentId, group: &[Job]) -> Result<()> {
        let mut equipment_ids = HashSet::from([equipment_id]);
        for Reading { key, metrics } in group.iter().flat_map(Job::readings) {
            if metrics.keys().any(|metric| self.number(key.equipment_id, metric).is_none()) {
                equipment_ids.insert(key.equipment_id);
            }
        }
        let equipment_ids: Vec<_> = equipment_ids.into_iter().collect();
        for ids in equipment_ids.chunks(EQUIPMENT) {
            for series in store::reading::series_of(tx, ids, &[]).await? {
                if self.number(series.equipment_id, &series.metric).is_none() {
                    self.learn(series);
                }
            }
        }
        Ok(())
    }

    /// The transaction under way found a series, or made it.
    fn learn(&mut self, series: store::reading::Series) {
        let store::reading::Series { id, equipment_id, metric } = series;
        self.numbers.entry(equipment_id).or_default().insert(metric.clone(), id);
        self.known.insert(id, (equipment_id, metric));
        self.met.push(id);
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
        let met = std::mem::take(&mut self.met).into_iter();
        let met: Vec<_> = met.filter_map(|number| self.known.remove(&number)).collect();
        let planned = std::mem::take(&mut self.planned);
        for (equipment_id, metric) in met.into_iter().chain(planned) {
            if let Some(metrics) = self.numbers.get_mut(&equipment_id) {
                metrics.remove(&metric);
            }
        }
    }
}

/// Why a reading is refused whose equipment would have more metrics than it may.
pub fn too_many_metrics() -> String {
    format!("one piece of equipment has at most {METRICS} metrics")
}

/// The same for who sent that reading alone, or changed it.
pub fn too_many() -> Error {
    Error::refused("TOO_MANY_METRICS", too_many_metrics())
}

#[cfg(test)]
mod tests {
    use kit::Timestamp;

    use super::*;
    use crate::SCHEMA;

    const KEY: fn(EquipmentId) -> Key =
        |equipment_id| Key { equipment_id, recorded_at: Timestamp::MIN };

    /// Has `names` add a value of each of `metrics`, each as of a reading of its own. Answers what is to be written.
    async fn add(names: &mut Names, tx: &mut Tx, id: EquipmentId, metrics: &[&str]) -> Vec<Write> {
        let mut writes = Vec::new();
        for metric in metrics {
            let values = [(*metric, Some(1.0))].into_iter();
            assert!(names.add(tx, &mut writes, KEY(id), values, &[]).await.unwrap());
        }
        writes
    }

    /// The series of the machine that are there, by metric.
    async fn there(tx: &mut Tx, id: EquipmentId) -> HashMap<String, i64> {
        let series = store::reading::series_of(tx, &[id], &[]).await.unwrap();
        series.into_iter().map(|series| (series.metric, series.id)).collect()
    }

    testkit::both! {
        async fn a_new_series_that_is_met_twice_is_made_once(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let (mut names, id) = (Names::default(), EquipmentId::new());
            let mut tx = db.begin("write").await.unwrap();

            let mut writes = add(&mut names, &mut tx, id, &["a", "b", "a"]).await;
            names.make(&mut tx, &mut writes).await.unwrap();

            let there = there(&mut tx, id).await;
            let written: Vec<_> = writes.iter().map(|write| write.series_id).collect();
            assert_eq!(written, [there["a"], there["b"], there["a"]]);
            assert_eq!(names.name(there["a"]), Some(&(id, "a".to_owned())));
            assert!(names.is_new(there["b"]));
        }

        async fn what_comes_to_nothing_is_made_by_who_tries_again(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let (mut names, id) = (Names::default(), EquipmentId::new());
            for is_made in [false, true] {
                let mut tx = db.begin("fails").await.unwrap();
                let mut writes = add(&mut names, &mut tx, id, &["a", "b"]).await;
                if is_made {
                    names.make(&mut tx, &mut writes).await.unwrap();
                }
                drop(tx);
                names.forget();
            }

            let mut tx = db.begin("write").await.unwrap();
            let mut writes = add(&mut names, &mut tx, id, &["b"]).await;
            names.make(&mut tx, &mut writes).await.unwrap();
            tx.commit().await.unwrap();
            names.keep();

            let mut tx = db.begin("look").await.unwrap();
            let there = there(&mut tx, id).await;
            assert_eq!(there, [("b".to_owned(), writes[0].series_id)].into());
            assert!(!names.is_new(there["b"]));
        }

        async fn what_another_process_has_made_meanwhile_is_met(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let (mut one, mut other) = (Names::default(), Names::default());
            let id = EquipmentId::new();
            // Both know the machine.
            let mut tx = db.begin("both").await.unwrap();
            let mut writes = add(&mut one, &mut tx, id, &["a"]).await;
            one.make(&mut tx, &mut writes).await.unwrap();
            one.keep();
            add(&mut other, &mut tx, id, &["a"]).await;
            other.keep();
            let mut writes = add(&mut one, &mut tx, id, &["b"]).await;
            one.make(&mut tx, &mut writes).await.unwrap();

            let mut met = add(&mut other, &mut tx, id, &["b", "c"]).await;
            other.make(&mut tx, &mut met).await.unwrap();

            let there = there(&mut tx, id).await;
            assert_eq!((met[0].series_id, met[1].series_id), (writes[0].series_id, there["c"]));
            assert!(!other.is_new(there["b"]) && other.is_new(there["c"]));
        }
    }
}
