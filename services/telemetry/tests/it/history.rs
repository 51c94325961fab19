//! The alerts of a real machine: the worked example of the public interface, to the second.

use std::path::Path;

use chrono::{DateTime, NaiveDateTime};
use kit::Timestamp;
use proto::telemetry::v1::{ListRulesRequest, Reading};

use super::{Suite, below, temperature};

/// Raised and cleared, for `BELOW 50` with a deadband of 5 and no delay.
const HISTORY: [(&str, &str); 6] = [
    ("2013-12-10T08:55:00Z", "2013-12-10T17:55:00Z"),
    ("2013-12-16T07:50:00Z", "2013-12-16T18:40:00Z"),
    ("2014-01-29T14:40:00Z", "2014-01-29T16:25:00Z"),
    ("2014-01-30T18:00:00Z", "2014-01-30T20:15:00Z"),
    ("2014-02-03T08:05:00Z", "2014-02-03T11:55:00Z"),
    ("2014-02-07T20:15:00Z", "2014-02-09T12:05:00Z"),
];

/// The file's lines in its order: seconds since the epoch, and degrees. Some times stand twice.
pub fn lines() -> Vec<(i64, f64)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/machine_temperature.csv");
    let mut file =
        csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("no {}: {error}. It is the Numenta Anomaly Benchmark's realKnownCause/machine_temperature_system_failure.csv (MIT); see CONTRIBUTING.md", path.display()));
    let line = |line: Result<csv::StringRecord, csv::Error>| {
        let line = line.unwrap();
        let at = NaiveDateTime::parse_from_str(&line[0], "%Y-%m-%d %H:%M:%S").unwrap();
        (at.and_utc().timestamp(), line[1].parse().unwrap())
    };
    file.records().map(line).collect()
}

/// The same without the lines that a later one of the same time replaces.
fn distinct() -> Vec<(i64, f64)> {
    lines().into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

/// The same order in every run, and no other order than that.
fn shuffled(mut lines: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..lines.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = usize::try_from(state >> 33).unwrap() % (last + 1);
        lines.swap(last, place);
    }
    lines
}

async fn machine(suite: &Suite) -> String {
    let id = suite.machine("press").await;
    suite.rule(below(&id, 50.0, 5.0)).await;
    id
}

pub async fn send(suite: &Suite, id: &str, lines: &[(i64, f64)]) {
    for batch in lines.chunks(1000) {
        let readings: Vec<Reading> =
            batch.iter().map(|(at, value)| temperature(id, *at, *value)).collect();
        let sent = i32::try_from(readings.len()).unwrap();
        let answer = suite.send_all(readings).await;
        assert_eq!((answer.accepted, answer.refused.len()), (sent, 0));
    }
}

/// The same in seconds since the epoch.
pub fn expected() -> Vec<(i64, i64)> {
    let second = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp();
    HISTORY.map(|(raised, cleared)| (second(raised), second(cleared))).into()
}

async fn assert_history(suite: &Suite) {
    let alerts = suite.all_alerts().await;
    let history: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.raised_at.unwrap(), alert.cleared_at.unwrap()))
        .inspect(|(raised, cleared)| assert_eq!((raised.nanos, cleared.nanos), (0, 0)))
        .map(|(raised, cleared)| (raised.seconds, cleared.seconds))
        .collect();
    assert_eq!(history, expected());
}

testkit::both! {
    async fn readings_in_order_make_the_worked_example(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;

        send(&suite, &id, &lines()).await;

        assert_history(&suite).await;
    }

    async fn readings_sent_twice_make_it_too(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;

        send(&suite, &id, &lines()).await;
        send(&suite, &id, &lines()).await;

        assert_history(&suite).await;
    }

    async fn readings_shuffled_within_and_across_batches_make_it_too(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;

        send(&suite, &id, &shuffled(distinct())).await;

        assert_history(&suite).await;
    }

    async fn a_batch_that_is_days_late_makes_it_too(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;
        let mut lines = distinct();
        // The beginning of the second alert is in it.
        let late: Vec<_> = lines.drain(3000..4000).collect();

        send(&suite, &id, &lines).await;
        send(&suite, &id, &late).await;

        assert_history(&suite).await;
    }

    async fn a_restart_in_the_middle_makes_it_too(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;
        let lines = lines();
        // In the middle of the last alert.
        let middle = lines.iter().position(|(at, _)| 1_391_850_000 < *at).unwrap();

        send(&suite, &id, &lines[..middle]).await;
        let suite = Suite::start(suite.world).await;
        send(&suite, &id, &lines[middle..]).await;

        assert_history(&suite).await;
        let rules = suite.rules().list_rules(ListRulesRequest::default()).await.unwrap();
        assert_eq!(rules.into_inner().rules.len(), 1);
    }

    async fn an_alert_opens_a_task_only_if_it_is_open_when_its_readings_were_judged(world: World) {
        let suite = Suite::start(world).await;
        let id = machine(&suite).await;
        let lines = lines();

        // Five alerts begin and end within one of the first batches; the last one lasts beyond the fourth.
        let mut begin = 0;
        for until in ["2014-01-01T00:00:00Z", "2014-01-20T00:00:00Z", "2014-02-05T00:00:00Z", "2014-02-08T12:00:00Z"] {
            let until = DateTime::parse_from_rfc3339(until).unwrap().timestamp();
            let end = lines.iter().position(|(at, _)| until <= *at).unwrap();
            let batch = lines[begin..end].iter().map(|(at, value)| temperature(&id, *at, *value));
            suite.send_all(batch.collect()).await;
            begin = end;
        }
        let task = suite.the_task().await;
        send(&suite, &id, &lines[begin..]).await;

        assert_history(&suite).await;
        let opened: Vec<_> = suite.all_alerts().await.into_iter().map(|alert| alert.task_id).collect();
        assert_eq!(opened, [None, None, None, None, None, Some(task.id.clone())]);
        assert_eq!(suite.all_tasks().await, [task]);
    }

    async fn readings_that_were_there_before_the_rule_are_not_judged(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("press").await;
        send(&suite, &id, &[(1, 10.0), (3, 90.0)]).await;
        suite.world.clock.advance(std::time::Duration::from_millis(1));
        suite.rule(below(&id, 50.0, 5.0)).await;

        // Between the two, and back.
        send(&suite, &id, &[(2, 60.0)]).await;
        assert!(suite.all_alerts().await.is_empty());

        send(&suite, &id, &[(4, 20.0)]).await;
        let alerts = suite.all_alerts().await;
        assert_eq!(alerts[0].raised_at, Some(Timestamp::from_micros(4_000_000).into()));
        assert_eq!(alerts.len(), 1);
    }
}
