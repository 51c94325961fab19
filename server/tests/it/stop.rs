//! How a process ends.

use std::fs;

use flightline::{Part, Running};
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use super::{config, over_the_wire, serve::get, start, suite};

/// The code of the status that a stream ends with, whatever it said before.
async fn end<T>(stream: &mut Streaming<T>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_that_watch_keep_nobody_from_stopping() {
    let (suite, _folder) = suite().await;
    let peer = over_the_wire(&suite);
    let health = HealthClient::new(peer.clone()).watch(HealthCheckRequest::default()).await;
    let mut health = health.unwrap().into_inner();
    // Never asks for anything.
    let mut reflection = ServerReflectionClient::new(peer);
    let reflection = reflection.server_reflection_info(tokio_stream::pending()).await;
    let mut reflection = reflection.unwrap().into_inner();

    // Otherwise it would say that calls were still in progress.
    suite.stop().await.unwrap();

    assert_eq!(end(&mut health).await, Code::Unavailable);
    assert_eq!(end(&mut reflection).await, Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_says_that_it_stops_before_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--service-secret", "shared by all parts", "--equipment-url", "http://127.0.0.1:1"];
    let auth = start(config(folder.path(), &more), Some(Part::Auth)).await;
    let peer = over_the_wire(&auth);
    let watch = HealthClient::new(peer).watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let mut next = async || {
        let answer: Option<HealthCheckResponse> = watch.message().await?;
        Ok::<_, Status>(answer.map(|answer| answer.status()))
    };
    assert_eq!(next().await.unwrap(), Some(ServingStatus::Serving));

    let stopped = tokio::spawn(auth.stop());

    // It goes on listening in between; when it doesn't, this stream ends.
    assert_eq!(next().await.unwrap(), Some(ServingStatus::NotServing));
    assert_eq!(next().await.unwrap_err().code(), Code::Unavailable);
    stopped.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_are_told_that_it_stops_until_it_has() {
    let (suite, _folder) = suite().await;
    let (metrics, http) = (suite.metrics_url(), suite.http_url().unwrap());
    let address = http.strip_prefix("http://").unwrap();
    // A request that is under way until its body comes.
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/token HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\
                content-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut begun).await.unwrap();

    let stopped = tokio::spawn(suite.stop());

    eventually("operators are told", || async {
        let answer = get(&metrics, "/readyz").await;
        (answer.starts_with("HTTP/1.1 503") && answer.ends_with("about to stop\n")).then_some(())
    })
    .await;
    assert!(get(&metrics, "/metrics").await.starts_with("HTTP/1.1 200"));
    slow.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    stopped.await.unwrap().unwrap();
    assert!(TcpStream::connect(metrics.strip_prefix("http://").unwrap()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_leaves_the_databases_and_nothing_beside_them() {
    let (suite, folder) = suite().await;

    suite.stop().await.unwrap();

    let files = fs::read_dir(folder.path().join("data")).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["auth.db", "equipment.db", "maintenance.db", "telemetry.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_when_whoever_started_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let shutdown = CancellationToken::new();
    let running = Running::start(config(folder.path(), &[]), None, shutdown.clone()).await.unwrap();

    shutdown.cancel();

    running.wait().await.unwrap();
}
