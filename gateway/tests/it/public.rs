//! The public surface, by its own descriptors and the generated code of its services.

use std::convert::Infallible;

use bytes::Bytes;
use equipment::{
    CreateEquipmentRequest, DeleteEquipmentRequest, Equipment, GetEquipmentRequest,
    ListEquipmentRequest, ListEquipmentResponse, ListStatusIntervalsRequest,
    ListStatusIntervalsResponse, UpdateEquipmentRequest, WatchEquipmentRequest,
    WatchEquipmentResponse,
    equipment_service_server::{EquipmentService, EquipmentServiceServer},
};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kit::peer::Place;
use proto::equipment::v1 as equipment;
use serde_json::{Value, json};
use tonic::{Response, Status};
use tower::ServiceExt;

use crate::world::{World, all, json as with_json};

/// Answers what it is given.
struct Echo;

#[tonic::async_trait]
impl EquipmentService for Echo {
    async fn create_equipment(
        &self,
        request: tonic::Request<CreateEquipmentRequest>,
    ) -> Result<Response<Equipment>, Status> {
        Ok(Response::new(request.into_inner().equipment.unwrap_or_default()))
    }

    async fn get_equipment(
        &self,
        request: tonic::Request<GetEquipmentRequest>,
    ) -> Result<Response<Equipment>, Status> {
        Ok(Response::new(Equipment { id: request.into_inner().id, ..Equipment::default() }))
    }

    async fn list_equipment(
        &self,
        _: tonic::Request<ListEquipmentRequest>,
    ) -> Result<Response<ListEquipmentResponse>, Status> {
        Ok(Response::new(ListEquipmentResponse::default()))
    }

    async fn update_equipment(
        &self,
        request: tonic::Request<UpdateEquipmentRequest>,
    ) -> Result<Response<Equipment>, Status> {
        Ok(Response::new(request.into_inner().equipment.unwrap_or_default()))
    }

    async fn delete_equipment(
        &self,
        _: tonic::Request<DeleteEquipmentRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn list_status_intervals(
        &self,
        _: tonic::Request<ListStatusIntervalsRequest>,
    ) -> Result<Response<ListStatusIntervalsResponse>, Status> {
        Ok(Response::new(ListStatusIntervalsResponse::default()))
    }

    type WatchEquipmentStream = stream::Empty<Result<WatchEquipmentResponse, Status>>;

    async fn watch_equipment(
        &self,
        _: tonic::Request<WatchEquipmentRequest>,
    ) -> Result<Response<Self::WatchEquipmentStream>, Status> {
        Ok(Response::new(stream::empty()))
    }
}

async fn ask(mut request: Request<Full<Bytes>>) -> (StatusCode, Value) {
    request.headers_mut().insert("authorization", "Bearer token".parse().unwrap());
    let place = Place::default();
    place.fill(tonic::service::Routes::new(EquipmentServiceServer::new(Echo)).prepare());
    let gateway = gateway::service(&all(&place)).unwrap();
    let response = gateway.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn equipment_goes_through_the_generated_service_and_back() {
    let pump =
        json!({"name": "pump", "installationDate": "2020-01-31", "attributes": {"oil": "46"}});

    let (status, answer) =
        ask(with_json(http::Method::POST, "/api/equipments/", pump.to_string())).await;

    assert_eq!(status, StatusCode::CREATED);
    let expected = json!({
        "id": "", "name": "pump", "type": "", "model": "", "manufacturer": "", "serial_number": "",
        "location": "", "status": "STATUS_UNSPECIFIED", "criticality": "CRITICALITY_UNSPECIFIED",
        "installation_date": "2020-01-31", "notes": "", "attributes": {"oil": "46"}, "etag": "",
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn the_rules_of_the_protos_speak_of_the_body() {
    let nameless = json!({"parent_id": "x", "attributes": {"": "1"}}).to_string();

    let (status, problem) = ask(with_json(http::Method::POST, "/api/equipment", nameless)).await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    let fields = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]);
    assert_eq!(fields.collect::<Vec<_>>(), ["name", "parent_id", "attributes[\"\"]"]);
    assert!(problem["detail"].as_str().unwrap().starts_with("name: "), "{problem}");
    assert_eq!(problem["reason"], "INVALID_FIELD");
}

#[tokio::test]
async fn a_missing_body_is_asked_for() {
    let request = Request::post("/api/equipment").body(Full::default()).unwrap();

    let (status, problem) = ask(request).await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["detail"], "body: is required");
}

#[tokio::test]
async fn a_method_that_the_service_does_not_have_is_501() {
    let request = Request::get("/api/tasks").body(Full::default()).unwrap();

    assert_eq!(ask(request).await.0, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn created_resources_are_found_where_their_kind_is_fetched() {
    let world = World::public(|_| json!({"id": "7"}));

    for (path, location) in [
        ("/api/tasks/", "/api/tasks/7"),
        ("/api/equipments", "/api/equipment/7"),
        ("/api/register", "/api/users/7"),
        ("/api/data", "/api/data/7"),
        ("/api/keys", "/api/keys/7"),
    ] {
        let answer = world.post(path, "{}").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}");
        assert_eq!(answer.header("location"), Some(location), "{path}");
        assert_eq!(world.get(location).await.status, StatusCode::OK, "{location}");
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_by_itself_is_found_in_its_list() {
    let world = World::public(|call| match call.method.as_str() {
        "CreateComment" => json!({"id": "8"}),
        _ => json!({}),
    });

    for path in ["/api/tasks/7/comments", "/api/tasks/7/comments/"] {
        let answer = world.post(path, "{}").await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(answer.header("location"), Some("/api/tasks/7/comments"));
    }
    assert_eq!(world.get("/api/tasks/7/comments").await.status, StatusCode::OK);
    assert_eq!(world.get("/api/tasks/7/comments/8").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn both_verbs_complete_a_task_with_or_without_a_body() {
    let world = World::public(|_| json!({}));
    let path = "/api/tasks/7/complete/";

    for method in [http::Method::POST, http::Method::PATCH] {
        let empty = Request::builder().method(&method).uri(path).body(Full::default()).unwrap();
        assert_eq!(world.send(empty).await.status, StatusCode::OK);
        let full = with_json(method, path, r#"{"work_done": "oiled"}"#);
        assert_eq!(world.send(full).await.status, StatusCode::OK);
    }

    let calls = world.calls();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[3].message, json!({"id": "7", "work_done": "oiled"}));
}

#[tokio::test]
async fn logging_out_ignores_a_body() {
    let world = World::public(|_| json!({}));

    assert_eq!(world.post("/api/logout", "not json").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call().message, json!({}));
}

#[tokio::test]
async fn a_body_that_has_nothing_to_say_is_read_all_the_same() {
    let world = World::public(|_| json!({}));

    assert_eq!(world.post("/api/tasks/7/claim", "{}").await.status, StatusCode::OK);
    assert_eq!(world.post("/api/tasks/7/claim", r#"{"who": "me"}"#).await.wrong_field(), "who");
}

#[tokio::test]
async fn methods_without_a_rule_have_no_path() {
    let world = World::public(|_| json!({}));

    for path in [
        "/flightline.equipment.v1.EquipmentService/WatchEquipment",
        "/flightline.auth.v1.AuthService/CreateServiceToken",
    ] {
        assert_eq!(world.post(path, "{}").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_caller_without_a_token_is_refused_before_the_body_is_read() {
    let world = World::public(|_| json!({}));
    let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post("/api/data/batch").header("content-type", "application/json");

    let answer = world.send_as_it_is(request.body(endless).unwrap()).await;

    assert_eq!(answer.reason(401), "UNAUTHENTICATED");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn what_is_open_to_everybody_needs_no_token() {
    let world = World::public(|_| json!({}));

    for path in ["/api/token", "/api/token/refresh", "/api/register"] {
        let answer = world.send_as_it_is(with_json(http::Method::POST, path, "{}")).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
    }
}
