//! The binary's work from outside: what it starts, and what its commands do to that.
#![expect(clippy::unwrap_used, reason = "a broken test rig should stop the test")]

mod admin;
mod backup;
mod deploy;
mod environment;
mod fleet;
mod import;
mod kill;
mod log;
mod migrate;
mod moving;
mod observe;
mod restore;
mod serve;
mod sheet;
mod stop;
mod tls;
mod trace;

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use flightline::{Config, Part, Running};
use kit::peer::{self, Peer};
use proto::{
    auth::v1::{CreateTokenRequest, auth_service_client::AuthServiceClient},
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment_service_client::EquipmentServiceClient,
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

const PASSWORD: &str = testkit::PASSWORD;

/// Settings for free ports of this machine, and data below `folder`.
fn config(folder: &Path, more: &[&str]) -> Config {
    let data = folder.join("data").display().to_string();
    let ports = ["--http-listen", "--grpc-listen", "--metrics-listen"];
    let ports = ports.into_iter().flat_map(|port| [port, "127.0.0.1:0"]);
    let arguments = ["--data-dir", data.as_str(), "--admin-password", PASSWORD];
    Config::from_arguments(ports.chain(arguments).chain(more.iter().copied())).unwrap()
}

/// The whole suite, in a folder of its own.
async fn suite() -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (start(config(folder.path(), &[]), None).await, folder)
}

async fn start(config: Config, part: Option<Part>) -> Running {
    Running::start(config, part, CancellationToken::new()).await.unwrap()
}

/// Runs the binary with `input` on its standard input and nothing of our environment but `variables`.
fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flightline"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

/// Calls a process on its gRPC port.
fn over_the_wire(running: &Running) -> Peer {
    peer::remote(&running.grpc_url().unwrap(), None).unwrap()
}

async fn token(auth: Peer, username: &str, password: &str) -> Result<String, Status> {
    let request = CreateTokenRequest { username: username.into(), password: password.into() };
    let answer = AuthServiceClient::new(auth).create_token(request).await?;
    Ok(answer.into_inner().access)
}

async fn register(equipment: Peer, token: &str) -> Result<Equipment, Status> {
    let equipment_given =
        Equipment { name: "Pump".into(), r#type: "pump".into(), ..Default::default() };
    let message = CreateEquipmentRequest { equipment: Some(equipment_given), ..Default::default() };
    let mut client = EquipmentServiceClient::new(equipment);
    Ok(client.create_equipment(as_user(token, message)).await?.into_inner())
}

fn as_user<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}
