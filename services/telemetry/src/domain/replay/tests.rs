//! The history that any order of arrival leaves is the one of ordered arrival.

mod any_order;
mod silence;

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::domain::{
    alert::Severity,
    chunk::Row,
    rule::{Delay, RuleId},
    tail::Tail,
};

fn rule(condition: Condition, deadband: f64, on_delay: u64, off_delay: u64) -> Rule {
    let now = Timestamp::from_micros(0);
    let delay = |micros| Delay(Duration::from_micros(micros));
    Rule {
        id: RuleId::new(),
        name: "Rule".into(),
        equipment_id: None,
        equipment_type: Some("pump".into()),
        metric: "value".into(),
        condition,
        threshold: Some(5.0),
        deadband,
        on_delay: delay(on_delay),
        off_delay: delay(off_delay),
        severity: Severity::Warning,
        open_task: true,
        enabled: true,
        guidance: String::new(),
        created_at: now,
        updated_at: now,
        revision: 1,
    }
}

/// The stored values and the alerts that stand, as the database has them.
struct Stored<'r> {
    rule: &'r Rule,
    equipment_id: EquipmentId,
    values: BTreeMap<Timestamp, f64>,
    alerts: Vec<Alert>,
    /// How many samples replays looked at.
    looked_at: usize,
    /// What time it is.
    now: Timestamp,
    /// What is remembered between changes, as the writer does.
    course: Option<Course>,
}

impl<'r> Stored<'r> {
    fn new(rule: &'r Rule) -> Self {
        let equipment_id = EquipmentId::new();
        Self {
            rule,
            equipment_id,
            values: BTreeMap::new(),
            alerts: Vec::new(),
            looked_at: 0,
            now: Timestamp::from_micros(1_000_000),
            course: None,
        }
    }

    fn keep(&mut self, batch: &[(i64, f64)]) {
        let batch: Vec<_> = batch.iter().map(|(at, value)| (*at, Some(*value))).collect();
        self.change(&batch);
    }

    /// Values that come, or go.
    fn change(&mut self, batch: &[(i64, Option<f64>)]) {
        for (at, value) in batch {
            let at = Timestamp::from_micros(*at);
            match value {
                Some(value) => self.values.insert(at, *value),
                None => self.values.remove(&at),
            };
        }
        let times = || batch.iter().map(|(at, _)| Timestamp::from_micros(*at));
        if let (Some(first), Some(last)) = (times().min(), times().max()) {
            self.replay(first, last);
        }
    }

    /// Clears what is open, as a person does at the time `now`.
    fn clear(&mut self, now: i64) {
        let (now, last) = (Timestamp::from_micros(now), self.values.last_key_value());
        let open = self.alerts.iter_mut().find(|alert| alert.cleared_at.is_none());
        assert!(open.unwrap().clear_by_hand("ana", now, last.map(|(at, _)| *at), "gone"));
    }

    fn last_before(&self, at: Timestamp) -> Option<Timestamp> {
        self.values.range(..at).next_back().map(|(at, _)| *at)
    }

    fn start(&self, first: Timestamp) -> Timestamp {
        let Some((delay, samples)) = self.rule.reach() else { return first };
        let Some(previous) = self.last_before(first) else { return first };
        let mut start = previous.minus(delay);
        let mut before = start.plus(Duration::from_micros(1));
        for _ in 0..samples {
            let Some(at) = self.last_before(before) else { break };
            (start, before) = (at, at);
        }
        start
    }

    fn replay(&mut self, first: Timestamp, last: Timestamp) {
        let before = self.alerts.iter().rposition(|alert| alert.raised_at < first);
        let alerts = self.alerts[before.unwrap_or(0)..].to_vec();
        let mut replay = Replay::new(self.rule, self.equipment_id, alerts, (first, last));
        for (at, value) in self.values.range(self.start(first)..) {
            self.looked_at += 1;
            if !replay.feed(Sample { at: *at, value: *value }) {
                break;
            }
        }
        let Outcome { removed, changed, raised, course, .. } = replay.outcome(self.now);
        self.course = course;
        // Without a delay, nothing before the first sample was looked at.
        if let Some(course) = course.filter(|_| self.rule.reach().is_some()) {
            assert_eq!(course.runs.previous.map(|it| it.at), self.last_before(Timestamp::MAX));
        }
        self.alerts
            .retain(|alert| !removed.iter().chain(&changed).any(|other| other.id == alert.id));
        self.alerts.extend(changed.into_iter().chain(raised));
        self.alerts.sort_by_key(|alert| alert.raised_at);
        let open = self.alerts.iter().filter(|alert| alert.cleared_at.is_none()).count();
        assert!(open <= 1, "one open alert");
    }

    /// Keeps samples, all set, the way the writer does: from what is remembered if nothing turns. Answers whether that was
    /// enough.
    fn pass(&mut self, batch: &[(i64, f64)]) -> bool {
        let batch: BTreeMap<_, _> = batch.iter().copied().collect();
        let sample =
            |(at, value): (&i64, &f64)| Sample { at: Timestamp::from_micros(*at), value: *value };
        let passed =
            self.course.and_then(|it| it.pass(self.rule, batch.iter().map(sample), self.now));
        let before = self.alerts.clone();
        self.keep(&batch.into_iter().collect::<Vec<_>>());
        if passed.is_some() {
            assert_eq!(self.alerts, before, "nothing was said to turn");
            self.course = passed;
        }
        passed.is_some()
    }

    /// What is remembered is lost, and learnt anew from the last `count` values. Answers whether they were enough.
    fn recall(&mut self, count: usize) -> bool {
        let arrived_at = self.rule.updated_at;
        let before = self.values.len().saturating_sub(count);
        let rows = self.values.iter().skip(before);
        let rows = rows.map(|(at, value)| Row::new(*at, Some(*value), arrived_at)).collect();
        let open = self.alerts.iter().find(|alert| alert.cleared_at.is_none());
        let tail = Tail { rows, is_whole: before == 0 };
        self.course = tail.course(self.rule, open.map(breach));
        self.course.is_some()
    }

    fn history(&self) -> Vec<(i64, Option<i64>, f64)> {
        let spans = self.alerts.iter().map(|alert| {
            (
                alert.raised_at.micros(),
                alert.cleared_at.map(Timestamp::micros),
                alert.value.unwrap(),
            )
        });
        spans.collect()
    }
}

#[test]
fn an_alert_raises_beyond_the_threshold_and_clears_beyond_the_deadband() {
    let rule = rule(Condition::Above, 2.0, 0, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 5.0), (2, 5.1), (3, 4.0), (4, 3.0), (5, 2.9), (6, 6.0)]);
    assert_eq!(stored.history(), [(2, Some(5), 5.1), (6, None, 6.0)]);
}

#[test]
fn delays_count_from_the_first_reading_on_the_other_side() {
    let rule = rule(Condition::Below, 0.0, 3, 2);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 4.0), (2, 6.0), (3, 4.0), (5, 3.0), (6, 2.0), (7, 6.0), (8, 6.0), (9, 6.0)]);
    assert_eq!(stored.history(), [(6, Some(9), 2.0)]);
}

#[test]
fn a_late_reading_moves_the_alert_and_keeps_its_identity() {
    let rule = rule(Condition::Above, 0.0, 0, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 0.0), (5, 9.0)]);
    let id = stored.alerts[0].id;

    stored.keep(&[(3, 7.0)]);

    assert_eq!(stored.history(), [(3, None, 7.0)]);
    assert_eq!(stored.alerts[0].id, id);
}

#[test]
fn an_alert_that_a_corrected_reading_proves_never_to_have_been_is_removed() {
    let rule = rule(Condition::Above, 0.0, 0, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 0.0), (2, 9.0), (3, 0.0)]);
    stored.keep(&[(2, 1.0)]);
    assert_eq!(stored.history(), []);
}

#[test]
fn a_late_reading_without_consequence_looks_at_no_more_than_it_must() {
    let rule = rule(Condition::Above, 0.0, 0, 0);
    let mut stored = Stored::new(&rule);
    let all: Vec<_> = (0..1000).map(|at| (at * 2, 0.0)).collect();
    stored.keep(&all);
    stored.looked_at = 0;

    stored.keep(&[(501, 1.0)]);

    assert_eq!(stored.looked_at, 2);
}

#[test]
fn a_few_values_are_enough_unless_a_delay_has_run_for_longer() {
    let rule = rule(Condition::Above, 0.0, 100, 100);
    let mut stored = Stored::new(&rule);
    stored.keep(&(0..50).map(|at| (at, 0.0)).collect::<Vec<_>>());
    assert!(stored.recall(1), "none runs");
    stored.keep(&[(50, 9.0), (51, 9.0)]);
    assert!(!stored.recall(2), "it may run since before them");
    assert!(stored.recall(3), "it runs since the second");

    assert!(stored.pass(&[(149, 9.0)]));
    assert!(!stored.pass(&[(150, 9.0)]), "it has run for so long");
    assert_eq!(stored.history(), [(150, None, 9.0)]);
}

#[test]
fn a_rate_is_that_between_consecutive_readings() {
    let rule = Rule { threshold: Some(2e6), ..rule(Condition::RateAbove, 1e6, 0, 0) };
    let mut stored = Stored::new(&rule);
    // Per second: 2, 3, 1, 0.5 million.
    stored.keep(&[(0, 7.0), (10, 27.0), (20, 57.0), (30, 67.0), (40, 72.0)]);
    assert_eq!(stored.history(), [(20, Some(40), 3e6)]);

    // A late one makes of 3 million before it and after it 1 and 5.
    stored.keep(&[(15, 32.0)]);
    assert_eq!(stored.history(), [(20, Some(40), 5e6)]);
}

#[test]
fn a_fall_is_a_rate_below_zero() {
    let rule = Rule { threshold: Some(-2e6), ..rule(Condition::RateBelow, 0.0, 0, 0) };
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, 100.0), (10, 90.0), (20, 60.0), (30, 60.0)]);
    assert_eq!(stored.history(), [(20, Some(30), -3e6)]);
}

#[test]
fn a_rate_stays_a_number() {
    let rule = Rule { threshold: Some(0.0), ..rule(Condition::RateAbove, 0.0, 0, 0) };
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, f64::MIN), (1, f64::MAX)]);
    assert_eq!(stored.history(), [(1, None, f64::MAX)]);
}

#[test]
fn what_a_person_clears_is_raised_again_by_the_next_reading_in_breach() {
    let rule = rule(Condition::Above, 0.0, 0, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 9.0), (2, 9.0)]);

    stored.clear(100);
    assert_eq!(stored.history(), [(1, Some(100), 9.0)]);
    // What was seen before is sent again.
    stored.keep(&[(2, 9.0), (1, 9.0)]);
    assert_eq!(stored.history(), [(1, Some(100), 9.0)]);

    stored.keep(&[(3, 8.0)]);
    assert_eq!(stored.history(), [(1, Some(100), 9.0), (3, None, 8.0)]);
    assert_eq!(stored.alerts[0].cleared_by.as_deref(), Some("ana"));

    // Late readings move each of the two, and neither into the other.
    stored.keep(&[(0, 7.0)]);
    assert_eq!(stored.history(), [(0, Some(100), 7.0), (3, None, 8.0)]);
    stored.keep(&[(3, 0.0), (4, 6.0)]);
    assert_eq!(stored.history(), [(0, Some(100), 7.0), (4, None, 6.0)]);
}

#[test]
fn a_breach_that_has_lasted_needs_no_second_delay_after_it_was_cleared_by_hand() {
    let rule = rule(Condition::Above, 0.0, 25, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, 9.0), (10, 9.0), (20, 9.0), (30, 9.0)]);
    stored.clear(31);
    stored.keep(&[(32, 8.0)]);
    assert_eq!(stored.history(), [(30, Some(31), 9.0), (32, None, 8.0)]);
}

#[test]
fn what_readings_show_to_have_been_over_was_not_ended_by_hand() {
    let rule = rule(Condition::Above, 0.0, 0, 0);
    let mut stored = Stored::new(&rule);
    stored.keep(&[(1, 9.0), (5, 9.0)]);
    stored.clear(100);

    stored.keep(&[(3, 0.0)]);
    // One ended before the hand came; the other is the one that it ended.
    assert_eq!(stored.history(), [(1, Some(3), 9.0), (5, Some(100), 9.0)]);

    stored.keep(&[(5, 0.0)]);
    assert_eq!(stored.history(), [(1, Some(3), 9.0)]);
    assert_eq!(stored.alerts[0].cleared_by, None);
}

#[test]
fn what_is_remembered_is_enough_while_nothing_turns() {
    let rule = rule(Condition::Above, 1.0, 2, 0);
    let mut stored = Stored::new(&rule);
    let mut pass = |at, value| stored.pass(&[(at, value)]);
    assert!(!pass(0, 1.0), "nothing is known of the past");
    assert!(pass(1, 9.0) && pass(2, 9.0), "the delay runs");
    assert!(!pass(3, 9.0), "it raises");
    assert!(pass(4, 9.0) && pass(5, 4.5), "it lasts");
    assert!(!pass(6, 1.0), "it clears");
    assert!(pass(7, 1.0));
    assert!(!pass(5, 1.0), "it is late");
}
