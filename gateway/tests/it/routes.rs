//! What a path and a verb lead to.

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_path_is_the_same_with_and_without_its_trailing_slash() {
    let world = World::trial(|_| json!({"id": "7"}));

    assert_eq!(world.get("/trial/things/7").await.status, StatusCode::OK);
    assert_eq!(world.get("/trial/things/7/").await.status, StatusCode::OK);

    let calls = world.calls();
    assert!(calls.iter().all(|call| call.message == json!({"id": "7"})), "{calls:?}");
}

#[tokio::test]
async fn a_fixed_segment_goes_before_a_variable() {
    let world = World::trial(|_| json!({"resume_token": "1"}));

    world.get("/trial/things/watch").await;

    assert_eq!(world.call().method, "WatchThings");
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_404() {
    let world = World::trial(|_| json!({}));

    for path in
        ["/nowhere", "/trial", "/trial/things//", "/trial//things", "/trial/things/7/8", "//"]
    {
        assert_eq!(world.get(path).await.reason(404), "NO_SUCH_PATH", "{path}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_verb_that_a_path_does_not_take_is_405_and_learns_which_it_does() {
    let world = World::trial(|_| json!({}));
    let request = Request::post("/trial/things/7").body(Full::default()).unwrap();

    let answer = world.send(request).await;

    assert_eq!(answer.reason(405), "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"));
}

#[tokio::test]
async fn options_says_which_verbs_a_path_takes() {
    let world = World::trial(|_| json!({}));
    let request = Request::options("/trial/import/").body(Full::default()).unwrap();

    let answer = world.send(request).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("allow"), Some("OPTIONS, POST"));
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::trial(|_| json!({"id": "7"}));
    let request = Request::head("/trial/things/7").body(Full::default()).unwrap();

    let got = world.get("/trial/things/7").await;
    let head = world.send(request).await;

    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()));
    assert_eq!(head.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_take_is_406() {
    let world = World::trial(|_| json!({}));
    let asking = |accept: &str| {
        Request::get("/trial/things/7").header("accept", accept).body(Full::default()).unwrap()
    };

    for accept in ["text/html", "application/json;q=0, */*"] {
        assert_eq!(world.send(asking(accept)).await.reason(406), "NOT_ACCEPTABLE", "{accept}");
    }
    for accept in ["*/*", "application/*", "text/html, application/json;q=0.1"] {
        assert_eq!(world.send(asking(accept)).await.status, StatusCode::OK, "{accept}");
    }
}

#[tokio::test]
async fn escapes_in_a_path_are_undone() {
    let world = World::trial(|_| json!({}));

    world.send(Request::delete("/trial/things/a%20b%2Fc").body(Full::default()).unwrap()).await;

    assert_eq!(world.call().message, json!({"id": "a b/c"}));
}

#[tokio::test]
async fn a_path_with_broken_escapes_is_a_400_that_names_the_variable() {
    let world = World::trial(|_| json!({}));

    for path in ["/trial/things/%zz", "/trial/things/%ff"] {
        assert_eq!(world.get(path).await.wrong_field(), "id", "{path}");
    }
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn an_unknown_verb_is_405() {
    let world = World::trial(|_| json!({}));
    let verb = Method::from_bytes(b"BREW").unwrap();
    let request = Request::builder().method(verb).uri("/trial/things").body(Full::default());

    assert_eq!(world.send(request.unwrap()).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
