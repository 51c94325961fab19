//! TLS: who is let in on every hop, and who is not.

mod authority;
mod database;
mod hops;
mod public;
mod renewed;
mod trust;

use std::path::Path;

use authority::Authority;
use flightline::{Config, Part, Running};
use kit::{
    peer::{self, Peer, Secure},
    tls::{Client, Files},
};
use proto::{
    maintenance::v1::{ListTasksRequest, task_service_client::TaskServiceClient},
    telemetry::v1::{
        BatchCreateReadingsRequest, CreateRuleRequest, Reading, Rule, rule::Condition,
        rule_service_client::RuleServiceClient, telemetry_service_client::TelemetryServiceClient,
    },
};
use testkit::eventually;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use super::{PASSWORD, as_user, config, register, start, token};

/// Calls `url` with what is in `files`; in plaintext, without them. The server's certificate must bear `name`.
async fn peer(url: &str, files: Option<Files>, name: Option<&'static str>) -> Peer {
    match files {
        Some(files) => {
            let client = Client::new(files).await.unwrap();
            peer::remote(url, Some(&Secure { client, name })).unwrap()
        }
        None => peer::remote(&url.replace("https://", "http://"), None).unwrap(),
    }
}

/// Whether a call comes through: every process answers this one.
async fn ask(peer: &Peer) -> Result<(), Status> {
    let mut client = HealthClient::new(peer.clone());
    client.check(HealthCheckRequest::default()).await.map(|_| ())
}

/// Whether a call failed because there was no connection. To a caller that speaks HTTP/2, an answer in TLS is nonsense.
fn is_refusal(status: &Status) -> bool {
    let is_nonsense = status.code() == Code::Internal && status.message().contains("h2 protocol");
    status.code() == Code::Unavailable || is_nonsense
}

/// The arguments that have a process use the certificate of `name`.
fn grpc(authority: &Authority, name: &str) -> Vec<String> {
    let (certificate, key) = authority.own(name);
    let files = [certificate, key, authority.certificate()];
    let flags = ["--grpc-tls-certificate", "--grpc-tls-key", "--grpc-tls-authority"];
    let pair = |(flag, file): (&str, std::path::PathBuf)| [flag.into(), file.display().to_string()];
    flags.into_iter().zip(files).flat_map(pair).collect()
}

fn http(authority: &Authority, name: &str) -> Vec<String> {
    let (certificate, key) = authority.own(name);
    let flags = ["--http-tls-certificate", "--http-tls-key"];
    let pair = |(flag, file): (&str, std::path::PathBuf)| [flag.into(), file.display().to_string()];
    flags.into_iter().zip([certificate, key]).flat_map(pair).collect()
}

fn settings(folder: &Path, arguments: &[String]) -> Config {
    config(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn begin(folder: &Path, part: Option<Part>, arguments: &[String]) -> Running {
    start(settings(folder, arguments), part).await
}

/// Every part alone, in production, with certificates and no secret.
async fn parts(folder: &Path, authority: &Authority) -> Vec<Running> {
    let services = [Part::Auth, Part::Equipment, Part::Maintenance, Part::Telemetry];
    let services = services.map(|part| (part, testkit::free_port()));
    let mut urls = vec!["--profile".to_owned(), "production".to_owned()];
    for (part, port) in services {
        urls.extend([format!("--{part}-url"), format!("https://localhost:{port}")]);
    }
    let mut running = Vec::new();
    for (part, port) in services {
        let own = [urls.clone(), grpc(authority, part.name())].concat();
        let mut config = settings(folder, &own);
        config.grpc.grpc_listen.set_port(port);
        running.push(start(config, Some(part)).await);
    }
    let own = [urls, grpc(authority, "gateway"), http(authority, "gateway")].concat();
    running.push(begin(folder, Some(Part::Gateway), &own).await);
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_prove_themselves_by_certificates_need_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let parts = parts(folder.path(), &authority).await;
    let peers = parts.last().unwrap().peers();

    let admin = token(peers.auth.clone(), "admin", PASSWORD).await.unwrap();
    let pump = register(peers.equipment.clone(), &admin).await.unwrap().id;
    let rule = Rule {
        name: "Too hot".into(),
        equipment_id: Some(pump.clone()),
        metric: "temperature".into(),
        condition: Condition::Above.into(),
        threshold: Some(90.0),
        open_task: true,
        ..Rule::default()
    };
    let rule = CreateRuleRequest { rule: Some(rule), request_id: String::new() };
    let mut rules = RuleServiceClient::new(peers.telemetry.clone());
    rules.create_rule(as_user(&admin, rule)).await.unwrap();
    let reading = Reading {
        equipment_id: pump.clone(),
        metrics: [("temperature".to_owned(), 99.0)].into(),
        ..Reading::default()
    };
    let batch = BatchCreateReadingsRequest { readings: vec![reading], ..Default::default() };
    let mut telemetry = TelemetryServiceClient::new(peers.telemetry.clone());
    telemetry.batch_create_readings(as_user(&admin, batch)).await.unwrap();

    // Telemetry opens it in its own name.
    eventually("the alert has its task", || async {
        let request = ListTasksRequest { equipment_id: Some(pump.clone()), ..Default::default() };
        let mut tasks = TaskServiceClient::new(peers.maintenance.clone());
        let tasks = tasks.list_tasks(as_user(&admin, request)).await.unwrap().into_inner().tasks;
        (tasks.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_with_anothers_certificate_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let neighbours = ["auth", "equipment"].map(|part| format!("--{part}-url=https://localhost:1"));
    for other in ["equipment", "flightline"] {
        let arguments = [grpc(&authority, other), neighbours.to_vec()].concat();
        let config = settings(folder.path(), &arguments);

        let started = Running::start(config, Some(Part::Auth), CancellationToken::new()).await;

        let error = started.err().unwrap().to_string();
        assert!(error.contains("by the DNS name auth"), "{error}");
        assert!(error.contains(&format!("{other}.pem")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_tells_nobody_which_methods_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let files = [http(&authority, "flightline"), grpc(&authority, "flightline")].concat();

    for (profile, expected) in [("development", None), ("production", Some(Code::Unimplemented))] {
        let arguments = [files.clone(), vec!["--profile".into(), profile.into()]].concat();
        let suite = begin(folder.path(), None, &arguments).await;
        let peer = peer(&suite.grpc_url().unwrap(), Some(authority.files("gateway")), None).await;
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(peer);
        let answer = client.server_reflection_info(tokio_stream::once(list)).await;
        assert_eq!(answer.err().map(|status| status.code()), expected, "{profile}");
        suite.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_another_does_not_expect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["historian"]);
    let mut arguments = grpc(&authority, "maintenance");
    arguments.extend(["--grpc-tls-clients", "historian"].map(str::to_owned));
    for part in ["auth", "equipment", "telemetry"] {
        arguments.extend([format!("--{part}-url"), "https://127.0.0.1:1".to_owned()]);
    }
    let maintenance = begin(folder.path(), Some(Part::Maintenance), &arguments).await;
    let url = maintenance.grpc_url().unwrap();

    for (name, is_expected) in [
        ("telemetry", true),
        ("gateway", true),
        ("historian", true),
        ("auth", false),
        ("equipment", false),
        ("flightline", false),
    ] {
        let peer = peer(&url, Some(authority.files(name)), Some("maintenance")).await;
        assert_eq!(ask(&peer).await.is_ok(), is_expected, "{name}");
    }
}
