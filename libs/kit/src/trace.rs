//! Traces: one tree of spans for a request, over all processes that it passes, sent to a collector in OTLP.
//!
//! They are off unless a collector is configured; then a span costs nothing. A trace begins at the gateway, which takes no
//! client's word for one, and travels between the parts as `traceparent` (W3C Trace Context).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};

/// Where traces go.
#[derive(Clone, Debug, Default, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Collector that traces are sent to, as OTLP over gRPC: `http://127.0.0.1:4317` [default: none, and no traces].
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL",
        value_parser = collector
    )]
    pub traces_endpoint: Option<String>,
}

fn collector(text: &str) -> Result<String, &'static str> {
    match text.strip_prefix("http://") {
        Some(host) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err("must be an address, as in http://127.0.0.1:4317"),
    }
}

/// Whether anybody wants traces, so that what nobody looks at costs nothing.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether traces are sent.
pub fn is_on() -> bool {
    ON.load(Relaxed)
}

/// What is to be sent before the process ends.
#[derive(Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends what is left.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let sent = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = sent {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// What makes traces of the spans of `S`.
pub(crate) type Layer<S> = OpenTelemetryLayer<S, SdkTracer>;

/// Begins to send the traces of the process `name`, if a collector is configured. Must be called within a runtime.
///
/// # Errors
///
/// The collector's address can't be used.
pub(crate) fn begin<S>(config: &Config, name: String) -> anyhow::Result<(Traces, Option<Layer<S>>)>
where
    S: tracing::Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s>,
{
    let Some(endpoint) = &config.traces_endpoint else { return Ok((Traces::default(), None)) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
    let exporter = exporter.with_context(|| format!("can't send traces to {endpoint}"))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(name).build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("flightline"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    ON.store(true, Relaxed);
    Ok((Traces(Some(provider)), Some(layer)))
}

/// The span of a request at the gateway, with which a trace begins.
pub fn request(method: &str, route: &str, request_id: &str) -> Span {
    if !is_on() {
        return Span::none();
    }
    let name = format!("{method} {route}");
    let span = tracing::info_span!(
        "request",
        request_id,
        trace_id = Empty,
        otel.name = name,
        otel.kind = "server"
    );
    name_trace(&span);
    span
}

/// The span of a call that came with `headers`: part of its caller's trace.
pub(crate) fn call(method: &'static str, request_id: &str, headers: &HeaderMap) -> Span {
    if !is_on() {
        return tracing::info_span!("call", method, request_id);
    }
    let span = tracing::info_span!(
        "call",
        method,
        request_id,
        trace_id = Empty,
        otel.name = method,
        otel.kind = "server"
    );
    let parent = TraceContextPropagator::new().extract(&Incoming(headers));
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "a call can't be joined to its trace");
    }
    name_trace(&span);
    span
}

/// The span of what is asked of a database, by its purpose.
pub(crate) fn database(database: &'static str, purpose: &'static str) -> Span {
    if !is_on() {
        return Span::none();
    }
    tracing::info_span!(
        "database",
        database,
        outcome = Empty,
        otel.name = purpose,
        otel.kind = "client"
    )
}

/// The span of work that no call waits for.
pub fn work(name: &'static str) -> Span {
    if !is_on() {
        return Span::none();
    }
    tracing::info_span!(parent: None, "work", otel.name = name)
}

/// The span of work that is done once for many: part of the first one's trace, and linked to the others'.
pub fn shared<'s>(name: &'static str, spans: impl IntoIterator<Item = &'s Span>) -> Span {
    let mut spans = spans.into_iter();
    let Some(first) = spans.next().filter(|_| is_on()) else { return Span::none() };
    let span = tracing::info_span!(parent: first, "work", otel.name = name);
    for other in spans {
        span.follows_from(other);
    }
    span
}

/// Has whoever is called go on with the trace of the current span.
pub(crate) fn pass_on(headers: &mut HeaderMap) {
    if is_on() {
        let context = Span::current().context();
        TraceContextPropagator::new().inject_context(&context, &mut Outgoing(headers));
    }
}

/// Says in the logs which trace it is.
fn name_trace(span: &Span) {
    let trace_id = span.context().span().span_context().trace_id();
    span.record("trace_id", tracing::field::display(trace_id));
}

struct Incoming<'h>(&'h HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'h>(&'h mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
