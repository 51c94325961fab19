//! Swagger UI.

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::world::World;

/// The addresses that `html` refers to.
fn references(html: &str) -> Vec<String> {
    let parts = html.split("src=\"").chain(html.split("href=\"")).skip(1);
    let mut references: Vec<_> = parts
        .filter_map(|part| part.split_once('"'))
        .map(|(reference, _)| reference.to_owned())
        .filter(|reference| reference.starts_with("./"))
        .collect();
    references.sort();
    references.dedup();
    references
}

#[tokio::test]
async fn the_page_and_all_its_files_come_from_here() {
    let world = World::public(|_| json!({}));

    let page = world.get("/swagger/").await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), Some("text/html"));
    let references = references(page.text());
    assert!(references.len() >= 4, "{references:?}");
    for reference in references {
        let file = world.get(&format!("/swagger/{}", &reference[2..])).await;
        assert_eq!(file.status, StatusCode::OK, "{reference}");
        assert!(!file.body.is_empty(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_shows_our_document_and_asks_nobody_else() {
    let world = World::public(|_| json!({}));

    let settings = world.get("/swagger/swagger-initializer.js").await;

    let text = settings.text();
    assert!(text.contains("\"url\": \"/openapi.json\""), "{text}");
    assert!(text.contains("\"validatorUrl\": \"none\""), "{text}");
    assert!(text.contains("\"tryItOutEnabled\": true"), "{text}");
}

#[tokio::test]
async fn nothing_but_scripts_of_this_origin_runs_in_the_page() {
    let world = World::public(|_| json!({}));

    let page = world.get("/swagger/").await;

    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
    // What the policy would stop: scripts and handlers written into the page.
    let html = page.text();
    assert!(!html.contains("<script>") && !html.contains(" on"), "{html}");
}

#[tokio::test]
async fn the_page_is_found_without_its_slash() {
    let world = World::public(|_| json!({}));

    let answer = world.get("/swagger").await;

    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.header("location"), Some("/swagger/"));
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let world = World::public(|_| json!({}));
    let etag = world.get("/swagger/swagger-ui.css").await.header("etag").unwrap().to_owned();
    let request = Request::get("/swagger/swagger-ui.css").header("if-none-match", etag);

    let again = world.send(request.body(Full::default()).unwrap()).await;

    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn another_file_is_404() {
    let world = World::public(|_| json!({}));

    for path in ["/swagger/passwd", "/swagger/..%2fCargo.toml", "/swagger/a/b"] {
        assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
