//! Abnormal conditions that need a timely response.

use kit::Timestamp;

use super::{reading::EquipmentId, rule::RuleId};

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
    /// The time of the reading that cleared it.
    pub cleared_at: Option<Timestamp>,
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

    /// Whether the condition lasted at `at`, after the reading of that time.
    pub fn lasts_at(&self, at: Timestamp) -> bool {
        self.raised_at <= at && self.cleared_at.is_none_or(|cleared_at| at < cleared_at)
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

    /// Adds to what is said of it.
    pub fn say(&mut self, text: &str) {
        if !self.comment.is_empty() && !text.is_empty() {
            self.comment.push('\n');
        }
        self.comment.push_str(text);
    }
}
