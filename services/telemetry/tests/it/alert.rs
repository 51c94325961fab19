mod hand;
mod watch;

use kit::access::Role;
use proto::telemetry::v1::{
    AcknowledgeAlertRequest, Alert, GetAlertRequest, ListAlertsRequest,
    alert::{Severity, State},
    alert_service_client::AlertServiceClient,
};
use tonic::Code;

use super::{Suite, below, temperature};

async fn list(suite: &Suite, request: ListAlertsRequest) -> Vec<Alert> {
    suite.alerts().list_alerts(request).await.unwrap().into_inner().alerts
}

testkit::both! {
    async fn an_alert_says_what_raised_it(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        let rule = suite.rule(below(&id, 50.0, 5.0)).await;

        suite.send(temperature(&id, 7, 42.5)).await.unwrap();

        let alerts = suite.all_alerts().await;
        let request = GetAlertRequest { id: alerts[0].id.clone() };
        let alert = suite.alerts().get_alert(request).await.unwrap().into_inner();
        assert_eq!((alert.rule_id.as_str(), alert.equipment_id.as_str()), (rule.id.as_str(), id.as_str()));
        assert_eq!((alert.state(), alert.severity()), (State::Active, Severity::Warning));
        assert_eq!(alert.message, "Too cold: temperature 42.5 is below 50");
        assert_eq!(alert.raised_at.unwrap().seconds, 7);
        assert_eq!(alert.cleared_at, None);
    }

    async fn an_acknowledgement_is_kept_after_the_alert_clears(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 5.0)).await;
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();
        let alert_id = suite.all_alerts().await[0].id.clone();
        let (ana, ben) = (suite.world.user(Role::Technician), suite.world.user(Role::Technician));
        let request = AcknowledgeAlertRequest { id: alert_id.clone(), comment: "seen".into() };

        let by = |user| AlertServiceClient::new(suite.telemetry.by(user));
        let seen = by(&ana).acknowledge_alert(request).await.unwrap().into_inner();
        let again = AcknowledgeAlertRequest { id: alert_id, ..Default::default() };
        by(&ben).acknowledge_alert(again).await.unwrap();
        suite.send(temperature(&id, 2, 60.0)).await.unwrap();

        assert_eq!(seen.state(), State::Acknowledged);
        let alert = &suite.all_alerts().await[0];
        assert_eq!(alert.state(), State::Cleared);
        assert_eq!(alert.acknowledged_by.as_deref(), Some(ana.id.as_str()));
        assert_eq!(alert.comment, "seen");
    }

    async fn alerts_are_filtered_and_listed_by_the_time_they_were_raised(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.machine("pump").await, suite.machine("pump").await);
        let rule = suite.rule(below(&one, 50.0, 0.0)).await;
        suite.rule(below(&two, 50.0, 0.0)).await;
        suite.send_all(vec![
            temperature(&one, 30, 40.0),
            temperature(&one, 10, 40.0),
            temperature(&one, 20, 60.0),
            temperature(&two, 15, 40.0),
        ]).await;

        let times = |alerts: Vec<Alert>| -> Vec<i64> {
            alerts.iter().map(|alert| alert.raised_at.unwrap().seconds).collect()
        };
        let all = ListAlertsRequest::default();
        assert_eq!(times(list(&suite, all.clone()).await), [10, 15, 30]);
        for (request, expected) in [
            (ListAlertsRequest { state: State::Active.into(), ..all.clone() }, vec![15, 30]),
            (ListAlertsRequest { state: State::Acknowledged.into(), ..all.clone() }, vec![]),
            (ListAlertsRequest { state: State::Cleared.into(), ..all.clone() }, vec![10]),
            (ListAlertsRequest { severity: Severity::Critical.into(), ..all.clone() }, vec![]),
            (ListAlertsRequest { equipment_id: Some(two), ..all.clone() }, vec![15]),
            (ListAlertsRequest { rule_id: Some(rule.id), ..all.clone() }, vec![10, 30]),
            (ListAlertsRequest {
                from: temperature("", 15, 0.0).recorded_at,
                to: temperature("", 30, 0.0).recorded_at,
                ..all.clone()
            }, vec![15]),
        ] {
            assert_eq!(times(list(&suite, request.clone()).await), expected, "{request:?}");
        }
        let first = ListAlertsRequest { page_size: 2, ..all };
        let page = suite.alerts().list_alerts(first.clone()).await.unwrap().into_inner();
        let rest = ListAlertsRequest { page_token: page.next_page_token, ..first };
        assert_eq!(times(list(&suite, rest).await), [30]);
    }

    async fn late_readings_move_the_alert_and_keep_who_saw_it(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        suite.send(temperature(&id, 10, 40.0)).await.unwrap();
        let before = suite.all_alerts().await.remove(0);
        let request = AcknowledgeAlertRequest { id: before.id.clone(), ..Default::default() };
        suite.alerts().acknowledge_alert(request).await.unwrap();

        suite.send(temperature(&id, 5, 30.0)).await.unwrap();

        let after = suite.all_alerts().await;
        assert_eq!(after.len(), 1);
        assert_eq!((&after[0].id, after[0].state()), (&before.id, State::Acknowledged));
        assert_eq!(after[0].raised_at.unwrap().seconds, 5);
        assert_ne!(after[0].etag, before.etag);
    }

    async fn parallel_readings_raise_one_open_alert(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.machine("pump").await;
        suite.rule(below(&id, 50.0, 0.0)).await;
        let senders = (0..64).map(|at| {
            let (mut client, reading) = (suite.readings(), temperature(&id, at, 40.0));
            let request = proto::telemetry::v1::CreateReadingRequest {
                reading: Some(reading),
                ..Default::default()
            };
            tokio::spawn(async move { client.create_reading(request).await })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.unwrap().unwrap();
        }
        let alerts = suite.all_alerts().await;
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].raised_at.unwrap().seconds, 0);
    }

    async fn an_alert_that_is_not_there_is_not_found(world: World) {
        let suite = Suite::start(world).await;
        let id = "018f0000-0000-7000-8000-000000000000".to_owned();
        let error = suite.alerts().get_alert(GetAlertRequest { id: id.clone() }).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        let request = AcknowledgeAlertRequest { id, ..Default::default() };
        let error = suite.alerts().acknowledge_alert(request).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }
}
