//! The public port: an accept loop whose connections all end. One that is idle is closed, one whose client takes nothing of
//! its answer is cut, and none outlives its age: whatever a client does, it holds its place for that long at most.

use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use kit::{peer::Peers, process::Stop, tls};
use rand::RngExt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    Config, Gateway,
    address::{Addresses, Held},
    impatient::Impatient,
    under_way::UnderWay,
};

/// Requests that one HTTP/2 connection may have under way.
const MAX_CONCURRENT_STREAMS: u32 = 128;
/// Bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How often a quiet HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);
/// How far ages are spread, so that clients that came together don't all come again together.
const AGE_SPREAD: std::ops::Range<f64> = 0.9..1.1;

/// What is spoken on the public port in TLS.
pub const PROTOCOLS: tls::Protocols = &[b"h2", b"http/1.1"];

/// Serves the public surface on `listener` until `stop` begins, then lets requests under way finish. Without `tls`, it speaks
/// plaintext.
///
/// # Errors
///
/// A `google.api.http` option that the gateway cannot serve, or requests were still under way when the time to finish was over.
pub async fn run(
    config: Config,
    peers: Peers,
    listener: TcpListener,
    tls: Option<tls::Port>,
    stop: impl Into<Stop>,
) -> Result<()> {
    let stop = stop.into();
    let shutdown = stop.begun.clone();
    let gateway = Gateway::new(proto::DESCRIPTORS, &peers, config.clone(), stop)?;
    let server = Arc::new(Server::new(gateway, config.clone(), tls, shutdown.clone()));
    let places = Places::new(&config);
    let connections = TaskTracker::new();

    while let Some(connection) = places.next(&listener, &shutdown).await {
        connections.spawn(Arc::clone(&server).serve(connection));
    }
    // Closes the port: whoever comes now is refused at once instead of waiting in the queue.
    drop(listener);
    connections.close();
    if timeout(config.http_drain_seconds, connections.wait()).await.is_err() {
        let cut = connections.len();
        server.force.cancel();
        connections.wait().await;
        let drain = config.http_drain_seconds.as_secs();
        bail!("requests were still under way {drain} s after the stop: {cut} connections were cut");
    }
    Ok(())
}

/// The room for connections.
struct Places {
    slots: Arc<Semaphore>,
    addresses: Addresses,
}

/// A client's connection and the place that it takes.
struct Connection {
    stream: TcpStream,
    address: IpAddr,
    _place: (OwnedSemaphorePermit, Held),
}

impl Places {
    fn new(config: &Config) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.http_max_connections)),
            addresses: Addresses::new(config.http_max_connections_per_address),
        }
    }

    /// The next connection that finds a place; none when it is time to stop.
    async fn next(
        &self,
        listener: &TcpListener,
        shutdown: &CancellationToken,
    ) -> Option<Connection> {
        tokio::select! {
            () = shutdown.cancelled() => None,
            accepted = self.accept(listener) => accepted,
        }
    }

    async fn accept(&self, listener: &TcpListener) -> Option<Connection> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let address = peer.ip();
                    // Whose address holds too many is hung up on: waiting, it would hold up everybody else.
                    if let Some(held) = self.addresses.hold(address) {
                        return Some(Connection { stream, address, _place: (slot, held) });
                    }
                }
                Err(error) => {
                    // Out of file descriptors, mostly: others must finish first.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// What all connections share.
struct Server {
    gateway: Gateway,
    protocol: Builder<TokioExecutor>,
    config: Config,
    tls: Option<tls::Port>,
    shutdown: CancellationToken,
    force: CancellationToken,
}

impl Server {
    fn new(
        gateway: Gateway,
        config: Config,
        tls: Option<tls::Port>,
        shutdown: CancellationToken,
    ) -> Self {
        let mut protocol = Builder::new(TokioExecutor::new());
        protocol
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(config.http_header_seconds)
            .max_buf_size(MAX_HEAD_BYTES);
        protocol
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_WITHIN);
        Self { gateway, protocol, config, tls, shutdown, force: CancellationToken::new() }
    }

    /// The connection, once its client has greeted, if it does so in the time that a head may take.
    async fn greeted(&self, stream: TcpStream, address: IpAddr) -> Option<tls::Stream> {
        let Some(tls) = &self.tls else { return Some(tls::Stream::Plain(stream)) };
        let greeted = tokio::select! {
            greeted = timeout(self.config.http_header_seconds, tls.greet(stream)) => greeted,
            () = self.shutdown.cancelled() => return None,
        };
        let error = match greeted {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        tracing::info!(%address, %error, "a connection was refused");
        None
    }

    /// Serves one connection to its end.
    async fn serve(self: Arc<Self>, connection: Connection) {
        let Connection { stream, address, _place } = connection;
        // Records of a stream must not wait for one another.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let Some(stream) = self.greeted(stream, address).await else { return };
        let ending = self.shutdown.child_token();
        let under_way = UnderWay::default();
        let gateway = self.gateway.of_connection(address, ending.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let begun = under_way.begin();
            let answer = gateway.clone().oneshot(request);
            async { Ok::<_, Infallible>(answer.await?.map(|body| begun.answered(body))) }
        });
        let stream = TokioIo::new(Impatient::new(stream, self.config.http_write_idle_seconds));
        let mut served = pin!(self.protocol.serve_connection(stream, service));

        let age = self.config.http_max_age_seconds.mul_f64(rand::rng().random_range(AGE_SPREAD));
        let mut silence = pin!(under_way.silence(self.config.http_header_seconds));
        let mut leave = pin!(self.time_to_leave(&under_way, age));
        let mut too_old = pin!(sleep(age + self.config.http_drain_seconds));
        let mut is_leaving = false;
        loop {
            tokio::select! {
                result = served.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                // The protocol's own timeout does not run before the first bytes have told which protocol it is.
                () = silence.as_mut() => return,
                () = too_old.as_mut() => return,
                () = self.force.cancelled() => return,
                () = leave.as_mut(), if !is_leaving => {
                    is_leaving = true;
                    ending.cancel();
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Ends when a connection shall take no more requests and finish those that it has.
    async fn time_to_leave(&self, under_way: &UnderWay, age: Duration) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = under_way.idleness(self.config.http_header_seconds) => {}
            () = sleep(age) => {}
        }
    }
}
