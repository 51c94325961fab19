//! What a body says.

use std::{convert::Infallible, pin::pin};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use gateway::Config;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use serde_json::{Value, json};
use tokio::sync::oneshot::{self, error::RecvError};

use crate::world::{World, json as with_json};

/// What the service gets when the client posts `body` as a thing.
async fn posted(body: &str) -> Value {
    let world = World::trial(|_| json!({}));
    let answer = world.post("/trial/things", body.to_owned()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    world.call().message["thing"].clone()
}

/// The field that a 400 complains of.
async fn refused(body: impl Into<Bytes>) -> String {
    let world = World::trial(|_| json!({}));
    let field = world.post("/trial/things", body).await.wrong_field();
    assert!(world.calls().is_empty());
    field
}

#[tokio::test]
async fn the_body_is_the_resource_itself() {
    let thing = json!({
        "name": "pump", "serial_number": "9007199254740991", "weight": 1.5, "kind": "FAN",
        "tags": ["a"], "limits": {"hot": 80.0}, "owner": {"email": "a@b"},
        "parts": [{"name": "shaft"}], "note": "", "made_at": "2026-01-31T12:00:00Z", "pause": "30s",
    });

    assert_eq!(posted(&thing.to_string()).await, thing);
}

#[tokio::test]
async fn both_forms_of_a_name_are_accepted() {
    let time = json!({"made_at": "2026-01-31T12:00:00Z"});

    assert_eq!(posted(r#"{"madeAt": "2026-01-31T12:00:00Z"}"#).await, time);
    assert_eq!(posted(r#"{"made_at": "2026-01-31T13:00:00+01:00"}"#).await, time);
}

#[tokio::test]
async fn null_is_absence() {
    assert_eq!(posted(r#"{"name": null, "made_at": null, "tags": null}"#).await, json!({}));
}

#[tokio::test]
async fn an_unknown_field_is_named_where_it_stands() {
    assert_eq!(refused(r#"{"colour": 1}"#).await, "colour");
    assert_eq!(refused(r#"{"owner": {"phone": 1}}"#).await, "owner.phone");
    assert_eq!(refused(r#"{"parts": [{}, {"colour": 1}]}"#).await, "parts[1].colour");
}

#[tokio::test]
async fn a_wrong_value_is_named_where_it_stands() {
    assert_eq!(refused(r#"{"name": 5}"#).await, "name");
    assert_eq!(refused(r#"{"tags": ["a", 5]}"#).await, "tags[1]");
    assert_eq!(refused(r#"{"owner": {"email": []}}"#).await, "owner.email");
    assert_eq!(refused(r#"{"parts": [{"madeAt": "soon"}]}"#).await, "parts[0].made_at");
    assert_eq!(refused(r#"{"limits": {"too hot": "x"}}"#).await, "limits[\"too hot\"]");
    assert_eq!(refused(r#"{"kind": "BOAT"}"#).await, "kind");
    assert_eq!(refused(r#"{"serial_number": 1e30}"#).await, "serial_number");
    assert_eq!(refused(r#"{"pause": "long"}"#).await, "pause");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_body_is_named_at_once() {
    let world = World::trial(|_| json!({}));
    let body = r#"{
        "colour": {"name": 5}, "name": 5, "tags": ["a", 5, null], "limits": {"hot": "x", "cold": 1},
        "owner": {"phone": 1, "email": []}, "parts": [{}, {"size": 1, "urgent": "no"}],
        "note": "a", "note": {"b": [1]}, "pause": [], "kind": {"is": "FAN"}, "weight": 1.5
    }"#;

    let answer = world.post("/trial/things", body).await;

    let errors = answer.errors(400);
    let named = [
        ("colour", "is not a field that exists here"),
        ("name", "must be a string"),
        ("tags[1]", "must be a string"),
        ("tags[2]", "must be a string"),
        ("limits[\"hot\"]", "must be a number"),
        ("owner.phone", "is not a field that exists here"),
        ("owner.email", "must be a string"),
        ("parts[1].size", "is not a field that exists here"),
        ("parts[1].urgent", "must be true or false"),
        ("note", "is given twice"),
        ("pause", "must be a duration such as 30s"),
        ("kind", "must be one of PUMP, FAN"),
    ];
    assert_eq!(errors, named.map(|(field, message)| (field.to_owned(), message.to_owned())));
    assert_eq!(answer.reason(400), "INVALID_FIELD");
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn of_a_thousand_things_that_are_wrong_a_hundred_are_named() {
    let fields: Vec<_> = (0..1000).map(|number| format!("\"f{number}\": 1")).collect();
    let world = World::trial(|_| json!({}));

    let answer = world.post("/trial/things", format!("{{{}}}", fields.join(","))).await;

    let errors = answer.errors(400);
    assert_eq!((errors.len(), errors[99].0.as_str()), (100, "f99"));
}

#[tokio::test]
async fn a_field_given_twice_is_refused_in_whatever_form() {
    assert_eq!(refused(r#"{"name": "a", "name": "b"}"#).await, "name");
    let both = r#"{"made_at": "2026-01-31T12:00:00Z", "madeAt": "2026-01-31T12:00:00Z"}"#;
    assert_eq!(refused(both).await, "made_at");
    assert_eq!(refused(r#"{"limits": {"a": 1, "a": 2}}"#).await, "limits[\"a\"]");
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_as_a_whole() {
    let deep = "[".repeat(10_000);
    for body in [
        "{",
        "[]",
        "\"x\"",
        "null",
        "5",
        "{} {}",
        "{\"name\": \"\\ud800\"}",
        "{'name': 1}",
        "{\"weight\": NaN}",
        "{\"weight\": 1e999}",
        "{\"colour\": 1",
        deep.as_str(),
    ] {
        let world = World::trial(|_| json!({}));
        let answer = world.post("/trial/things", body.to_owned()).await;
        assert_eq!(answer.reason(400), "INVALID_JSON", "{body:.40}");
    }
    assert_eq!(refused(&b"{\"name\": \"\xff\"}"[..]).await, "");
    let nested = format!("{{\"parts\": {}", "[{\"parts\": ".repeat(10_000));
    let world = World::trial(|_| json!({}));
    assert_eq!(world.post("/trial/things", nested).await.reason(400), "INVALID_JSON");
}

#[tokio::test]
async fn text_arrives_as_it_was_sent() {
    let text = "a\u{0}b \u{202e}rtl 😀 '; drop table --";

    assert_eq!(posted(&json!({"name": text}).to_string()).await, json!({"name": text}));
}

#[tokio::test]
async fn the_path_goes_before_the_resource_in_the_body() {
    let world = World::trial(|_| json!({}));

    world.send(with_json(Method::PUT, "/trial/things/7", r#"{"id": "8", "name": "pump"}"#)).await;

    assert_eq!(world.call().message, json!({"thing": {"id": "7", "name": "pump"}}));
}

#[tokio::test]
async fn what_path_and_headers_give_is_no_field_of_a_body_beside_them() {
    let world = World::trial(|_| json!({}));
    let patch = |body: &'static str| with_json(Method::PATCH, "/trial/things/7", body);

    let errors = world.send(patch(r#"{"id": "7", "name": "pump"}"#)).await.errors(400);
    assert_eq!(errors, [("id".to_owned(), "is given in the path".to_owned())]);
    let errors = world.send(patch(r#"{"requestId": "1"}"#)).await.errors(400);
    let header = ("request_id".to_owned(), "is given in the header idempotency-key".to_owned());
    assert_eq!(errors, std::slice::from_ref(&header));
    let errors = world.send(patch(r#"{"requestId": "1", "id": "7"}"#)).await.errors(400);
    assert_eq!(errors, [header, ("id".to_owned(), "is given in the path".to_owned())]);
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_in_words_for_people() {
    for (body, message) in [
        (r#"{"name": 5}"#, "must be a string"),
        (r#"{"tags": "a"}"#, "must be a list"),
        (r#"{"tags": [null]}"#, "must be a string"),
        (r#"{"limits": []}"#, "must be an object"),
        (r#"{"limits": {"hot": "90"}}"#, "must be a number"),
        (r#"{"weight": "NaN"}"#, "must be a number"),
        (r#"{"owner": true}"#, "must be an object"),
        (r#"{"urgent": "true"}"#, "must be true or false"),
        (r#"{"kind": 1}"#, "must be one of PUMP, FAN"),
        (r#"{"kind": "BOAT"}"#, "must be one of PUMP, FAN"),
        (r#"{"serial_number": 1.5}"#, "must be a whole number in its range"),
        (r#"{"made_at": "2026-02-30T00:00:00Z"}"#, "must be a time such as 2026-01-31T12:00:00Z"),
        // A second that a reader of protobuf's times takes for the one before.
        (r#"{"made_at": "2016-12-31T23:59:60Z"}"#, "must be a time such as 2026-01-31T12:00:00Z"),
        (r#"{"pause": 30}"#, "must be a duration such as 30s"),
    ] {
        let world = World::trial(|_| json!({}));
        let errors = world.post("/trial/things", body).await.errors(400);
        assert_eq!(errors[0].1, message, "{body}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_called_json_is_415() {
    let sending = |kind: Option<&str>, method: Method| {
        let request = Request::builder().method(method).uri("/trial/things/7");
        let request =
            kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        request.body(Full::from("{}")).unwrap()
    };
    let world = World::trial(|_| json!({}));

    for kind in [None, Some("text/plain"), Some("application/json; charset=latin1"), Some("")] {
        let answer = world.send(sending(kind, Method::PATCH)).await;
        assert_eq!(answer.reason(415), "UNSUPPORTED_MEDIA_TYPE", "{kind:?}");
    }
    let merge = Some("application/merge-patch+json");
    assert_eq!(world.send(sending(merge, Method::PUT)).await.status, 415);
    assert!(world.calls().is_empty());

    for kind in [Some("application/json; charset=UTF-8"), Some("Application/JSON"), merge] {
        assert_eq!(world.send(sending(kind, Method::PATCH)).await.status, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn no_body_needs_no_content_type() {
    let world = World::trial(|_| json!({}));
    let request = Request::patch("/trial/things/7").body(Full::default()).unwrap();

    assert_eq!(world.send(request).await.status, StatusCode::OK);
    assert_eq!(world.call().message, json!({"id": "7"}));
}

#[tokio::test]
async fn those_who_have_not_logged_in_have_less_to_say() {
    let world = World::public(|_| json!({}));

    let answer = world.post("/api/register", vec![b' '; (64 << 10) + 1]).await;

    assert_eq!(answer.reason(413), "BODY_TOO_LARGE");
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_body_over_its_limit_is_413() {
    let world = World::trial(|_| json!({}));
    let just = |size: usize| format!("{{\"name\":\"{}\"}}", "x".repeat(size - 11));

    assert_eq!(world.post("/trial/things", just(1 << 20)).await.status, 201);
    let answer = world.post("/trial/things", just((1 << 20) + 1)).await;
    assert_eq!(answer.reason(413), "BODY_TOO_LARGE");

    assert_eq!(world.post("/trial/import", just(2 << 20)).await.status, 200);
    assert_eq!(world.post("/trial/import", just((2 << 20) + 1)).await.status, 413);
}

#[tokio::test]
async fn a_body_of_unannounced_length_is_cut_at_its_limit() {
    let world = World::trial(|_| json!({}));
    let piece = Bytes::from(vec![b' '; 1 << 16]);
    let pieces = stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(piece.clone())));
    let request = Request::post("/trial/things").header("content-type", "application/json");

    let answer = world.send(request.body(StreamBody::new(pieces.take(17))).unwrap()).await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_408() {
    let world = World::trial(|_| json!({}));
    let begun = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("{")))]);
    let request = Request::post("/trial/things").header("content-type", "application/json");

    let answer = world.send(request.body(StreamBody::new(begun.chain(stream::pending()))).unwrap());

    assert_eq!(answer.await.reason(408), "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn a_body_that_trickles_is_408() {
    let world = World::trial(|_| json!({}));
    let drops = stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(" "))), ()))
    });
    let request = Request::post("/trial/things").header("content-type", "application/json");

    let answer = world.send(request.body(StreamBody::new(drops)).unwrap()).await;

    assert_eq!(answer.reason(408), "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let world = World::trial(|_| json!({}));
    let broken = stream::iter([Ok(Frame::data(Bytes::from("{"))), Err("broken")]);
    let request = Request::post("/trial/things").header("content-type", "application/json");

    let answer = world.send(request.body(StreamBody::new(broken)).unwrap()).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bodies_that_memory_has_no_room_for_are_asked_to_come_again() {
    let config = Config { http_body_memory_bytes: 24, ..Config::default() };
    let world = World::trial_with(config, |_| json!({}));
    let (end, rest) = oneshot::channel::<Frame<Bytes>>();
    let begin =
        stream::iter([Ok::<_, RecvError>(Frame::data(Bytes::from("{\"name\": \"pump 7\"")))]);
    let slow = Request::post("/trial/things").header("content-type", "application/json");
    let slow = slow.body(StreamBody::new(begin.chain(rest.into_stream()))).unwrap();
    let mut slow = pin!(world.send(slow));
    assert!(slow.as_mut().now_or_never().is_none());

    let refused = world.post("/trial/things", r#"{"name": "fan"}"#).await;
    assert_eq!(refused.reason(429), "EXHAUSTED");
    assert_eq!(refused.header("retry-after"), Some("1"));

    end.send(Frame::data(Bytes::from("}"))).unwrap();
    assert_eq!(slow.await.status, StatusCode::CREATED);
    let again = world.post("/trial/things", r#"{"name": "fan"}"#).await;
    assert_eq!(again.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_update_that_says_nothing_at_all_is_refused() {
    let world = World::public(|_| json!({}));
    for method in [Method::PATCH, Method::PUT] {
        let path = "/api/tasks/01985c2e-8a5b-7c3d-9e4f-0123456789ab";
        let field = world.send(with_json(method, path, "")).await.wrong_field();
        assert_eq!(field, "body");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_number_arrives_as_the_one_that_is_next_to_its_digits() {
    for digits in ["0.1", "0.30000000000000004", "3.920723494204794e-156", "5e-324"] {
        let thing = posted(&format!("{{\"weight\": {digits}}}")).await;
        assert_eq!(thing["weight"].as_f64(), digits.parse().ok(), "{digits}");
    }
}
