//! What stands beside the API.

use http::{Request, StatusCode};
use http_body_util::Full;
use kit::peer::{Peers, Place};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::health_reporter};
use tower::ServiceExt;

use crate::world::{World, all, impatient};

/// A place where a service reports `status`.
async fn place(status: ServingStatus) -> Place {
    let (reporter, health) = health_reporter();
    for service in ["auth", "equipment", "maintenance", "telemetry"] {
        reporter.set_service_status(format!("flightline.{service}.v1"), status).await;
    }
    let place = Place::default();
    place.fill(tonic::service::Routes::new(health).prepare());
    place
}

async fn ready(peers: Peers, shutdown: CancellationToken) -> (StatusCode, serde_json::Value) {
    let gateway = gateway::Gateway::new(proto::DESCRIPTORS, &peers, impatient(), shutdown).unwrap();
    let request = Request::get("/readyz").body(Full::<bytes::Bytes>::default()).unwrap();
    let response = gateway.oneshot(request).await.unwrap();
    let status = response.status();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn the_front_page_lists_the_addresses() {
    let world = World::public(|_| json!({}));

    let page = world.get("/").await;

    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("/api/tasks/{id}/claim"), "{}", page.text());
}

#[tokio::test]
async fn a_process_that_lives_is_healthy_whatever_its_neighbours_do() {
    let world = World::public(|_| tonic::Status::unavailable("away"));

    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(world.get("/healthz/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_is_ready_when_every_service_serves() {
    let peers = all(&place(ServingStatus::Serving).await);

    let (status, body) = ready(peers, CancellationToken::new()).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["ready"], true);
    assert_eq!(body["services"]["telemetry"], "SERVING");
}

#[tokio::test]
async fn it_is_not_ready_while_one_service_does_not_serve_and_says_which() {
    let mut peers = all(&place(ServingStatus::Serving).await);
    peers.maintenance = place(ServingStatus::NotServing).await.peer();
    peers.telemetry = Place::default().peer();

    let (status, body) = ready(peers, CancellationToken::new()).await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let services = json!({
        "auth": "SERVING", "equipment": "SERVING",
        "maintenance": "NOT_SERVING", "telemetry": "UNREACHABLE",
    });
    assert_eq!(body, json!({"ready": false, "services": services}));
}

#[tokio::test]
async fn it_is_not_ready_when_it_is_about_to_stop() {
    let shutdown = CancellationToken::new();
    shutdown.cancel();

    let (status, _) = ready(all(&place(ServingStatus::Serving).await), shutdown).await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
