//! Readings and what a good one is.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::{Error, Result, Timestamp, uuid::Uuid};

kit::id!(
    /// Names one piece of equipment of the register.
    EquipmentId
);

/// Metrics of one reading: more than any machine has, fewer than would fill the writer's queue.
const METRICS: usize = 100;
/// How far ahead of ours a machine's clock may be.
pub const AHEAD: Duration = Duration::from_mins(10);

/// Values measured at one time on one piece of equipment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Where it was measured.
    pub key: Key,
    /// Metric name to value.
    pub metrics: BTreeMap<String, f64>,
}

/// What names a reading: its equipment and its time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Key {
    /// What was measured.
    pub equipment_id: EquipmentId,
    /// When it was measured.
    pub recorded_at: Timestamp,
}

/// One value of one series.
#[derive(Clone, Copy, Debug, PartialEq, sqlx::FromRow)]
pub struct Sample {
    /// When it was measured.
    pub at: Timestamp,
    /// In the metric's unit.
    pub value: f64,
}

/// What an update does to the values of a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// These are all that stay.
    Replace(BTreeMap<String, f64>),
    /// These are set, or removed where there is none; others stay.
    Merge(BTreeMap<String, Option<f64>>),
    /// None stays.
    Delete,
}

/// New values of a reading by metric; none where there is to be none.
pub type Values = BTreeMap<String, Option<f64>>;

impl Key {
    /// The reading's id on the wire: it holds the key, so it needs no index.
    pub fn id(&self) -> String {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(self.equipment_id.uuid().as_bytes());
        bytes[16..].copy_from_slice(&self.recorded_at.micros().to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key that `id` holds; `None` if it is no reading's id.
    pub fn from_id(id: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
        let (equipment, micros) = bytes.split_at_checked(16)?;
        Some(Self {
            equipment_id: Uuid::from_slice(equipment).ok()?.into(),
            recorded_at: Timestamp::from_micros(i64::from_be_bytes(micros.try_into().ok()?)),
        })
    }
}

impl Reading {
    /// Checks what a field rule can't: names, finite values, a time that isn't ahead. Fields are named relative to the
    /// reading.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        if now.plus(AHEAD) < self.key.recorded_at {
            return Err(Error::invalid("recorded_at", "is more than ten minutes ahead"));
        }
        check_count(self.metrics.len())?;
        self.metrics.iter().try_for_each(|(name, value)| check_value(name, *value))
    }
}

impl Edit {
    /// Checks what can be said of it without the reading. Fields are named relative to the reading.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Replace(metrics) => {
                check_count(metrics.len())?;
                metrics.iter().try_for_each(|(name, value)| check_value(name, *value))
            }
            Self::Merge(values) => {
                let given = values.iter().filter_map(|(name, value)| Some((name, (*value)?)));
                given.into_iter().try_for_each(|(name, value)| check_value(name, value))
            }
            Self::Delete => Ok(()),
        }
    }

    /// What it makes of a reading that has the values `metrics`: all that stay, and those that have to be written.
    pub fn apply(
        &self,
        metrics: &BTreeMap<String, f64>,
    ) -> Result<(BTreeMap<String, f64>, Values)> {
        let mut after = metrics.clone();
        match self {
            Self::Replace(all) => after.clone_from(all),
            Self::Merge(values) => {
                for (name, value) in values {
                    match value {
                        Some(value) => after.insert(name.clone(), *value),
                        None => after.remove(name),
                    };
                }
                check_count(after.len())?;
            }
            Self::Delete => after.clear(),
        }
        let removed = metrics.keys().filter(|name| !after.contains_key(*name));
        let removed = removed.map(|name| (name.clone(), None));
        // A value that is sent again arrives again, as one that is the same does in a reading that is sent twice.
        let set = after.iter().map(|(name, value)| (name.clone(), Some(*value)));
        let written = match self {
            Self::Merge(values) => {
                set.filter(|(name, _)| values.contains_key(name)).chain(removed).collect()
            }
            Self::Replace(_) | Self::Delete => set.chain(removed).collect(),
        };
        Ok((after, written))
    }
}

fn check_count(metrics: usize) -> Result<()> {
    if metrics == 0 {
        return Err(Error::invalid("metrics", "must not be empty"));
    }
    if METRICS < metrics {
        return Err(Error::invalid("metrics", format!("must have at most {METRICS} entries")));
    }
    Ok(())
}

fn check_value(name: &str, value: f64) -> Result<()> {
    let field = || format!("metrics[{name:?}]");
    if !is_metric_name(name) {
        return Err(Error::invalid(field(), "the name must match [a-z][a-z0-9_]{0,63}"));
    }
    if !value.is_finite() {
        return Err(Error::invalid(field(), "must be a finite number"));
    }
    Ok(())
}

/// `[a-z][a-z0-9_]{0,63}`.
fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, value: f64, micros: i64) -> Reading {
        let recorded_at = Timestamp::from_micros(micros);
        let key = Key { equipment_id: EquipmentId::new(), recorded_at };
        Reading { key, metrics: [(name.to_owned(), value)].into() }
    }

    #[test]
    fn an_id_holds_equipment_and_time() {
        let key = reading("a", 1.0, -7).key;
        assert_eq!(Key::from_id(&key.id()), Some(key));
        for nonsense in ["", "x", "AAAA", "!!!!", &"A".repeat(64)] {
            assert_eq!(Key::from_id(nonsense), None);
        }
    }

    #[test]
    fn an_edit_says_what_stays_and_what_to_write() {
        let metrics = |names: &[(&str, f64)]| -> BTreeMap<String, f64> {
            names.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        let values = |names: &[(&str, Option<f64>)]| -> Values {
            names.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        let stored = metrics(&[("a", 1.0), ("b", 2.0)]);
        for (edit, after, written) in [
            (
                Edit::Replace(metrics(&[("b", 3.0), ("c", 4.0)])),
                metrics(&[("b", 3.0), ("c", 4.0)]),
                values(&[("a", None), ("b", Some(3.0)), ("c", Some(4.0))]),
            ),
            (
                Edit::Merge(values(&[("b", Some(3.0))])),
                metrics(&[("a", 1.0), ("b", 3.0)]),
                values(&[("b", Some(3.0))]),
            ),
            (
                Edit::Merge(values(&[("b", None), ("x", None)])),
                metrics(&[("a", 1.0)]),
                values(&[("b", None)]),
            ),
            (Edit::Delete, metrics(&[]), values(&[("a", None), ("b", None)])),
        ] {
            assert_eq!(edit.apply(&stored).unwrap(), (after, written), "{edit:?}");
        }
        assert!(Edit::Merge(values(&[("a", None), ("b", None)])).apply(&stored).is_err());
    }

    #[test]
    fn a_bad_reading_is_refused_by_field() {
        let now = Timestamp::from_micros(0);
        let ahead = i64::try_from(AHEAD.as_micros()).unwrap();
        let long = "a".repeat(65);
        let many = (0..=METRICS).map(|number| (format!("a{number}"), 1.0)).collect();

        assert!(reading("a_1", 1.0, ahead).check(now).is_ok());
        for (bad, field) in [
            (reading("a", 1.0, ahead + 1), "recorded_at"),
            (reading("a", f64::NAN, 0), "metrics[\"a\"]"),
            (reading("a", f64::INFINITY, 0), "metrics[\"a\"]"),
            (reading("", 1.0, 0), "metrics[\"\"]"),
            (reading("1a", 1.0, 0), "metrics[\"1a\"]"),
            (reading("A", 1.0, 0), "metrics[\"A\"]"),
            (reading("ä", 1.0, 0), "metrics[\"ä\"]"),
            (reading(&long, 1.0, 0), &format!("metrics[{long:?}]")),
            (Reading { metrics: many, ..reading("a", 1.0, 0) }, "metrics"),
            (Reading { metrics: BTreeMap::new(), ..reading("a", 1.0, 0) }, "metrics"),
        ] {
            let Err(Error::Invalid { field: named, .. }) = bad.check(now) else {
                panic!("{bad:?} passed");
            };
            assert_eq!(named, field);
        }
    }
}
