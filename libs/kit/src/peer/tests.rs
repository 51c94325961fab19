use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient},
    server::HealthReporter,
};

use super::*;

#[tokio::test]
async fn a_service_that_dies_under_a_call_is_away() {
    /// An empty SETTINGS frame: what an HTTP/2 server says first.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    /// A GOAWAY frame without an error: the server ends, as it means to, and has looked at no call.
    const LEAVES: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for says in [&[], LEAVES] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(SETTINGS).await.unwrap();
                // Takes what comes first, and is gone before it answers.
                stream.read_buf(&mut Vec::new()).await.unwrap();
                stream.write_all(says).await.unwrap();
            }
        });

        let status = call(&remote(&url, None).unwrap()).await.unwrap_err();

        assert_eq!(status.code(), Code::Unavailable, "{says:?}: {status}");
    }
}

#[tokio::test]
async fn a_service_that_dies_within_an_answer_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let broken = tower::layer::layer_fn(|service| {
        tower::util::MapResponse::new(service, |answer: Response<Body>| {
            // Resets the stream after its head.
            let end = tokio_stream::once(Err::<Frame<Bytes>, _>(Status::internal("broken")));
            answer.map(|_| Body::new(StreamBody::new(end)))
        })
    });
    let (_, service) = tonic_health::server::health_reporter();
    let server = tonic::transport::Server::builder().layer(broken).add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let status = call(&remote(&url, None).unwrap()).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

/// A replica that counts the calls of the tests; callers' checks of its health are none.
struct Replica {
    url: String,
    health: HealthReporter,
    calls: Arc<AtomicUsize>,
    _stop: DropGuard,
}

/// How many calls a replica takes at once over one connection: the fewest that a server should.
const STREAMS: u8 = 100;
/// What the tests call; any answer will do.
const CALLED: &str = "called";

impl Replica {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (health, service) = tonic_health::server::health_reporter();
        health.set_service_status(CALLED, ServingStatus::Serving).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let count = tower::layer::layer_fn(move |service| {
            let counted = Arc::clone(&counted);
            tower::util::MapRequest::new(service, move |request: Request<Body>| {
                if request.headers().contains_key(CALLED) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                request
            })
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(u32::from(STREAMS))
            .layer(count)
            .add_service(service)
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
        tokio::spawn(server);
        Self { url, health, calls, _stop: stop.drop_guard() }
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

async fn call(peer: &Peer) -> Result<HealthCheckResponse, Status> {
    let mut request = tonic::Request::new(HealthCheckRequest { service: CALLED.to_owned() });
    request.metadata_mut().insert(CALLED, "yes".parse().unwrap());
    Ok(HealthClient::new(peer.clone()).check(request).await?.into_inner())
}

#[tokio::test]
async fn replicas_take_turns() {
    let (one, other) = (Replica::start().await, Replica::start().await);
    let peer = remote(&format!("{}, {}", one.url, other.url), None).unwrap();

    for _ in 0..10 {
        call(&peer).await.unwrap();
    }

    assert_eq!((one.calls(), other.calls()), (5, 5));
}

#[tokio::test]
async fn a_replica_that_does_not_serve_is_left_out_until_it_does() {
    let (one, other) = (Replica::start().await, Replica::start().await);
    let peer = remote(&format!("{},{}", one.url, other.url), None).unwrap();

    one.health.set_service_status("", ServingStatus::NotServing).await;
    until(&peer, || (one.calls(), other.calls()), |(one, _)| one == 0).await;

    one.health.set_service_status("", ServingStatus::Serving).await;
    until(&peer, || (one.calls(), other.calls()), |(one, _)| 0 < one).await;
}

#[tokio::test]
async fn a_replica_that_is_there_and_does_not_answer_yet_is_not_called() {
    // As one whose database is being brought up to date.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let starting = format!("http://{}", listener.local_addr().unwrap());
    let one = Replica::start().await;

    for urls in [format!("{starting},{}", one.url), format!("{},{starting}", one.url)] {
        let peer = remote(&urls, None).unwrap();
        for _ in 0..4 {
            call(&peer).await.unwrap();
        }
    }

    assert_eq!(one.calls(), 8);
}

#[tokio::test]
async fn who_serves_something_else_at_the_address_of_a_part_is_not_called() {
    let (one, other) = (Replica::start().await, Replica::start().await);
    one.health.set_service_status("flightline.equipment.v1", ServingStatus::Serving).await;
    other.health.set_service_status("flightline.auth.v1", ServingStatus::Serving).await;
    let peer = part("equipment", &format!("{},{}", one.url, other.url), None).unwrap();

    for _ in 0..4 {
        call(&peer).await.unwrap();
    }

    assert_eq!((one.calls(), other.calls()), (4, 0));
}

#[tokio::test]
async fn watches_keep_no_call_waiting_however_many_there_are() {
    let replica = Replica::start().await;
    let peer = remote(&replica.url, None).unwrap();
    let mut watches = Vec::new();
    for _ in 0..5 * usize::from(STREAMS) {
        let question = HealthCheckRequest { service: CALLED.to_owned() };
        let mut watch = HealthClient::new(peer.clone()).watch(question).await.unwrap().into_inner();
        assert!(watch.message().await.unwrap().is_some());
        watches.push(watch);
    }

    call(&peer).await.unwrap();
}

#[tokio::test]
async fn a_replica_that_died_fails_one_call_at_most() {
    let (one, other) = (Replica::start().await, Replica::start().await);
    let peer = remote(&format!("{},{}", one.url, other.url), None).unwrap();
    for _ in 0..4 {
        call(&peer).await.unwrap();
    }

    drop(one);
    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(call(&peer).await.is_err());
    }

    // Checks of its health may put it back only if it passes them.
    assert!(failed <= 1, "{failed}");
    assert!(18 <= other.calls());
}

#[tokio::test]
async fn a_name_leads_to_its_addresses_and_a_service_that_nobody_serves_is_away() {
    let replica = Replica::start().await;
    let by_name = replica.url.replace("127.0.0.1", "localhost");
    let nowhere = remote("http://nowhere.invalid:50051", None).unwrap();

    call(&remote(&by_name, None).unwrap()).await.unwrap();

    let status = call(&nowhere).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    for bad in ["", "127.0.0.1:50051", "http://", "http://one:1,two:2"] {
        assert!(remote(bad, None).is_err(), "{bad:?}");
    }
}

/// Calls, twice the number of replicas a round, until the counts of a round are as they should be.
async fn until(
    peer: &Peer,
    counts: impl Fn() -> (usize, usize),
    wanted: impl Fn((usize, usize)) -> bool,
) {
    testkit::eventually("the replicas are called as they should be", || async {
        counts();
        for _ in 0..4 {
            call(peer).await.unwrap();
        }
        wanted(counts()).then_some(())
    })
    .await;
}
