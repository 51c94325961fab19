//! The history that any order of arrival leaves is the one of ordered arrival.

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::domain::{
    alert::Severity,
    rule::{Condition, Delay, RuleId},
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
}

impl<'r> Stored<'r> {
    fn new(rule: &'r Rule) -> Self {
        let equipment_id = EquipmentId::new();
        Self { rule, equipment_id, values: BTreeMap::new(), alerts: Vec::new(), looked_at: 0 }
    }

    fn keep(&mut self, batch: &[(i64, f64)]) {
        let batch: Vec<_> =
            batch.iter().map(|(at, value)| (Timestamp::from_micros(*at), *value)).collect();
        let (Some(first), Some(last)) =
            (batch.iter().map(|(at, _)| *at).min(), batch.iter().map(|(at, _)| *at).max())
        else {
            return;
        };
        self.values.extend(batch);
        self.replay(first, last);
    }

    fn replay(&mut self, first: Timestamp, last: Timestamp) {
        let before = self.alerts.iter().rposition(|alert| alert.raised_at < first);
        let alerts = self.alerts[before.unwrap_or(0)..].to_vec();
        let mut replay = Replay::new(self.rule, self.equipment_id, alerts, (first, last));
        let previous = self.values.range(..first).next_back().map(|(at, _)| *at);
        let start = match replay.start(previous) {
            Start::At(at) => Bound::Included(at),
            Start::After(at) => Bound::Excluded(at),
        };
        for (at, value) in self.values.range((start, Bound::Unbounded)) {
            self.looked_at += 1;
            if !replay.feed(Sample { at: *at, value: *value }) {
                break;
            }
        }
        let Outcome { removed, changed, raised } = replay.outcome();
        self.alerts
            .retain(|alert| !removed.iter().chain(&changed).any(|other| other.id == alert.id));
        self.alerts.extend(changed.into_iter().chain(raised));
        self.alerts.sort_by_key(|alert| alert.raised_at);
        let open = self.alerts.iter().filter(|alert| alert.cleared_at.is_none()).count();
        assert!(open <= 1, "one open alert");
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

/// What ordered arrival, one reading at a time, leaves.
fn ordered(rule: &Rule, values: &BTreeMap<Timestamp, f64>) -> Vec<(i64, Option<i64>, f64)> {
    let mut stored = Stored::new(rule);
    for (at, value) in values {
        stored.keep(&[(at.micros(), *value)]);
    }
    stored.history()
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

fn batches() -> impl Strategy<Value = Vec<Vec<(i64, f64)>>> {
    let reading = (0_i64..40, (0_i32..10).prop_map(f64::from));
    prop::collection::vec(prop::collection::vec(reading, 0..12), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_leaves_the_history_of_ordered_arrival(
        batches in batches(),
        above in any::<bool>(),
        deadband in 0_i32..4,
        on_delay in 0_u64..6,
        off_delay in 0_u64..6,
    ) {
        let condition = if above { Condition::Above } else { Condition::Below };
        let rule = rule(condition, f64::from(deadband), on_delay, off_delay);
        let mut stored = Stored::new(&rule);
        for batch in &batches {
            stored.keep(batch);
            prop_assert_eq!(stored.history(), ordered(&rule, &stored.values));
        }
    }
}
