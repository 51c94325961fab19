//! Equipment that becomes of another type, where rules look at a type.

use proto::{
    equipment::v1::{Equipment, UpdateEquipmentRequest},
    telemetry::v1::{Rule, alert::State},
};
use testkit::eventually;

use super::{MINUTE, Suite, at, below, by_type, silent, span, temperature};

impl Suite {
    async fn retype(&self, id: &str, kind: &str) {
        let equipment =
            Some(Equipment { id: id.into(), r#type: kind.into(), ..Default::default() });
        let update_mask = Some(prost_types::FieldMask { paths: vec!["type".into()] });
        let update = UpdateEquipmentRequest { equipment, update_mask };
        self.register().update_equipment(update).await.unwrap();
    }
}

testkit::both! {
    async fn silence_goes_on_where_its_rule_looks_again(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(by_type("pump", silent(""))).await;
        suite.measure(&id).await;
        suite.pass(61);
        let raised = suite.once(&id, true).await.remove(0);
        suite.retype(&id, "fan").await;
        suite.once(&id, false).await;

        suite.retype(&id, "pump").await;
        let again = suite.once(&id, true).await;

        assert_eq!((again.len(), &again[0].id, span(&again[0])), (1, &raised.id, span(&raised)));
        assert!(again[0].comment.contains("Open again"), "{:?}", again[0].comment);
        let next = suite.measure(&id).await;
        assert_eq!(span(&suite.once(&id, false).await[0]).1, Some(next));
    }

    async fn a_late_reading_moves_silence_that_was_left(world: World) {
        let suite = Suite::start(world).await;
        suite.rule(by_type("pump", silent(""))).await;
        // Whether it comes before its rule looks again or then: the timer and the reading decide alike.
        for is_early in [true, false] {
            let id = suite.machine("pump").await;
            let first = suite.measure(&id).await;
            suite.pass(61);
            let raised = suite.once(&id, true).await.remove(0);
            suite.retype(&id, "fan").await;
            suite.once(&id, false).await;
            suite.pass(61);
            let late = first.plus(MINUTE / 2);
            if is_early {
                suite.send(at(&id, late)).await.unwrap();
            }

            suite.retype(&id, "pump").await;
            if !is_early {
                suite.send(at(&id, late)).await.unwrap();
            }
            let again = suite.once(&id, true).await;

            assert_eq!((again.len(), &again[0].id), (1, &raised.id), "early: {is_early}");
            assert_eq!(span(&again[0]), (late.plus(MINUTE), None), "early: {is_early}");
        }
    }

    async fn what_never_sent_is_silent_since_it_has_its_type(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(by_type("pump", silent(""))).await;
        suite.pass(61);
        suite.once(&id, true).await;
        suite.retype(&id, "fan").await;
        let left = suite.once(&id, false).await;

        let since = suite.world.clock.now();
        suite.retype(&id, "pump").await;
        suite.pass(61);
        let alerts = suite.once(&id, true).await;
        let next = suite.measure(&id).await;
        let ended = suite.once(&id, false).await;

        assert_eq!((&alerts[0], span(&alerts[1])), (&left[0], (since.plus(MINUTE), None)));
        assert_eq!((&ended[0], span(&ended[1])), (&left[0], (since.plus(MINUTE), Some(next))));
    }

    async fn silence_of_another_type_ends_with_a_reading(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(by_type("pump", silent(""))).await;
        suite.measure(&id).await;
        suite.pass(61);
        suite.once(&id, true).await;
        suite.retype(&id, "fan").await;
        let left = suite.once(&id, false).await;
        let last = suite.measure(&id).await;

        suite.retype(&id, "pump").await;
        suite.pass(61);
        let alerts = suite.once(&id, true).await;

        assert_eq!((&alerts[0], span(&alerts[1])), (&left[0], (last.plus(MINUTE), None)));
    }

    async fn equipment_of_another_type_leaves_the_rules_of_its_type(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        for rule in [
            by_type("pump", below("", 50.0, 0.0)),
            by_type("fan", below("", 20.0, 0.0)),
            below(&id, 50.0, 0.0),
        ] {
            suite.rule(Rule { open_task: false, ..rule }).await;
        }
        suite.send(temperature(&id, 1, 30.0)).await.unwrap();

        suite.retype(&id, "fan").await;
        let alerts = eventually("an alert is cleared", async || {
            let alerts = suite.alerts_of(&id).await;
            alerts.iter().any(|alert| alert.cleared_at.is_some()).then_some(alerts)
        })
        .await;

        let comments: Vec<_> = alerts.iter().map(|alert| (alert.state(), alert.comment.as_str())).collect();
        let why = "Cleared because the equipment is of another type now.";
        assert_eq!(comments, [(State::Cleared, why), (State::Active, "")]);

        suite.send(temperature(&id, 2, 30.0)).await.unwrap();
        assert_eq!(suite.alerts_of(&id).await, alerts, "pumps are colder");
        suite.send(temperature(&id, 3, 10.0)).await.unwrap();
        assert_eq!(suite.alerts_of(&id).await.len(), 3, "fans are not");
    }
}
