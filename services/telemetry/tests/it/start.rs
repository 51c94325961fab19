//! What a start costs: nothing of the past is in memory.

use proto::telemetry::v1::{Reading, Rule, rule::Condition};
use testkit::{Plans, eventually};

use super::{Suite, below, temperature};

const MACHINES: usize = 30;

/// One of every kind but on silence, which a timer looks for.
fn rules() -> Vec<Rule> {
    let on_delay = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let rule = |(condition, threshold): (Condition, f64)| Rule {
        equipment_id: None,
        equipment_type: Some("pump".into()),
        condition: condition.into(),
        on_delay,
        open_task: false,
        ..below("", threshold, 0.0)
    };
    let conditions =
        [Condition::Above, Condition::Below, Condition::RateAbove, Condition::RateBelow];
    conditions.into_iter().zip([90.0, 10.0, 90.0, -90.0]).map(rule).collect()
}

testkit::both! {
    async fn the_first_readings_of_many_machines_after_a_start_take_a_few_statements(world: World) {
        let plans = Plans::listen(&world, "telemetry").await;
        let suite = Suite::start(world).await;
        for rule in rules() {
            suite.rule(rule).await;
        }
        let mut machines = Vec::new();
        for _ in 0..MACHINES {
            machines.push(suite.machine("pump").await);
        }
        let now = suite.world.clock.now().micros() / 1_000_000;
        let at = |second: i64| -> Vec<Reading> {
            machines.iter().map(|id| temperature(id, now - 10 + second, 50.0)).collect()
        };
        for second in 0..10 {
            suite.send_all(at(second)).await;
        }
        assert_eq!(suite.all_alerts().await, []);

        let suite = Suite::start(suite.world).await;
        plans.clear();
        suite.send_all(at(10)).await;
        eventually("the write is heard", async || (0 < plans.count("into journal")).then_some(())).await;

        for part in ["from alerts", "from chunks", "from series", "into series", "join chunks"] {
            let count = plans.count(part);
            assert!(count < 5, "{count} times {part}");
        }
        assert_eq!(suite.all_alerts().await, []);
    }
}
