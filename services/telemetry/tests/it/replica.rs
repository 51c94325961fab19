//! Two processes on one PostgreSQL behave as one. The embedded databases have one process.

use proto::telemetry::v1::{
    AcknowledgeAlertRequest, Alert, CreateReadingRequest,
    telemetry_service_client::TelemetryServiceClient,
};
use testkit::{Engine, Server, World};
use tonic::service::Routes;

use super::{Suite, below, temperature};

impl Suite {
    /// A second telemetry service on the same database.
    pub async fn replica(&self) -> Server {
        let mut routes = Routes::builder();
        telemetry::start(&self.world.db, &self.world.suite, &mut routes).await.unwrap();
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
