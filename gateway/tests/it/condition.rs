//! Writes and reads of the version that the client has read.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tonic::Status;

use crate::world::{World, json as with_json};

/// A request that is for the version `etag`.
fn when(etag: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().append("if-match", etag.parse().unwrap());
    request
}

fn put(body: &'static str) -> Request<Full<Bytes>> {
    with_json(Method::PUT, "/trial/things/7", body)
}

fn bare(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_write_carries_the_version_that_it_is_for() {
    for etag in ["\"v1\"", "v1", " \"v1\" "] {
        let world = World::trial(|_| json!({"etag": "v2"}));
        let answer = world.send(when(etag, put(r#"{"name": "a"}"#))).await;
        assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, Some("\"v2\"")));
        assert_eq!(world.call().message["thing"]["etag"], "v1", "{etag}");
    }

    let world = World::trial(|_| json!({}));
    let answer = world.send(when("\"v1\"", bare(Method::DELETE, "/trial/things/7"))).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call().message["etag"], "v1");
}

#[tokio::test]
async fn a_delete_with_a_body_is_refused_rather_than_done_whatever_the_version() {
    let world = World::trial(|_| json!({}));

    let mut request = bare(Method::DELETE, "/trial/things/7");
    *request.body_mut() = Full::from(r#"{"etag": "v1"}"#);
    let errors = world.send(request).await.errors(400);

    assert_eq!(errors[0].0, "body");
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_write_is_for_one_version_by_header_and_by_body() {
    let world = World::trial(|_| json!({}));

    for request in [
        when("\"v1\"", put(r#"{"etag": "v0"}"#)),
        when("v1", put(r#"{"name": "a", "etag": "\"v1\""}"#)),
    ] {
        let answer = world.send(request).await;
        assert_eq!(answer.reason(412), "STALE");
    }
    assert!(world.calls().is_empty());

    for request in [
        when("\"v1\"", put(r#"{"etag": "v1"}"#)),
        when("*", put(r#"{"etag": "v1"}"#)),
        when("\"v1\"", put(r#"{"etag": ""}"#)),
    ] {
        assert!(world.send(request).await.status.is_success());
        assert_eq!(world.calls().pop().unwrap().message["thing"]["etag"], "v1");
    }
}

#[tokio::test]
async fn a_write_for_whatever_version_there_is_carries_none() {
    let world = World::trial(|_| json!({}));

    assert_eq!(world.send(when("*", put("{}"))).await.status, StatusCode::OK);

    assert_eq!(world.call().message["thing"].get("etag"), None);
}

#[tokio::test]
async fn a_stale_write_is_412_by_header_and_409_by_body() {
    let world = World::trial(|_| Status::aborted("the thing was changed meanwhile"));

    let by_header = world.send(when("\"v1\"", put("{}"))).await;
    let by_body = world.send(put(r#"{"etag": "v1"}"#)).await;

    assert_eq!(by_header.reason(412), "STALE");
    assert_eq!(by_body.reason(409), "STALE");
}

#[tokio::test]
async fn a_version_that_no_resource_can_have_never_matches() {
    for etag in ["W/\"v1\"", "\"\""] {
        let world = World::trial(|_| json!({}));
        assert_eq!(world.send(when(etag, put("{}"))).await.reason(412), "STALE", "{etag}");
        assert!(world.calls().is_empty());
    }
}

#[tokio::test]
async fn a_condition_that_cannot_be_kept_is_refused() {
    let patch = || with_json(Method::PATCH, "/trial/things/7", "{}");
    let post = || with_json(Method::POST, "/trial/things", "{}");
    let world = World::trial(|_| json!({}));

    for request in [
        when("\"v1\", \"v2\"", put("{}")),
        when("\"v2\"", when("\"v1\"", put("{}"))),
        when("", put("{}")),
        when("\"v1", put("{}")),
        when("\"v1\"", patch()),
        when("\"v1\"", post()),
    ] {
        assert_eq!(world.send(request).await.wrong_field(), "if-match");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_condition_of_reads_is_refused_by_a_write() {
    let world = World::trial(|_| json!({}));
    for mut request in [put("{}"), bare(Method::DELETE, "/trial/things/7")] {
        request.headers_mut().insert("if-none-match", "*".parse().unwrap());
        assert_eq!(world.send(request).await.wrong_field(), "if-none-match");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_read_shows_no_other_version_than_the_one_that_is_wanted() {
    let world = World::trial(|_| json!({"etag": "v1"}));
    let get = || bare(Method::GET, "/trial/things/7");

    for etag in ["\"v1\"", "v1", "\"v0\", \"v1\"", "*"] {
        assert_eq!(world.send(when(etag, get())).await.status, StatusCode::OK, "{etag}");
    }
    for etag in ["\"v0\"", "W/\"v1\"", "v", ""] {
        assert_eq!(world.send(when(etag, get())).await.reason(412), "STALE", "{etag}");
    }
}

#[tokio::test]
async fn a_wrong_version_is_called_by_its_header() {
    let world = World::trial(|_| {
        let mut details = tonic_types::ErrorDetails::new();
        details.add_bad_request_violation("thing.etag", "is too long");
        <Status as tonic_types::StatusExt>::with_error_details(
            tonic::Code::InvalidArgument,
            "thing.etag: is too long",
            details,
        )
    });

    assert_eq!(world.send(when("\"v1\"", put("{}"))).await.wrong_field(), "if-match");
    assert_eq!(world.send(put("{}")).await.wrong_field(), "etag");
}
