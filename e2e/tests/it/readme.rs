//! The documentation's own commands, as a newcomer types them.

use std::process::Command;

use testkit::{Engine, World};

use crate::site::{PASSWORD, Site};

/// The shell blocks of a text, joined.
fn script(text: &str) -> String {
    let blocks = text.split("```bash\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

/// What `script` prints, which must end well.
async fn printed(site: &Site, script: String) -> String {
    let (http, grpc) = (site.http.clone(), site.grpc[0].clone());
    let shell = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .env("URL", http)
            .env("GRPC", grpc.trim_start_matches("http://"))
            .env("PASSWORD", PASSWORD)
            .output()
    });
    let output = shell.await.unwrap().unwrap();

    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

testkit::both! {
    async fn the_first_loop_works_as_it_is_written(world: World) {
        let site = Site::whole(world).await;
        let readme = include_str!("../../../README.md");
        let part = readme.split("<!-- first loop -->").nth(1).expect("the README has the first loop");

        let out = printed(&site, script(part)).await;

        assert!(out.trim_end().ends_with("COMPLETED CLEARED"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_to_the_api_is_true() {
    let site = Site::whole(World::new(Engine::Sqlite).await).await;

    let out = printed(&site, script(include_str!("../../../docs/api/README.md"))).await;

    // In the order of the guide: an ordered list and a paged one, a repeated creation, a key used twice and a repeated
    // deletion, a write and a stale one, what was watched, and refusals.
    let listed = "Pump 3\nPump 2\nPump 1\nPump 1\nPump 2\nPump 3\n";
    let repeated = "200\n409\n204\n404\n\"HIGH\"\n412\n";
    assert!(out.contains(&[listed, repeated].concat()), "{out}");
    assert!(out.contains("\"speed\":1500"), "{out}");
    let refused = "titel\nNOT_FOUND\nNO_SUCH_PATH\nSTALE\nTASK_NOT_HELD";
    assert!(out.contains("INVALID_JSON\n{") && out.trim_end().ends_with(refused), "{out}");
}
