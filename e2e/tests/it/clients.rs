//! Other people's clients do the first loop: the files in `docs/api/examples`, as they stand; and the typed client does what
//! its own tests say.

use std::{path::PathBuf, process::Command};

use testkit::{Engine, World};

use crate::site::Site;

/// A file or folder of the repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn command(program: impl Into<PathBuf>, arguments: &[&str], site: &Site) -> Command {
    let mut command = Command::new(program.into());
    command.args(arguments).env("URL", &site.http).env("PASSWORD", &site.password);
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

/// The shell's example does it at `url`, which has no reflection if it is the REST port.
async fn the_shell_does_it(caller: &str, url: &str, site: &Site) {
    let mut shell = command(example("grpc-loop.sh"), &[caller], site);
    shell.env("ADDRESS", address(url));
    let protos = std::env::temp_dir().join(format!("protos-{}.binpb", std::process::id()));
    if url == site.http {
        std::fs::write(&protos, proto::DESCRIPTORS).unwrap();
        shell.env("PROTOS", &protos);
    }

    does_the_first_loop(shell).await;

    if url == site.http {
        std::fs::remove_file(&protos).unwrap();
    }
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// Defines tests that run with the gateway in the process of the services, with every part in one of its own, and where somebody
/// else has started them.
macro_rules! wherever_the_gateway_runs {
    ($(async fn $name:ident($site:ident: Site) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn run($site: Site) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_one_process() {
                run(Site::whole(World::new(Engine::Sqlite).await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_parts() {
                run(Site::parts(World::new(Engine::Sqlite).await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "wants a deployed suite: make compose-test"]
            async fn deployed() {
                run(Site::deployed().await).await;
            }
        }
    )+};
}

wherever_the_gateway_runs! {
    async fn python_does_it_over_rest(site: Site) {
        does_the_first_loop(command("python3", &[&example("rest_loop.py")], &site)).await;
    }

    async fn node_does_it_over_grpc(site: Site) {
        let mut node = command("node", &[&example("node/grpc-loop.js")], &site);
        node.env("GRPC", address(&site.http));
        does_the_first_loop(node).await;
    }

    async fn grpcurl_does_it(site: Site) {
        the_shell_does_it("grpcurl", &site.http, &site).await;
    }

    async fn buf_curl_does_it_over_grpc(site: Site) {
        the_shell_does_it("grpc", &site.http, &site).await;
    }

    async fn buf_curl_does_it_over_grpc_web(site: Site) {
        the_shell_does_it("grpcweb", &site.http, &site).await;
    }
}

/// In one process, and with every part in one of its own.
async fn both() -> [Site; 2] {
    [
        Site::whole(World::new(Engine::Sqlite).await).await,
        Site::parts(World::new(Engine::Sqlite).await).await,
    ]
}

/// Every service says by reflection what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_does_it_over_grpc_with_reflection() {
    for site in both().await {
        let addresses: Vec<_> = site.grpc.iter().map(|url| address(url)).collect();
        let python = path("target/tools/python/bin/python");
        let mut python = command(python, &[&example("grpc_loop.py")], &site);
        python.env("GRPC", addresses.join(","));
        does_the_first_loop(python).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_is_made_from_the_document_and_keeps_its_word() {
    for site in both().await {
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
}

/// The port of all services says by reflection what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_does_it_with_reflection() {
    let site = Site::whole(World::new(Engine::Sqlite).await).await;
    for caller in ["grpcurl", "grpc"] {
        the_shell_does_it(caller, &site.grpc[0], &site).await;
    }
}
