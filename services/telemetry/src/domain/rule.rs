//! What makes a reading an alert.

use std::time::Duration;

use kit::{Error, Result, Timestamp};

use super::{
    alert::Severity,
    reading::{EquipmentId, Sample},
};

/// The shortest on-delay of silence, which is looked for twice a second.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

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
        /// Raises when nothing was measured for the on-delay.
        NoData = "NO_DATA",
        /// Raises when the value changes faster than the threshold, per second.
        RateAbove = "RATE_ABOVE",
        /// Raises when the value changes slower than the threshold, per second: a fall is a change below zero.
        RateBelow = "RATE_BELOW",
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
        if self.condition == Condition::NoData {
            if self.on_delay.0 < SHORTEST_SILENCE {
                let problem = "must be at least 1s: how long nothing may come";
                return Err(Error::invalid("rule.on_delay", problem));
            }
        } else if self.threshold.is_none() {
            return Err(Error::invalid("rule.threshold", "is required"));
        }
        Ok(())
    }

    /// Counts a change: from `now` on, and later than any change before, it sees what arrives.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus(Duration::from_micros(1)));
        self.revision += 1;
    }

    /// What is held against the threshold at `sample`, which follows `previous`: its value or, in its unit a second, how fast
    /// that changes. Nothing, where there is nothing to compare.
    pub fn measure(&self, previous: Option<Sample>, sample: Sample) -> Option<f64> {
        match self.condition {
            Condition::Above | Condition::Below => Some(sample.value),
            Condition::RateAbove | Condition::RateBelow => {
                let previous = previous?;
                let micros = sample.at.micros().saturating_sub(previous.at.micros());
                #[expect(clippy::cast_precision_loss, reason = "exact for three centuries")]
                let rate = (sample.value - previous.value) * 1e6 / micros as f64;
                // Values are finite; so is what the wire can say of their distance.
                Some(rate.clamp(f64::MIN, f64::MAX))
            }
            Condition::NoData => None,
        }
    }

    /// Whether `measure` is in breach.
    pub fn breaches(&self, measure: f64) -> bool {
        self.threshold.is_some_and(|threshold| match self.condition {
            Condition::Above | Condition::RateAbove => threshold < measure,
            Condition::Below | Condition::RateBelow => measure < threshold,
            Condition::NoData => false,
        })
    }

    /// Whether `measure` is back by more than the deadband.
    pub fn clears(&self, measure: f64) -> bool {
        self.threshold.is_some_and(|threshold| match self.condition {
            Condition::Above | Condition::RateAbove => measure < threshold - self.deadband,
            Condition::Below | Condition::RateBelow => threshold + self.deadband < measure,
            Condition::NoData => false,
        })
    }

    /// How far before a sample others matter to what it comes to: the longest delay, and as many samples before that.
    pub fn reach(&self) -> Option<(Duration, usize)> {
        let delay = self.on_delay.0.max(self.off_delay.0);
        match self.condition {
            Condition::Above | Condition::Below if delay.is_zero() => None,
            Condition::Above | Condition::Below => Some((delay, 1)),
            // A rate has a sample before it.
            Condition::RateAbove | Condition::RateBelow => Some((delay, 2)),
            Condition::NoData => Some((Duration::ZERO, 1)),
        }
    }

    /// What an alert at `measure` says.
    pub fn message(&self, measure: Option<f64>) -> String {
        let Self { name, metric, .. } = self;
        let threshold = self.threshold.unwrap_or_default();
        let measure = measure.unwrap_or_default();
        match self.condition {
            Condition::Above => format!("{name}: {metric} {measure} is above {threshold}"),
            Condition::Below => format!("{name}: {metric} {measure} is below {threshold}"),
            Condition::RateAbove => {
                format!("{name}: {metric} changes by {measure} a second, above {threshold}")
            }
            Condition::RateBelow => {
                format!("{name}: {metric} changes by {measure} a second, below {threshold}")
            }
            Condition::NoData => format!("{name}: no {metric} for {:?}", self.on_delay.0),
        }
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
