//! What people do with alerts: raise, clear, change and delete them.

use std::time::Duration;

use kit::access::Role;
use prost_types::FieldMask;
use proto::telemetry::v1::{
    Alert, ClearAlertRequest, CreateAlertRequest, DeleteAlertRequest, GetAlertRequest,
    ListAlertsRequest, Rule, UpdateAlertRequest,
    alert::{Severity, State},
    alert_service_client::AlertServiceClient,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Suite, below, list, temperature};

impl Suite {
    async fn raise(&self, alert: Alert, request_id: &str) -> Result<Alert, Status> {
        let request = CreateAlertRequest { alert: Some(alert), request_id: request_id.into() };
        Ok(self.alerts().create_alert(request).await?.into_inner())
    }

    async fn clear(&self, id: &str, comment: &str) -> Alert {
        let request = ClearAlertRequest { id: id.into(), comment: comment.into() };
        self.alerts().clear_alert(request).await.unwrap().into_inner()
    }

    async fn update(&self, alert: Alert, paths: &[&str]) -> Result<Alert, Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request =
            UpdateAlertRequest { alert: Some(alert), update_mask: Some(FieldMask { paths }) };
        Ok(self.alerts().update_alert(request).await?.into_inner())
    }

    async fn delete_alert(&self, id: &str, etag: &str) -> Result<(), Status> {
        let request = DeleteAlertRequest { id: id.into(), etag: etag.into() };
        self.alerts().delete_alert(request).await.map(|_| ())
    }
}

fn by_hand(equipment_id: &str) -> Alert {
    Alert { equipment_id: equipment_id.into(), message: "Smoke.".into(), ..Default::default() }
}

fn spans(alerts: &[Alert]) -> Vec<(i64, State)> {
    alerts.iter().map(|alert| (alert.raised_at.unwrap().seconds, alert.state())).collect()
}

testkit::both! {
    async fn a_technician_raises_an_alert_by_hand_and_it_is_read_back_whole(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let ana = suite.world.user(Role::Technician);
        let sent = Alert {
            metric: "temperature".into(),
            severity: Severity::Critical.into(),
            value: Some(99.5),
            comment: "From the gate.".into(),
            raised_at: temperature("", 7, 0.0).recorded_at,
            ..by_hand(&id)
        };

        let request = CreateAlertRequest { alert: Some(sent.clone()), ..Default::default() };
        let mut client = AlertServiceClient::new(suite.telemetry.by(&ana));
        let created = client.create_alert(request).await.unwrap().into_inner();

        let expected = Alert {
            id: created.id.clone(),
            state: State::Active.into(),
            created_by: Some(ana.id),
            occurrences: 1,
            etag: created.etag.clone(),
            ..sent
        };
        assert_eq!(created, expected);
        let read = suite.alerts().get_alert(GetAlertRequest { id: created.id }).await.unwrap();
        assert_eq!(read.into_inner(), expected);
    }

    async fn an_alert_made_by_hand_warns_and_is_raised_now_by_default(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;

        let alert = suite.raise(by_hand(&id), "").await.unwrap();

        assert_eq!(alert.severity(), Severity::Warning);
        assert_eq!(alert.raised_at, Some(suite.world.clock.now().into()));
        assert_eq!((alert.value, alert.rule_id), (None, String::new()));
    }

    async fn a_bad_alert_is_refused_by_field(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let nobody = "018f0000-0000-7000-8000-000000000000";
        let ahead = suite.world.clock.now().plus(Duration::from_secs(601));
        for (bad, field) in [
            (Alert { message: " ".into(), ..by_hand(&id) }, "alert.message"),
            (Alert { value: Some(f64::NAN), ..by_hand(&id) }, "alert.value"),
            (by_hand("pump"), "alert.equipment_id"),
            (by_hand(nobody), "alert.equipment_id"),
            (Alert { raised_at: Some(ahead.into()), ..by_hand(&id) }, "alert.raised_at"),
        ] {
            let error = suite.raise(bad, "").await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
        assert!(suite.all_alerts().await.is_empty());
    }

    async fn a_repeated_request_raises_one_alert(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let first = suite.raise(by_hand(&id), "key").await.unwrap();
        assert_eq!(suite.raise(by_hand(&id), "key").await.unwrap(), first);
        assert_eq!(suite.all_alerts().await, [first]);
    }

    async fn what_is_cleared_by_hand_is_raised_again_by_the_next_reading_in_breach(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(Rule { open_task: false, ..below(&id, 50.0, 0.0) }).await;
        suite.send(temperature(&id, 10, 40.0)).await.unwrap();
        let alert = suite.all_alerts().await.remove(0);

        let cleared = suite.clear(&alert.id, "False alarm.").await;
        assert_eq!((cleared.state(), cleared.comment.as_str()), (State::Cleared, "False alarm."));
        assert_eq!(cleared.cleared_at, Some(suite.world.clock.now().into()));
        assert_eq!(cleared.cleared_by.as_ref(), Some(&suite.admin.id));
        assert_eq!(suite.clear(&alert.id, "Again.").await, cleared, "a second time changes nothing");

        // The same reading again is no news, and a late one moves what was cleared.
        suite.send(temperature(&id, 10, 40.0)).await.unwrap();
        suite.send(temperature(&id, 9, 40.0)).await.unwrap();
        assert_eq!(spans(&suite.all_alerts().await), [(9, State::Cleared)]);

        suite.send(temperature(&id, 11, 41.0)).await.unwrap();
        let alerts = suite.all_alerts().await;
        assert_eq!(spans(&alerts), [(9, State::Cleared), (11, State::Active)]);
        assert_eq!((alerts[0].occurrences, alerts[1].occurrences), (1, 2));
        assert_eq!(alerts[0].cleared_at, cleared.cleared_at);

        // Across a restart, too.
        suite.clear(&alerts[1].id, "").await;
        let suite = Suite::start(suite.world).await;
        suite.send(temperature(&id, 12, 42.0)).await.unwrap();
        let expected = [(9, State::Cleared), (11, State::Cleared), (12, State::Active)];
        assert_eq!(spans(&suite.all_alerts().await), expected);
    }

    async fn what_is_cleared_by_hand_and_over_stays_cleared(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let smoke = suite.raise(by_hand(&id), "").await.unwrap();
        suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 10, 40.0)).await.unwrap();
        let alert = suite.all_alerts().await.remove(0);

        suite.clear(&alert.id, "").await;
        suite.clear(&smoke.id, "").await;
        suite.send(temperature(&id, 11, 60.0)).await.unwrap();

        let alerts = suite.all_alerts().await;
        assert!(alerts.iter().all(|alert| alert.state() == State::Cleared));
        assert_eq!(alerts.len(), 2);
    }

    async fn occurrences_count_in_the_order_of_the_readings(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        let occurrences = |alerts: Vec<Alert>| -> Vec<(i64, i32)> {
            let pair = |alert: &Alert| (alert.raised_at.unwrap().seconds, alert.occurrences);
            alerts.iter().map(pair).collect()
        };
        for (at, value) in [(10, 40.0), (11, 60.0), (30, 40.0), (31, 60.0)] {
            suite.send(temperature(&id, at, value)).await.unwrap();
        }
        assert_eq!(occurrences(suite.all_alerts().await), [(10, 1), (30, 2)]);

        suite.send_all(vec![temperature(&id, 20, 40.0), temperature(&id, 21, 60.0)]).await;
        assert_eq!(occurrences(suite.all_alerts().await), [(10, 1), (20, 2), (30, 3)]);

        suite.send(temperature(&id, 10, 60.0)).await.unwrap();
        assert_eq!(occurrences(suite.all_alerts().await), [(20, 1), (30, 2)]);
    }

    async fn an_admin_changes_what_an_alert_weighs_and_says(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let old = suite.raise(by_hand(&id), "").await.unwrap();

        let sent = Alert {
            severity: Severity::Info.into(),
            message: "Steam.".into(),
            comment: "Only steam.".into(),
            ..old.clone()
        };
        let nobody = "018f0000-0000-7000-8000-000000000001".to_owned();
        let moved = Alert { equipment_id: nobody, ..sent.clone() };
        for mask in [&["severity", "equipment_id"][..], &["severity"], &[]] {
            let refused = suite.update(moved.clone(), mask).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{mask:?}");
        }
        let one = suite.update(sent.clone(), &["severity", "equipment_id"]).await.unwrap();
        let expected = Alert {
            severity: Severity::Info.into(),
            etag: one.etag.clone(),
            ..old.clone()
        };
        assert_eq!(one, expected);
        assert_ne!(one.etag, old.etag);

        let stale = suite.update(sent.clone(), &["message"]).await.unwrap_err();
        assert_eq!(stale.code(), Code::Aborted);
        let all = suite.update(Alert { etag: String::new(), ..sent.clone() }, &[]).await.unwrap();
        let expected = Alert { etag: all.etag.clone(), equipment_id: id, ..sent };
        assert_eq!(all, expected);
        assert_eq!(suite.update(all.clone(), &[]).await.unwrap(), all, "nothing changes");
        assert_eq!(suite.all_alerts().await, [all]);
    }

    async fn what_an_admin_wrote_stays_when_readings_move_the_alert(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(Rule { open_task: false, ..below(&id, 50.0, 0.0) }).await;
        suite.send(temperature(&id, 10, 40.0)).await.unwrap();
        let alert = suite.all_alerts().await.remove(0);
        let sent = Alert { message: "Known.".into(), severity: Severity::Info.into(), ..alert };
        suite.update(sent, &["message", "severity"]).await.unwrap();

        suite.send(temperature(&id, 9, 30.0)).await.unwrap();

        let alert = suite.all_alerts().await.remove(0);
        assert_eq!((alert.message.as_str(), alert.severity()), ("Known.", Severity::Info));
        assert_eq!((alert.raised_at.unwrap().seconds, alert.value), (9, Some(30.0)));
    }

    async fn a_deleted_alert_is_gone_and_raised_again_while_the_condition_lasts(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send_all(vec![
            temperature(&id, 1, 40.0),
            temperature(&id, 2, 60.0),
            temperature(&id, 3, 40.0),
        ]).await;
        let alerts = suite.all_alerts().await;

        assert_eq!(suite.delete_alert(&alerts[0].id, "0").await.unwrap_err().code(), Code::Aborted);
        suite.delete_alert(&alerts[0].id, &alerts[0].etag).await.unwrap();
        suite.delete_alert(&alerts[1].id, "").await.unwrap();

        let again = suite.delete_alert(&alerts[0].id, "").await.unwrap_err();
        assert_eq!(again.code(), Code::NotFound);
        assert!(suite.all_alerts().await.is_empty());
        suite.send(temperature(&id, 4, 40.0)).await.unwrap();
        let alerts = suite.all_alerts().await;
        assert_eq!(spans(&alerts), [(4, State::Active)]);
        assert_eq!(alerts[0].occurrences, 1);
    }

    async fn alerts_are_listed_newest_first_when_asked(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        for seconds in [20, 10, 30] {
            let raised_at = temperature("", seconds, 0.0).recorded_at;
            suite.raise(Alert { raised_at, ..by_hand(&id) }, "").await.unwrap();
        }
        let newest = ListAlertsRequest {
            equipment_id: Some(id),
            order_by: "raised_at desc".into(),
            page_size: 2,
            ..Default::default()
        };
        let page = suite.alerts().list_alerts(newest.clone()).await.unwrap().into_inner();
        let rest = ListAlertsRequest { page_token: page.next_page_token, ..newest.clone() };
        let rest = list(&suite, rest).await;
        let seconds = |alerts: &[Alert]| -> Vec<i64> {
            spans(alerts).into_iter().map(|(at, _)| at).collect()
        };
        assert_eq!((seconds(&page.alerts), seconds(&rest)), (vec![30, 20], vec![10]));

        let bad = ListAlertsRequest { order_by: "value".into(), ..newest };
        let error = suite.alerts().list_alerts(bad).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}
