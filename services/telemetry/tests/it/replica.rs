//! Two processes on one PostgreSQL behave as one. The embedded databases have one process.

use proto::telemetry::v1::{
    AcknowledgeAlertRequest, Alert, ClearAlertRequest, CreateReadingRequest, DeleteRuleRequest,
    Reading, Rule, UpdateRuleRequest, alert_service_client::AlertServiceClient,
    rule_service_client::RuleServiceClient, telemetry_service_client::TelemetryServiceClient,
};
use testkit::{Engine, Server, World};
use tonic::service::Routes;

use super::{Suite, below, temperature};

impl Suite {
    /// A second telemetry service on the same database.
    pub async fn replica(&self) -> Server {
        let mut routes = Routes::builder();
        let config = telemetry::Config::default();
        telemetry::start(&config, &self.world.db, &self.world.suite, &mut routes).await.unwrap();
        self.world.serve(routes.routes(), &self.world.places.telemetry).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_raise_one_alert_and_keep_who_saw_it() {
    let suite = Suite::start(World::new(Engine::Postgres).await).await;
    let other = suite.replica().await;
    for _ in 0..8 {
        move_an_alert_while_it_is_acknowledged(&suite, &other).await;
    }
}

async fn move_an_alert_while_it_is_acknowledged(suite: &Suite, other: &Server) {
    let id = suite.machine("pump").await;
    suite.rule(below(&id, 50.0, 0.0)).await;
    suite.send(temperature(&id, 1000, 40.0)).await.unwrap();
    let alert = alert_of(suite, &id).await;

    // Each earlier reading moves the alert, on either replica.
    let servers = [&suite.telemetry, other];
    let senders: Vec<_> = (0..60_i64)
        .map(|number| {
            let server = servers[usize::try_from(number % 2).unwrap()];
            let mut client = TelemetryServiceClient::new(server.by(&suite.admin));
            let reading = Some(temperature(&id, 999 - number, 40.0));
            let request = CreateReadingRequest { reading, ..Default::default() };
            tokio::spawn(async move { client.create_reading(request).await })
        })
        .collect();
    let request = AcknowledgeAlertRequest { id: alert.id.clone(), comment: "seen".into() };
    suite.alerts().acknowledge_alert(request).await.unwrap();
    for sender in senders {
        sender.await.unwrap().unwrap();
    }

    let moved = alert_of(suite, &id).await;
    assert_eq!((&moved.id, moved.comment.as_str()), (&alert.id, "seen"));
    assert_eq!(moved.acknowledged_by.as_deref(), Some(suite.admin.id.as_str()));
    assert_eq!(moved.raised_at.unwrap().seconds, 940);
}

/// The one alert of the equipment.
async fn alert_of(suite: &Suite, equipment_id: &str) -> Alert {
    let mut alerts = suite.all_alerts().await;
    alerts.retain(|alert| alert.equipment_id == equipment_id);
    assert_eq!(alerts.len(), 1);
    alerts.remove(0)
}

/// Sends a reading to a replica.
async fn send(suite: &Suite, server: &Server, reading: Reading) {
    let mut client = TelemetryServiceClient::new(server.by(&suite.admin));
    let request = CreateReadingRequest { reading: Some(reading), ..Default::default() };
    client.create_reading(request).await.unwrap();
}

async fn spans(suite: &Suite) -> Vec<(i64, bool)> {
    let alerts = suite.all_alerts().await;
    alerts.iter().map(|it| (it.raised_at.unwrap().seconds, it.cleared_at.is_none())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_does_the_next_reading_of_another_knows() {
    let suite = Suite::start(World::new(Engine::Postgres).await).await;
    let (here, there) = (suite.telemetry.clone(), suite.replica().await);
    let id = suite.machine("pump").await;
    let rule = suite.rule(Rule { open_task: false, ..below(&id, 50.0, 0.0) }).await;
    for at in [1, 2] {
        send(&suite, &here, temperature(&id, at, 60.0)).await;
        send(&suite, &there, temperature(&id, at + 10, 60.0)).await;
    }

    // Raised there, lasts here, cleared here.
    send(&suite, &there, temperature(&id, 20, 40.0)).await;
    send(&suite, &here, temperature(&id, 21, 40.0)).await;
    send(&suite, &here, temperature(&id, 22, 60.0)).await;
    assert_eq!(spans(&suite).await, [(20, false)]);

    // Late there, so that what is known here is not.
    send(&suite, &here, temperature(&id, 30, 60.0)).await;
    send(&suite, &there, temperature(&id, 25, 40.0)).await;
    send(&suite, &here, temperature(&id, 31, 40.0)).await;
    assert_eq!(spans(&suite).await, [(20, false), (25, false), (31, true)]);

    // Cleared by hand there.
    let alert = suite.all_alerts().await.remove(2);
    let clear = ClearAlertRequest { id: alert.id, ..Default::default() };
    AlertServiceClient::new(there.by(&suite.admin)).clear_alert(clear).await.unwrap();
    send(&suite, &here, temperature(&id, 32, 40.0)).await;
    assert_eq!(spans(&suite).await[2..], [(31, false), (32, true)]);

    // Changed and deleted there.
    let mut rules = RuleServiceClient::new(there.by(&suite.admin));
    let changed = Rule { threshold: Some(30.0), ..rule.clone() };
    let update = UpdateRuleRequest { rule: Some(changed), update_mask: None };
    rules.update_rule(update).await.unwrap();
    send(&suite, &here, temperature(&id, 40, 40.0)).await;
    send(&suite, &here, temperature(&id, 41, 20.0)).await;
    assert_eq!(spans(&suite).await[3..], [(32, false), (41, true)]);
    let delete = DeleteRuleRequest { id: rule.id, ..Default::default() };
    rules.delete_rule(delete).await.unwrap();
    send(&suite, &here, temperature(&id, 42, 60.0)).await;
    send(&suite, &here, temperature(&id, 43, 20.0)).await;
    assert_eq!(spans(&suite).await[3..], [(32, false), (41, false)]);
}
