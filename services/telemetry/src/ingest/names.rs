//! The series that this process has met, so that storage is asked once for each.

use std::collections::HashMap;

use crate::domain::reading::EquipmentId;

/// Numbers and names of series.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<EquipmentId, HashMap<String, i64>>,
    known: HashMap<i64, (EquipmentId, String)>,
    /// Those that the transaction under way made.
    made: Vec<i64>,
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

    /// The transaction under way made a series, or found it.
    pub fn add(&mut self, equipment_id: EquipmentId, metric: &str, number: i64) {
        self.numbers.entry(equipment_id).or_default().insert(metric.to_owned(), number);
        self.known.insert(number, (equipment_id, metric.to_owned()));
        self.made.push(number);
    }

    /// The transaction has committed.
    pub fn keep(&mut self) {
        self.made.clear();
    }

    /// The transaction has not committed, or nobody knows.
    pub fn forget(&mut self) {
        for number in std::mem::take(&mut self.made) {
            if let Some((equipment_id, metric)) = self.known.remove(&number)
                && let Some(metrics) = self.numbers.get_mut(&equipment_id)
            {
                metrics.remove(&metric);
            }
        }
    }
}
