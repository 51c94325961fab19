//! Silence: what begins without a reading.

use proptest::prelude::*;

use super::*;

/// Silence after ten microseconds.
fn silent() -> Rule {
    Rule { threshold: None, ..rule(Condition::NoData, 0.0, 10, 0) }
}

impl Stored<'_> {
    /// What the timer does at the time `now`.
    fn tick(&mut self, now: i64) {
        self.now = Timestamp::from_micros(now);
        if let Some((last, _)) = self.values.last_key_value() {
            self.replay(*last, *last);
        }
    }

    fn spans(&self) -> Vec<(i64, Option<i64>)> {
        let span =
            |alert: &Alert| (alert.raised_at.micros(), alert.cleared_at.map(Timestamp::micros));
        self.alerts.iter().map(span).collect()
    }
}

#[test]
fn silence_is_raised_when_it_has_lasted_and_cleared_by_the_next_reading() {
    let rule = silent();
    let mut course = Course::default();
    let at = |at| Timestamp::from_micros(at);
    let mut step = |micros| course.step(&rule, Sample { at: at(micros), value: 0.0 });
    assert_eq!((step(0), step(10), step(20)), (None, None, None));
    let silence = Breach { raised_at: at(30), value: None, cleared_at: Some(at(31)) };
    assert_eq!(step(31), Some(silence));

    course.wait(&rule, at(41));
    assert_eq!(course.open, None, "ten are not more than ten");
    course.wait(&rule, at(42));
    assert_eq!(course.open.map(|breach| breach.raised_at), Some(at(41)));
}

#[test]
fn late_readings_move_silence_or_show_that_there_was_none() {
    let rule = silent();
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, 1.0)]);
    stored.tick(100);
    assert_eq!(stored.spans(), [(10, None)]);
    let id = stored.alerts[0].id;

    stored.keep(&[(5, 1.0)]);
    assert_eq!((stored.spans(), stored.alerts[0].id), (vec![(15, None)], id), "it moves");
    stored.keep(&[(40, 1.0)]);
    assert_eq!(stored.spans(), [(15, Some(40)), (50, None)], "one ends, another begins");
    stored.keep(&[(95, 1.0)]);
    assert_eq!(stored.spans(), [(15, Some(40)), (50, Some(95))]);
    stored.keep(&[(70, 1.0), (60, 1.0), (80, 1.0), (89, 1.0), (48, 1.0), (52, 1.0)]);
    assert_eq!(stored.spans(), [(15, Some(40))], "the second never was");
}

#[test]
fn a_deleted_reading_makes_its_silences_one() {
    let rule = silent();
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, 1.0), (20, 1.0), (40, 1.0)]);
    stored.tick(45);
    assert_eq!(stored.spans(), [(10, Some(20)), (30, Some(40))]);

    stored.change(&[(20, None)]);
    assert_eq!(stored.spans(), [(10, Some(40))]);
    stored.change(&[(40, None)]);
    assert_eq!(stored.spans(), [(10, None)]);
}

#[test]
fn silence_that_a_person_clears_stays_cleared_until_the_next_reading() {
    let rule = silent();
    let mut stored = Stored::new(&rule);
    stored.keep(&[(0, 1.0)]);
    stored.tick(20);
    stored.clear(30);

    stored.tick(100);
    assert_eq!(stored.spans(), [(10, Some(30))]);
    stored.keep(&[(110, 1.0)]);
    assert_eq!(stored.spans(), [(10, Some(30))]);
    stored.tick(130);
    assert_eq!(stored.spans(), [(10, Some(30)), (120, None)]);

    // It never was, and what followed is another.
    stored.keep(&[(5, 1.0)]);
    assert_eq!(stored.spans(), [(15, Some(110)), (120, None)]);
}

#[test]
fn silence_from_before_the_first_reading_ends_with_it() {
    let rule = silent();
    for (first, expected) in [(60, vec![(50, Some(60)), (70, None)]), (20, vec![(30, None)])] {
        let mut stored = Stored::new(&rule);
        let at = Timestamp::from_micros(50);
        let silence = Breach { raised_at: at, value: None, cleared_at: None };
        stored.alerts.push(Alert::raised(&rule, stored.equipment_id, silence));

        stored.now = Timestamp::from_micros(100);
        stored.keep(&[(first, 1.0)]);
        assert_eq!(stored.spans(), expected);
    }
}

/// The silences of a history, and the one that lasts at `now`.
fn expected(times: impl Iterator<Item = i64>, now: i64) -> Vec<(i64, Option<i64>)> {
    let mut spans = Vec::new();
    let mut previous = None;
    for at in times {
        if let Some(since) = previous.map(|previous| previous + 10).filter(|since| *since < at) {
            spans.push((since, Some(at)));
        }
        previous = Some(at);
    }
    let lasting = previous.map(|previous| previous + 10).filter(|since| *since < now);
    spans.extend(lasting.map(|since| (since, None)));
    spans
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn silence_is_what_the_readings_and_the_time_say_whenever_they_came(
        batches in prop::collection::vec(
            (prop::collection::vec((0_i64..100, prop::bool::weighted(0.8)), 0..6), 0_i64..40),
            0..12,
        ),
    ) {
        let rule = silent();
        let mut stored = Stored::new(&rule);
        let mut now = 0;
        for (batch, pause) in batches {
            now += pause;
            stored.now = Timestamp::from_micros(now);
            let batch: Vec<_> = batch.into_iter().map(|(at, is_set)| (at, is_set.then_some(1.0))).collect();
            stored.change(&batch);
            stored.tick(now);
            let times = stored.values.keys().map(|at| at.micros());
            prop_assert_eq!(stored.spans(), expected(times, now));
        }
    }
}
