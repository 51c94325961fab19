//! Holds readings against a rule, by the time of the reading.
//!
//! The alerts of a rule on one piece of equipment are a function of its readings in the order of their times. When
//! readings arrive in any other order, the part of the history that they can change is replayed from the stored values,
//! and the alerts that stand are brought to what the function says: moved, cleared, reopened, raised or removed.

use std::collections::VecDeque;

use kit::Timestamp;

use super::{
    alert::{Alert, AlertId},
    course::{Breach, Course, Runs},
    reading::{EquipmentId, Sample},
    rule::{Condition, Rule},
};

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
    /// The alerts among them that a person cleared, and after which sample.
    cuts: VecDeque<(Timestamp, AlertId)>,
    first: Timestamp,
    last: Timestamp,
    course: Course,
    spans: Vec<Span>,
    /// Whether a sample after the changes was looked at.
    passed: bool,
    /// The last sample that was looked at, if the rest of the history is as it was.
    settled_at: Option<Timestamp>,
}

/// A breach of the history, and the alert with which a person ended it, if one did.
struct Span {
    breach: Breach,
    cut: Option<AlertId>,
}

/// What has to change so that the alerts are what the readings say.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Alerts that never were.
    pub removed: Vec<Alert>,
    /// Alerts that moved, cleared or reopened.
    pub changed: Vec<Alert>,
    /// How many of them were open and are no more.
    pub cleared: u64,
    /// Alerts that are new.
    pub raised: Vec<Alert>,
    /// What matters of all samples from now on; unknown if not all were looked at, because the rest is as it was.
    pub course: Option<Course>,
}

impl<'r> Replay<'r> {
    /// A replay after samples between `first` and `last` came, changed or went. `alerts` are those of the rule on the
    /// equipment from the last one raised before `first` on, oldest first.
    pub fn new(
        rule: &'r Rule,
        equipment_id: EquipmentId,
        mut alerts: Vec<Alert>,
        (first, last): (Timestamp, Timestamp),
    ) -> Self {
        // Silence that a person cleared goes on until the next sample, which may be the first.
        let may_be_silent =
            |alert: &Alert| rule.condition == Condition::NoData && alert.cleared_after.is_some();
        alerts.retain(|alert| !alert.is_over_before(first) || may_be_silent(alert));
        // An alert that was raised before the first change lasts into it; when silence began, the samples say.
        let lasting = alerts
            .first()
            .filter(|alert| alert.raised_at < first && rule.condition != Condition::NoData);
        let open = lasting.map(breach);
        let cuts =
            alerts.iter().filter_map(|alert| Some((alert.cleared_after?, alert.id))).collect();
        Self {
            rule,
            equipment_id,
            standing: alerts,
            cuts,
            first,
            last,
            course: Course { runs: Runs::default(), open },
            spans: Vec::new(),
            passed: false,
            settled_at: None,
        }
    }

    /// Looks at the next sample. Answers whether more are wanted: not once the changes are passed and the history is again
    /// what it was.
    pub fn feed(&mut self, sample: Sample) -> bool {
        if sample.at < self.first {
            self.course.runs.look(self.rule, sample);
            self.forget_cuts_before(sample.at);
            return true;
        }
        self.wait(sample.at);
        while let Some((after, id)) = self.cuts.front().copied()
            && after < sample.at
        {
            self.cuts.pop_front();
            self.cut(id);
        }
        if let Some(breach) = self.course.look(self.rule, sample) {
            self.spans.push(Span { breach, cut: None });
        }
        if self.is_settled(sample.at) {
            self.settled_at = Some(sample.at);
        }
        self.passed |= self.last < sample.at;
        self.settled_at.is_none()
    }

    /// Sees that nothing came until `until`. Silence that began before all samples stands as it was found: none says when.
    fn wait(&mut self, until: Timestamp) {
        let is_first = self.course.runs.previous.is_none();
        if is_first && self.rule.condition == Condition::NoData {
            let standing = self.standing.first().filter(|alert| alert.raised_at <= self.first);
            self.course.open = standing.map(breach);
        }
        self.course.wait(self.rule, until);
    }

    /// What a person ended before an unchanged sample stays as it is.
    fn forget_cuts_before(&mut self, at: Timestamp) {
        self.cuts.retain(|(after, _)| at <= *after);
        self.standing.retain(|alert| alert.cleared_after.is_none_or(|after| at <= after));
    }

    /// Ends what lasts where the person ended it who cleared the alert `id`.
    fn cut(&mut self, id: AlertId) {
        if let Some(breach) = self.course.cut() {
            self.spans.push(Span { breach, cut: Some(id) });
        }
    }

    /// Whether all that follows `at` is as it was: what matters of the samples and of the alerts is the same again.
    fn is_settled(&self, at: Timestamp) -> bool {
        // The rate of the sample that follows the changes is another.
        let is_rate = matches!(self.rule.condition, Condition::RateAbove | Condition::RateBelow);
        let raised = self.course.open.is_some();
        let lasted = || self.standing.iter().any(|alert| alert.lasts_at(at));
        self.last < at
            && (self.passed || !is_rate)
            && self.cuts.is_empty()
            && self.course.runs.turning_since(raised).is_none()
            && lasted() == raised
    }

    /// What has to change at the time `now`, when all samples were fed or no more were wanted.
    pub fn outcome(mut self, now: Timestamp) -> Outcome {
        if self.settled_at.is_none() {
            self.course.wait(self.rule, now);
        }
        while let Some((_, id)) = self.cuts.pop_front() {
            self.cut(id);
        }
        let course = self.course;
        if let Some(mut breach) = self.course.open.take() {
            // Whatever begins after it settled stands as it is, and so does the end of what lasts.
            let lasting = self
                .settled_at
                .and_then(|at| self.standing.iter().find(|alert| alert.lasts_at(at)));
            breach.cleared_at = lasting.and_then(|alert| alert.cleared_at);
            self.spans.push(Span { breach, cut: None });
        }
        if let Some(settled_at) = self.settled_at {
            self.standing.retain(|alert| alert.raised_at <= settled_at);
        }
        // Where no sample was looked at, those before the changes are the last.
        let is_known = self.settled_at.is_none() && course.runs.previous.is_some();
        let mut outcome = Outcome { course: is_known.then_some(course), ..Outcome::default() };
        let spans = std::mem::take(&mut self.spans);
        let cut: Vec<AlertId> = spans.iter().filter_map(|span| span.cut).collect();
        for span in spans {
            let Some(mut alert) = self.take_standing(&span, &cut) else {
                let alert = Alert::raised(self.rule, self.equipment_id, span.breach);
                outcome.raised.push(alert);
                continue;
            };
            let was_open = alert.cleared_at.is_none();
            if self.apply(&span, &mut alert) {
                outcome.cleared += u64::from(was_open && alert.cleared_at.is_some());
                outcome.changed.push(alert);
            }
        }
        outcome.removed = self.standing;
        outcome
    }

    /// The standing alert that `span` is: the one that a person ended with it, or the first that shares time with it. It keeps
    /// its identity, its acknowledgement and its task.
    fn take_standing(&mut self, span: &Span, cut: &[AlertId]) -> Option<Alert> {
        let place = self.standing.iter().position(|alert| match span.cut {
            Some(id) => alert.id == id,
            None => {
                !cut.contains(&alert.id)
                    && !alert.is_over_by(span.breach.raised_at)
                    && span.breach.cleared_at.is_none_or(|end| alert.raised_at < end)
            }
        })?;
        Some(self.standing.remove(place))
    }

    /// Makes `alert` say what `span` says. Answers whether that is news.
    fn apply(&self, span: &Span, alert: &mut Alert) -> bool {
        let Breach { raised_at, value, cleared_at } = span.breach;
        // A person's end stays where it is.
        let cleared_at = if span.cut.is_some() { alert.cleared_at } else { cleared_at };
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        let same = (alert.raised_at, alert.cleared_at, bits(alert.value))
            == (raised_at, cleared_at, bits(value));
        if same {
            return false;
        }
        // What an admin wrote instead stays.
        if alert.message == self.rule.message(alert.value) {
            alert.message = self.rule.message(value);
        }
        alert.raised_at = raised_at;
        alert.cleared_at = cleared_at;
        alert.value = value;
        if span.cut.is_none() {
            (alert.cleared_by, alert.cleared_after) = (None, None);
        }
        alert.revision += 1;
        true
    }
}

/// The breach that `alert` tells of, as long as it lasts.
pub fn breach(alert: &Alert) -> Breach {
    Breach { raised_at: alert.raised_at, value: alert.value, cleared_at: None }
}

#[cfg(test)]
mod tests;
