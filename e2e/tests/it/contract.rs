//! The contract as a stranger's tool tries it: schemathesis makes requests from the OpenAPI document, good ones and bad ones,
//! and holds the answers against it. `make contract` tries many more.

use std::{path::Path, process::Command};

use testkit::{Engine, World};

use crate::site::{PASSWORD, Site};

/// How schemathesis is told about the suite: e2e/contract.
async fn keeps_the_contract(role: &'static str) {
    let site = Site::whole(World::new(Engine::Sqlite).await).await;
    let url = site.http.clone();

    let run = tokio::task::spawn_blocking(move || {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/try"))
            .args(["--seed=1", "--max-examples=2", "--phases=examples,fuzzing,stateful"])
            .env("FLIGHTLINE_URL", &url)
            .env("FLIGHTLINE_PASSWORD", PASSWORD)
            .env("FLIGHTLINE_ROLE", role)
            .output()
    });
    let output = run
        .await
        .unwrap()
        .expect("schemathesis is installed by `make tools`; run tests through make");

    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_meets_what_is_documented() {
    keeps_the_contract("ADMIN").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_technician_meets_what_is_documented() {
    keeps_the_contract("TECHNICIAN").await;
}
