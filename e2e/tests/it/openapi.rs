//! The OpenAPI document, as other people's tools read it.

use std::process::Command;

use testkit::{Engine, World};

use crate::{rest::Rest, site::Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_valid_openapi() {
    let site = Site::whole(World::new(Engine::Sqlite).await).await;
    let anybody = Rest::new(&site.http);
    let document = anybody.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let file = std::env::temp_dir().join(format!("openapi-{}.json", std::process::id()));
    std::fs::write(&file, document.to_string()).unwrap();

    let output = Command::new("openapi-spec-validator")
        .arg(&file)
        .output()
        .expect("openapi-spec-validator is installed by `make tools`; run tests through make");

    std::fs::remove_file(&file).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
