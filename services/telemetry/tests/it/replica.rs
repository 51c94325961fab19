//! Two processes on one PostgreSQL behave as one. The embedded databases have one process.

use proto::telemetry::v1::{
    AcknowledgeAlertRequest, CreateReadingRequest, ListReadingsRequest,
    telemetry_service_client::TelemetryServiceClient,
};
use testkit::{Engine, World};
use tonic::service::Routes;

use super::{Suite, below, temperature};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_raise_one_alert_and_keep_who_saw_it() {
    let suite = Suite::start(World::new(Engine::Postgres).await).await;
    let mut routes = Routes::builder();
    telemetry::start(&suite.world.db, &suite.world.suite, &mut routes).await.unwrap();
    let other = suite.world.serve(routes.routes(), &suite.world.places.telemetry).await;
    let id = suite.machine("pump").await;
    suite.rule(below(&id, 50.0, 0.0)).await;
    suite.send(temperature(&id, 1000, 40.0)).await.unwrap();
    let alert = suite.all_alerts().await.remove(0);

    // Each earlier reading moves the alert, on either replica, while somebody acknowledges it.
    let servers = [&suite.telemetry, &other];
    let senders: Vec<_> = (0..200_i64)
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

    let alerts = suite.all_alerts().await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((&alerts[0].id, alerts[0].comment.as_str()), (&alert.id, "seen"));
    assert_eq!(alerts[0].acknowledged_by.as_deref(), Some(suite.admin.id.as_str()));
    assert_eq!(alerts[0].raised_at.unwrap().seconds, 800);
    let all = ListReadingsRequest { page_size: 1000, ..Default::default() };
    let readings = suite.readings().list_readings(all).await.unwrap().into_inner().readings;
    assert_eq!(readings.len(), 201);
}
