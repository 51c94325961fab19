use http::StatusCode;
use serde_json::json;

use super::{ID, operations};
use crate::world::World;

#[tokio::test]
async fn every_creation_says_where_it_is_found() {
    let is_read = |name: &str| name.starts_with("Get") || name.starts_with("List");
    let world = World::public(
        move |call| if is_read(&call.method) { json!({}) } else { json!({"id": ID}) },
    );
    let mut creations = 0;
    for operation in operations(&world).await {
        let promised = &operation.described["responses"]["201"];
        if promised.is_null() {
            continue;
        }
        assert!(promised["headers"].get("Location").is_some(), "{}", operation.name());

        let answer = world.send(operation.plain()).await;

        operation.expect(&answer, 201);
        let location = answer.header("location").unwrap_or_else(|| panic!("{}", operation.name()));
        assert_eq!(world.get(location).await.status, StatusCode::OK, "{location}");
        creations += 1;
    }
    assert!(10 <= creations, "{creations}");
}
