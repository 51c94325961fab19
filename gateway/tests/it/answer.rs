//! How an answer looks.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::{neighbour::Reply, world::World};

#[tokio::test]
async fn zero_is_written_and_absent_is_not() {
    let world = World::trial(|_| json!({}));

    let answer = world.get("/trial/things/7").await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let zero = json!({
        "id": "", "name": "", "serial_number": 0, "weight": 0.0, "urgent": false,
        "kind": "KIND_UNSPECIFIED", "tags": [], "limits": {}, "parts": [], "blob": "", "etag": "",
    });
    assert_eq!(answer.json(), zero);
}

#[tokio::test]
async fn values_have_their_proto3_json_form_under_their_proto_names() {
    let world = World::trial(|_| {
        json!({
            "serialNumber": "9007199254740991", "weight": 71.2, "kind": "FAN", "limits": {"hot": 80.5},
            "owner": {"email": "a@b"}, "note": "", "madeAt": "2026-01-31T12:00:00.250Z", "pause": "90s",
        })
    });

    let thing = world.get("/trial/things/7").await.json();

    assert_eq!(thing["serial_number"], json!(9_007_199_254_740_991_i64));
    assert_eq!(thing["weight"], json!(71.2));
    assert_eq!(thing["kind"], "FAN");
    assert_eq!(thing["limits"], json!({"hot": 80.5}));
    assert_eq!(thing["owner"], json!({"email": "a@b"}));
    assert_eq!(thing["note"], "");
    assert_eq!(thing["made_at"], "2026-01-31T12:00:00.250Z");
    assert_eq!(thing["pause"], "90s");
}

#[tokio::test]
async fn a_creation_says_where_the_resource_is() {
    let world = World::trial(|_| json!({"id": "a/b"}));

    let answer = world.post("/trial/things/", "{}").await;

    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("location"), Some("/trial/things/a%2Fb"));
}

#[tokio::test]
async fn a_creation_that_is_repeated_or_only_tried_is_200() {
    for mark in ["flightline-replayed", "flightline-tried"] {
        let world = World::trial(move |_| Reply::With(mark, "true", json!({"id": "7"})));

        let answer = world.post("/trial/things", "{}").await;

        assert_eq!(answer.status, StatusCode::OK, "{mark}");
        assert_eq!(answer.header("location"), None, "{mark}");
        assert_eq!(answer.json()["id"], "7", "{mark}");
    }
}

#[tokio::test]
async fn a_deletion_answers_nothing() {
    let world = World::trial(|_| json!({}));
    let request = Request::delete("/trial/things/7").body(Full::default()).unwrap();

    let answer = world.send(request).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-type"), None);
}

#[tokio::test]
async fn a_version_is_sent_as_etag_and_known_ones_are_not_sent_again() {
    let world = World::trial(|_| json!({"id": "7", "etag": "v1"}));
    let knowing = |method: Method, etag: &str| {
        let request = Request::builder().method(method).uri("/trial/things/7");
        request.header("if-none-match", etag).body(Full::default()).unwrap()
    };

    let answer = world.get("/trial/things/7").await;
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));

    for known in ["\"v1\"", "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
        let answer = world.send(knowing(Method::GET, known)).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(answer.header("etag"), Some("\"v1\""));
        assert!(answer.body.is_empty());
    }
    for unknown in ["\"v0\"", "v1", "", "\"\""] {
        assert_eq!(world.send(knowing(Method::GET, unknown)).await.status, 200, "{unknown}");
    }
    assert_eq!(world.send(knowing(Method::HEAD, "*")).await.status, 304);
    let head = world.send(knowing(Method::HEAD, "")).await;
    assert_eq!(head.header("cache-control"), Some("private, no-cache"));
}

#[tokio::test]
async fn no_answer_may_be_sniffed_or_kept() {
    let world = World::trial(|_| json!({}));

    for answer in [world.post("/trial/things", "{}").await, world.get("/nowhere").await] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_or_written_is_a_fault() {
    // `made_at` in the year 14645, which RFC 3339 cannot write.
    const FAR_AWAY: &[u8] = &[0x62, 7, 0x08, 0x80, 0xc0, 0xee, 0x8e, 0xd2, 0x0b];
    const BROKEN: &[u8] = &[0x62, 7];

    for message in [FAR_AWAY, BROKEN] {
        let world = World::trial(|_| Reply::Raw(message));

        assert_eq!(world.get("/trial/things/7").await.reason(500), "INTERNAL");
    }
}

#[tokio::test]
async fn a_large_answer_is_carried_whole() {
    let world = World::trial(|_| json!({"name": "x".repeat(6 << 20)}));

    let answer = world.get("/trial/things/7").await;

    assert_eq!(answer.json()["name"].as_str().unwrap().len(), 6 << 20);
}
