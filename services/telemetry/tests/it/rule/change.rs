//! A rule that is changed, switched off or deleted begins anew or ends, and so do its open alerts.

use prost_types::FieldMask;
use proto::telemetry::v1::{
    Alert, CreateReadingRequest, DeleteRuleRequest, GetRuleRequest, ListAlertsRequest, Rule,
    UpdateRuleRequest, alert::State,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Suite, below, temperature};

impl Suite {
    /// Changes the fields in `paths`, or all; a moment passes before the next reading.
    async fn change(&self, rule: Rule, paths: &[&str]) -> Result<Rule, Status> {
        self.world.clock.advance(std::time::Duration::from_millis(1));
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(FieldMask { paths }).filter(|mask| !mask.paths.is_empty());
        let request = UpdateRuleRequest { rule: Some(rule), update_mask };
        let rule = self.rules().update_rule(request).await?.into_inner();
        self.world.clock.advance(std::time::Duration::from_millis(1));
        Ok(rule)
    }

    async fn delete(&self, rule: &Rule, etag: &str) -> Result<(), Status> {
        let request = DeleteRuleRequest { id: rule.id.clone(), etag: etag.into() };
        self.rules().delete_rule(request).await.map(|_| ())
    }
}

fn assert_ended(alert: &Alert, why: &str) {
    assert_eq!((alert.state(), alert.comment.as_str()), (State::Cleared, why));
    assert!(alert.raised_at.unwrap().seconds <= alert.cleared_at.unwrap().seconds);
}

testkit::both! {
    async fn a_changed_rule_clears_its_open_alerts_and_looks_anew(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(Rule { open_task: false, ..below(&id, 50.0, 0.0) }).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        let changed = Rule { threshold: Some(30.0), ..rule.clone() };
        let changed = suite.change(changed, &["threshold"]).await.unwrap();

        assert_eq!((changed.threshold, changed.name), (Some(30.0), rule.name));
        assert_ne!(changed.etag, rule.etag);
        assert_ended(&suite.all_alerts().await[0], "Cleared because its rule was changed.");

        // In breach of the old threshold, and before and after what was seen by it.
        suite.send_all(vec![temperature(&id, 0, 35.0), temperature(&id, 2, 35.0)]).await;
        let before = suite.all_alerts().await;
        assert_eq!((before.len(), before[0].raised_at.unwrap().seconds), (1, 1));

        suite.send(temperature(&id, 3, 20.0)).await.unwrap();
        let alerts = suite.all_alerts().await;
        assert_eq!((&alerts[0], alerts.len()), (&before[0], 2));
        assert_eq!((alerts[1].state(), alerts[1].threshold), (State::Active, Some(30.0)));
    }

    async fn a_changed_rule_does_not_see_what_arrived_before(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 30.0, 0.0)).await;
        suite.send_all(vec![temperature(&id, 1, 40.0), temperature(&id, 3, 60.0)]).await;
        suite.change(Rule { threshold: Some(50.0), ..rule }, &["threshold"]).await.unwrap();
        assert!(suite.all_alerts().await.is_empty(), "nothing old is evaluated again");

        suite.send(temperature(&id, 2, 40.0)).await.unwrap();

        let alerts = suite.all_alerts().await;
        assert_eq!((alerts.len(), alerts[0].raised_at.unwrap().seconds), (1, 2));
        assert_eq!(alerts[0].state(), State::Active, "the 60 was there before the change");
    }

    async fn a_rule_that_is_switched_off_clears_its_alerts_and_raises_no_more(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        suite.change(Rule { enabled: Some(false), ..rule }, &["enabled"]).await.unwrap();
        suite.send(temperature(&id, 2, 40.0)).await.unwrap();

        let alerts = suite.all_alerts().await;
        assert_ended(&alerts[0], "Cleared because its rule was disabled.");
        assert_eq!(alerts.len(), 1);
    }

    async fn a_deleted_rule_is_gone_and_its_alerts_stay(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        suite.delete(&rule, "").await.unwrap();
        suite.send(temperature(&id, 2, 40.0)).await.unwrap();

        let get = GetRuleRequest { id: rule.id.clone() };
        assert_eq!(suite.rules().get_rule(get).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(suite.delete(&rule, "").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(suite.change(rule.clone(), &[]).await.unwrap_err().code(), Code::NotFound);
        let request = ListAlertsRequest { rule_id: Some(rule.id), ..Default::default() };
        let alerts = suite.alerts().list_alerts(request).await.unwrap().into_inner().alerts;
        assert_ended(&alerts[0], "Cleared because its rule was deleted.");
        assert_eq!(alerts.len(), 1);
    }

    async fn a_rule_is_replaced_whole_without_a_mask(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(Rule { guidance: "Look.".into(), ..below(&id, 50.0, 5.0) }).await;

        let sent = Rule {
            id: rule.id.clone(),
            equipment_id: None,
            equipment_type: Some("fan".into()),
            ..below("", 7.0, 0.0)
        };
        let replaced = suite.change(sent, &[]).await.unwrap();

        let expected = Rule {
            equipment_id: None,
            equipment_type: Some("fan".into()),
            threshold: Some(7.0),
            deadband: 0.0,
            guidance: String::new(),
            updated_at: replaced.updated_at,
            etag: replaced.etag.clone(),
            ..rule
        };
        assert_eq!(replaced, expected);
        let read = suite.rules().get_rule(GetRuleRequest { id: expected.id.clone() }).await;
        assert_eq!(read.unwrap().into_inner(), expected);
    }

    async fn an_update_that_changes_nothing_clears_nothing(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 50.0, 5.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();

        assert_eq!(suite.change(rule.clone(), &[]).await.unwrap(), rule);
        assert_eq!(suite.change(rule.clone(), &["etag"]).await.unwrap(), rule);

        assert_eq!(suite.all_alerts().await[0].state(), State::Active);
    }

    async fn a_stale_etag_changes_and_deletes_nothing(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let old = suite.rule(below(&id, 50.0, 5.0)).await;
        let new = suite.change(Rule { deadband: 1.0, ..old.clone() }, &["deadband"]).await.unwrap();

        let stale = suite.change(Rule { deadband: 2.0, ..old.clone() }, &["deadband"]).await;
        assert_eq!(stale.unwrap_err().code(), Code::Aborted);
        assert_eq!(suite.delete(&old, &old.etag).await.unwrap_err().code(), Code::Aborted);

        suite.delete(&old, &new.etag).await.unwrap();
    }

    async fn a_bad_change_is_refused_by_field(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 50.0, 5.0)).await;
        let nobody = "018f0000-0000-7000-8000-000000000000";
        let without_mask = Rule { id: rule.id.clone(), ..Default::default() };
        for (bad, mask, field) in [
            (Rule { name: " ".into(), ..rule.clone() }, "name", "rule.name"),
            (Rule { threshold: None, ..rule.clone() }, "threshold", "rule.threshold"),
            (Rule { deadband: -1.0, ..rule.clone() }, "deadband", "rule.deadband"),
            (
                Rule { equipment_type: Some("fan".into()), ..rule.clone() },
                "equipment_type",
                "rule.equipment_id",
            ),
            (
                Rule { equipment_id: Some(nobody.into()), ..rule.clone() },
                "equipment_id",
                "rule.equipment_id",
            ),
            (rule.clone(), "colour", "update_mask"),
            (without_mask, "", "rule.name"),
        ] {
            let paths = if mask.is_empty() { vec![] } else { vec![mask] };
            let error = suite.change(bad, &paths).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
    }

    async fn a_rule_deleted_while_readings_come_leaves_no_open_alert(world: World) {
        let suite = Suite::start(world).await;
        let mut senders = Vec::new();
        for round in 0..10 {
            let id = suite.machine("pump").await;
            let rule = suite.rule(below(&id, 50.0, 0.0)).await;
            for at in 0..8 {
                let (mut client, reading) = (suite.readings(), temperature(&id, at, 40.0));
                let request =
                    CreateReadingRequest { reading: Some(reading), ..Default::default() };
                senders.push(tokio::spawn(async move { client.create_reading(request).await }));
                if at == round % 8 {
                    suite.delete(&rule, "").await.unwrap();
                }
            }
        }
        for sender in senders {
            sender.await.unwrap().unwrap();
        }
        for alert in suite.all_alerts().await {
            assert_ended(&alert, "Cleared because its rule was deleted.");
        }
    }
}
