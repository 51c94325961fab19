//! Lists whose items are judged one by one.

use serde_json::{Value, json};

use crate::world::World;

/// What the service gets when the client posts `body`.
async fn posted(body: &str) -> Value {
    let world = World::trial(|_| json!({}));
    let answer = world.post("/trial/batch", body.to_owned()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.call().message.clone()
}

/// The field that a 400 complains of.
async fn refused(body: &str) -> String {
    let world = World::trial(|_| json!({}));
    let field = world.post("/trial/batch", body.to_owned()).await.wrong_field();
    assert!(world.calls().is_empty());
    field
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_named_and_spoils_no_other() {
    let body = r#"{"note": "n", "things": [
        {"name": "a"}, {"made_at": "bogus"}, {"colour": 1}, {"name": "b"}, 7, null, {"weight": 1e400},
        {"parts": [{"madeAt": 5}], "colour": 1}, {"name": "a", "name": "b"}, {"tags": ["\u00e9"]}
    ]}"#;

    let got = posted(body).await;

    assert_eq!(
        got["things"],
        json!([{"name": "a"}, {}, {}, {"name": "b"}, {}, {}, {}, {}, {}, {"tags": ["é"]}])
    );
    assert_eq!(got["note"], "n");
    let complaints = got["unreadable"].as_array().unwrap();
    let places: Vec<_> = complaints
        .iter()
        .map(|complaint| {
            assert!(!complaint["message"].as_str().unwrap().is_empty(), "{complaint}");
            (complaint["index"].as_i64().unwrap(), complaint["field"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        (1, "made_at"),
        (2, "colour"),
        (4, ""),
        (5, ""),
        (6, ""),
        (7, "parts[0].made_at"),
        (8, "name"),
    ];
    assert_eq!(places, expected);
}

#[tokio::test]
async fn a_list_that_can_be_read_goes_as_it_is() {
    let body = json!({"things": [{"name": "a"}, {}], "note": "n"});
    assert_eq!(posted(&body.to_string()).await, body);
}

#[tokio::test]
async fn what_is_wrong_beside_the_list_is_refused_for_all() {
    assert_eq!(refused(r#"{"things": [{"colour": 1}], "note": 5}"#).await, "note");
    assert_eq!(refused(r#"{"things": [{"colour": 1}], "colour": 5}"#).await, "colour");
    assert_eq!(refused(r#"{"things": [{}], "things": []}"#).await, "things");
    assert_eq!(refused(r#"{"things": {"colour": 1}}"#).await, "things");
    assert_eq!(refused(r#"{"things": [{"colour": 1}]"#).await, "");
    assert_eq!(refused(r#"[{"colour": 1}]"#).await, "");
}

#[tokio::test]
async fn more_items_than_the_contract_allows_are_not_read() {
    let of =
        |item: &str, count: usize| format!(r#"{{"things": [{}]}}"#, vec![item; count].join(","));

    for item in ["{}", "7"] {
        assert_eq!(posted(&of(item, 20)).await["things"].as_array().unwrap().len(), 20);
        let world = World::trial(|_| json!({}));
        let answer = world.post("/trial/batch", of(item, 21)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        let most = json!({"field": "things", "message": "must have at most 20 items"});
        assert!(errors.contains(&most), "{errors:?}");
        assert!(world.calls().is_empty());
    }
}
