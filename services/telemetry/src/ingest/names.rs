//! The series that this process has met, so that storage is asked once for each.

use std::collections::{HashMap, HashSet};

use crate::domain::reading::EquipmentId;

/// Numbers and names of series.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<EquipmentId, HashMap<String, i64>>,
    known: HashMap<i64, (EquipmentId, String)>,
    /// Those that the transaction under way made, or met for the first time.
    met: Vec<i64>,
    /// Those of them that it made.
    made: HashSet<i64>,
}

impl Names {
    /// The number of a series that was met.
    pub fn number(&self, equipment_id: EquipmentId, metric: &str) -> Option<i64> {
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

    /// The transaction under way found a series, or made it.
    pub fn add(&mut self, equipment_id: EquipmentId, metric: &str, (number, is_new): (i64, bool)) {
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
    }

    /// The transaction has not committed, or nobody knows.
    pub fn forget(&mut self) {
        self.made.clear();
        for number in std::mem::take(&mut self.met) {
            if let Some((equipment_id, metric)) = self.known.remove(&number)
                && let Some(metrics) = self.numbers.get_mut(&equipment_id)
            {
                metrics.remove(&metric);
            }
        }
    }
}
