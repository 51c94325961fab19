//! What the samples of a series come to by a rule, sample after sample in the order of their times.
//!
//! The one place that decides: readings as they arrive, replays of a late one and back-tests all step through here.

use kit::Timestamp;

use super::{
    reading::Sample,
    rule::{Condition, Rule},
};

/// What matters of the samples so far. It is a function of the samples alone, and of as few of them as the rule's delays
/// reach back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Runs {
    /// The last sample.
    pub previous: Option<Sample>,
    /// Since when every sample has been in breach.
    breach_since: Option<Timestamp>,
    /// Since when every sample has been back, beyond the deadband.
    back_since: Option<Timestamp>,
}

/// A span in which the condition lasted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// When it had lasted for the on-delay.
    pub raised_at: Timestamp,
    /// What was held against the threshold then; nothing where nothing was measured.
    pub value: Option<f64>,
    /// The sample that showed it over; none while it lasts.
    pub cleared_at: Option<Timestamp>,
}

impl Runs {
    /// Looks at the next sample. Answers what was held against the threshold, if anything was.
    pub fn look(&mut self, rule: &Rule, sample: Sample) -> Option<f64> {
        let measure = rule.measure(self.previous, sample);
        let run = |since: Option<Timestamp>, lasts: bool| lasts.then(|| since.unwrap_or(sample.at));
        self.breach_since = run(self.breach_since, measure.is_some_and(|it| rule.breaches(it)));
        self.back_since = run(self.back_since, measure.is_some_and(|it| rule.clears(it)));
        self.previous = Some(sample);
        measure
    }

    /// Since when a delay is running towards the other state, if one is.
    pub fn turning_since(&self, raised: bool) -> Option<Timestamp> {
        if raised { self.back_since } else { self.breach_since }
    }

    /// Since when the metric has been silent for longer than it may, if it has been until `until`.
    pub fn silence(&self, rule: &Rule, until: Timestamp) -> Option<Timestamp> {
        if rule.condition != Condition::NoData {
            return None;
        }
        Some(self.previous?.at.plus(rule.on_delay.0)).filter(|since| *since < until)
    }
}

/// Whether what began at `since` has lasted for `delay`.
fn lasted(since: Option<Timestamp>, delay: std::time::Duration, at: Timestamp) -> bool {
    since.is_some_and(|since| since.plus(delay) <= at)
}

/// A rule on its way along the samples of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// What matters of the samples so far.
    pub runs: Runs,
    /// The breach that lasts.
    pub open: Option<Breach>,
}

impl Course {
    /// The course of a rule that was made at `start`, when it has seen nothing: its silence counts from then.
    pub fn from_silence(rule: &Rule, start: Timestamp) -> Self {
        let previous = Some(Sample { at: start, value: 0.0 });
        let previous = previous.filter(|_| rule.condition == Condition::NoData);
        Self { runs: Runs { previous, ..Runs::default() }, open: None }
    }

    /// Looks at the next sample, and at the time before it. Answers the breach that it ends, if any.
    pub fn step(&mut self, rule: &Rule, sample: Sample) -> Option<Breach> {
        self.wait(rule, sample.at);
        self.look(rule, sample)
    }

    /// Sees that nothing came until `until`: a silence may begin.
    pub fn wait(&mut self, rule: &Rule, until: Timestamp) {
        let silence = self.runs.silence(rule, until).filter(|_| self.open.is_none());
        if let Some(raised_at) = silence {
            self.open = Some(Breach { raised_at, value: None, cleared_at: None });
        }
    }

    /// Looks at the next sample alone. Answers the breach that it ends, if any.
    pub fn look(&mut self, rule: &Rule, sample: Sample) -> Option<Breach> {
        let value = self.runs.look(rule, sample);
        let Runs { breach_since, back_since, .. } = self.runs;
        let Some(breach) = self.open else {
            if lasted(breach_since, rule.on_delay.0, sample.at) {
                self.open = Some(Breach { raised_at: sample.at, value, cleared_at: None });
            }
            return None;
        };
        let is_over = match rule.condition {
            Condition::NoData => breach.raised_at <= sample.at,
            _ => lasted(back_since, rule.off_delay.0, sample.at),
        };
        is_over.then(|| {
            self.open = None;
            Breach { cleared_at: Some(sample.at), ..breach }
        })
    }

    /// The course after `samples`, in the order of their times, and after silence until `now`; none if anything begins or
    /// ends on the way, or if they don't all come after what was seen.
    pub fn pass(
        mut self,
        rule: &Rule,
        samples: impl Iterator<Item = Sample>,
        now: Timestamp,
    ) -> Option<Self> {
        let open = self.open;
        // What lasts may have to move, if it is silence that was not heard of yet.
        if open.is_some() && rule.condition == Condition::NoData {
            return None;
        }
        for sample in samples {
            if self.runs.previous.is_some_and(|previous| sample.at <= previous.at) {
                return None;
            }
            if self.step(rule, sample).is_some() || self.open.is_some() != open.is_some() {
                return None;
            }
        }
        self.runs.silence(rule, now).is_none().then_some(self)
    }

    /// Ends the breach that lasts, if any: whoever ends it says how.
    pub fn cut(&mut self) -> Option<Breach> {
        self.open.take()
    }
}
