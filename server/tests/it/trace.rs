//! The traces of the first loop, as a collector gets them from parts in processes of their own.

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value as Text},
    trace::v1::Span,
};
use serde_json::{Value, json};
use testkit::{Engine, World, eventually, free_port};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::PASSWORD;

const PARTS: [&str; 5] = ["auth", "equipment", "maintenance", "telemetry", "gateway"];

/// Keeps what it gets: each span, and whose it is.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_process in request.into_inner().resource_spans {
            let attributes = of_process.resource.unwrap_or_default().attributes;
            let name = attribute(&attributes, "service.name").unwrap();
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (name.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Text::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let (collector, listener) =
            (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, url)
    }

    /// The names of the spans from the gateway's of `request` over that of the service's method to that of its database,
    /// each a child of the one before.
    fn chain(&self, request: &str, service: &str, method: &str) -> Option<Vec<String>> {
        let spans = self.0.lock().unwrap();
        let child = |parent: &Span, whose: &str, wanted: &dyn Fn(&Span) -> bool| {
            let found = spans.iter().find(|(name, span)| {
                name == whose
                    && span.trace_id == parent.trace_id
                    && span.parent_span_id == parent.span_id
                    && wanted(span)
            });
            found.map(|(_, span)| span.clone())
        };
        let is_committed = |span: &Span| {
            attribute(&span.attributes, "outcome").is_some_and(|outcome| outcome == "committed")
        };
        let is_root = |(name, span): &&(String, Span)| {
            name == "flightline-gateway" && span.name == request && span.parent_span_id.is_empty()
        };
        spans.iter().filter(is_root).find_map(|(_, root)| {
            let call = child(root, service, &|span| span.name == method)?;
            // Readings are written for several callers at once.
            let group = child(&call, service, &|span| span.name == "write group");
            let database = child(group.as_ref().unwrap_or(&call), service, &is_committed)?;
            Some([root, &call, &database].map(|span| span.name.clone()).to_vec())
        })
    }
}

/// Parts of the suite at work, each in a process of its own.
struct Parts(Vec<Child>);

impl Parts {
    fn start(world: &World, collector: &str, http: u16) -> Self {
        let ports = PARTS.map(|part| (part, free_port()));
        let mut all = vec![
            "--metrics-listen=127.0.0.1:0".to_owned(),
            "--service-secret=shared by all parts".to_owned(),
            format!("--admin-password={PASSWORD}"),
            format!("--data-dir={}", world.db.data_dir.display()),
            format!("--http-listen=127.0.0.1:{http}"),
        ];
        let services = ports.iter().filter(|(part, _)| *part != "gateway");
        all.extend(services.map(|(part, port)| format!("--{part}-url=http://127.0.0.1:{port}")));
        let processes = ports.iter().map(|(part, port)| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_flightline"));
            command.args(["serve", part]).args(&all);
            command.arg(format!("--grpc-listen=127.0.0.1:{port}")).env_clear();
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
            command.env("OTEL_BSP_SCHEDULE_DELAY", "100");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        });
        Self(processes.collect())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for part in &mut self.0 {
            let _ = part.kill();
            let _ = part.wait();
        }
    }
}

/// Asks the gateway; none, if it does not answer, or not well.
async fn ask(http: u16, request: &str, token: &str, body: &Value) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", http)).await.ok()?;
    let body = body.to_string();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 2").then(|| serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_the_first_loop_is_one_trace_from_the_gateway_to_the_database() {
    let world = World::new(Engine::Sqlite).await;
    let (collector, url) = Collector::start().await;
    let http = free_port();
    let _parts = Parts::start(&world, &url, http);

    let credentials = json!({"username": "admin", "password": PASSWORD});
    let log_in = || ask(http, "POST /api/token", "", &credentials);
    let token = eventually("somebody can log in", log_in).await["access"].clone();
    let token = token.as_str().unwrap();
    let post = async |request: &str, body: Value| {
        eventually(request, || ask(http, request, token, &body)).await
    };
    let pump = post("POST /api/equipment", json!({"name": "Pump", "type": "pump"})).await;
    let rule = json!({
        "name": "Too hot", "equipment_id": pump["id"], "metric": "temperature",
        "condition": "ABOVE", "threshold": 90, "severity": "WARNING", "open_task": true,
    });
    post("POST /api/rules", rule).await;
    let reading = json!({"equipment_id": pump["id"], "metrics": {"temperature": 99}});
    post("POST /api/data/batch", json!({"readings": [reading]})).await;
    let task = eventually("the alert has its task", || async {
        let tasks = ask(http, "GET /api/tasks", token, &json!({})).await?;
        tasks["tasks"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    post(&format!("POST /api/tasks/{task}/claim"), json!({})).await;
    post("POST /api/maintenance", json!({"task_id": task, "work_done": "Greased."})).await;

    for (request, service, method, purpose) in [
        (
            "POST /api/equipment",
            "equipment",
            "EquipmentService/CreateEquipment",
            "create equipment",
        ),
        ("POST /api/rules", "telemetry", "RuleService/CreateRule", "create rule"),
        (
            "POST /api/data/batch",
            "telemetry",
            "TelemetryService/BatchCreateReadings",
            "write readings",
        ),
        ("POST /api/tasks/{id}/claim", "maintenance", "TaskService/ClaimTask", "claim task"),
        (
            "POST /api/maintenance",
            "maintenance",
            "MaintenanceService/RecordMaintenance",
            "record maintenance",
        ),
    ] {
        let method = format!("/flightline.{service}.v1.{method}");
        let service = format!("flightline-{service}");
        let chain = eventually(request, || async { collector.chain(request, &service, &method) });
        assert_eq!(chain.await, [request, &method, purpose]);
    }
}
