use super::*;

fn hour(hours: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "whole microseconds")]
    Timestamp::from_micros((hours * 3600.0) as i64 * 1_000_000)
}

fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * 3600.0)
}

fn span(start: f64, end: f64) -> Span {
    Span { start: hour(start), end: hour(end) }
}

/// What is known of each state begins at the hour beside it; the last one lasts.
fn history(states: &[(f64, State)], repairs: &[(f64, f64)]) -> History {
    let ends = states.iter().skip(1).map(|(since, _)| Some(hour(*since))).chain([None]);
    let intervals = states.iter().zip(ends);
    History {
        intervals: intervals
            .map(|((since, state), until)| Interval { state: *state, since: hour(*since), until })
            .collect(),
        repairs: repairs.iter().map(|(start, end)| span(*start, *end)).collect(),
    }
}

use State::{Down, Gone, Planned, Standby, Up};

/// The worked example: hours from 2026-01-02.
fn example() -> History {
    history(
        &[
            (24.0, Up),
            (54.0, Down),
            (58.0, Up),
            (96.0, Planned),
            (104.0, Up),
            (144.0, Standby),
            (168.0, Up),
            (180.0, Up),
            (234.0, Down),
        ],
        &[(55.0, 57.5), (132.0, 134.0), (133.0, 135.0)],
    )
}

#[test]
fn the_worked_example_is_reckoned_as_it_was_by_hand() {
    let life = example().reckon(span(0.0, 240.0));

    let availability = life.availability.unwrap();
    assert!((availability - 195.0 / 216.0).abs() < 1e-12, "{availability}");
    let expected = ServiceLife {
        operating: hours(195.0),
        assumed: hours(24.0),
        not_required: hours(24.0),
        unplanned: hours(13.0),
        unplanned_events: 3,
        planned: hours(8.0),
        planned_events: 1,
        failures: 3,
        mtbf: Some(hours(65.0)),
        restorations: 2,
        mttr: Some(hours(3.5)),
        recorded: 2,
        parts: Some(Parts {
            waiting: hours(0.5),
            repair: hours(2.75),
            return_to_service: hours(0.25),
        }),
        availability: life.availability,
        down_since: Some(hour(234.0)),
    };
    assert_eq!(life, expected);
}

#[test]
fn a_window_counts_what_began_in_it_and_the_downtime_that_lies_in_it() {
    // From the middle of failure 1 to the middle of failure 2.
    let life = example().reckon(span(56.0, 134.0));

    assert_eq!((life.failures, life.restorations, life.unplanned_events), (1, 0, 2));
    assert_eq!((life.unplanned, life.planned), (hours(2.0 + 2.0), hours(8.0)));
    assert_eq!((life.operating, life.mtbf), (hours(66.0), Some(hours(66.0))));
    assert_eq!((life.mttr, life.down_since), (None, Some(hour(132.0))));
    assert_eq!(life.assumed, Duration::ZERO);
}

#[test]
fn without_failures_there_are_no_means() {
    let life = history(&[(0.0, Up)], &[]).reckon(span(0.0, 10.0));

    let expected =
        ServiceLife { operating: hours(10.0), availability: Some(1.0), ..ServiceLife::default() };
    assert_eq!(life, expected);
}

#[test]
fn of_no_time_and_of_no_required_time_nothing_is_said() {
    assert_eq!(history(&[(0.0, Up)], &[]).reckon(span(5.0, 5.0)), ServiceLife::default());
    let unused = history(&[(0.0, Standby)], &[]).reckon(span(0.0, 10.0));
    let expected = ServiceLife { not_required: hours(10.0), ..ServiceLife::default() };
    assert_eq!(unused, expected);
}

#[test]
fn of_what_nothing_is_known_all_is_assumed() {
    let life = history(&[], &[(2.0, 3.0)]).reckon(span(0.0, 10.0));

    assert_eq!((life.operating, life.assumed), (hours(9.0), hours(9.0)));
    assert_eq!((life.mtbf, life.mttr), (Some(hours(9.0)), Some(hours(1.0))));
}

#[test]
fn one_failure_has_means() {
    let life = history(&[(0.0, Up), (6.0, Down), (8.0, Up)], &[]).reckon(span(0.0, 10.0));

    assert_eq!((life.failures, life.mtbf), (1, Some(hours(8.0))));
    assert_eq!((life.restorations, life.mttr), (1, Some(hours(2.0))));
    assert_eq!((life.availability, life.down_since), (Some(0.8), None));
    // Nobody recorded when the work was done.
    assert_eq!((life.recorded, life.parts), (0, None));
}

#[test]
fn what_lasts_is_a_failure_and_downtime_and_no_restoration_yet() {
    let life = history(&[(0.0, Up), (6.0, Down)], &[(7.0, 8.0)]).reckon(span(0.0, 10.0));

    assert_eq!((life.failures, life.mtbf, life.unplanned), (1, Some(hours(6.0)), hours(4.0)));
    assert_eq!((life.restorations, life.mttr, life.parts), (0, None, None));
    assert_eq!((life.availability, life.down_since), (Some(0.6), Some(hour(6.0))));
}

/// Failures, unplanned downtime and mean time to restoration, in hours, of ten hours.
fn figures(states: &[(f64, State)], repairs: &[(f64, f64)]) -> (u32, f64, Option<f64>) {
    let life = history(states, repairs).reckon(span(0.0, 10.0));
    let mttr = life.mttr.map(|mttr| mttr.as_secs_f64() / 3600.0);
    (life.failures, life.unplanned.as_secs_f64() / 3600.0, mttr)
}

#[test]
fn work_on_a_failure_is_no_other_failure_however_they_overlap() {
    let states = [(0.0, Up), (4.0, Down), (6.0, Up)];
    for (repairs, unplanned) in [
        (vec![], 2.0),
        (vec![(4.5, 5.5)], 2.0),
        (vec![(4.0, 6.0)], 2.0),
        (vec![(3.0, 5.0)], 3.0),
        (vec![(5.0, 7.0)], 3.0),
        (vec![(3.0, 7.0)], 4.0),
        (vec![(2.0, 4.0)], 4.0),
        (vec![(6.0, 8.0)], 4.0),
        (vec![(3.0, 5.0), (5.0, 7.0), (4.5, 4.5)], 4.0),
        (vec![(2.0, 3.0), (3.0, 5.0)], 4.0),
    ] {
        let expected = (1, unplanned, Some(unplanned));
        assert_eq!(figures(&states, &repairs), expected, "{repairs:?}");
    }
}

#[test]
fn work_apart_from_a_failure_is_another_and_what_touches_is_one() {
    let states = [(0.0, Up), (4.0, Down), (6.0, Up)];
    for (repairs, failures, unplanned) in [
        (vec![(2.0, 3.0)], 2, 3.0),
        (vec![(7.0, 8.0), (8.0, 8.5)], 2, 3.5),
        (vec![(1.0, 3.0), (2.0, 2.5)], 2, 4.0),
        (vec![(1.0, 2.0), (7.0, 8.0)], 3, 4.0),
        // Done in no time.
        (vec![(2.0, 2.0)], 2, 2.0),
    ] {
        let expected = (failures, unplanned, Some(unplanned / f64::from(failures)));
        assert_eq!(figures(&states, &repairs), expected, "{repairs:?}");
    }
}

#[test]
fn every_interval_of_down_is_a_failure_also_where_work_connects_two() {
    let states = [(0.0, Up), (2.0, Down), (3.0, Up), (5.0, Down), (6.0, Up)];
    assert_eq!(figures(&states, &[]), (2, 2.0, Some(1.0)));
    assert_eq!(figures(&states, &[(2.0, 6.0)]), (2, 4.0, Some(2.0)));
}

#[test]
fn planned_work_after_a_failure_is_planned_and_no_other_failure() {
    let states = [(0.0, Up), (2.0, Down), (3.0, Planned), (7.0, Up)];
    // It was not up before that ended.
    assert_eq!(figures(&states, &[]), (1, 1.0, Some(5.0)));
    assert_eq!(figures(&states, &[(5.0, 6.0)]), (1, 1.0, Some(5.0)));
    let again = [(0.0, Up), (2.0, Down), (3.0, Planned), (4.0, Down), (5.0, Up)];
    assert_eq!(figures(&again, &[]), (2, 2.0, Some(1.5)));
}

#[test]
fn a_failure_lasts_while_planned_work_after_it_does() {
    let states = [(0.0, Up), (2.0, Down), (3.0, Planned), (7.0, Up)];
    for (end, down_since) in [(2.5, Some(2.0)), (3.0, Some(2.0)), (5.0, Some(2.0)), (7.0, None)] {
        let life = history(&states, &[]).reckon(span(0.0, end));
        assert_eq!(life.down_since, down_since.map(hour), "{end}");
        assert_eq!(life.restorations, u32::from(down_since.is_none()), "{end}");
    }
    let life = history(&states[..3], &[]).reckon(span(0.0, 10.0));
    assert_eq!((life.down_since, life.restorations, life.mttr), (Some(hour(2.0)), 0, None));
}

#[test]
fn planned_work_after_the_repair_is_part_of_the_return_to_service() {
    let states = [(0.0, Up), (2.0, Down), (4.0, Planned), (7.0, Up)];
    let life = history(&states, &[(2.5, 4.0)]).reckon(span(0.0, 10.0));

    let parts = life.parts.unwrap();
    assert_eq!((parts.waiting, parts.repair), (hours(0.5), hours(1.5)));
    assert_eq!((parts.return_to_service, life.mttr), (hours(3.0), Some(hours(5.0))));
    assert_eq!((life.unplanned, life.planned), (hours(2.0), hours(3.0)));
}

#[test]
fn a_failure_that_is_found_while_it_is_not_up_takes_no_time_that_is_required() {
    for state in [Planned, Standby] {
        let states = [(0.0, Up), (2.0, state), (8.0, Up)];
        assert_eq!(figures(&states, &[(4.0, 5.0)]), (1, 0.0, Some(1.0)), "{state:?}");
        assert_eq!(figures(&states, &[(1.0, 5.0)]), (1, 1.0, Some(4.0)), "{state:?}");
    }
}

#[test]
fn what_is_decommissioned_is_not_required_any_more() {
    let life = history(&[(0.0, Up), (2.0, Down), (3.0, Up), (6.0, Gone)], &[]);
    let life = life.reckon(span(0.0, 10.0));

    assert_eq!((life.operating, life.not_required), (hours(5.0), hours(4.0)));
    assert_eq!((life.mtbf, life.mttr), (Some(hours(5.0)), Some(hours(1.0))));
}

#[test]
fn what_is_given_up_while_it_is_down_was_not_restored() {
    for last in [vec![(3.0, Gone)], vec![(3.0, Planned), (4.0, Gone)]] {
        let states = [vec![(0.0, Up), (2.0, Down)], last].concat();
        assert_eq!(figures(&states, &[]), (1, 1.0, None), "{states:?}");
    }
    let life = history(&[(0.0, Up), (2.0, Down), (3.0, Gone)], &[]).reckon(span(0.0, 10.0));
    assert_eq!(life.down_since, None);
}

#[test]
fn all_time_counts_as_something_and_none_twice() {
    let window = span(0.0, 10.0);
    let states = [(1.0, Up), (2.0, Down), (3.0, Planned), (4.0, Standby), (5.0, Up), (9.0, Gone)];
    for repairs in [vec![], vec![(0.0, 10.0)], vec![(0.5, 2.5), (3.5, 6.0), (8.5, 9.5)]] {
        let life = history(&states, &repairs).reckon(window);
        let sum = life.operating + life.unplanned + life.planned + life.not_required;
        assert_eq!(sum, window.length(), "{repairs:?}");
        assert!(life.assumed <= life.operating, "{repairs:?}");
    }
}

#[test]
fn the_means_of_the_parts_add_up() {
    let states = [(0.0, Up), (2.0, Down), (4.0, Up), (5.0, Down), (9.0, Up)];
    let life = history(&states, &[(2.5, 3.0), (6.0, 7.0), (7.5, 9.5)]).reckon(span(0.0, 10.0));

    let parts = life.parts.unwrap();
    assert_eq!(parts.waiting, hours(0.75));
    assert_eq!(parts.repair, hours(2.0));
    assert_eq!(parts.return_to_service, hours(0.5));
    assert_eq!(life.mttr, Some(hours(3.25)));
}

#[test]
fn what_was_given_up_under_repair_was_not_restored() {
    let life = history(&[(0.0, Up), (4.0, Gone)], &[(3.0, 5.0)]).reckon(span(0.0, 10.0));

    assert_eq!((life.failures, life.restorations, life.mttr), (1, 0, None));
}

#[test]
fn what_never_operated_has_no_time_between_failures() {
    let life = history(&[(0.0, Down)], &[]).reckon(span(0.0, 10.0));

    assert_eq!((life.failures, life.mtbf), (1, None));
}

#[test]
fn what_is_done_to_it_once_it_was_given_up_is_no_failure() {
    let states = [(0.0, Up), (2.0, Down), (3.0, Up), (6.0, Gone)];
    for dismantling in [vec![], vec![(7.0, 8.0)]] {
        assert_eq!(figures(&states, &dismantling), (1, 1.0, Some(1.0)), "{dismantling:?}");
    }
}
