//! A suite at work: in one process, with every part on its own, or wherever somebody else has started it.
//!
//! What somebody else has started (`make compose-test`) is shared by the variants of tests that are called `deployed`. So names that
//! must be unique are made so by [`Site::name`], and a test looks at its own things alone. Without such a variant are:
//!
//! - `canary` and `earshot`, which read the logs, metrics and databases of the parts, or cut the connections between them;
//! - `address` and whatever asks for reflection: they call the services' own ports, which are not open there, and come as if
//!   through a proxy;
//! - `readme`, whose commands ask for reflection, too;
//! - `contract`, `mask`, `openapi` and the typed client: they try the contract, which is the same wherever the suite runs.

use std::time::Duration;

use flightline::{Config, Part, Running};
/// The password of the first admin and of everybody else.
pub use testkit::PASSWORD;
use testkit::{Engine, Issuer, Link, SERVICE_SECRET, World};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::rest::Rest;

/// The suite on a database of the test's own, or one that is shared.
pub struct Site {
    /// The REST surface.
    pub http: String,
    /// The gRPC port of each service, or of all; of a shared one, where all gateways carry such calls.
    pub grpc: Vec<String>,
    /// The first admin's password.
    pub password: String,
    /// What runs; stopped when dropped.
    running: Vec<Running>,
    /// At the end of every name that must be unique.
    suffix: String,
    world: World,
}

pub const SERVICES: [Part; 4] = [Part::Auth, Part::Equipment, Part::Maintenance, Part::Telemetry];

pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The settings of a part that finds the others at `neighbours`.
pub fn config(world: &World, neighbours: &[(Part, String)]) -> Config {
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
        Self::own(world, http, vec![grpc], vec![running])
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
        Self::own(world, http, grpc, running)
    }

    fn own(world: World, http: String, grpc: Vec<String>, running: Vec<Running>) -> Self {
        Self { http, grpc, password: PASSWORD.into(), running, suffix: String::new(), world }
    }

    /// The one that somebody else has started, with gateways at `FLIGHTLINE_E2E_URLS`, separated by commas. Its first admin has
    /// `FLIGHTLINE_E2E_PASSWORD`.
    pub async fn deployed() -> Self {
        let urls: Vec<_> = setting("FLIGHTLINE_E2E_URLS").split(',').map(str::to_owned).collect();
        Self {
            http: urls[0].clone(),
            grpc: urls,
            password: setting("FLIGHTLINE_E2E_PASSWORD"),
            running: Vec::new(),
            // What of the id is random.
            suffix: format!("-{}", &Uuid::now_v7().simple().to_string()[20..]),
            world: World::new(Engine::Sqlite).await,
        }
    }

    /// `name`, or where others may take the same, one that begins with it and is nobody else's.
    pub fn name(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// How long a credential may still be taken after the call that ended it was answered.
    pub fn grace(&self) -> Duration {
        if self.running.len() == 1 { Duration::ZERO } else { Duration::from_secs(1) }
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
        Rest::new(&self.http).login("admin", &self.password).await
    }

    /// Speaks REST as a new technician, whose name is that of [`Self::name`].
    pub async fn technician(&self, name: &str) -> Rest {
        let name = self.name(name);
        let body = serde_json::json!({
            "username": name,
            "email": format!("{name}@example.org"),
            "password": PASSWORD,
        });
        let anybody = Rest::new(&self.http);
        anybody.post("/api/register", &body).await.created();
        anybody.login(&name, PASSWORD).await
    }
}

/// What whoever deployed a suite says about it.
#[expect(clippy::disallowed_methods, reason = "a test has no Config to read it from")]
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}, or run make compose-test"))
}

/// Defines tests that run on each engine, in one process and in parts, and on what somebody else has started:
/// `<name>::sqlite`, `::postgres`, `::sqlite_parts`, `::postgres_parts` and `::deployed`.
#[macro_export]
macro_rules! everywhere {
    ($(async fn $name:ident($site:ident: Site) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn run($site: $crate::site::Site) $body

            $crate::run_on_its_own!();

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "wants a deployed suite: make compose-test"]
            async fn deployed() {
                run($crate::site::Site::deployed().await).await;
            }
        }
    )+};
}

/// Defines the same for tests that want a suite of their own: all but `<name>::deployed`.
#[macro_export]
macro_rules! on_its_own {
    ($(async fn $name:ident($site:ident: Site) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn run($site: $crate::site::Site) $body

            $crate::run_on_its_own!();
        }
    )+};
}

/// Calls `run` with each kind of suite that a test can start.
#[macro_export]
macro_rules! run_on_its_own {
    () => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn sqlite() {
            let world = testkit::World::new(testkit::Engine::Sqlite).await;
            run($crate::site::Site::whole(world).await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres() {
            let world = testkit::World::new(testkit::Engine::Postgres).await;
            run($crate::site::Site::whole(world).await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn sqlite_parts() {
            let world = testkit::World::new(testkit::Engine::Sqlite).await;
            run($crate::site::Site::parts(world).await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres_parts() {
            let world = testkit::World::new(testkit::Engine::Postgres).await;
            run($crate::site::Site::parts(world).await).await;
        }
    };
}
