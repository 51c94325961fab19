//! The public port: an accept loop that no slow, idle or numerous client can hold.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use kit::peer::Peers;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{Config, Gateway};

/// Requests that one HTTP/2 connection may have under way.
const MAX_CONCURRENT_STREAMS: u32 = 128;
/// Bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How often a quiet HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WITHIN: Duration = Duration::from_secs(20);

/// Serves the public surface on `listener` until `shutdown` is cancelled, then lets requests under way finish.
///
/// # Errors
///
/// A `google.api.http` option that the gateway cannot serve.
pub async fn run(
    config: Config,
    peers: Peers,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let gateway = Gateway::new(proto::DESCRIPTORS, &peers, config.clone(), shutdown.clone())?;
    let server = Arc::new(Server::new(gateway, &config, shutdown.clone()));
    let slots = Arc::new(Semaphore::new(config.http_max_connections));
    let connections = TaskTracker::new();

    while let Some((stream, slot)) = next(&listener, &slots, &shutdown).await {
        connections.spawn(Arc::clone(&server).serve(stream, slot));
    }
    // Closes the port: whoever comes now is refused at once instead of waiting in the queue.
    drop(listener);
    connections.close();
    if timeout(config.http_drain_seconds, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut after the time to drain");
        server.force.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// The next connection and its slot; none when it is time to stop.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, slot)),
                Err(error) => {
                    // Out of file descriptors, mostly: others must finish first.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => None,
        accepted = accepted => accepted,
    }
}

/// What all connections share.
struct Server {
    gateway: Gateway,
    protocol: Builder<TokioExecutor>,
    first_request_within: Duration,
    shutdown: CancellationToken,
    force: CancellationToken,
}

impl Server {
    fn new(gateway: Gateway, config: &Config, shutdown: CancellationToken) -> Self {
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
        Self {
            gateway,
            protocol,
            first_request_within: config.http_header_seconds,
            shutdown,
            force: CancellationToken::new(),
        }
    }

    /// Serves one connection to its end. `slot` is held for as long.
    async fn serve(self: Arc<Self>, stream: TcpStream, slot: OwnedSemaphorePermit) {
        let _slot = slot;
        // Records of a stream must not wait for one another.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let has_spoken = Arc::new(AtomicBool::new(false));
        let service = self.gateway.clone().map_request({
            let has_spoken = Arc::clone(&has_spoken);
            move |request: Request<Incoming>| {
                has_spoken.store(true, Ordering::Relaxed);
                request
            }
        });
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(self.protocol.serve_connection(TokioIo::new(stream), service));

        let mut silence = pin!(silence(&has_spoken, self.first_request_within));
        let mut is_stopping = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = silence.as_mut() => return,
                () = self.force.cancelled() => return,
                () = self.shutdown.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Ends when no request has come in time; never once there was one. The protocol's own timeout does not run before the
/// first bytes have told which protocol it is.
async fn silence(has_spoken: &AtomicBool, within: Duration) {
    sleep(within).await;
    if has_spoken.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
