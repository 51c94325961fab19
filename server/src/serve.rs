//! The suite, or one part of it, at work.

use std::{net::SocketAddr, time::Duration};

use auth::FirstAdmin;
use kit::{
    Clock, Suite,
    databases::Databases,
    forwarded::Witness,
    health::Health,
    observe,
    peer::{Peers, Places},
    process::{self, Door, Reflection, Stop},
    stack::Guard,
    tls,
    token::Proof,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::service::RoutesBuilder;
use tower::Layer;

use crate::{Config, Part, identity, part, sessions};

/// How long work beside the calls may take to end.
const TASKS_END: Duration = Duration::from_secs(5);

/// The suite, or one part of it, at work. Dropping it stops it, without waiting.
pub struct Running {
    part: Option<Part>,
    http: Option<String>,
    grpc: Option<String>,
    metrics: String,
    first_admin: Option<FirstAdmin>,
    peers: Peers,
    shutdown: CancellationToken,
    servers: JoinHandle<anyhow::Result<()>>,
    _stop: DropGuard,
}

impl Running {
    /// Starts `part`, or everything. Its ports take calls when this answers; port 0 in `config` means any free one.
    /// It runs until `shutdown` is cancelled.
    ///
    /// # Errors
    ///
    /// An address is taken, a database can't be opened, or a setting that this part needs is missing.
    pub async fn start(
        config: Config,
        part: Option<Part>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        // Of its own: what runs here may end without whoever started it.
        let shutdown = shutdown.child_token();
        let stop_guard = shutdown.clone().drop_guard();
        // Everything in one process has nobody beside it who would look elsewhere.
        let stop = Stop::when(shutdown.clone(), part.is_some());
        config.tls.check(part, &config.neighbours, &config.db)?;
        config.tls.check_name(part).await?;
        let ports = Ports::bind(&config, part).await?;
        let http = url(ports.http.as_ref(), ports.http_tls.is_some())?;
        let grpc = url(ports.grpc.as_ref(), ports.grpc_tls.is_some())?;
        let metrics = address_here("http", ports.metrics.local_addr()?);
        let kept = observe::install()?;
        let services = Services::start(&config, part, &stop).await?;

        let Services { routes, guard, peers, witness, tasks, databases, proof, first_admin } =
            services;
        let mut servers = JoinSet::new();
        if let Some(listener) = ports.grpc {
            let (routes, begun) = (routes.routes(), stop.begun.clone());
            let reflection = config.tls.reflects().then(|| Reflection {
                descriptors: proto::DESCRIPTORS,
                services: part::services(part),
            });
            let door = Door { listener, tls: ports.grpc_tls, reflection };
            servers.spawn(process::serve(door, routes, guard, begun));
        }
        if let Some(listener) = ports.http {
            let (peers, tls) = (peers.clone().vouched(&witness), ports.http_tls);
            servers.spawn(gateway::run(config.gateway, peers, listener, tls, stop.clone()));
        }
        let ended = CancellationToken::new();
        let of_all = databases.clone();
        let page = observe::serve(ports.metrics, kept, of_all, proof, stop.asked, ended.clone());
        let page = tokio::spawn(page);
        let ends = supervise(servers, tasks, databases, shutdown.clone());
        let servers = tokio::spawn(async move {
            let result = ends.await;
            // Last of all: until then, operators are told that it stops, and what it has counted.
            ended.cancel();
            result.and(page.await?)
        });
        Ok(Self {
            part,
            http,
            grpc,
            metrics,
            first_admin,
            peers,
            shutdown,
            servers,
            _stop: stop_guard,
        })
    }

    /// The part that runs; none: everything.
    pub fn part(&self) -> Option<Part> {
        self.part
    }

    /// Where the REST surface is: `http://127.0.0.1:…`, or `https://`. None for a part without one.
    pub fn http_url(&self) -> Option<String> {
        self.http.clone()
    }

    /// Where the gRPC port is: `http://127.0.0.1:…`, or `https://`. None for a part without one.
    pub fn grpc_url(&self) -> Option<String> {
        self.grpc.clone()
    }

    /// Where operators look: `http://127.0.0.1:…`.
    pub fn metrics_url(&self) -> String {
        self.metrics.clone()
    }

    /// The first admin, if this start made them.
    pub fn first_admin(&self) -> Option<&FirstAdmin> {
        self.first_admin.as_ref()
    }

    /// Calls the services as a client, without a socket where they run here.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Waits until it ends.
    ///
    /// # Errors
    ///
    /// What made it end, if not its shutdown.
    pub async fn wait(self) -> anyhow::Result<()> {
        self.servers.await?
    }

    /// Ends it: calls in progress finish first.
    ///
    /// # Errors
    ///
    /// What went wrong at the end or before.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.wait().await
    }
}

/// The ports, before anything else starts: a process that can't have them touches no database.
struct Ports {
    http: Option<TcpListener>,
    http_tls: Option<tls::Port>,
    grpc: Option<TcpListener>,
    grpc_tls: Option<tls::Port>,
    metrics: TcpListener,
}

impl Ports {
    async fn bind(config: &Config, part: Option<Part>) -> anyhow::Result<Self> {
        let (mut http, mut http_tls, mut grpc, mut grpc_tls) = (None, None, None, None);
        if matches!(part, None | Some(Part::Gateway)) {
            http_tls = config.tls.http().await?;
            http = Some(process::listen(config.gateway.listen_addr()).await?);
        }
        if part != Some(Part::Gateway) {
            grpc_tls = config.tls.grpc(part).await?;
            grpc = Some(process::listen(config.grpc.grpc_listen).await?);
        }
        let metrics = config.observe.listen().await?;
        Ok(Self { http, http_tls, grpc, grpc_tls, metrics })
    }
}

fn url(listener: Option<&TcpListener>, is_secure: bool) -> anyhow::Result<Option<String>> {
    let scheme = if is_secure { "https" } else { "http" };
    let address = listener.map(TcpListener::local_addr).transpose()?;
    Ok(address.map(|address| address_here(scheme, address)))
}

/// Where a client on this machine finds a listener.
fn address_here(scheme: &str, mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip([127, 0, 0, 1].into());
    }
    format!("{scheme}://{address}")
}

/// The services of this process, started, and what they share.
struct Services {
    routes: RoutesBuilder,
    guard: Guard,
    peers: Peers,
    witness: Witness,
    tasks: TaskTracker,
    databases: Databases,
    proof: Proof,
    first_admin: Option<FirstAdmin>,
}

impl Services {
    async fn start(config: &Config, part: Option<Part>, stop: &Stop) -> anyhow::Result<Self> {
        let (clock, places) = (Clock::system(), Places::default());
        let peers = config.peers(part, &places).await?;
        let secret = config.neighbours.secret(part, config.tls.is_mutual())?;
        // The guard is the process's: it asks in the name of the part that runs, or of auth for all.
        let proof = Proof::default();
        let asking = identity::of(part.unwrap_or(Part::Auth), &secret, &clock, &peers, &proof);
        let sessions = sessions::new(&peers, &asking);
        let witness = Witness::new(secret.reveal());
        let guard = identity::guard(&clock, &peers, &sessions, witness.clone())?;
        let (tasks, databases) = (TaskTracker::new(), Databases::default());

        let mut routes = RoutesBuilder::default();
        // First of all: others in this process ask for health, too.
        let names = part::services(part);
        let health = Health::serve(&mut routes, names, databases.clone(), proof.clone()).await;
        let mut first_admin = None;
        let runs = |service: &Part| part.is_none_or(|part| part == *service);
        for service in Part::SERVICES.into_iter().filter(runs) {
            let suite = Suite {
                clock: clock.clone(),
                peers: peers.clone(),
                identity: identity::of(service, &secret, &clock, &peers, &proof),
                sessions: sessions.clone(),
                databases: databases.clone(),
                tasks: tasks.clone(),
                shutdown: stop.begun.clone(),
            };
            let (db, routes) = (&config.db, &mut routes);
            match service {
                Part::Auth => {
                    let secret = secret.reveal();
                    first_admin = auth::start(&config.auth, secret, db, &suite, routes).await?;
                }
                Part::Equipment => equipment::start(db, &suite, routes).await?,
                Part::Maintenance => maintenance::start(db, &suite, routes).await?,
                Part::Telemetry => telemetry::start(&config.telemetry, db, &suite, routes).await?,
                Part::Gateway => {}
            }
            if let Some(place) = service.place(&places) {
                place.fill(guard.layer(routes.clone().routes().prepare()));
            }
        }
        health.tell().await;
        tasks.spawn(health.keep(stop.asked.clone()));
        // A gateway alone asks nobody who somebody is: the services do.
        if part != Some(Part::Gateway) {
            let suite = Suite {
                clock,
                peers: peers.clone(),
                identity: asking,
                sessions,
                databases: databases.clone(),
                tasks: tasks.clone(),
                shutdown: stop.begun.clone(),
            };
            sessions::follow(&suite);
            identity::insist(&suite, &proof);
        }
        Ok(Self { routes, guard, peers, witness, tasks, databases, proof, first_admin })
    }
}

/// Waits for the servers: when one ends, for whatever reason, all do. The databases are closed last.
async fn supervise(
    mut servers: JoinSet<anyhow::Result<()>>,
    tasks: TaskTracker,
    databases: Databases,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    while let Some(ended) = servers.join_next().await {
        shutdown.cancel();
        result = result.and(ended.map_err(anyhow::Error::from).flatten());
    }
    tasks.close();
    if tokio::time::timeout(TASKS_END, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "work beside the calls did not end and is cut");
    }
    if tokio::time::timeout(TASKS_END, databases.close()).await.is_err() {
        tracing::warn!("a connection to the database did not come back and is cut");
    }
    result
}
