//! The last values of a series, which mostly are all that a rule needs to go on.

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
        if is_silent || !(self.is_whole || are_enough(rule, &samples)) {
            return None;
        }
        let mut course = Course { open, ..Course::default() };
        for sample in samples {
            course.runs.look(rule, sample);
        }
        Some(course)
    }
}

/// Whether what comes after `samples`, which are in order, is the same whatever was before them.
fn are_enough(rule: &Rule, samples: &[Sample]) -> bool {
    let Some(last) = samples.last() else { return false };
    let Some((delay, count)) = rule.reach() else { return true };
    let begin = last.at.minus(delay);
    count <= samples.partition_point(|sample| sample.at <= begin)
}
