//! Pages of other origins.

use bytes::Bytes;
use gateway::Config;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::world::{Answer, World, impatient};

const OURS: &str = "https://app.example";

/// A gateway that pages of `origins` may call.
fn world(origins: &str) -> World {
    let config = Config { http_cors_origins: origins.parse().unwrap(), ..impatient() };
    World::trial_with(config, |_| json!({"id": "7", "etag": "1"}))
}

fn request(method: Method, path: &str, origin: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("origin", origin);
    request.body(Full::default()).unwrap()
}

/// What a browser asks before it lets a page send `method`.
async fn ask(world: &World, path: &str, origin: &str, method: &str) -> Answer {
    let mut request = request(Method::OPTIONS, path, origin);
    request.headers_mut().insert("access-control-request-method", method.parse().unwrap());
    world.send_as_it_is(request).await
}

#[tokio::test]
async fn without_the_setting_no_other_origin_is_let_in() {
    let world = world("");

    let answer = world.send(request(Method::GET, "/trial/things/7", OURS)).await;
    let asked = ask(&world, "/trial/things/7", OURS, "DELETE").await;

    for answer in [answer, asked] {
        assert!(answer.header("access-control-allow-origin").is_none(), "{answer:?}");
        assert!(answer.header("access-control-allow-methods").is_none(), "{answer:?}");
        assert!(answer.header("vary").is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_named_origin_is_asked_for_nothing_but_its_token() {
    let world = world("https://other.example, https://app.example");

    for path in ["/trial/things/7", "/flightline.equipment.v1.TrialService/GetThing"] {
        let asked = ask(&world, path, OURS, "PATCH").await;

        assert_eq!(asked.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(asked.header("access-control-allow-origin"), Some(OURS));
        assert_eq!(asked.header("vary"), Some("origin"));
        assert!(asked.header("access-control-max-age").is_some());
        assert!(asked.header("access-control-allow-credentials").is_none());
        let methods = asked.header("access-control-allow-methods").unwrap();
        let headers = asked.header("access-control-allow-headers").unwrap();
        assert!(methods.contains("PATCH"), "{methods}");
        for header in ["authorization", "content-type", "if-match", "idempotency-key", "x-grpc-web"]
        {
            assert!(headers.split(", ").any(|allowed| allowed == header), "{header}");
        }
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_with_what_it_needs_of_their_heads() {
    let world = world(OURS);

    let answer = world.send(request(Method::GET, "/trial/things/7", OURS)).await;
    let refused = world.send_as_it_is(request(Method::GET, "/trial/things/7", OURS)).await;

    assert_eq!((answer.status, refused.status), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    for answer in [answer, refused] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(OURS));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for header in ["etag", "location", "retry-after", "x-request-id", "grpc-status"] {
            assert!(exposed.split(", ").any(|name| name == header), "{header}");
        }
    }
}

#[tokio::test]
async fn an_origin_that_is_not_named_gets_no_leave_and_caches_are_told() {
    let world = world(OURS);

    for origin in
        ["https://app.example.evil", "http://app.example", "https://app.example:8443", "null"]
    {
        let answer = world.send(request(Method::GET, "/trial/things/7", origin)).await;
        let asked = ask(&world, "/trial/things/7", origin, "GET").await;

        for answer in [answer, asked] {
            assert!(answer.header("access-control-allow-origin").is_none(), "{origin}");
            assert!(answer.header("access-control-allow-methods").is_none(), "{origin}");
            assert_eq!(answer.header("vary"), Some("origin"), "{origin}");
        }
    }
    let plain = world.get("/trial/things/7").await;
    assert_eq!(plain.header("vary"), Some("origin"));
}

#[tokio::test]
async fn all_may_call_where_the_operator_says_so() {
    let world = world("*");

    let answer = world.send(request(Method::GET, "/trial/things/7", "https://any.example")).await;

    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("vary").is_none());
}
