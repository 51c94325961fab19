//! The port itself: what a client on the network meets.

use std::{net::SocketAddr, time::Duration};

use gateway::Config;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    neighbour::{Neighbour, Reply},
    world::{impatient, peers},
};

pub struct Port {
    pub address: SocketAddr,
    neighbour: Neighbour,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

/// A gateway on a port of its own, before services that all answer `reply`.
pub async fn port(config: Config, reply: Reply) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let neighbour = Neighbour::new(proto::DESCRIPTORS, move |_| reply.clone());
    let server = gateway::run(config, peers(&neighbour), listener, None, shutdown.clone());
    Port { address, neighbour, shutdown, server: tokio::spawn(server) }
}

impl Port {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the server hangs up, which must be soon.
pub async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    // A reset ends a connection as well.
    let _ = read.expect("the server hangs up");
    String::from_utf8(bytes).unwrap()
}

/// What arrives until it contains `end`.
pub async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        let read = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await;
        let count = read.expect("the server says something").unwrap();
        assert_ne!(count, 0, "the server hung up after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    text
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let port = port(Config::default(), json!({"id": "7"}).into()).await;
    let mut stream = port.connect().await;

    for _ in 0..3 {
        stream
            .write_all(b"GET /api/tasks/7/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\r\n")
            .await
            .unwrap();
        let answer = until(&mut stream, "\"etag\":\"\"}").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_services_hear_where_a_client_is_and_not_where_it_says() {
    let port = port(Config::default(), json!({"id": "7"}).into()).await;
    let mut stream = port.connect().await;

    let head = "GET /api/tasks/7 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n";
    let forged = "x-forwarded-for: 192.0.2.1\r\nx-flightline-role: ADMIN\r\n";
    stream.write_all(format!("{head}{forged}\r\n").as_bytes()).await.unwrap();
    until(&mut stream, "\"etag\":\"\"}").await;

    let headers = port.neighbour.calls.lock().unwrap()[0].headers.clone();
    assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), ["127.0.0.1"]);
    assert!(!headers.contains_key("x-flightline-role"));
}

#[tokio::test]
async fn the_services_hear_where_a_client_is_behind_a_proxy_that_is_trusted() {
    let trusted_proxies = "127.0.0.1, 10.0.0.0/8".parse().unwrap();
    let config = Config { trusted_proxies, ..Config::default() };
    let port = port(config, json!({"id": "7"}).into()).await;
    let mut stream = port.connect().await;

    // One connection of a proxy carries many callers.
    for (told, sender) in [
        ("198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.10", "203.0.113.10"),
        ("unknown", "127.0.0.1"),
    ] {
        let head = "GET /api/tasks/7 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n";
        let request = format!("{head}x-forwarded-for: {told}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        until(&mut stream, "\"etag\":\"\"}").await;

        let headers = port.neighbour.calls.lock().unwrap().pop().unwrap().headers;
        assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), [sender]);
    }
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let port = port(Config::default(), json!({"id": "7"}).into()).await;
    let stream = hyper_util::rt::TokioIo::new(port.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    tokio::spawn(connection);

    let request = http::Request::get(format!("http://{}/api/tasks/7", port.address))
        .header("authorization", "Bearer t");
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(response.version(), http::Version::HTTP_2);
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_request_is_cut() {
    let port = port(impatient(), json!({}).into()).await;

    for begun in ["", "G", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = port.connect().await;
        let started = Instant::now();
        stream.write_all(begun.as_bytes()).await.unwrap();

        assert_eq!(rest(&mut stream).await, "", "{begun:?}");
        let waited = started.elapsed();
        assert!(
            Duration::from_millis(250) < waited && waited < Duration::from_secs(3),
            "{waited:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_lies_idle_is_cut() {
    let port = port(impatient(), json!({}).into()).await;

    for next in ["", "GET /healthz HTTP/1.1\r\n"] {
        let mut stream = port.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        until(&mut stream, "ok\n").await;
        stream.write_all(next.as_bytes()).await.unwrap();

        assert_eq!(rest(&mut stream).await, "", "{next:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_used_is_not_cut_though_every_answer_is_at_hand() {
    let port = port(impatient(), json!({}).into()).await;
    let mut stream = port.connect().await;
    let begun = Instant::now();

    while begun.elapsed() < 2 * impatient().http_header_seconds {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        until(&mut stream, "ok\n").await;
    }
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_body_is_told_so_and_cut() {
    let port = port(impatient(), json!({}).into()).await;
    let mut stream = port.connect().await;

    let head = "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: 9\r\n\r\n{{").as_bytes()).await.unwrap();

    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let port = port(Config::default(), json!({}).into()).await;
    let mut stream = port.connect().await;

    let head = "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: 2000000\r\n\r\n").as_bytes()).await.unwrap();

    let answer = until(&mut stream, "BODY_TOO_LARGE").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_too_much_gets_to_read_why() {
    let port = port(Config::default(), json!({}).into()).await;
    let mut stream = port.connect().await;

    let head = "POST /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: 10000000\r\n\r\n").as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; 10_000_000]).await.unwrap();

    let answer = until(&mut stream, "BODY_TOO_LARGE").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_free_place() {
    let port = port(Config { http_max_connections: 1, ..impatient() }, json!({}).into()).await;
    let first = port.connect().await;
    let mut second = port.connect().await;

    second.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");

    drop(first);
    assert!(until(&mut second, "ok\n").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_has_begun_and_takes_nothing_new() {
    let config = Config { http_deadline_seconds: Duration::from_millis(400), ..Config::default() };
    let port = port(config, Reply::Never).await;
    let mut idle = port.connect().await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /api/tasks/7 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    port.shutdown.cancel();

    assert_eq!(rest(&mut idle).await, "");
    let answer = rest(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    port.server.await.unwrap().unwrap();
    assert!(TcpStream::connect(port.address).await.is_err());
}

#[tokio::test]
async fn a_stopping_server_cuts_what_does_not_end() {
    let config = Config { http_drain_seconds: Duration::from_millis(300), ..Config::default() };
    let port = port(config, Reply::Never).await;
    let mut busy = port.connect().await;
    busy.write_all(b"GET /api/tasks/7 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    port.shutdown.cancel();

    assert_eq!(rest(&mut busy).await, "");
    let error = port.server.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("1 connections were cut"), "{error}");
}
