//! How things go wrong.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use kit::{Error, peer::Peers};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use tower::ServiceExt;

use crate::{
    neighbour::Reply,
    world::{World, json as with_json},
};

#[tokio::test]
async fn every_code_has_its_status() {
    let table = [
        (Code::InvalidArgument, 400),
        (Code::OutOfRange, 500),
        (Code::Unauthenticated, 401),
        (Code::PermissionDenied, 403),
        (Code::NotFound, 404),
        (Code::Unimplemented, 501),
        (Code::Aborted, 409),
        (Code::AlreadyExists, 409),
        (Code::FailedPrecondition, 409),
        (Code::ResourceExhausted, 429),
        (Code::Unavailable, 503),
        (Code::DeadlineExceeded, 504),
        (Code::Cancelled, 504),
        (Code::Internal, 500),
        (Code::Unknown, 500),
        (Code::DataLoss, 500),
    ];
    for (code, status) in table {
        let world = World::trial(move |_| Status::new(code, "so"));

        let answer = world.get("/trial/things/7").await;

        assert_eq!(answer.errors(status), [], "{code:?}");
        let challenge = (status == 401).then_some(r#"Bearer error="invalid_token""#);
        assert_eq!(answer.header("www-authenticate"), challenge, "{code:?}");
        let retry = [429, 503].contains(&status).then_some("1");
        assert_eq!(answer.header("retry-after"), retry, "{code:?}");
    }
}

#[tokio::test]
async fn a_code_alone_has_the_reason_that_the_services_give_with_it() {
    for error in [
        || Error::invalid("id", "is wrong"),
        || Error::Unauthenticated("so"),
        || Error::Forbidden("so"),
        || Error::not_found("task", "7"),
        || Error::AlreadyExists("so"),
        || Error::Stale("so"),
        || Error::Exhausted("so"),
        || Error::Unavailable("so"),
        || Error::TimedOut,
        || Error::NoMethod,
        || Error::Internal(anyhow::anyhow!("so")),
    ] {
        let told = World::trial(move |_| Status::from(error()));
        let bare = World::trial(move |_| Status::new(Status::from(error()).code(), "so"));

        let told = told.get("/trial/things/7").await.json();
        let bare = bare.get("/trial/things/7").await.json();

        assert_eq!((&bare["status"], &bare["reason"]), (&told["status"], &told["reason"]));
    }
}

#[tokio::test]
async fn the_gateway_and_the_services_refuse_in_one_voice() {
    let world =
        World::public(|_| Status::from(Error::Unauthenticated("an access token is required")));
    let request = || Request::get("/api/tasks").body(Full::<Bytes>::default()).unwrap();

    let mut by_gateway = world.send_as_it_is(request()).await.json();
    let mut by_service = world.send(request()).await.json();

    assert_ne!(by_gateway["request_id"].take(), by_service["request_id"].take());
    assert_eq!(by_gateway, by_service);
}

#[tokio::test]
async fn a_problem_says_all_that_the_service_said() {
    let world = World::trial(|_| {
        let holder = HashMap::from([("holder_id".to_owned(), "u1".to_owned())]);
        let details = ErrorDetails::with_error_info("TASK_HELD", "flightline", holder);
        Status::with_error_details(Code::FailedPrecondition, "somebody holds it", details)
    });
    let request = Request::get("/trial/things/7").header("x-request-id", "r1");

    let answer = world.send(request.body(Full::default()).unwrap()).await;

    let problem = json!({
        "type": "about:blank", "title": "Conflict", "status": 409, "detail": "somebody holds it",
        "reason": "TASK_HELD", "metadata": {"holder_id": "u1"}, "request_id": "r1", "errors": [],
    });
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json(), problem);
}

#[tokio::test]
async fn the_service_decides_when_to_retry() {
    let world = World::trial(|_| {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(2500)));
        Status::with_error_details(Code::ResourceExhausted, "full", details)
    });

    assert_eq!(world.get("/trial/things/7").await.header("retry-after"), Some("3"));
}

#[tokio::test]
async fn wrong_fields_are_named_as_the_client_called_them() {
    let world = World::trial(|_| {
        let violations = ["thing.name", "thing.parts[1].name", "thing", "request_id", "thingy"];
        let violations = violations.map(|field| FieldViolation::new(field, "is wrong"));
        let details = ErrorDetails::with_bad_request(violations);
        Status::with_error_details(Code::InvalidArgument, "thing.name: is wrong", details)
    });
    let mut request = with_json(http::Method::POST, "/trial/things", "{}");
    request.headers_mut().insert("idempotency-key", "k".parse().unwrap());

    let answer = world.send(request).await;

    let errors = answer.errors(400);
    let fields = errors.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>();
    assert_eq!(fields, ["name", "parts[1].name", "body", "idempotency-key", "thingy"]);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("name: is wrong; parts[1].name: is wrong; "), "{detail}");
}

#[tokio::test]
async fn where_the_body_is_the_request_fields_keep_their_names() {
    let world = World::trial(|_| {
        let details = ErrorDetails::with_bad_request_violation("name", "is wrong");
        Status::with_error_details(Code::InvalidArgument, "name: is wrong", details)
    });

    assert_eq!(world.post("/trial/import", "{}").await.wrong_field(), "name");
}

#[tokio::test]
async fn a_fault_keeps_its_inside_to_itself() {
    for code in [Code::Internal, Code::Unknown, Code::DataLoss] {
        let world = World::trial(move |_| {
            let secret = HashMap::from([("password".to_owned(), "hunter2".to_owned())]);
            let details = ErrorDetails::with_error_info("SQL", "flightline", secret);
            Status::with_error_details(code, "near line 1: hunter2", details)
        });

        let answer = world.get("/trial/things/7").await;

        assert_eq!(answer.reason(500), "INTERNAL");
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
        assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"));
    }
}

#[tokio::test]
async fn a_service_that_takes_too_long_is_504() {
    let world = World::trial(|_| Reply::Never);

    assert_eq!(world.get("/trial/things/7").await.reason(504), "TIMED_OUT");
}

#[tokio::test]
async fn a_service_that_breaks_off_is_a_fault_or_away_but_never_success() {
    let world = World::trial(|_| Reply::Messages(vec![], None));

    let answer = world.get("/trial/things/7").await;

    assert!(answer.status.is_server_error(), "{answer:?}");
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_503_and_its_address_stays_inside() {
    let nowhere = kit::peer::remote("http://127.0.0.1:1", None).unwrap();
    let peers = Peers {
        auth: nowhere.clone(),
        equipment: nowhere.clone(),
        maintenance: nowhere.clone(),
        telemetry: nowhere,
    };
    let gateway = gateway::service(&peers).unwrap();
    let request = Request::get("/api/tasks").header("authorization", "Bearer token");
    let request = request.body(Full::<Bytes>::default()).unwrap();

    let response = gateway.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem = std::str::from_utf8(&body).unwrap();
    assert!(!problem.contains("127.0.0.1") && !problem.contains("connect"), "{problem}");
}

#[tokio::test]
async fn a_panic_costs_one_request_only() {
    let world = World::trial(|call| match call.message["id"].as_str() {
        Some("bad") => Reply::Panic,
        _ => json!({"id": "good"}).into(),
    });

    assert_eq!(world.get("/trial/things/bad").await.reason(500), "INTERNAL");
    assert_eq!(world.get("/trial/things/good").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_keeps_its_id_all_the_way() {
    let world = World::trial(|_| json!({}));
    let request = Request::get("/trial/things/7").header("x-request-id", "r1");

    let answer = world.send(request.body(Full::default()).unwrap()).await;

    assert_eq!(answer.header("x-request-id"), Some("r1"));
    assert_eq!(world.call().headers["x-request-id"], "r1");
}

#[tokio::test]
async fn a_request_without_a_usable_id_gets_one() {
    let world = World::trial(|_| json!({}));
    let request = Request::get("/trial/things/7").header("x-request-id", "two words");

    let answer = world.send(request.body(Full::default()).unwrap()).await;

    let id = answer.header("x-request-id").unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(world.call().headers["x-request-id"], id);
}

#[tokio::test]
async fn only_what_the_gateway_vouches_for_goes_on() {
    let world = World::trial(|_| json!({}));
    let mut request = Request::get("/trial/things/7");
    for name in [
        "authorization",
        "traceparent",
        "x-user-id",
        "x-user-role",
        "x-forwarded-for",
        "x-flightline-role",
        "flightline-replayed",
        "cookie",
        "grpc-timeout",
    ] {
        request = request.header(name, "forged");
    }

    world.send(request.body(Full::default()).unwrap()).await;

    let headers = world.call().headers;
    assert_eq!(headers["authorization"], "forged");
    assert_eq!(headers["traceparent"], "forged");
    assert_eq!(headers["grpc-timeout"], "300000u");
    let mut names = headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>();
    names.sort_unstable();
    let ours = ["content-type", "grpc-timeout", "te", "traceparent", "x-request-id"];
    assert_eq!(names, [&["authorization"][..], &ours].concat());
}

#[tokio::test]
async fn two_of_a_header_that_says_one_thing_are_refused() {
    let world = World::trial(|_| json!({}));

    for (header, value) in
        [("authorization", "Bearer token"), ("content-type", "application/json"), ("host", "x")]
    {
        let mut request = with_json(http::Method::POST, "/trial/things", "{}");
        request.headers_mut().remove(header);
        for _ in 0..2 {
            request.headers_mut().append(header, value.parse().unwrap());
        }
        let errors = world.send(request).await.errors(400);
        assert_eq!(errors, [(header.to_owned(), "is given twice".to_owned())]);
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn an_idempotency_key_is_the_request_id_of_methods_that_have_one() {
    let world = World::trial(|_| json!({}));
    let with_key = |path: &str| {
        let mut request = with_json(http::Method::POST, path, "{}");
        request.headers_mut().insert("idempotency-key", "k1".parse().unwrap());
        request
    };

    world.send(with_key("/trial/things")).await;
    world
        .send(
            Request::get("/trial/things/7")
                .header("idempotency-key", "k")
                .body(Full::default())
                .unwrap(),
        )
        .await;

    let mut doubled = with_key("/trial/things");
    doubled.headers_mut().append("idempotency-key", "k2".parse().unwrap());
    let errors = world.send(doubled).await.errors(400);
    assert_eq!(errors, [("idempotency-key".to_owned(), "is given twice".to_owned())]);

    let mut empty = with_key("/trial/things");
    empty.headers_mut().insert("idempotency-key", "".parse().unwrap());
    let errors = world.send(empty).await.errors(400);
    assert_eq!(errors, [("idempotency-key".to_owned(), "is empty".to_owned())]);

    let calls = world.calls();
    assert_eq!(calls[0].message["request_id"], "k1");
    assert_eq!(calls[1].message, json!({"id": "7"}));
}
