//! The process around the services: logs, signals, the gRPC server.

mod incoming;

use std::{convert::Infallible, io::IsTerminal, net::SocketAddr, time::Duration};

use anyhow::Context;
use http::Request;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{ServiceExt, layer::layer_fn, service_fn};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::{Filter, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    access::Rules,
    carried,
    stack::{Guard, Guarded},
    tls,
    trace::{self, Traces},
};

/// What every process serves besides its own services.
const TOOLS: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// How long calls in progress may go on once the process shall end.
const DRAIN: Duration = Duration::from_secs(25);

/// Where the gRPC server listens.
#[derive(Clone, Debug, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Address of the gRPC port; all services of this process share it.
    #[arg(
        long,
        env = "FLIGHTLINE_GRPC_LISTEN",
        default_value = "0.0.0.0:50051",
        value_parser = address
    )]
    pub grpc_listen: SocketAddr,
}

/// Sends logs to standard error, filtered by `RUST_LOG`: for people on a terminal, as JSON otherwise; and the traces of the
/// process, as which it is called `name`, to where `traces` says. Must be called within a runtime.
///
/// # Errors
///
/// The collector's address or `RUST_LOG` can't be used.
pub fn init_logs(traces: &trace::Config, name: String) -> anyhow::Result<Traces> {
    let filter = filter()?;
    let (traces, layer) = trace::begin(traces, name)?;
    let registry = tracing_subscriber::registry().with(layer.with_filter(filter_fn(is_span)));
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(logs.with_target(false).compact().with_filter(lines(filter))).init();
    } else {
        registry.with(logs.json().flatten_event(true).with_filter(lines(filter))).init();
    }
    Ok(traces)
}

/// What is logged. A variable that is set to nothing is not set.
fn filter() -> anyhow::Result<EnvFilter> {
    #[expect(clippy::disallowed_methods, reason = "the log begins before there are settings")]
    let levels = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let levels = if levels.is_empty() { "info" } else { &levels };
    EnvFilter::try_new(levels)
        .with_context(|| format!("RUST_LOG can't be {levels:?}, but as in info,kit=debug"))
}

/// Reads where to listen.
///
/// # Errors
///
/// It is no address and port.
pub fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be IP:PORT, as in 127.0.0.1:8000 or [::1]:8000")
}

/// Whether it is a span, whatever is logged, and however much; none of libraries' inner lives.
fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO
}

/// What `filter` lets through, and the spans around it: a line says of which request it is, however few there are.
fn lines<S>(filter: EnvFilter) -> impl Filter<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    filter.or(filter_fn(is_span))
}

/// Cancelled on the first SIGINT or SIGTERM.
///
/// # Errors
///
/// The system does not let us listen for signals.
pub fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn({
        let token = token.clone();
        async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(token)
}

/// How long a part that says that it isn't ready goes on taking calls: longer than those that call it need to notice
/// ([`crate::peer::NOTICED_WITHIN`]).
const FAREWELL: Duration = Duration::from_secs(1);

/// The end of a process, in two steps.
#[derive(Clone)]
pub struct Stop {
    /// It shall end, and says that it isn't ready.
    pub asked: CancellationToken,
    /// It ends: nothing new is taken, and what would go on for ever is cut short.
    pub begun: CancellationToken,
}

impl Stop {
    /// Begins when it is asked for, or, of a part `among_others` that have yet to notice, some time after. Must be called within a
    /// runtime.
    pub fn when(asked: CancellationToken, among_others: bool) -> Self {
        if !among_others {
            return asked.into();
        }
        let begun = CancellationToken::new();
        tokio::spawn({
            let (asked, begun) = (asked.clone(), begun.clone());
            async move {
                asked.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
                begun.cancel();
            }
        });
        Self { asked, begun }
    }
}

impl From<CancellationToken> for Stop {
    /// At once.
    fn from(asked: CancellationToken) -> Self {
        Self { begun: asked.clone(), asked }
    }
}

/// Listens on `address`.
///
/// # Errors
///
/// The address is taken or not ours; the message names it.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// The gRPC port.
pub struct Door {
    /// Where it listens.
    pub listener: TcpListener,
    /// Its side of TLS; without, it speaks plaintext.
    pub tls: Option<tls::Port>,
    /// What is told of the services to who asks; nothing, if there is none.
    pub reflection: Option<Reflection>,
}

/// What tools are told of the services.
pub struct Reflection {
    /// Describe all services.
    pub descriptors: &'static [u8],
    /// The names of those that are served.
    pub services: Vec<&'static str>,
}

/// Serves `routes` behind `guard` until `shutdown`; calls in progress finish first, except those of tools, which may go on
/// for ever: they are told that the process ends.
///
/// # Errors
///
/// The descriptors can't be read, or calls were still in progress when the time to finish was over.
pub async fn serve(
    door: Door,
    routes: Routes,
    guard: Guard,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Door { listener, tls, reflection } = door;
    let routes = match reflection {
        Some(reflection) => reflection.added_to(routes)?,
        None => routes,
    };
    let end = shutdown.clone();
    let end_tools = layer_fn(move |service: Guarded<Routes>| {
        let end = end.clone();
        service_fn(move |request: Request<Body>| {
            let (service, end) = (service.clone(), end.clone());
            let is_tools = Rules::is_open(request.uri().path());
            // Both ways: the stream of a client that has more to ask is held until it is at its end.
            let until = move |body| if is_tools { carried::until(end.clone(), body) } else { body };
            async move {
                let answer = service.oneshot(request.map(&until)).await?;
                Ok::<_, Infallible>(answer.map(until))
            }
        })
    });
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(256)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .layer(end_tools)
        .layer(guard)
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            incoming::connections(listener, tls),
            shutdown.clone().cancelled_owned(),
        );
    let forced = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server => Ok(result?),
        () = forced => anyhow::bail!("calls were still in progress {} s after the stop", DRAIN.as_secs()),
    }
}

impl Reflection {
    /// Adds reflection in both versions: many tools speak only the older one.
    fn added_to(&self, routes: Routes) -> anyhow::Result<Routes> {
        let builder = || {
            let builder = tonic_reflection::server::Builder::configure();
            self.services
                .iter()
                .chain(&TOOLS)
                .fold(builder, |builder, service| builder.with_service_name(*service))
                .register_encoded_file_descriptor_set(self.descriptors)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Seek},
        sync::Arc,
    };

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::peer;

    #[test]
    fn a_line_says_of_which_request_it_is_however_little_is_logged() {
        let mut log = tempfile::tempfile().unwrap();
        let writer = Arc::new(log.try_clone().unwrap());
        let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
        let registry = tracing_subscriber::registry();
        let subscriber = registry.with(layer.with_filter(lines(EnvFilter::new("warn"))));

        tracing::subscriber::with_default(subscriber, || {
            let _call = tracing::info_span!("call", request_id = "r1").entered();
            tracing::info!("nothing of note");
            tracing::warn!("the disk is full");
        });

        let mut logged = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut logged).unwrap();
        assert_eq!(logged.lines().count(), 1, "{logged}");
        assert!(logged.contains("the disk is full") && logged.contains("r1"), "{logged}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_among_others_takes_calls_until_they_have_noticed() {
        let asked = CancellationToken::new();
        let stop = Stop::when(asked.clone(), true);
        assert!(timeout(DRAIN, stop.begun.cancelled()).await.is_err(), "nobody asked");

        asked.cancel();
        let since = Instant::now();
        stop.begun.cancelled().await;

        assert!(peer::NOTICED_WITHIN < since.elapsed());
    }

    #[tokio::test]
    async fn who_is_alone_stops_at_once() {
        let asked = CancellationToken::new();
        let stop = Stop::when(asked.clone(), false);

        asked.cancel();

        assert!(stop.begun.is_cancelled());
    }
}
