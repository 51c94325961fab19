//! A suite at work: in one process, or every part on its own.

use std::time::Duration;

use flightline::{Config, Part, Running};
/// The password of the first admin and of everybody else.
pub use testkit::PASSWORD;
use testkit::{Issuer, Link, SERVICE_SECRET, World};
use tokio_util::sync::CancellationToken;

use crate::rest::Rest;

/// The suite on a database of the test's own.
pub struct Site {
    /// The REST surface.
    pub http: String,
    /// The gRPC port of each service, or of all.
    pub grpc: Vec<String>,
    /// What runs; stopped when dropped.
    running: Vec<Running>,
    world: World,
}

const SERVICES: [Part; 4] = [Part::Auth, Part::Equipment, Part::Maintenance, Part::Telemetry];

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The settings of a part that finds the others at `neighbours`.
fn config(world: &World, neighbours: &[(Part, String)]) -> Config {
    let mut arguments = vec![
        "--http-listen=127.0.0.1:0".to_owned(),
        "--grpc-listen=127.0.0.1:0".to_owned(),
        "--metrics-listen=127.0.0.1:0".to_owned(),
        // Tests come as if through a proxy.
        "--trusted-proxies=127.0.0.1".to_owned(),
        format!("--admin-password={PASSWORD}"),
        format!("--service-secret={SERVICE_SECRET}"),
        format!("--data-dir={}", world.db.data_dir.display()),
    ];
    arguments.extend(world.db.database_url.iter().map(|url| format!("--database-url={url}")));
    arguments.extend(neighbours.iter().map(|(part, url)| format!("--{part}-url={url}")));
    Config::from_arguments(arguments).unwrap()
}

impl Site {
    /// Everything in one process.
    pub async fn whole(world: World) -> Self {
        let running =
            Running::start(config(&world, &[]), None, CancellationToken::new()).await.unwrap();
        let (http, grpc) = (running.http_url().unwrap(), running.grpc_url().unwrap());
        Self { running: vec![running], http, grpc: vec![grpc], world }
    }

    /// Every part on its own, each finding the others over the network.
    pub async fn parts(world: World) -> Self {
        Self::apart(world, SERVICES.map(|_| testkit::free_port()), None).await
    }

    /// The same, with a link between auth and the other services; the gateway has a way of its own.
    pub async fn behind_link(world: World) -> (Self, Link) {
        let ports = SERVICES.map(|_| testkit::free_port());
        let link = Link::to(&url(ports[0])).await;
        (Self::apart(world, ports, Some(&link)).await, link)
    }

    /// Every part on its own, at one of `ports`; the services find auth at the end of `link`, if there is one.
    async fn apart(world: World, ports: [u16; 4], link: Option<&Link>) -> Self {
        let services = SERVICES.into_iter().zip(ports);
        let neighbours: Vec<_> = services.clone().map(|(part, port)| (part, url(port))).collect();
        let mut running = Vec::new();
        for (part, port) in services.chain([(Part::Gateway, 0)]) {
            let mut known = neighbours.clone();
            if let Some(link) = link.filter(|_| part != Part::Gateway) {
                known[0].1.clone_from(&link.url);
            }
            let mut config = config(&world, &known);
            config.grpc.grpc_listen.set_port(port);
            let started = Running::start(config, Some(part), CancellationToken::new()).await;
            running.push(started.unwrap());
        }
        let http = running.last().and_then(Running::http_url).unwrap();
        let grpc = neighbours.into_iter().map(|(_, url)| url).collect();
        Self { http, grpc, running, world }
    }

    /// How long a credential may still be taken after the call that ended it was answered.
    pub fn grace(&self) -> Duration {
        if self.grpc.len() == 1 { Duration::ZERO } else { Duration::from_secs(1) }
    }

    /// Where the operators of each process look.
    pub fn metrics(&self) -> Vec<String> {
        self.running.iter().map(Running::metrics_url).collect()
    }

    /// Where all services keep their data.
    pub fn db(&self) -> &kit::db::Config {
        &self.world.db
    }

    /// Signs tokens, but is none of the suite's.
    pub fn stranger(&self) -> &Issuer {
        &self.world.issuer
    }

    /// Speaks REST as the first admin.
    pub async fn admin(&self) -> Rest {
        Rest::new(&self.http).login("admin", PASSWORD).await
    }

    /// Speaks REST as a new technician.
    pub async fn technician(&self, name: &str) -> Rest {
        let body = serde_json::json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
        });
        let anybody = Rest::new(&self.http);
        anybody.post("/api/register", &body).await.created();
        anybody.login(name, PASSWORD).await
    }
}

/// Defines tests that run on each engine, in one process and in parts: `<name>::sqlite`, `::postgres`,
/// `::sqlite_parts` and `::postgres_parts`.
#[macro_export]
macro_rules! everywhere {
    ($(async fn $name:ident($site:ident: Site) $body:block)+) => {$(
        mod $name {
            use super::*;
            use testkit::{Engine, World};

            async fn run($site: $crate::site::Site) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::site::Site::whole(World::new(Engine::Sqlite).await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::site::Site::whole(World::new(Engine::Postgres).await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_parts() {
                run($crate::site::Site::parts(World::new(Engine::Sqlite).await).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_parts() {
                run($crate::site::Site::parts(World::new(Engine::Postgres).await).await).await;
            }
        }
    )+};
}
