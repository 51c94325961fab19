//! Holds readings against a rule, by the time of the reading.
//!
//! The alerts of a rule on one piece of equipment are a function of its readings in the order of their times. When
//! readings arrive in any other order, the part of the history that they can change is replayed from the stored values,
//! and the alerts that stand are brought to what the function says: moved, cleared, reopened, raised or removed.

use std::time::Duration;

use kit::Timestamp;

use super::{
    alert::{Alert, AlertId},
    reading::{EquipmentId, Sample},
    rule::Rule,
};

/// A span in which the condition lasted.
#[derive(Clone, Debug, PartialEq)]
struct Breach {
    raised_at: Timestamp,
    value: f64,
    cleared_at: Option<Timestamp>,
}

/// From where to read samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this time or later.
    At(Timestamp),
    /// Later than this time.
    After(Timestamp),
}

/// One replay: made with the alerts that stand, fed with samples in the order of their times, and asked what has to
/// change.
pub struct Replay<'r> {
    rule: &'r Rule,
    equipment_id: EquipmentId,
    /// Alerts whose condition lasted at the first changed sample or began later, oldest first.
    standing: Vec<Alert>,
    /// When the alert before those cleared.
    cleared_before: Option<Timestamp>,
    first: Timestamp,
    last: Timestamp,
    raised: bool,
    /// Since when the value has been on the other side, while a delay runs.
    pending_since: Option<Timestamp>,
    breaches: Vec<Breach>,
    /// The last sample that was looked at, if the rest of the history is as it was.
    settled_at: Option<Timestamp>,
}

/// What has to change so that the alerts are what the readings say.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Alerts that never were.
    pub removed: Vec<Alert>,
    /// Alerts that moved, cleared or reopened.
    pub changed: Vec<Alert>,
    /// Alerts that are new.
    pub raised: Vec<Alert>,
}

impl<'r> Replay<'r> {
    /// A replay after samples between `first` and `last` came or changed. `alerts` are those of the rule on the equipment
    /// from the last one raised before `first` on, oldest first.
    pub fn new(
        rule: &'r Rule,
        equipment_id: EquipmentId,
        mut alerts: Vec<Alert>,
        (first, last): (Timestamp, Timestamp),
    ) -> Self {
        let over = |alert: &Alert| alert.cleared_at.filter(|cleared_at| *cleared_at < first);
        let cleared_before = alerts.first().and_then(over);
        if cleared_before.is_some() {
            alerts.remove(0);
        }
        // An alert that was raised before the first change lasts into it.
        let lasting = alerts.first().filter(|alert| alert.raised_at < first);
        let breaches: Vec<_> = lasting
            .map(|alert| Breach {
                raised_at: alert.raised_at,
                value: alert.value.unwrap_or_default(),
                cleared_at: None,
            })
            .into_iter()
            .collect();
        Self {
            rule,
            equipment_id,
            raised: !breaches.is_empty(),
            standing: alerts,
            cleared_before,
            first,
            last,
            pending_since: None,
            breaches,
            settled_at: None,
        }
    }

    /// Whether a delay may be running when the changes begin, so that samples before them matter.
    pub fn looks_back(&self) -> bool {
        !self.longest_delay().is_zero()
    }

    /// From where to feed samples. `previous` is the time of the last sample before the changes, needed only if the replay
    /// [looks back](Self::looks_back).
    ///
    /// A delay that runs at `previous` began less than that delay before it, or it would have ended; and it began after the
    /// last transition. Nothing earlier can matter.
    pub fn start(&self, previous: Option<Timestamp>) -> Start {
        let Some(previous) = previous.filter(|_| self.looks_back()) else {
            return Start::At(self.first);
        };
        let window = previous.minus(self.longest_delay());
        let transition = self.breaches.first().map(|breach| breach.raised_at);
        match transition.or(self.cleared_before) {
            Some(transition) if window <= transition => Start::After(transition),
            _ => Start::At(window),
        }
    }

    fn longest_delay(&self) -> Duration {
        self.rule.on_delay.0.max(self.rule.off_delay.0)
    }

    /// Looks at the next sample. Answers whether more are wanted: not once the changes are passed and the history is again
    /// what it was.
    pub fn feed(&mut self, sample: Sample) -> bool {
        self.step(sample);
        let lasted = || self.standing.iter().any(|alert| alert.lasts_at(sample.at));
        let settled =
            self.last < sample.at && self.pending_since.is_none() && lasted() == self.raised;
        if settled {
            self.settled_at = Some(sample.at);
        }
        !settled
    }

    fn step(&mut self, sample: Sample) {
        let (turns, delay) = if self.raised {
            (self.rule.clears(sample.value), self.rule.off_delay)
        } else {
            (self.rule.breaches(sample.value), self.rule.on_delay)
        };
        if !turns {
            self.pending_since = None;
            return;
        }
        let since = *self.pending_since.get_or_insert(sample.at);
        if sample.at < since.plus(delay.0) {
            return;
        }
        self.pending_since = None;
        self.raised = !self.raised;
        if self.raised {
            let Sample { at: raised_at, value } = sample;
            self.breaches.push(Breach { raised_at, value, cleared_at: None });
        } else if let Some(breach) = self.breaches.last_mut() {
            breach.cleared_at = Some(sample.at);
        }
    }

    /// What has to change, when all samples were fed or no more were wanted.
    pub fn outcome(mut self) -> Outcome {
        if let Some(settled_at) = self.settled_at {
            // Whatever began later stands as it is, and so does the end of what lasts.
            let lasting = self.standing.iter().find(|alert| alert.lasts_at(settled_at));
            let end = lasting.and_then(|alert| alert.cleared_at);
            if let Some(breach) = self.breaches.last_mut().filter(|_| self.raised) {
                breach.cleared_at = end;
            }
            self.standing.retain(|alert| alert.raised_at <= settled_at);
        }
        let mut outcome = Outcome::default();
        for breach in std::mem::take(&mut self.breaches) {
            match self.take_overlapping(&breach) {
                Some(mut alert) => {
                    if self.apply(&breach, &mut alert) {
                        outcome.changed.push(alert);
                    }
                }
                None => outcome.raised.push(self.alert(&breach)),
            }
        }
        outcome.removed = self.standing;
        outcome
    }

    /// The first standing alert that shares time with `breach`: it keeps its identity, its acknowledgement and its task.
    fn take_overlapping(&mut self, breach: &Breach) -> Option<Alert> {
        let before = |end: Option<Timestamp>, begin| end.is_some_and(|end| end <= begin);
        let place = self.standing.iter().position(|alert| {
            !before(alert.cleared_at, breach.raised_at)
                && !before(breach.cleared_at, alert.raised_at)
        })?;
        Some(self.standing.remove(place))
    }

    /// Makes `alert` say what `breach` says. Answers whether that is news.
    fn apply(&self, breach: &Breach, alert: &mut Alert) -> bool {
        let same = (alert.raised_at, alert.cleared_at) == (breach.raised_at, breach.cleared_at)
            && alert.value.is_some_and(|value| value.to_bits() == breach.value.to_bits());
        if same {
            return false;
        }
        alert.raised_at = breach.raised_at;
        alert.cleared_at = breach.cleared_at;
        alert.value = Some(breach.value);
        alert.message = self.rule.message(breach.value);
        alert.revision += 1;
        true
    }

    fn alert(&self, breach: &Breach) -> Alert {
        Alert {
            id: AlertId::new(),
            equipment_id: self.equipment_id,
            rule_id: Some(self.rule.id),
            metric: self.rule.metric.clone(),
            severity: self.rule.severity,
            message: self.rule.message(breach.value),
            value: Some(breach.value),
            threshold: self.rule.threshold,
            raised_at: breach.raised_at,
            cleared_at: breach.cleared_at,
            acknowledged_at: None,
            acknowledged_by: None,
            comment: String::new(),
            task_id: None,
            task_requested: false,
            judged_since: Some(self.rule.updated_at),
            revision: 1,
        }
    }
}

#[cfg(test)]
mod tests;
