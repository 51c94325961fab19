//! Abnormal conditions that need a timely response.

use std::time::Duration;

use kit::{Error, Result, Timestamp};

use super::{
    course::Breach,
    reading::{AHEAD, EquipmentId},
    rule::{Rule, RuleId},
};

kit::id!(
    /// Names one alert, for ever.
    AlertId
);

kit::names! {
    /// What an alert weighs.
    pub enum Severity {
        /// Good to know.
        Info = "INFO",
        /// Needs somebody soon.
        Warning = "WARNING",
        /// Needs somebody now.
        Critical = "CRITICAL",
    }
}

kit::names! {
    /// Where an alert stands: whether its condition lasts, and whether somebody has seen it.
    pub enum State {
        /// The condition lasts and nobody has said that they saw it.
        Active = "ACTIVE",
        /// The condition lasts and somebody has seen it.
        Acknowledged = "ACKNOWLEDGED",
        /// The condition is gone.
        Cleared = "CLEARED",
    }
}

/// An abnormal condition on one piece of equipment (ISA-18.2 alarm).
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Alert {
    /// Never reused.
    pub id: AlertId,
    /// Where it is.
    pub equipment_id: EquipmentId,
    /// What raised it; none when a person did.
    pub rule_id: Option<RuleId>,
    /// What was measured.
    pub metric: String,
    /// What it weighs.
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// The value that raised it.
    pub value: Option<f64>,
    /// The rule's threshold.
    pub threshold: Option<f64>,
    /// The time of the reading that raised it.
    pub raised_at: Timestamp,
    /// The time of the reading that cleared it, or when a person did.
    pub cleared_at: Option<Timestamp>,
    /// Who cleared it, if no reading did.
    pub cleared_by: Option<String>,
    /// The last reading that there was when something else than a reading cleared it: what comes later is another alert.
    pub cleared_after: Option<Timestamp>,
    /// When somebody said that they saw it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<String>,
    /// What they said.
    pub comment: String,
    /// The task that it opened.
    pub task_id: Option<String>,
    /// Whether a task was asked for.
    pub task_requested: bool,
    /// Who made it, if no rule did.
    pub created_by: Option<String>,
    /// How often the rule has raised on the equipment, this time included.
    pub occurrences: i64,
    /// When the rule that raised it last changed before: what readings say later of an alert that an earlier form of the
    /// rule raised is nobody's business.
    pub judged_since: Option<Timestamp>,
    /// Counts its changes.
    pub revision: i64,
}

impl Alert {
    /// Where it stands.
    pub fn state(&self) -> State {
        match (self.cleared_at, self.acknowledged_at) {
            (Some(_), _) => State::Cleared,
            (None, Some(_)) => State::Acknowledged,
            (None, None) => State::Active,
        }
    }

    /// Checks what a person says that no field rule can.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        if now.plus(AHEAD) < self.raised_at {
            return Err(Error::invalid("alert.raised_at", "is more than ten minutes ahead"));
        }
        Ok(())
    }

    /// The alert that `rule` comes to on `equipment_id`.
    pub fn raised(rule: &Rule, equipment_id: EquipmentId, breach: Breach) -> Self {
        Self {
            id: AlertId::new(),
            equipment_id,
            rule_id: Some(rule.id),
            metric: rule.metric.clone(),
            severity: rule.severity,
            message: rule.message(breach.value),
            value: breach.value,
            threshold: rule.threshold.filter(|_| breach.value.is_some()),
            raised_at: breach.raised_at,
            cleared_at: breach.cleared_at,
            cleared_by: None,
            cleared_after: None,
            acknowledged_at: None,
            acknowledged_by: None,
            comment: String::new(),
            task_id: None,
            task_requested: false,
            created_by: None,
            occurrences: 1,
            judged_since: Some(rule.updated_at),
            revision: 1,
        }
    }

    /// Whether the condition lasted at `at`, after the reading of that time.
    pub fn lasts_at(&self, at: Timestamp) -> bool {
        self.raised_at <= at && !self.is_over_by(at)
    }

    /// Whether the condition no longer lasted at `at`, after the reading of that time.
    pub fn is_over_by(&self, at: Timestamp) -> bool {
        match (self.cleared_after, self.cleared_at) {
            (Some(after), _) => after < at,
            (None, cleared_at) => cleared_at.is_some_and(|cleared_at| cleared_at <= at),
        }
    }

    /// Whether no reading at `at` or later can change it.
    pub fn is_over_before(&self, at: Timestamp) -> bool {
        self.cleared_after.or(self.cleared_at).is_some_and(|end| end < at)
    }

    /// Notes that `user` has seen it, and what they say. Only the first one counts; answers whether this was it.
    pub fn acknowledge(&mut self, user: &str, now: Timestamp, comment: &str) -> bool {
        if self.acknowledged_at.is_some() {
            return false;
        }
        self.acknowledged_at = Some(now);
        self.acknowledged_by = Some(user.to_owned());
        self.say(comment);
        self.revision += 1;
        true
    }

    /// Ends it, though no reading says so.
    pub fn clear(&mut self, now: Timestamp, comment: &str) {
        self.cleared_at = Some(now.max(self.raised_at));
        self.say(comment);
        self.revision += 1;
    }

    /// Notes that `user` ended it, after the reading at `last`, and what they say. Answers whether it was open.
    pub fn clear_by_hand(
        &mut self,
        user: &str,
        now: Timestamp,
        last: Option<Timestamp>,
        comment: &str,
    ) -> bool {
        if self.cleared_at.is_some() {
            return false;
        }
        self.cleared_by = Some(user.to_owned());
        self.cleared_after = last;
        self.clear(now, comment);
        true
    }

    /// Ends it because no rule looks there any more, after the reading at `last`, and says why.
    pub fn leave(&mut self, now: Timestamp, last: Option<Timestamp>, why: &str) {
        self.cleared_after = last;
        self.clear(now, why);
    }

    /// Whether it ended only because no rule looked there any more, and one does `since` then: as far as two clocks agree.
    pub fn is_back(&self, since: Timestamp) -> bool {
        /// More than lies between the clocks of two processes.
        const APART: Duration = Duration::from_mins(1);
        self.cleared_by.is_none()
            && self.cleared_at.is_some_and(|left_at| left_at < since.plus(APART))
    }

    /// Goes on where it was left, and says why.
    pub fn resume(&mut self, why: &str) {
        (self.cleared_at, self.cleared_after) = (None, None);
        self.say(why);
        self.revision += 1;
    }

    /// Adds to what is said of it.
    pub fn say(&mut self, text: &str) {
        if !self.comment.is_empty() && !text.is_empty() {
            self.comment.push('\n');
        }
        self.comment.push_str(text);
    }
}
