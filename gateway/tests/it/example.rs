//! The examples that the OpenAPI document shows.

use crate::openapi::{operations, public};

#[tokio::test]
async fn examples_are_what_a_client_could_send() {
    let document = public().await;
    let body = |path: &str| {
        let operation = &document["paths"][path]["post"];
        operation["requestBody"]["content"]["application/json"]["example"].clone()
    };

    assert_eq!(body("/api/equipment")["name"], "Pump 7");
    assert_eq!(body("/api/data/batch")["readings"][0]["metrics"]["temperature"], 71.2);
    assert_eq!(body("/api/rules")["threshold"], 90);
    let user = &document["paths"]["/api/users/{id}"]["put"]["requestBody"]["content"];
    assert!(user["application/json"]["example"].get("password").is_none());
}

/// Whoever tries an operation out sends its example.
#[tokio::test]
async fn an_example_holds_every_field_that_must_be_given() {
    let document = public().await;
    let mut missing = Vec::new();
    for (path, verb, operation) in operations(&document) {
        let media = &operation["requestBody"]["content"]["application/json"];
        let schema = &media["schema"];
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let schema = name.map_or(schema, |name| &document["components"]["schemas"][name]);
        for field in schema["required"].as_array().into_iter().flatten() {
            let field = field.as_str().unwrap();
            // What these take, an earlier answer gave.
            let takes_a_token = ["/api/token/refresh", "/api/password/reset"].contains(&&*path);
            if media["example"].get(field).is_none() && !takes_a_token {
                missing.push(format!("{verb} {path}: {field}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
