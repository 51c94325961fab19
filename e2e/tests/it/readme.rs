//! The README's own commands, as a newcomer types them.

use std::process::Command;

use crate::site::{PASSWORD, Site};

/// The shell blocks between the README's markers, joined.
fn script() -> String {
    let readme = include_str!("../../../README.md");
    let part = readme.split("<!-- first loop -->").nth(1).expect("the README has the first loop");
    let blocks = part.split("```bash\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default()).collect()
}

testkit::both! {
    async fn the_first_loop_works_as_it_is_written(world: World) {
        let site = Site::whole(world).await;
        let (http, grpc) = (site.http.clone(), site.grpc[0].clone());

        let shell = tokio::task::spawn_blocking(move || {
            Command::new("bash")
                .args(["-euo", "pipefail", "-c", &script()])
                .env("URL", http)
                .env("GRPC", grpc.trim_start_matches("http://"))
                .env("PASSWORD", PASSWORD)
                .output()
        });
        let output = shell.await.unwrap().unwrap();

        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        assert!(out.trim_end().ends_with("COMPLETED CLEARED"), "{out}");
    }
}
