//! The documentation's own commands, as a newcomer types them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

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

/// The Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    folders
        .iter()
        .flat_map(|folder| sources(folder))
        .chain(files.into_iter().filter(is_rust))
        .collect()
}

/// The first text in capitals after each `call` in `source`, if it is among the call's first arguments, or begins with the call.
fn reasons<'a>(source: &'a str, call: &'a str) -> impl Iterator<Item = String> + 'a {
    source.split(call).skip(1).filter_map(|rest| {
        let arguments = rest.split(';').next()?;
        let reason = arguments.split('"').nth(usize::from(!call.ends_with('"')))?;
        let is_reason = reason.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        is_reason.then(|| reason.to_owned())
    })
}

#[test]
fn the_guide_to_the_api_names_every_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut known = BTreeSet::new();
    for folder in ["services", "libs/kit/src", "gateway/src"] {
        for path in sources(&root.join(folder)) {
            let source = std::fs::read_to_string(path).unwrap();
            known.extend(reasons(&source, "refused("));
            known.extend(reasons(&source, "Problem::new("));
        }
    }
    // Those of kinds of errors and of gRPC's codes stand in tables.
    for table in ["libs/kit/src/error.rs", "gateway/src/status.rs"] {
        let source = std::fs::read_to_string(root.join(table)).unwrap();
        known.extend(reasons(&source, "=> \""));
    }
    let some = ["TASK_HELD", "BODY_TOO_LARGE", "EXHAUSTED", "REFUSED"];
    assert!(some.iter().all(|reason| known.contains(*reason)), "{known:?}");

    let guide = include_str!("../../../docs/api/README.md");
    known.retain(|reason| !guide.contains(&format!("`{reason}`")));
    assert_eq!(known, BTreeSet::new(), "the guide does not name these");
}
