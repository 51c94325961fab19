//! The last values of a series, which mostly are all that a rule needs to go on.

use kit::Timestamp;

use super::{
    chunk::Row,
    course::{Breach, Course},
    reading::Sample,
    rule::{Condition, Rule},
};

/// All values of a series from some time on.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// In order.
    pub rows: Vec<Row>,
    /// Whether the series has none before them.
    pub is_whole: bool,
}

impl Tail {
    /// The course of `rule` after them, with the breach that lasts, if any; none if that takes a look at what was before.
    pub fn course(&self, rule: &Rule, open: Option<Breach>) -> Option<Course> {
        let seen = self.rows.iter().filter(|row| rule.updated_at <= row.arrived_at);
        let samples: Vec<Sample> = seen.filter_map(Row::sample).collect();
        // Silence also has what lies between samples.
        let is_silent =
            rule.condition == Condition::NoData && (open.is_some() || samples.is_empty());
        if is_silent {
            return None;
        }
        let mut course = Course { open, ..Course::default() };
        for sample in &samples {
            course.runs.look(rule, *sample);
        }
        let turning_since = course.runs.turning_since(open.is_some());
        let are_enough = self.is_whole
            || began_within(rule, &samples, turning_since)
            || reach_back(rule, &samples);
        are_enough.then_some(course)
    }
}

/// Whether a run towards the other state, if there is one, began within `samples`: it is the same whatever was before them. The
/// other run matters only after a turn, for which all is looked at again.
fn began_within(rule: &Rule, samples: &[Sample], turning_since: Option<Timestamp>) -> bool {
    // What is measured of the first ones may take some before them.
    let first_measured = samples.get(rule.reach().map_or(0, |(_, count)| count.saturating_sub(1)));
    first_measured.is_some_and(|first| turning_since.is_none_or(|since| first.at < since))
}

/// Whether `samples`, which are in order, reach back as far as any delay does.
fn reach_back(rule: &Rule, samples: &[Sample]) -> bool {
    let Some(last) = samples.last() else { return false };
    let Some((delay, count)) = rule.reach() else { return true };
    let begin = last.at.minus(delay);
    count <= samples.partition_point(|sample| sample.at <= begin)
}
