//! Answers that go on.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::Status;
use tower::ServiceExt;

use crate::{neighbour::Reply, world::World};

fn two_things() -> Vec<Value> {
    vec![json!({"thing": {"id": "a"}}), json!({"thing": {"id": "b"}, "resume_token": "t2"})]
}

fn watch(accept: &str) -> Request<Full<bytes::Bytes>> {
    let request = Request::get("/trial/things/watch").header("accept", accept);
    let request = request.header("authorization", "Bearer token");
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_stream_is_a_line_for_every_message() {
    let world = World::trial(|_| Reply::Messages(two_things(), None));

    let answer = world.get("/trial/things/watch").await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ids = lines.map(|line| line["thing"]["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test]
async fn a_stream_is_server_sent_events_for_those_who_ask() {
    let world = World::trial(|_| Reply::Messages(two_things(), None));

    let answer = world.send(watch("text/event-stream")).await;

    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let events = answer.text().split_terminator("\n\n").collect::<Vec<_>>();
    assert_eq!(events.len(), 2);
    assert!(events[0].starts_with("data: {\"thing\":{\"id\":\"a\","), "{}", events[0]);
    assert!(events[1].starts_with("id: t2\ndata: {\"thing\":{\"id\":\"b\","), "{}", events[1]);
}

#[tokio::test]
async fn an_error_is_the_last_record() {
    let world = World::trial(|_| {
        Reply::Messages(two_things(), Some(Status::permission_denied("logged out")))
    });

    let lines = world.get("/trial/things/watch").await;
    let last: Value = serde_json::from_str(lines.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["status"], 403);

    let events = world.send(watch("text/event-stream")).await;
    let last = events.text().split_terminator("\n\n").last().unwrap();
    assert!(last.starts_with("event: error\ndata: {\"type\":\"about:blank\""), "{last}");
}

#[tokio::test]
async fn a_stream_that_is_refused_is_an_ordinary_problem() {
    let world = World::trial(|_| Status::unauthenticated("who are you"));

    assert_eq!(world.get("/trial/things/watch").await.reason(401), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_stream_in_a_form_that_there_is_none_of_is_406() {
    let world = World::trial(|_| Reply::Messages(two_things(), None));

    assert_eq!(world.send(watch("application/json")).await.reason(406), "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn a_client_goes_on_after_the_last_event_it_saw() {
    let world = World::trial(|_| Reply::Messages(vec![], None));
    let mut request = watch("text/event-stream");
    request.headers_mut().insert("last-event-id", "t2".parse().unwrap());

    world.send(request).await;

    let call = world.call();
    assert_eq!(call.message, json!({"resume_token": "t2"}));
    assert!(!call.headers.contains_key("grpc-timeout"));
}

/// A request with `query` and without a header that says who asks.
fn without_header(path: &str, query: &str) -> Request<Full<bytes::Bytes>> {
    Request::get(format!("{path}{query}")).body(Full::default()).unwrap()
}

#[tokio::test]
async fn an_event_source_proves_itself_with_a_ticket_in_the_query() {
    let world = World::trial(|_| Reply::Messages(vec![], None));
    for query in
        ["?ticket=a.b-c_d", "?resume_token=t2&ticket=a.b-c_d", "?ticket=a.b-c_d&resume_token=t2"]
    {
        let answer = world.send_as_it_is(without_header("/trial/things/watch", query)).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
    }

    let calls = world.calls();
    assert!(
        calls.iter().all(|call| call.headers["authorization"] == "Ticket a.b-c_d"),
        "{calls:?}"
    );
    assert_eq!(calls[2].message, json!({"resume_token": "t2"}));
}

#[tokio::test]
async fn a_ticket_is_a_parameter_of_streams_alone() {
    let world = World::trial(|_| json!({}));

    let nobody = world.send_as_it_is(without_header("/trial/things/7", "?ticket=t")).await;
    assert_eq!(nobody.reason(401), "UNAUTHENTICATED");
    let named = world.get("/trial/things/7?ticket=t").await;
    assert_eq!(named.wrong_field(), "ticket");
    let twice = world.send_as_it_is(without_header("/trial/things/watch", "?ticket=a&ticket=b"));
    assert_eq!(twice.await.wrong_field(), "ticket");
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn who_says_in_the_header_who_they_are_needs_no_ticket() {
    let world = World::trial(|_| Reply::Messages(vec![], None));

    world.get("/trial/things/watch?ticket=t").await;

    assert_eq!(world.call().headers["authorization"], "Bearer token");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_beyond_the_deadline_of_calls() {
    for (form, sign_of_life) in
        [("text/event-stream", ": keep-alive\n\n"), ("application/x-ndjson", "\n")]
    {
        let world = World::trial(|_| Reply::Open(vec![]));
        let response = world.gateway.clone().oneshot(watch(form)).await.unwrap();
        let mut body = response.into_body();

        // One each 50 ms outlives the 300 ms that a call may take.
        for _ in 0..8 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), sign_of_life);
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_when_the_process_stops_says_so() {
    let world = World::trial(|_| Reply::Open(two_things()));
    let response = world.gateway.clone().oneshot(watch("*/*")).await.unwrap();
    let mut body = response.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }

    world.shutdown.cancel();

    let last = timeout(Duration::from_secs(5), body.frame()).await.expect("the stream ends");
    let last = last.unwrap().unwrap().into_data().unwrap();
    let last: serde_json::Value = serde_json::from_slice(&last).unwrap();
    assert_eq!(
        (&last["error"]["status"], &last["error"]["reason"]),
        (&503.into(), &"UNAVAILABLE".into())
    );
    assert!(body.frame().await.is_none());
}
