//! Rules on silence: what begins without a reading. The clock stands until a test moves it.

use std::time::Duration;

use kit::Timestamp;
use proto::{
    equipment::v1::{DeleteEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    telemetry::v1::{
        Alert, ClearAlertRequest, DeleteAlertRequest, Reading, Rule, alert::State, rule::Condition,
    },
};
use testkit::eventually;

use super::{Suite, below, temperature};

mod kind;

/// Raises after a minute of silence.
fn silent(equipment_id: &str) -> Rule {
    Rule {
        name: "Silent".into(),
        condition: Condition::NoData.into(),
        threshold: None,
        on_delay: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        open_task: false,
        ..below(equipment_id, 0.0, 0.0)
    }
}

fn by_type(kind: &str, rule: Rule) -> Rule {
    Rule { equipment_id: None, equipment_type: Some(kind.into()), ..rule }
}

impl Suite {
    fn pass(&self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends what is measured now, and answers when that is.
    async fn measure(&self, id: &str) -> Timestamp {
        let now = self.world.clock.now();
        self.send(at(id, now)).await.unwrap();
        now
    }

    async fn alerts_of(&self, id: &str) -> Vec<Alert> {
        let mut alerts = self.all_alerts().await;
        alerts.retain(|alert| alert.equipment_id == id);
        alerts
    }

    /// The alerts of the equipment, once the last one is open or not.
    async fn once(&self, id: &str, open: bool) -> Vec<Alert> {
        eventually("the last alert is as it should be", async || {
            let alerts = self.alerts_of(id).await;
            let last = alerts.last().map(|alert| alert.cleared_at.is_none());
            (last == Some(open)).then_some(alerts)
        })
        .await
    }

    /// Waits until the timer has looked at everything: it looks at this machine last.
    async fn looked(&self) {
        let id = self.machine("witness").await;
        self.rule(silent(&id)).await;
        self.measure(&id).await;
        self.pass(61);
        self.once(&id, true).await;
    }

    fn register(&self) -> EquipmentServiceClient<super::Client> {
        EquipmentServiceClient::new(self.equipment.by(&self.admin))
    }
}

fn at(id: &str, at: Timestamp) -> Reading {
    Reading { recorded_at: Some(at.into()), ..temperature(id, 0, 1.0) }
}

fn span(alert: &Alert) -> (Timestamp, Option<Timestamp>) {
    let time = |at: &prost_types::Timestamp| Timestamp::parse("at", at).unwrap();
    (time(alert.raised_at.as_ref().unwrap()), alert.cleared_at.as_ref().map(time))
}

const MINUTE: Duration = Duration::from_mins(1);

testkit::both! {
    async fn silence_raises_and_the_next_reading_clears(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(Rule { open_task: true, ..silent(&id) }).await;
        let last = suite.measure(&id).await;

        suite.pass(61);
        let raised = suite.once(&id, true).await.remove(0);
        let next = suite.measure(&id).await;
        let alerts = suite.once(&id, false).await;

        assert_eq!(span(&raised), (last.plus(MINUTE), None));
        assert_eq!(raised.message, "Silent: no temperature for 60s");
        assert_eq!((raised.value, raised.threshold), (None, None));
        assert_eq!(alerts.len(), 1);
        assert_eq!(span(&alerts[0]), (last.plus(MINUTE), Some(next)));
        let task = suite.the_task().await;
        assert_eq!(task.alert_id.as_deref(), Some(raised.id.as_str()));
    }

    async fn readings_in_time_raise_nothing(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        for _ in 0..3 {
            suite.measure(&id).await;
            suite.pass(60);
        }
        suite.measure(&id).await;
        suite.world.clock.advance(Duration::from_millis(1));
        let witness = suite.machine("pump").await;
        suite.rule(Rule { on_delay: Some(prost_types::Duration { seconds: 1, nanos: 0 }), ..silent(&witness) }).await;
        suite.pass(2);

        suite.once(&witness, true).await;
        assert_eq!(suite.alerts_of(&id).await, []);
    }

    async fn a_late_reading_ends_a_silence_and_the_next_is_raised_in_time(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        let last = suite.measure(&id).await;
        suite.pass(61);
        suite.once(&id, true).await;

        let late = last.plus(Duration::from_secs(40));
        suite.send(at(&id, late)).await.unwrap();
        let after_it = suite.alerts_of(&id).await;
        suite.pass(40);

        assert_eq!(after_it, []);
        let alerts = suite.once(&id, true).await;
        assert_eq!((alerts.len(), span(&alerts[0])), (1, (late.plus(MINUTE), None)));
    }

    async fn silence_that_began_before_a_restart_is_raised_after_it(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        let last = suite.measure(&id).await;
        let suite = Suite::start(suite.world).await;

        suite.pass(61);

        let alerts = suite.once(&id, true).await;
        assert_eq!((alerts.len(), span(&alerts[0])), (1, (last.plus(MINUTE), None)));
    }

    async fn equipment_that_never_sent_is_silent_since_the_rule_or_it_was_made(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(silent(&id)).await;
        suite.rule(by_type("fan", silent(""))).await;
        suite.pass(30);
        let made = suite.world.clock.now();
        let fan = suite.machine("fan").await;

        suite.pass(90);

        let pump = suite.once(&id, true).await.remove(0);
        assert_eq!(pump.rule_id, rule.id);
        let since = Timestamp::parse("at", rule.created_at.as_ref().unwrap()).unwrap();
        assert_eq!(span(&pump), (since.plus(MINUTE), None));
        assert_eq!(span(&suite.once(&fan, true).await[0]), (made.plus(MINUTE), None));
        let first = suite.measure(&fan).await;
        assert_eq!(span(&suite.once(&fan, false).await[0]), (made.plus(MINUTE), Some(first)));
    }

    async fn late_readings_move_silence_and_show_that_there_was_none(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        let last = suite.measure(&id).await;
        suite.pass(100);
        let raised = suite.once(&id, true).await.remove(0);

        suite.send(at(&id, last.plus(Duration::from_secs(20)))).await.unwrap();
        let moved = suite.alerts_of(&id).await;
        assert_eq!(moved.len(), 1);
        assert_eq!(moved[0].id, raised.id);
        assert_eq!(span(&moved[0]), (last.plus(Duration::from_secs(80)), None));

        suite.send(at(&id, last.plus(Duration::from_secs(50)))).await.unwrap();
        assert_eq!(suite.alerts_of(&id).await, [], "it never was");
    }

    async fn silence_that_a_person_clears_is_raised_again_after_the_next_reading(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        let last = suite.measure(&id).await;
        suite.pass(61);
        let raised = suite.once(&id, true).await.remove(0);
        let clear = ClearAlertRequest { id: raised.id, comment: "Known.".into() };
        let cleared = suite.alerts().clear_alert(clear).await.unwrap().into_inner();

        suite.pass(100);
        suite.looked().await;
        assert_eq!(suite.alerts_of(&id).await, std::slice::from_ref(&cleared));
        let next = suite.measure(&id).await;
        assert_eq!(suite.alerts_of(&id).await, [cleared]);
        suite.pass(61);

        let alerts = suite.once(&id, true).await;
        assert_eq!((alerts[0].state(), span(&alerts[0]).0), (State::Cleared, last.plus(MINUTE)));
        assert_eq!((alerts.len(), span(&alerts[1])), (2, (next.plus(MINUTE), None)));
        assert_eq!(alerts[1].occurrences, 2);
    }

    async fn silence_that_lasts_is_raised_again_when_its_alert_is_deleted(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(silent(&id)).await;
        suite.measure(&id).await;
        suite.pass(61);
        let first = suite.once(&id, true).await.remove(0);

        let delete = DeleteAlertRequest { id: first.id.clone(), ..Default::default() };
        suite.alerts().delete_alert(delete).await.unwrap();
        suite.pass(61);

        let alerts = suite.once(&id, true).await;
        assert_ne!(alerts[0].id, first.id);
        assert_eq!((alerts.len(), span(&alerts[0])), (1, span(&first)));
    }

    async fn decommissioned_equipment_is_no_longer_looked_at(world: World) {
        let suite = Suite::start(world).await;
        let (id, other) = (suite.machine("pump").await, suite.machine("pump").await);
        for rule in [silent(&id), silent(&other), below(&other, 50.0, 0.0)] {
            suite.rule(rule).await;
        }
        suite.measure(&id).await;
        suite.pass(61);
        suite.once(&id, true).await;
        suite.measure(&other).await;
        suite.once(&other, true).await;

        for id in [&id, &other] {
            let delete = DeleteEquipmentRequest { id: id.clone(), ..Default::default() };
            suite.register().delete_equipment(delete).await.unwrap();
        }
        let ended = suite.once(&id, false).await;
        suite.once(&other, false).await;
        suite.pass(100);
        suite.looked().await;

        assert_eq!(suite.alerts_of(&id).await, ended);
        let of_other = suite.alerts_of(&other).await;
        assert!(of_other.iter().all(|alert| alert.state() == State::Cleared), "{of_other:?}");
        for alert in [&ended[0], &of_other[of_other.len() - 1]] {
            assert_eq!(alert.comment, "Cleared because the equipment was decommissioned.");
            assert_eq!(alert.cleared_by, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_replicas_raises_silence() {
    let suite = Suite::start(testkit::World::new(testkit::Engine::Postgres).await).await;
    let _other = suite.replica().await;
    let mut machines = Vec::new();
    for _ in 0..10 {
        let id = suite.machine("pump").await;
        suite.rule(Rule { open_task: true, ..silent(&id) }).await;
        suite.measure(&id).await;
        machines.push(id);
    }

    suite.pass(61);
    for id in &machines {
        suite.once(id, true).await;
    }
    suite.looked().await;

    for id in machines {
        let alerts = suite.alerts_of(&id).await;
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].occurrences, 1);
    }
}
