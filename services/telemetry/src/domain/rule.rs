//! What makes a reading an alert.

use std::time::Duration;

use kit::{Error, Result, Timestamp};

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
    pub threshold: Option<f64>,
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
    /// Checks what no field alone can break. Fields are named as the request has them.
    pub fn check(&self) -> Result<()> {
        if self.equipment_id.is_some() == self.equipment_type.is_some() {
            let problem = "give either equipment_id or equipment_type";
            return Err(Error::invalid("rule.equipment_id", problem));
        }
        if self.threshold.is_none() {
            return Err(Error::invalid("rule.threshold", "is required"));
        }
        Ok(())
    }

    /// Counts a change: from `now` on, and later than any change before, it sees what arrives.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus(Duration::from_micros(1)));
        self.revision += 1;
    }

    /// Whether `value` is in breach.
    pub fn breaches(&self, value: f64) -> bool {
        self.threshold.is_some_and(|threshold| match self.condition {
            Condition::Above => threshold < value,
            Condition::Below => value < threshold,
        })
    }

    /// Whether `value` is back by more than the deadband.
    pub fn clears(&self, value: f64) -> bool {
        self.threshold.is_some_and(|threshold| match self.condition {
            Condition::Above => value < threshold - self.deadband,
            Condition::Below => threshold + self.deadband < value,
        })
    }

    /// What an alert at `value` says.
    pub fn message(&self, value: f64) -> String {
        let side = match self.condition {
            Condition::Above => "above",
            Condition::Below => "below",
        };
        let threshold = self.threshold.unwrap_or_default();
        format!("{}: {} {value} is {side} {threshold}", self.name, self.metric)
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
