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
    /// Looks at the next sample.
    pub fn look(&mut self, rule: &Rule, sample: Sample) {
        let measure = rule.measure(self.previous, sample);
        let run = |since: Option<Timestamp>, lasts: bool| lasts.then(|| since.unwrap_or(sample.at));
        self.breach_since = run(self.breach_since, measure.is_some_and(|it| rule.breaches(it)));
        self.back_since = run(self.back_since, measure.is_some_and(|it| rule.clears(it)));
        self.previous = Some(sample);
    }

    /// Whether a delay is running towards the other state.
    pub fn is_turning(&self, raised: bool) -> bool {
        if raised { self.back_since.is_some() } else { self.breach_since.is_some() }
    }

    /// Looks at the next sample; whether it raises what is not raised, or clears what was `raised` then.
    pub fn turns(&mut self, rule: &Rule, raised: Option<Timestamp>, sample: Sample) -> bool {
        let silence = self.silence(rule, sample.at);
        self.look(rule, sample);
        match (rule.condition, raised) {
            // Whatever is older than the alert was late, or the alert would not be.
            (Condition::NoData, Some(raised_at)) => raised_at <= sample.at,
            (Condition::NoData, None) => silence.is_some(),
            (_, Some(_)) => lasted(self.back_since, rule.off_delay.0, sample.at),
            (_, None) => lasted(self.breach_since, rule.on_delay.0, sample.at),
        }
    }

    /// Since when the metric has been silent for longer than it may, if it has been until `until`.
    pub fn silence(&self, rule: &Rule, until: Timestamp) -> Option<Timestamp> {
        let since = self.previous?.at.plus(rule.on_delay.0);
        (rule.condition == Condition::NoData && since < until).then_some(since)
    }
}

/// Whether what began at `since` has lasted for `delay`.
fn lasted(since: Option<Timestamp>, delay: std::time::Duration, at: Timestamp) -> bool {
    since.is_some_and(|since| since.plus(delay) <= at)
}

/// A rule on its way along the samples of one series.
#[derive(Debug, Default)]
pub struct Course {
    /// What matters of the samples so far.
    pub runs: Runs,
    /// The breach that lasts.
    pub open: Option<Breach>,
}

impl Course {
    /// Looks at the next sample. Answers the breach that it ends, if any.
    pub fn step(&mut self, rule: &Rule, sample: Sample) -> Option<Breach> {
        let (previous, silence) = (self.runs.previous, self.runs.silence(rule, sample.at));
        let raised = self.open.as_ref().map(|breach| breach.raised_at);
        if !self.runs.turns(rule, raised, sample) {
            return None;
        }
        if let Some(breach) = self.open.take() {
            return Some(Breach { cleared_at: Some(sample.at), ..breach });
        }
        if let Some(raised_at) = silence {
            // Silence is over when it is seen between two samples.
            return Some(Breach { raised_at, value: None, cleared_at: Some(sample.at) });
        }
        let value = rule.measure(previous, sample);
        self.open = Some(Breach { raised_at: sample.at, value, cleared_at: None });
        None
    }

    /// Ends the breach that lasts, if any: whoever ends it says how.
    pub fn cut(&mut self) -> Option<Breach> {
        self.open.take()
    }
}
