//! What a process tells its operators of itself, on a port of its own: metrics in Prometheus' text format, and whether it
//! lives and is ready.
//!
//! Metrics go through the `metrics` macros wherever they arise; their names and meanings stand in [`describe`].

mod names;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Context;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
pub use names::{describe, names};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{databases::Databases, token::Proof};

/// Where the metrics are unless somebody says otherwise.
const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);
/// How many ports after the usual one are tried.
const TRIED: u16 = 100;
/// How long a client may take over its request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Clients at once; there is one Prometheus.
const CLIENTS: usize = 32;
/// Upper bounds of the histograms, in seconds: from a cached read to the longest that a call may take.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the histograms of sizes: from a value alone to more than the largest batch.
const SIZES: [f64; 10] =
    [1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0];

/// Where operators look.
#[derive(Clone, Debug, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Address of `/metrics`, `/healthz` and `/readyz` of this process [default: 127.0.0.1:9464, or the next free port]
    #[arg(long, env = "FLIGHTLINE_METRICS_LISTEN", value_parser = crate::process::address)]
    pub metrics_listen: Option<SocketAddr>,
}

impl Config {
    /// Listens where the configuration says; without it, on the usual port or the next free one, since several parts may
    /// run on one machine.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours.
    pub async fn listen(&self) -> anyhow::Result<TcpListener> {
        if let Some(address) = self.metrics_listen {
            return crate::process::listen(address).await;
        }
        for port in USUAL.port()..USUAL.port() + TRIED {
            if let Ok(listener) = TcpListener::bind((USUAL.ip(), port)).await {
                return Ok(listener);
            }
        }
        anyhow::bail!("no free port for the metrics from {USUAL} on: set FLIGHTLINE_METRICS_LISTEN")
    }
}

/// Begins to keep metrics, once a process.
///
/// # Errors
///
/// Somebody else in this process keeps them already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new();
    let buckets = Matcher::Suffix("_seconds".to_owned());
    let builder = builder.set_buckets_for_metric(buckets, &BUCKETS)?;
    let sizes = Matcher::Suffix("_values".to_owned());
    let recorder = builder.set_buckets_for_metric(sizes, &SIZES)?.build_recorder();
    let handle = HANDLE.get_or_init(|| recorder.handle()).clone();
    metrics::set_global_recorder(recorder).ok().context("metrics are kept by somebody else")?;
    describe();
    Ok(handle)
}

/// Serves the operators' port until `ended`: when the process was `asked` to stop, it says so there for as long as it runs.
///
/// # Errors
///
/// None so far as anybody knows: a client that breaks off is its own affair.
pub async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    databases: Databases,
    proof: Proof,
    asked: CancellationToken,
    ended: CancellationToken,
) -> anyhow::Result<()> {
    let page = Arc::new(Page { metrics, databases, proof, asked });
    let room = Arc::new(tokio::sync::Semaphore::new(CLIENTS));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let page = Arc::clone(&page);
                    tokio::spawn(async move {
                        page.attend(stream).await;
                        drop(place);
                    });
                }
                // Out of file descriptors, mostly: others must finish first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            () = ended.cancelled() => return Ok(()),
        }
    }
}

struct Page {
    metrics: PrometheusHandle,
    databases: Databases,
    proof: Proof,
    asked: CancellationToken,
}

impl Page {
    /// Answers one request: who asks every fifteen seconds needs no connection in between.
    async fn attend(&self, stream: TcpStream) {
        let service = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(self.answer(request.method(), request.uri().path()))
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // The time over all also ends a client that does not take its answer.
        if let Ok(Err(error)) = tokio::time::timeout(2 * HEAD_WITHIN, served).await {
            tracing::debug!(%error, "a client of the metrics broke off");
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<String> {
        let (status, text) = match path.trim_end_matches('/') {
            _ if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, "GET alone\n".to_owned())
            }
            "/metrics" => {
                self.metrics.run_upkeep();
                (StatusCode::OK, self.metrics.render())
            }
            "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
            "/readyz" if self.asked.is_cancelled() => {
                (StatusCode::SERVICE_UNAVAILABLE, "about to stop\n".to_owned())
            }
            "/readyz" if !self.databases.answer() => {
                (StatusCode::SERVICE_UNAVAILABLE, "a database does not answer\n".to_owned())
            }
            "/readyz" if self.proof.is_refused() => {
                let why = "auth refuses this process: its secret or certificate is not auth's\n";
                (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
            }
            "/readyz" => (StatusCode::OK, "ready\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, "/metrics, /healthz, /readyz\n".to_owned()),
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        let content_type = http::HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}
