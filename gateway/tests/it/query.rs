//! What a query string says.

use serde_json::{Value, json};

use crate::world::World;

/// What the service is asked when the client asks for things with `query`.
async fn asked(query: &str) -> Value {
    let world = World::trial(|_| json!({}));
    let answer = world.get(&format!("/trial/things?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.call().message
}

/// The fields that a 400 complains of.
async fn refused(query: &str) -> Vec<String> {
    let world = World::trial(|_| json!({}));
    let answer = world.get(&format!("/trial/things?{query}")).await;
    let errors = answer.errors(400);
    assert!(world.calls().is_empty());
    errors.into_iter().map(|(field, _)| field).collect()
}

#[tokio::test]
async fn every_kind_of_field_has_a_text_form() {
    assert_eq!(asked("q=a+b%26c").await, json!({"q": "a b&c"}));
    assert_eq!(asked("page_size=20&urgent=true").await, json!({"page_size": 20, "urgent": true}));
    assert_eq!(asked("kind=PUMP&weight=1.5").await, json!({"kind": "PUMP", "weight": 1.5}));
    assert_eq!(asked("since=2026-01-31T12:00:00Z").await, json!({"since": "2026-01-31T12:00:00Z"}));
    assert_eq!(asked("age=90s&known=true").await, json!({"age": "90s", "known": true}));
}

#[tokio::test]
async fn a_name_may_be_nested_and_in_either_form() {
    assert_eq!(asked("owner.email=a@b").await, json!({"owner": {"email": "a@b"}}));
    assert_eq!(asked("pageSize=20").await, json!({"page_size": 20}));
}

#[tokio::test]
async fn a_repeated_field_takes_every_value() {
    assert_eq!(asked("tags=a&tags=b").await, json!({"tags": ["a", "b"]}));
    assert_eq!(asked("kinds=FAN&kinds=PUMP").await, json!({"kinds": ["FAN", "PUMP"]}));
}

#[tokio::test]
async fn an_empty_query_asks_for_nothing() {
    assert_eq!(asked("").await, json!({}));
    assert_eq!(asked("&&").await, json!({}));
}

#[tokio::test]
async fn a_parameter_that_does_not_exist_is_named() {
    for query in ["colour=red", "owner=x", "owner.phone=1", "q.r=1", "tags.x=1", "[]=1", ".=1"] {
        let (name, _) = query.split_once('=').unwrap();
        assert_eq!(refused(query).await, [name], "{query}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_named() {
    for query in [
        "page_size=x",
        "page_size=1.5",
        "page_size=99999999999",
        "urgent=1",
        "kind=BOAT",
        "kind=",
        "kinds=BOAT",
        "since=yesterday",
        "since=2026-13-01T00:00:00Z",
        "since=2016-12-31T23:59:60Z",
        "age=soon",
        "known=maybe",
        "weight=heavy",
    ] {
        let (name, _) = query.split_once('=').unwrap();
        assert_eq!(refused(query).await, [name], "{query}");
    }
}

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once() {
    assert_eq!(refused("page_size=x&colour=red&q=fine").await, ["page_size", "colour"]);
}

#[tokio::test]
async fn a_singular_field_given_twice_is_refused() {
    assert_eq!(refused("q=a&q=b").await, ["q"]);
    assert_eq!(refused("page_size=1&pageSize=2").await, ["page_size"]);
}

#[tokio::test]
async fn broken_escapes_are_refused() {
    assert_eq!(refused("q=%zz").await, ["q"]);
    assert_eq!(refused("q=%ff").await, ["q"]);
    assert_eq!(refused("%ff=1").await, ["%ff"]);
}

#[tokio::test]
async fn what_path_and_body_say_the_query_cannot() {
    let world = World::trial(|_| json!({}));

    assert_eq!(world.get("/trial/things/7?id=8").await.wrong_field(), "id");
    assert_eq!(world.post("/trial/import?name=x", "{}").await.wrong_field(), "name");
    assert_eq!(world.post("/trial/things?thing.name=x", "{}").await.wrong_field(), "thing.name");
    assert_eq!(world.post("/trial/things?request_id=x", "{}").await.wrong_field(), "request_id");
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn beside_a_resource_in_the_body_the_query_fills_the_rest() {
    let world = World::trial(|_| json!({}));

    world.post("/trial/things?dry_run=true", r#"{"name": "pump"}"#).await;

    assert_eq!(world.call().message, json!({"thing": {"name": "pump"}, "dry_run": true}));
}
