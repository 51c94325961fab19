//! How long a client may hold its place.

use std::time::Duration;

use bytes::Bytes;
use gateway::Config;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::json;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    edge::{port, rest, until},
    neighbour::Reply,
    world::impatient,
};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const TASK: &[u8] = b"GET /api/tasks/7 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\r\n";
#[tokio::test]
async fn an_http_2_connection_that_only_pings_is_closed() {
    let port = port(impatient(), json!({}).into()).await;
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.timer(TokioTimer::new()).keep_alive_while_idle(true);
    client.keep_alive_interval(Duration::from_millis(50));
    let (mut requests, connection) =
        client.handshake(TokioIo::new(port.connect().await)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{}/healthz", port.address));
    let response = requests.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
    response.unwrap().into_body().collect().await.unwrap();

    let end = timeout(Duration::from_secs(5), connection).await;

    assert!(end.is_ok(), "the connection is held");
    drop(requests);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let patience = Duration::from_millis(300);
    let config =
        Config { http_write_idle_seconds: patience, http_max_connections: 1, ..Config::default() };
    // More than the buffers between the two hold.
    let large = json!({"title": "x".repeat(48 << 20)});
    let port = port(config, large.into()).await;
    let mut deaf = port.connect().await;
    deaf.write_all(TASK).await.unwrap();
    let mut next = port.connect().await;

    next.write_all(HEALTH).await.unwrap();

    assert!(until(&mut next, "ok\n").await.starts_with("HTTP/1.1 200 OK"));
    drop(deaf);
}

#[tokio::test]
async fn an_old_connection_ends_when_its_requests_have() {
    let config = Config { http_max_age_seconds: Duration::from_millis(300), ..Config::default() };
    let port = port(config, json!({}).into()).await;
    let mut stream = port.connect().await;
    stream.write_all(HEALTH).await.unwrap();
    until(&mut stream, "ok\n").await;

    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_old_connection_is_cut_when_its_requests_do_not_end() {
    let soon = Duration::from_millis(200);
    let config =
        Config { http_max_age_seconds: soon, http_drain_seconds: soon, ..Config::default() };
    let port = port(config, Reply::Never).await;
    let mut stream = port.connect().await;

    stream.write_all(TASK).await.unwrap();

    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_address_gets_no_more_than_its_share_where_one_is_set() {
    let config = Config { http_max_connections_per_address: Some(1), ..Config::default() };
    let port = port(config, json!({}).into()).await;
    let mut first = port.connect().await;
    first.write_all(HEALTH).await.unwrap();
    until(&mut first, "ok\n").await;

    assert_eq!(rest(&mut port.connect().await).await, "");

    first.write_all(HEALTH).await.unwrap();
    until(&mut first, "ok\n").await;
}
