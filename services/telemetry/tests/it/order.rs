//! Any order, repetition and split of readings leaves the alerts of ordered arrival, whatever happens in between: through
//! the service, whose writer keeps what it knows in memory.

use std::time::Duration;

use proto::telemetry::v1::{Alert, Reading, Rule, rule::Condition};
use sqlx::{ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};
use testkit::World;

use super::{Suite, below, temperature};

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let place = self.below(last + 1);
            things.swap(last, place);
        }
    }
}

/// Rules of every kind but on silence, with and without delays.
fn rules() -> Vec<Rule> {
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let mut rules = Vec::new();
    for (condition, threshold, deadband) in [
        (Condition::Above, 6.0, 2.0),
        (Condition::Below, 3.0, 1.0),
        (Condition::RateAbove, 0.4, 0.5),
        (Condition::RateBelow, -0.4, 0.5),
    ] {
        for (on, off) in [(0, 0), (2, 3)] {
            rules.push(Rule {
                name: format!("{condition:?} {on} {off}"),
                equipment_id: None,
                equipment_type: Some("pump".into()),
                condition: condition.into(),
                deadband,
                on_delay: seconds(on),
                off_delay: seconds(off),
                open_task: false,
                ..below("", threshold, deadband)
            });
        }
    }
    rules
}

const READINGS: i64 = 60;

/// A walk up and down, with a night between two halves: batches that have values of both are looked at in parts.
fn values(dice: &mut Dice) -> Vec<(i64, f64)> {
    let mut value = 5.0_f64;
    let step = |at: i64| {
        value = (value + [-3.0, -1.0, 0.0, 1.0, 3.0][dice.below(5)]).clamp(0.0, 9.0);
        (if at < READINGS / 2 { at * 2 } else { 40_000 + at * 2 }, value)
    };
    (0..READINGS).map(step).collect()
}

/// Batches in which readings arrive.
fn batches(id: &str, values: &[(i64, f64)], disorder: usize, dice: &mut Dice) -> Vec<Vec<Reading>> {
    let mut readings: Vec<_> =
        values.iter().map(|(at, value)| temperature(id, *at, *value)).collect();
    match disorder % 4 {
        0 => {}
        1 => dice.shuffle(&mut readings),
        // Late by a few, and some twice.
        2 => readings.chunks_mut(7).for_each(|chunk| dice.shuffle(chunk)),
        _ => readings.reverse(),
    }
    for _ in 0..disorder % 3 * 10 {
        let (from, to) = (dice.below(readings.len()), dice.below(readings.len()));
        readings.insert(to, readings[from].clone());
    }
    let mut batches = Vec::new();
    while !readings.is_empty() {
        let rest = readings.split_off(readings.len().min(1 + dice.below(9)));
        batches.push(std::mem::replace(&mut readings, rest));
    }
    batches
}

/// What a rule said: when, until when, at what value, and how often by then.
type Span = (String, i64, Option<i64>, u64, i32);

async fn history(suite: &Suite, id: &str) -> Vec<Span> {
    let seconds = |at: &prost_types::Timestamp| at.seconds;
    let span = |alert: Alert| {
        let value = alert.value.unwrap().to_bits();
        let (raised_at, cleared_at) =
            (alert.raised_at.unwrap().seconds, alert.cleared_at.as_ref().map(seconds));
        (alert.rule_id, raised_at, cleared_at, value, alert.occurrences)
    };
    let mut spans: Vec<_> = suite
        .all_alerts()
        .await
        .into_iter()
        .filter(|alert| alert.equipment_id == id)
        .map(span)
        .collect();
    spans.sort();
    spans
}

testkit::both! {
    async fn any_order_repetition_and_split_leaves_the_alerts_of_ordered_arrival(world: World) {
        let mut suite = Suite::start(world).await;
        let mut dice = Dice(7);
        for rule in rules() {
            suite.rule(rule).await;
        }
        let values = values(&mut dice);
        let model = suite.machine("pump").await;
        for (at, value) in &values {
            suite.send(temperature(&model, *at, *value)).await.unwrap();
        }
        let expected = history(&suite, &model).await;
        let rules: std::collections::BTreeSet<_> = expected.iter().map(|span| &span.0).collect();
        assert_eq!(rules.len(), 8, "every rule has something to say");

        // All at once, so that the machines' batches come between each other's.
        let (mut machines, mut queue) = (Vec::new(), Vec::new());
        for disorder in 0..8 {
            let id = suite.machine("pump").await;
            let batches = batches(&id, &values, disorder, &mut dice);
            queue.extend(batches.into_iter().enumerate().map(|(place, batch)| (place, disorder, batch)));
            machines.push(id);
        }
        queue.sort_by_key(|(place, disorder, _)| (*place, *disorder));
        let restarts = [queue.len() / 3, queue.len() / 2];
        for (place, (_, _, batch)) in queue.into_iter().enumerate() {
            if restarts.contains(&place) {
                suite = Suite::start(suite.world).await;
            }
            suite.send_all(batch).await;
        }

        for (disorder, id) in machines.iter().enumerate() {
            assert_eq!(history(&suite, id).await, expected, "disorder {disorder}");
        }
    }

    async fn what_people_do_in_between_counts_at_once_in_any_order(world: World) {
        let suite = Suite::start(world).await;
        let rule = Rule { open_task: false, ..below("", 5.0, 0.0) };
        let rule = Rule { equipment_id: None, equipment_type: Some("pump".into()), ..rule };
        let rule = suite.rule(rule).await;
        let (mut dice, mut machines) = (Dice(3), Vec::new());
        for _ in 0..4 {
            machines.push(suite.machine("pump").await);
        }
        let first: Vec<_> = (0..10).map(|at| (at, if at < 5 { 9.0 } else { 1.0 })).collect();
        let second: Vec<_> = (10..20).map(|at| (at, if at < 15 { 1.0 } else { 9.0 })).collect();
        let third: Vec<_> = (20..30).map(|at| (at, if at < 25 { 2.0 } else { 9.0 })).collect();

        for (disorder, id) in machines.iter().enumerate() {
            for batch in batches(id, &first, disorder, &mut dice) {
                suite.send_all(batch).await;
            }
            let open = suite.all_alerts().await.into_iter().find(|alert| alert.equipment_id == *id).unwrap();
            let request = proto::telemetry::v1::ClearAlertRequest { id: open.id, ..Default::default() };
            suite.alerts().clear_alert(request).await.unwrap();
            for batch in batches(id, &second, disorder, &mut dice) {
                suite.send_all(batch).await;
            }
        }
        suite.world.clock.advance(Duration::from_millis(1));
        let changed = Rule { threshold: Some(3.0), ..rule };
        let update = proto::telemetry::v1::UpdateRuleRequest { rule: Some(changed), update_mask: None };
        suite.rules().update_rule(update).await.unwrap();
        for (disorder, id) in machines.iter().enumerate() {
            for batch in batches(id, &third, disorder, &mut dice) {
                suite.send_all(batch).await;
            }
        }

        let expected = history(&suite, &machines[0]).await;
        let spans: Vec<_> = expected.iter().map(|span| (span.1, span.2, span.4)).collect();
        let cleared = suite.world.clock.now().micros() / 1_000_000;
        assert_eq!(spans, [(5, Some(cleared), 1), (10, Some(15), 2), (20, Some(25), 3)]);
        for id in &machines[1..] {
            assert_eq!(history(&suite, id).await, expected);
        }
    }
}

/// Has the database refuse to journal anything, or take that back.
async fn refuse(world: &World, refuse: bool) {
    let Some(url) = world.db.server() else {
        let file = SqliteConnectOptions::new().filename(world.db.data_dir.join("telemetry.db"));
        let mut db = file.connect().await.unwrap();
        let text = if refuse {
            "create trigger refuse before insert on journal begin select raise(abort, 'no'); end"
        } else {
            "drop trigger refuse"
        };
        sqlx::query(text).execute(&mut db).await.unwrap();
        return;
    };
    let mut db = PgConnection::connect(url).await.unwrap();
    let text = if refuse {
        "alter table telemetry.journal add constraint refuse check (data is null) not valid"
    } else {
        "alter table telemetry.journal drop constraint refuse"
    };
    sqlx::query(text).execute(&mut db).await.unwrap();
}

testkit::both! {
    async fn readings_that_could_not_be_kept_are_not_remembered(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let on_delay = Some(prost_types::Duration { seconds: 10, nanos: 0 });
        suite.rule(Rule { on_delay, open_task: false, ..below(&id, 50.0, 0.0) }).await;
        suite.send(temperature(&id, 0, 40.0)).await.unwrap();
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        refuse(&suite.world, true).await;
        suite.send(temperature(&id, 5, 60.0)).await.unwrap_err();
        refuse(&suite.world, false).await;
        suite.send(temperature(&id, 11, 40.0)).await.unwrap();

        let alerts = suite.all_alerts().await;
        assert_eq!(alerts.len(), 1, "it has been cold for eleven seconds");
        assert_eq!(alerts[0].raised_at.unwrap().seconds, 11);
    }
}
