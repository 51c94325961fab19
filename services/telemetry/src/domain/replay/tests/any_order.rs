//! For any values, deletions, order and batches, of any rule but one on silence.

use proptest::prelude::*;

use super::*;

/// What ordered arrival, one reading at a time, leaves.
fn ordered(rule: &Rule, values: &BTreeMap<Timestamp, f64>) -> Vec<(i64, Option<i64>, f64)> {
    let mut stored = Stored::new(rule);
    for (at, value) in values {
        stored.keep(&[(at.micros(), *value)]);
    }
    stored.history()
}

/// Values that come and, now and then, go.
fn batches() -> impl Strategy<Value = Vec<Vec<(i64, Option<f64>)>>> {
    let value = prop::option::weighted(0.8, (0_i32..10).prop_map(f64::from));
    prop::collection::vec(prop::collection::vec((0_i64..40, value), 0..12), 0..12)
}

fn conditions() -> impl Strategy<Value = Rule> {
    let condition = prop::sample::select(vec![
        (Condition::Above, 5.0, 1.0),
        (Condition::Below, 5.0, 1.0),
        (Condition::RateAbove, 1e6, 1e6),
        (Condition::RateBelow, -1e6, 1e6),
    ]);
    (condition, 0_i32..4, 0_u64..6, 0_u64..6).prop_map(
        |((condition, threshold, unit), deadband, on_delay, off_delay)| {
            let deadband = f64::from(deadband) * unit;
            Rule { threshold: Some(threshold), ..rule(condition, deadband, on_delay, off_delay) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_leaves_the_history_of_ordered_arrival(
        batches in batches(),
        rule in conditions(),
    ) {
        let mut stored = Stored::new(&rule);
        for batch in &batches {
            stored.change(batch);
            prop_assert_eq!(stored.history(), ordered(&rule, &stored.values));
        }
    }

    #[test]
    fn what_is_remembered_says_what_the_stored_values_say(
        batches in prop::collection::vec(
            prop::collection::vec((0_i64..6, (0_i32..10).prop_map(f64::from)), 1..4),
            1..12,
        ),
        late in prop::collection::vec(prop::bool::weighted(0.2), 12),
        rule in conditions(),
    ) {
        let (mut stored, mut begin) = (Stored::new(&rule), 0);
        for (batch, late) in batches.iter().zip(late) {
            let from = if late { begin - 5 } else { begin };
            let batch: Vec<_> = batch.iter().map(|(at, value)| (from + at, *value)).collect();
            stored.pass(&batch);
            begin = stored.values.last_key_value().map_or(0, |(at, _)| at.micros() + 1);
            prop_assert_eq!(stored.history(), ordered(&rule, &stored.values));
        }
    }

    #[test]
    fn the_last_values_say_what_would_be_remembered(
        batches in prop::collection::vec(
            prop::collection::vec((0_i64..6, (0_i32..10).prop_map(f64::from)), 1..4),
            1..12,
        ),
        counts in prop::collection::vec(0_usize..30, 12),
        rule in conditions(),
    ) {
        let (mut stored, mut begin) = (Stored::new(&rule), 0);
        for (batch, count) in batches.iter().zip(counts) {
            let all = stored.values.len();
            prop_assert!(stored.recall(count) || count < all, "all of them are enough");
            let batch: Vec<_> = batch.iter().map(|(at, value)| (begin + at, *value)).collect();
            stored.pass(&batch);
            begin = stored.values.last_key_value().map_or(0, |(at, _)| at.micros() + 1);
            prop_assert_eq!(stored.history(), ordered(&rule, &stored.values));
        }
    }

    #[test]
    fn what_a_person_clears_stays_cleared_in_any_order_of_arrival(
        before in prop::collection::vec((0_i64..20, (0_i32..10).prop_map(f64::from)), 1..12),
        after in prop::collection::vec((20_i64..40, (0_i32..10).prop_map(f64::from)), 0..12),
        rule in conditions(),
    ) {
        let mut stored = Stored::new(&rule);
        stored.keep(&before);
        if stored.alerts.last().is_none_or(|alert| alert.cleared_at.is_some()) {
            return Ok(());
        }
        stored.clear(50);
        let mut ordered = Stored { alerts: stored.alerts.clone(), values: stored.values.clone(), ..Stored::new(&rule) };

        let last: BTreeMap<_, _> = after.iter().copied().collect();
        for (at, value) in &last {
            ordered.keep(&[(*at, *value)]);
        }
        for (at, value) in last.iter().rev() {
            stored.keep(&[(*at, *value)]);
        }

        prop_assert_eq!(stored.history(), ordered.history());
    }
}
