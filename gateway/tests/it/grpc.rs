//! gRPC and gRPC-Web on the port of the REST surface.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use prost::Message;
use serde_json::json;
use tokio::time::timeout;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::{
    neighbour::{Reply, framed},
    world::World,
};

const GET: &str = "/flightline.equipment.v1.TrialService/GetThing";
const WATCH: &str = "/flightline.equipment.v1.TrialService/WatchThings";

/// A call whose message has nothing but `text` in its first field.
fn call(path: &str, content_type: &str, text: &str) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("content-type", content_type);
    let request = request.header("authorization", "Bearer token");
    // A string in field 1 is encoded like the well-known wrapper of a string.
    request.body(Full::new(framed(&text.to_owned().encode_to_vec()))).unwrap()
}

/// The same in gRPC, which needs HTTP/2.
fn native(path: &str, text: &str) -> Request<Full<Bytes>> {
    let mut request = call(path, "application/grpc", text);
    *request.version_mut() = Version::HTTP_2;
    request
}

async fn send(world: &World, request: Request<Full<Bytes>>) -> Response<Body> {
    world.gateway.clone().oneshot(request).await.unwrap()
}

/// The status of an answer in gRPC, in its head or after its messages.
async fn status(answer: Response<Body>) -> Status {
    let headers = answer.headers().clone();
    let trailers = answer.into_body().collect().await.unwrap().trailers().cloned();
    let find = |headers: &HeaderMap| Status::from_header_map(headers);
    find(&headers).or_else(|| find(&trailers.unwrap_or_default())).expect("a status")
}

/// What a program is told.
fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("a reason").reason
}

#[tokio::test]
async fn a_call_in_grpc_web_reaches_the_service_over_any_version_of_http() {
    let world = World::trial(|call| json!({"id": call.message["id"]}));

    let answer = send(&world, call(GET, "application/grpc-web+proto", "7")).await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let message = framed(&"7".to_owned().encode_to_vec());
    assert!(body.starts_with(&message), "{body:?}");
    let end = &body[message.len()..];
    assert_eq!(end[0], 0x80);
    assert!(String::from_utf8_lossy(end).contains("grpc-status:0"), "{body:?}");
    assert_eq!(world.call().headers["content-type"], "application/grpc");
}

#[tokio::test]
async fn a_call_in_text_is_answered_in_text() {
    // Whoever doesn't ask for a form means that of the request.
    for (accept, form) in [
        (Some("application/grpc-web-text"), "application/grpc-web-text+proto"),
        (Some("*/*"), "application/grpc-web-text+proto"),
        (None, "application/grpc-web-text+proto"),
        (Some("application/grpc-web"), "application/grpc-web+proto"),
    ] {
        let world = World::trial(|_| json!({"id": "7"}));
        let mut request = call(GET, "application/grpc-web-text", "7");
        // Base64 of the frame with `7` in field 1.
        *request.body_mut() = Full::new(Bytes::from_static(b"AAAAAAMKATc="));
        if let Some(accept) = accept {
            request.headers_mut().insert("accept", accept.parse().unwrap());
        }

        let answer = send(&world, request).await;

        assert_eq!(answer.headers()["content-type"], form, "{accept:?}");
        assert_eq!(world.call().message, json!({"id": "7"}));
    }
}

#[tokio::test]
async fn a_form_of_grpc_is_known_in_any_case_and_with_parameters() {
    let world = World::trial(|_| json!({"id": "7"}));

    for web in ["application/grpc-web+proto; charset=utf-8", "Application/gRPC-Web"] {
        let answer = send(&world, call(GET, web, "7")).await;
        assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto", "{web}");
    }
    let mut other = native(GET, "7");
    other.headers_mut().insert("content-type", "APPLICATION/GRPC+proto;x=y".parse().unwrap());
    assert_eq!(status(send(&world, other).await).await.code(), Code::Ok);
}

#[tokio::test]
async fn messages_that_are_no_protobuf_are_refused() {
    let world = World::trial(|_| json!({}));

    for kind in ["application/grpc+json", "application/grpcfoo", "application/grpc-web+json"] {
        let mut request = native(GET, "7");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        assert_eq!(world.send(request).await.reason(415), "UNSUPPORTED_MEDIA_TYPE", "{kind}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_call_in_grpc_is_carried_as_it_is() {
    let world = World::trial(|call| json!({"id": call.message["id"]}));
    let mut request = native(GET, "7");
    request.headers_mut().insert("grpc-timeout", "150m".parse().unwrap());
    request.headers_mut().insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
    request.headers_mut().insert("x-request-id", "r1".parse().unwrap());

    let answer = send(&world, request).await;

    assert_eq!(answer.headers()["x-request-id"], "r1");
    assert_eq!(status(answer).await.code(), Code::Ok);
    let headers = world.call().headers;
    for (name, value) in [
        ("authorization", "Bearer token"),
        ("grpc-timeout", "150m"),
        ("te", "trailers"),
        ("x-request-id", "r1"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("x-forwarded-for"), "who says so is anybody");
}

#[tokio::test]
async fn a_refusal_is_a_status_in_the_form_of_the_call() {
    let world = World::trial(|_| Status::permission_denied("not you"));

    assert_eq!(status(send(&world, native(GET, "7")).await).await.message(), "not you");
    let web = send(&world, call(GET, "application/grpc-web", "7")).await;
    assert_eq!(web.headers()["grpc-status"], "7");
}

#[tokio::test]
async fn a_method_that_there_is_none_of_is_unimplemented() {
    let world = World::trial(|_| json!({}));

    for path in ["/flightline.equipment.v1.TrialService/No", "/no.Service/No", "/trial/things/7"] {
        let native = status(send(&world, native(path, "7")).await).await;
        assert_eq!(native.code(), Code::Unimplemented, "{path}");
        assert_eq!(reason(&native), "NO_METHOD", "{path}");
        let web = send(&world, call(path, "application/grpc-web", "7")).await;
        assert_eq!(web.headers()["grpc-status"], "12", "{path}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn what_services_say_to_one_another_is_not_carried_in_from_outside() {
    let world = World::public(|_| json!({}));

    for path in [
        "/flightline.auth.v1.AuthService/CreateServiceToken",
        "/flightline.auth.v1.SessionService/CheckSession",
        "/flightline.equipment.v1.EquipmentService/WatchEquipment",
    ] {
        let answer = status(send(&world, native(path, "")).await).await;
        assert_eq!(answer.code(), Code::Unimplemented, "{path}");
    }
    assert!(world.calls().is_empty());
    let machines = "/flightline.telemetry.v1.TelemetryService/StreamReadings";
    assert_eq!(status(send(&world, native(machines, "")).await).await.code(), Code::Ok);
}

#[tokio::test]
async fn grpc_over_an_old_http_and_a_call_that_is_no_post_are_refused() {
    let world = World::trial(|_| json!({}));

    let old = world.send(call(GET, "application/grpc", "7")).await;
    let mut get = native(GET, "7");
    *get.method_mut() = http::Method::GET;
    let get = world.send(get).await;

    assert_eq!(old.reason(505), "HTTP_VERSION");
    assert_eq!(
        (get.reason(405).as_str(), get.header("allow")),
        ("METHOD_NOT_ALLOWED", Some("POST"))
    );
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_service_that_hangs_is_not_waited_for() {
    let world = World::trial(|_| Reply::Never);

    let answer = status(send(&world, native(GET, "7")).await).await;

    assert_eq!(answer.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&answer), "TIMED_OUT");
}

#[tokio::test]
async fn a_service_that_is_lost_on_the_way_is_told_of_in_a_status() {
    let world = World::trial(|call| match call.message["id"].as_str() {
        Some("half") => Reply::Lost(vec![json!({"id": "half"})]),
        _ => Reply::Lost(vec![]),
    });

    for id in ["half", "none"] {
        let answer = status(send(&world, native(GET, id)).await).await;
        assert_eq!((answer.code(), answer.message()), (Code::Unavailable, "lost"), "{id}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_a_status_when_the_process_stops() {
    let world = World::trial(|_| Reply::Open(vec![json!({"resume_token": "t"})]));
    let mut body = send(&world, native(WATCH, "")).await.into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());

    world.shutdown.cancel();

    let end = timeout(Duration::from_secs(5), body.frame()).await.expect("the stream ends");
    let trailers = end.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(Status::from_header_map(&trailers).unwrap().code(), Code::Unavailable);
    assert!(body.frame().await.is_none());
}
