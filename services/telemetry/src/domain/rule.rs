//! What makes a reading an alert.

use std::time::Duration;

use kit::Timestamp;

use super::{alert::Severity, reading::EquipmentId};

kit::id!(
    /// Names one rule, for ever.
    RuleId
);

kit::names! {
    /// How a value is held against the threshold (ISA-18.2 setpoint).
    pub enum Condition {
        /// Raises above the threshold.
        Above = "ABOVE",
        /// Raises below the threshold.
        Below = "BELOW",
    }
}

/// An alert condition on one metric.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Rule {
    /// Never reused.
    pub id: RuleId,
    /// For people.
    pub name: String,
    /// The equipment; either this or its type.
    pub equipment_id: Option<EquipmentId>,
    /// All equipment of this type.
    pub equipment_type: Option<String>,
    /// What it looks at.
    pub metric: String,
    /// How it looks at it.
    pub condition: Condition,
    /// In the metric's unit.
    pub threshold: f64,
    /// Distance back before it clears, in the metric's unit.
    pub deadband: f64,
    /// How long the breach must last before it raises.
    #[sqlx(try_from = "i64")]
    pub on_delay: Delay,
    /// How long the value must be back before it clears.
    #[sqlx(try_from = "i64")]
    pub off_delay: Delay,
    /// What its alerts weigh.
    pub severity: Severity,
    /// Whether an alert that stays opens a task.
    pub open_task: bool,
    /// Whether it looks at all.
    pub enabled: bool,
    /// What to do when it raises (ISA-18.2 response).
    pub guidance: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed: it sees only what arrived since.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub revision: i64,
}

impl Rule {
    /// Whether `value` is in breach.
    pub fn breaches(&self, value: f64) -> bool {
        match self.condition {
            Condition::Above => self.threshold < value,
            Condition::Below => value < self.threshold,
        }
    }

    /// Whether `value` is back by more than the deadband.
    pub fn clears(&self, value: f64) -> bool {
        match self.condition {
            Condition::Above => value < self.threshold - self.deadband,
            Condition::Below => self.threshold + self.deadband < value,
        }
    }

    /// What an alert at `value` says.
    pub fn message(&self, value: f64) -> String {
        let side = match self.condition {
            Condition::Above => "above",
            Condition::Below => "below",
        };
        format!("{}: {} {value} is {side} {}", self.name, self.metric, self.threshold)
    }

    /// Whether it looks at `equipment_id`, which is of type `kind`.
    pub fn covers(&self, equipment_id: EquipmentId, kind: &str) -> bool {
        match (self.equipment_id, &self.equipment_type) {
            (Some(id), _) => id == equipment_id,
            (None, Some(name)) => name == kind,
            (None, None) => false,
        }
    }
}

/// A span of time, kept as microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(pub Duration);

impl Delay {
    /// As the database has it.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

impl TryFrom<i64> for Delay {
    type Error = std::num::TryFromIntError;

    fn try_from(micros: i64) -> Result<Self, Self::Error> {
        Ok(Self(Duration::from_micros(u64::try_from(micros)?)))
    }
}
