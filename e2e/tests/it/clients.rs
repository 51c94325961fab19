//! Other people's clients do the first loop: the files in `docs/api/examples`, as they stand; and the typed client does what
//! its own tests say.

use std::{path::PathBuf, process::Command};

use testkit::{Engine, World};

use crate::site::{PASSWORD, Site};

async fn site() -> Site {
    Site::whole(World::new(Engine::Sqlite).await).await
}

/// A file or folder of the repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn command(program: impl Into<PathBuf>, arguments: &[&str], site: &Site) -> Command {
    let mut command = Command::new(program.into());
    command
        .args(arguments)
        .env("URL", &site.http)
        .env("GRPC", site.grpc[0].trim_start_matches("http://"))
        .env("PASSWORD", PASSWORD);
    command
}

/// What a command prints that must end well.
async fn printed(mut command: Command) -> String {
    let name = format!("{command:?}");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| {
        panic!("{name}: {error}; `make tools` installs what it lacks, run tests through make")
    });
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}\n{out}\n{err}");
    out.into_owned()
}

async fn does_the_first_loop(command: Command) {
    let out = printed(command).await;
    assert!(out.trim_end().ends_with("COMPLETED CLEARED"), "{out}");
}

fn example(file: &str) -> String {
    path("docs/api/examples").join(file).display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_does_it_over_rest() {
    let site = site().await;
    does_the_first_loop(command("python3", &[&example("rest_loop.py")], &site)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_does_it_over_grpc_with_reflection() {
    let site = site().await;
    let python = path("target/tools/python/bin/python");
    does_the_first_loop(command(python, &[&example("grpc_loop.py")], &site)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_does_it_over_grpc() {
    let site = site().await;
    does_the_first_loop(command("node", &[&example("node/grpc-loop.js")], &site)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_does_it() {
    let site = site().await;
    does_the_first_loop(command(example("grpcurl-loop.sh"), &[], &site)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buf_curl_does_it_over_grpc() {
    let site = site().await;
    let mut buf = command(example("buf-curl-loop.sh"), &[], &site);
    buf.env("URL", &site.grpc[0]).env("PROTOCOL", "grpc");
    does_the_first_loop(buf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_is_made_from_the_document_and_keeps_its_word() {
    let site = site().await;
    let npm = |arguments: &[&str]| {
        let mut npm = command("npm", arguments, &site);
        npm.current_dir(path("clients/typescript"));
        npm
    };
    let document = format!("{}/openapi.json", site.http);
    printed(npm(&["run", "--silent", "generate", "--", &document])).await;

    let out = printed(npm(&["test", "--silent"])).await;

    assert!(out.contains("# fail 0") && !out.contains("# pass 0"), "{out}");
}
