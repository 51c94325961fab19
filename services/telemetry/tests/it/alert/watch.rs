//! Whoever watches alerts is told what becomes of them.

use prost_types::FieldMask;
use proto::telemetry::v1::{
    AcknowledgeAlertRequest, Alert, DeleteAlertRequest, UpdateAlertRequest, WatchAlertsRequest,
    WatchAlertsResponse,
    alert::{Severity, State},
    alert_service_client::AlertServiceClient,
};
use testkit::Server;
use tonic::{Code, Streaming};

use super::super::{Suite, below, field, temperature};

type Watch = Streaming<WatchAlertsResponse>;

async fn watch(suite: &Suite, server: &Server, request: WatchAlertsRequest) -> Watch {
    let mut client = AlertServiceClient::new(server.by(&suite.admin));
    client.watch_alerts(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Watch) -> WatchAlertsResponse {
    watch.message().await.unwrap().unwrap()
}

/// What the next message says, of an alert that was raised at these seconds.
async fn told(watch: &mut Watch) -> (i64, State, bool) {
    let message = next(watch).await;
    let alert = message.alert.unwrap();
    (alert.raised_at.unwrap().seconds, alert.state(), message.removed)
}

/// When the alerts of the next messages were raised, and how often that was; `known` is then as they say.
async fn counts(watch: &mut Watch, known: &mut Vec<Alert>, messages: usize) -> Vec<(i64, i32)> {
    let mut counts = Vec::new();
    for _ in 0..messages {
        let WatchAlertsResponse { alert, removed, .. } = next(watch).await;
        let alert = alert.unwrap();
        counts.push((alert.raised_at.unwrap().seconds, alert.occurrences));
        let is_told_anew = |old: &Alert| old.id == alert.id && old.etag == alert.etag;
        assert!(removed || !known.iter().any(is_told_anew), "{alert:?} is no change");
        known.retain(|known| known.id != alert.id);
        known.extend((!removed).then_some(alert));
    }
    known.sort_by_key(|alert| alert.raised_at.unwrap().seconds);
    counts
}

/// The snapshot: the alerts by when they were raised, and the token.
async fn snapshot(watch: &mut Watch) -> (Vec<i64>, String) {
    let mut raised = Vec::new();
    loop {
        let message = next(watch).await;
        assert!(message.snapshot && !message.removed);
        let Some(alert) = message.alert else { return (raised, message.resume_token) };
        assert_eq!(message.resume_token, "");
        raised.push(alert.raised_at.unwrap().seconds);
    }
}

impl Suite {
    /// A machine whose alerts open no task.
    async fn quiet(&self) -> String {
        let id = self.machine("pump").await;
        let rule = proto::telemetry::v1::Rule { open_task: false, ..below(&id, 50.0, 0.0) };
        self.rule(rule).await;
        id
    }

    async fn acknowledge(&self, alert: &Alert) {
        let request = AcknowledgeAlertRequest { id: alert.id.clone(), ..Default::default() };
        self.alerts().acknowledge_alert(request).await.unwrap();
    }
}

testkit::both! {
    async fn a_watch_begins_with_what_is_open_and_tells_of_every_change(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.quiet().await;
        for (at, value) in [(1, 40.0), (2, 60.0), (3, 40.0)] {
            suite.send(temperature(&id, at, value)).await.unwrap();
        }
        let mut all = watch(&suite, &suite.telemetry, WatchAlertsRequest::default()).await;
        assert_eq!(snapshot(&mut all).await.0, [3]);

        let open = suite.all_alerts().await.remove(1);
        suite.acknowledge(&open).await;
        assert_eq!(told(&mut all).await, (3, State::Acknowledged, false));
        suite.send(temperature(&id, 4, 60.0)).await.unwrap();
        assert_eq!(told(&mut all).await, (3, State::Cleared, false));
        suite.send(temperature(&id, 5, 40.0)).await.unwrap();
        assert_eq!(told(&mut all).await, (5, State::Active, false));
        suite.send(temperature(&id, 5, 60.0)).await.unwrap();
        assert_eq!(told(&mut all).await, (5, State::Active, true), "it never was");
        let delete = DeleteAlertRequest { id: open.id, ..Default::default() };
        suite.alerts().delete_alert(delete).await.unwrap();
        assert_eq!(told(&mut all).await, (3, State::Cleared, true));
    }

    async fn a_watch_tells_of_alerts_before_which_another_came_or_went(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.quiet().await;
        for (at, value) in [(11, 40.0), (12, 60.0), (21, 40.0)] {
            suite.send(temperature(&id, at, value)).await.unwrap();
        }
        let mut all = watch(&suite, &suite.telemetry, WatchAlertsRequest::default()).await;
        assert_eq!(snapshot(&mut all).await.0, [21]);
        let mut known = suite.all_alerts().await;

        // Late readings raise one before them all.
        suite.send_all(vec![temperature(&id, 1, 40.0), temperature(&id, 2, 60.0)]).await;
        assert_eq!(counts(&mut all, &mut known, 3).await, [(1, 1), (11, 2), (21, 3)]);
        assert_eq!(known, suite.all_alerts().await);

        // It never was, and the last one is over.
        suite.send_all(vec![temperature(&id, 1, 60.0), temperature(&id, 22, 60.0)]).await;
        assert_eq!(counts(&mut all, &mut known, 3).await, [(1, 1), (21, 2), (11, 1)]);
        assert_eq!(known, suite.all_alerts().await);

        let delete = DeleteAlertRequest { id: known[0].id.clone(), ..Default::default() };
        suite.alerts().delete_alert(delete).await.unwrap();
        assert_eq!(counts(&mut all, &mut known, 2).await, [(11, 1), (21, 1)]);
        assert_eq!(known, suite.all_alerts().await);
    }

    async fn a_watch_tells_of_what_it_was_asked_for_and_of_what_leaves_that(world: World) {
        let suite = Suite::start(world).await;
        let (one, two) = (suite.quiet().await, suite.quiet().await);
        suite.send(temperature(&one, 1, 40.0)).await.unwrap();
        suite.send(temperature(&two, 2, 40.0)).await.unwrap();
        let alert = suite.all_alerts().await.remove(1);
        let all = WatchAlertsRequest::default();
        let mut watches = Vec::new();
        for (request, open) in [
            (WatchAlertsRequest { equipment_id: Some(two.clone()), ..all.clone() }, vec![2]),
            (WatchAlertsRequest { rule_id: Some(alert.rule_id.clone()), ..all.clone() }, vec![2]),
            (WatchAlertsRequest { state: State::Acknowledged.into(), ..all.clone() }, vec![]),
            (WatchAlertsRequest { severity: Severity::Critical.into(), ..all.clone() }, vec![]),
            (WatchAlertsRequest { state: State::Active.into(), ..all.clone() }, vec![1, 2]),
        ] {
            let mut watch = watch(&suite, &suite.telemetry, request).await;
            assert_eq!(snapshot(&mut watch).await.0, open);
            watches.push(watch);
        }

        suite.acknowledge(&alert).await;
        let critical = Alert { severity: Severity::Critical.into(), etag: String::new(), ..alert };
        let update_mask = Some(FieldMask { paths: vec!["severity".into()] });
        let update = UpdateAlertRequest { alert: Some(critical), update_mask };
        suite.alerts().update_alert(update).await.unwrap();
        suite.send(temperature(&one, 3, 60.0)).await.unwrap();
        suite.send(temperature(&two, 4, 60.0)).await.unwrap();

        let (acknowledged, cleared) = (State::Acknowledged, State::Cleared);
        let of_two = vec![(2, acknowledged, false), (2, acknowledged, false), (2, cleared, false)];
        let removed = |what: [bool; 4]| -> Vec<_> {
            let changes = [(2, acknowledged), (2, acknowledged), (1, cleared), (2, cleared)];
            changes.into_iter().zip(what).map(|((at, state), removed)| (at, state, removed)).collect()
        };
        let expected = [
            of_two.clone(),
            of_two,
            removed([false, false, true, true]),
            removed([true, false, true, false]),
            removed([true; 4]),
        ];
        for (watch, expected) in watches.iter_mut().zip(expected) {
            for expected in expected {
                assert_eq!(told(watch).await, expected);
            }
        }
    }

    async fn who_was_away_is_told_what_they_missed(world: World) {
        let suite = Suite::start(world).await;
        let id = suite.quiet().await;
        let mut first = watch(&suite, &suite.telemetry, WatchAlertsRequest::default()).await;
        let (_, resume_token) = snapshot(&mut first).await;
        drop(first);
        suite.send(temperature(&id, 1, 40.0)).await.unwrap();
        suite.send(temperature(&id, 2, 60.0)).await.unwrap();

        let request = WatchAlertsRequest { resume_token, ..Default::default() };
        let mut second = watch(&suite, &suite.telemetry, request).await;
        assert_eq!(told(&mut second).await, (1, State::Active, false));
        let message = next(&mut second).await;
        assert_eq!(message.alert.unwrap().state(), State::Cleared);

        suite.send(temperature(&id, 3, 40.0)).await.unwrap();
        // The embedded engine knows at once that nothing can come before it; the server may tell the last again.
        let request = WatchAlertsRequest { resume_token: message.resume_token, ..Default::default() };
        let mut third = watch(&suite, &suite.telemetry, request).await;
        while told(&mut third).await != (3, State::Active, false) {}
    }

    async fn a_token_that_is_none_is_refused(world: World) {
        let suite = Suite::start(world).await;
        let request = WatchAlertsRequest { resume_token: "x".into(), ..Default::default() };
        let error = suite.alerts().watch_alerts(request).await.unwrap_err();
        assert_eq!((error.code(), field(&error).as_str()), (Code::InvalidArgument, "resume_token"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_of_another_replica_are_told_too() {
    let suite = Suite::start(testkit::World::new(testkit::Engine::Postgres).await).await;
    let other = suite.replica().await;
    let id = suite.quiet().await;
    let mut there = watch(&suite, &other, WatchAlertsRequest::default()).await;
    snapshot(&mut there).await;

    for at in 0..10 {
        suite.send(temperature(&id, 2 * at, 40.0)).await.unwrap();
        suite.send(temperature(&id, 2 * at + 1, 60.0)).await.unwrap();
    }

    for at in 0..10 {
        assert_eq!(told(&mut there).await, (2 * at, State::Active, false));
        assert_eq!(told(&mut there).await, (2 * at, State::Cleared, false));
    }
}
