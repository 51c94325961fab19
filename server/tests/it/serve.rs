use std::fs;

use flightline::{Part, Running};
use futures_util::future::join_all;
use proto::{
    auth::v1::{CreateKeyRequest, Key, key_service_client::KeyServiceClient},
    telemetry::v1::{
        CreateReadingRequest, Reading, telemetry_service_client::TelemetryServiceClient,
    },
};
use sqlx::{AssertSqlSafe, ConnectOptions, postgres::PgConnectOptions};
use testkit::{Engine, World, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{PASSWORD, as_user, config, over_the_wire, register, start, suite, token};

/// The head of the answer to a request without a body.
pub async fn get(http_url: &str, path: &str) -> String {
    let address = http_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_suite_answers_on_both_ports_until_it_is_stopped() {
    let (suite, _folder) = suite().await;

    let ready = get(&suite.http_url().unwrap(), "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let peer = over_the_wire(&suite);
    let admin = token(peer.clone(), "admin", PASSWORD).await.unwrap();
    let pump = register(peer.clone(), &admin).await.unwrap();
    assert_eq!(pump.name, "Pump");

    suite.stop().await.unwrap();
    assert_eq!(token(peer, "admin", PASSWORD).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_is_there_after_another_start() {
    let (suite, folder) = suite().await;
    assert_eq!(suite.first_admin().unwrap().username, "admin");
    suite.stop().await.unwrap();

    let again = start(config(folder.path(), &[]), None).await;

    assert!(again.first_admin().is_none());
    assert!(token(over_the_wire(&again), "admin", PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_services_share_one_postgresql_server() {
    let world = World::new(Engine::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), &[]);
    config.db = world.db.clone();

    start(config.clone(), None).await.stop().await.unwrap();
    let again = start(config, None).await;

    let admin = token(over_the_wire(&again), "admin", PASSWORD).await.unwrap();
    assert!(register(over_the_wire(&again), &admin).await.is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Lets nobody into the database that `url` names, and cuts whoever is in; or lets them in again.
async fn lose_database(url: &str, lost: bool) {
    let options: PgConnectOptions = url.parse().unwrap();
    let name = options.get_database().unwrap().to_owned();
    let mut server = options.database("postgres").connect().await.unwrap();
    let allow = format!("alter database \"{name}\" with allow_connections {}", !lost);
    sqlx::raw_sql(AssertSqlSafe(allow)).execute(&mut server).await.unwrap();
    if lost {
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(name)
            .execute(&mut server)
            .await
            .unwrap();
    }
}

/// Waits until `/readyz` at `url` answers with that status, and gRPC says of equipment in the same process that it is in that state.
async fn becomes(process: &Running, url: &str, status: &str, health: ServingStatus) {
    eventually(status, || async {
        let ready = get(url, "/readyz").await.starts_with(status);
        let mut client = HealthClient::new(over_the_wire(process));
        let service = "flightline.equipment.v1.EquipmentService".to_owned();
        let answer = client.check(HealthCheckRequest { service }).await.unwrap();
        (ready && answer.get_ref().status() == health).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_that_lost_its_database_says_so_until_it_has_it_back() {
    let world = World::new(Engine::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), &[]);
    config.db = world.db.clone();
    let suite = start(config, None).await;
    let url = world.db.server().unwrap();
    let http = suite.http_url().unwrap();
    let becomes = async |status, health| becomes(&suite, &http, status, health).await;
    becomes("HTTP/1.1 200", ServingStatus::Serving).await;

    lose_database(url, true).await;
    becomes("HTTP/1.1 503", ServingStatus::NotServing).await;

    lose_database(url, false).await;
    becomes("HTTP/1.1 200", ServingStatus::Serving).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_in_processes_of_their_own_make_one_suite() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [
        (Part::Auth, "--auth-url", testkit::free_port()),
        (Part::Equipment, "--equipment-url", testkit::free_port()),
        (Part::Maintenance, "--maintenance-url", testkit::free_port()),
        (Part::Telemetry, "--telemetry-url", testkit::free_port()),
    ];
    let mut settings = vec!["--service-secret".to_owned(), "shared by all parts".to_owned()];
    for (_, flag, port) in parts {
        settings.extend([flag.to_owned(), format!("http://127.0.0.1:{port}")]);
    }
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let config = config(folder.path(), &settings);
    let mut running = Vec::new();
    for (part, _, port) in parts {
        let mut config = config.clone();
        config.grpc.grpc_listen.set_port(port);
        let started = start(config, Some(part)).await;
        assert_eq!((started.grpc_url().is_some(), started.http_url()), (true, None));
        running.push(started);
    }
    let gateway = start(config, Some(Part::Gateway)).await;
    assert_eq!((gateway.grpc_url(), gateway.http_url().is_some()), (None, true));
    running.push(gateway);
    let [auth, equipment, _, telemetry, gateway] = &running[..] else { panic!("five parts") };

    let ready = get(&gateway.http_url().unwrap(), "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let admin = token(over_the_wire(auth), "admin", PASSWORD).await.unwrap();
    let pump = register(over_the_wire(equipment), &admin).await.unwrap();
    // Auth asks equipment in the admin's name.
    let key = |id: &str| {
        let key = Key {
            name: "pump house".into(),
            equipment_ids: vec![id.to_owned()],
            ..Default::default()
        };
        as_user(&admin, CreateKeyRequest { key: Some(key) })
    };
    let mut keys = KeyServiceClient::new(over_the_wire(auth));
    keys.create_key(key(&pump.id)).await.unwrap();
    let nowhere = keys.create_key(key("018f0000-0000-7000-8000-000000000000")).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::InvalidArgument, "{nowhere}");
    // Telemetry asks equipment in its own name, by a token from auth.
    let reading = Reading {
        equipment_id: pump.id,
        metrics: [("temperature".to_owned(), 71.2)].into(),
        ..Default::default()
    };
    let message = CreateReadingRequest { reading: Some(reading), request_id: String::new() };
    let mut client = TelemetryServiceClient::new(over_the_wire(telemetry));
    client.create_reading(as_user(&admin, message)).await.unwrap();

    for stopped in join_all(running.into_iter().map(Running::stop)).await {
        stopped.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_reports_the_health_of_its_own_services_alone() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--service-secret", "shared by all parts", "--equipment-url", "http://127.0.0.1:1"];
    let config = config(folder.path(), &more);
    let auth = start(config, Some(Part::Auth)).await;
    let mut health = HealthClient::new(over_the_wire(&auth));
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.check(request).await.map(|answer| answer.into_inner().status())
    };

    for service in ["", "flightline.auth.v1.AuthService", "flightline.auth.v1.UserService"] {
        assert_eq!(check(service).await.unwrap(), ServingStatus::Serving, "{service}");
    }
    let other = check("flightline.equipment.v1.EquipmentService").await;
    assert_eq!(other.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_auth_refuses_serves_nobody_until_auth_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (at_auth, at_equipment) = (testkit::free_port(), testkit::free_port());
    let urls = [at_auth, at_equipment].map(|port| format!("http://127.0.0.1:{port}"));
    let at = urls.each_ref().map(String::as_str);
    let with = |secret: &str, port: u16| {
        let more = ["--service-secret", secret, "--auth-url", at[0], "--equipment-url", at[1]];
        let mut config = config(folder.path(), &more);
        config.grpc.grpc_listen.set_port(port);
        config
    };
    // While auth is away, it is ready for whoever comes: each is refused until auth is there.
    let equipment =
        start(with("the secret of all parts", at_equipment), Some(Part::Equipment)).await;
    let metrics = equipment.metrics_url();
    let becomes = async |status, health| becomes(&equipment, &metrics, status, health).await;
    becomes("HTTP/1.1 200", ServingStatus::Serving).await;

    let auth = start(with("another secret than theirs", at_auth), Some(Part::Auth)).await;
    becomes("HTTP/1.1 503", ServingStatus::NotServing).await;
    assert!(get(&equipment.metrics_url(), "/readyz").await.contains("auth refuses this process"));
    assert!(get(&auth.metrics_url(), "/readyz").await.starts_with("HTTP/1.1 200"));

    auth.stop().await.unwrap();
    let auth = start(with("the secret of all parts", at_auth), Some(Part::Auth)).await;
    becomes("HTTP/1.1 200", ServingStatus::Serving).await;

    equipment.stop().await.unwrap();
    auth.stop().await.unwrap();
}

#[tokio::test]
async fn a_process_that_cannot_have_its_port_touches_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut config = config(folder.path(), &[]);
    config.grpc.grpc_listen = taken.local_addr().unwrap();

    let error = Running::start(config, None, CancellationToken::new()).await.err().unwrap();

    assert!(format!("{error:#}").contains(&address), "{error:#}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
