//! Everything that one test stands in.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use kit::{
    Suite,
    access::{Role, Rules},
    databases::Databases,
    db,
    forwarded::Witness,
    peer::{Place, Places},
    session::{Ask, Key, Sessions},
    stack::Guard,
    token::{Claims, ServiceToken, Verifier},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::{
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};
use tower::Layer;

use crate::{Bearer, FrozenClock, Issuer, SERVICE_SECRET, User, canary::Canary, postgres};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of the test's own.
    Sqlite,
    /// A database of the test's own on the shared throw-away server.
    Postgres,
}

/// One test's databases, clock, callers and servers. Dropping it stops them.
pub struct World {
    /// The engine that the test runs on.
    pub engine: Engine,
    /// Where services keep their data.
    pub db: db::Config,
    /// What time it is.
    pub clock: FrozenClock,
    /// Who signs the callers' tokens.
    pub issuer: Issuer,
    /// What services are started with. Their neighbours are whatever was [served](Self::serve).
    pub suite: Suite,
    /// Where served services are found by their neighbours.
    pub places: Places,
    guard: Guard,
    // Before the end of what it looks at.
    _canary: Canary,
    _stop: DropGuard,
    _folder: Arc<TempDir>,
}

impl World {
    /// A world on a fresh database of `engine`.
    pub async fn new(engine: Engine) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database_url = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(postgres::fresh_database().await),
        };
        let data_dir = folder.path().join("data");
        let db = db::Config { data_dir, database_url, database_connections: 8 };
        let canary = Canary::new(db.clone(), Arc::clone(&folder));

        let clock = FrozenClock::default();
        let issuer = Issuer::new(clock.clone());
        let places = Places::default();
        let sessions = Sessions::new(Arc::new(Trusting));
        let shutdown = CancellationToken::new();
        let suite = Suite {
            clock: clock.clock(),
            peers: places.peers(),
            identity: identity(&clock, &issuer),
            sessions: sessions.clone(),
            databases: Databases::default(),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        };
        Self {
            engine,
            db,
            guard: guard(&clock, &issuer, sessions),
            clock,
            issuer,
            suite,
            places,
            _canary: canary,
            _stop: shutdown.drop_guard(),
            _folder: folder,
        }
    }

    /// A new caller with `role`.
    #[must_use]
    pub fn user(&self, role: Role) -> User {
        self.issuer.user(role)
    }

    /// Serves `routes` on a free port, and to its neighbours as what fills `place`.
    pub async fn serve(&self, routes: Routes, place: &Place) -> Server {
        place.fill(self.guard.layer(routes.clone().prepare()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = self.suite.shutdown.clone();
        let guard = self.guard.clone();
        let door = kit::process::Door { listener, tls: None, reflection: None };
        tokio::spawn(kit::process::serve(door, routes, guard, shutdown));
        let channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
        Server { url, channel }
    }
}

/// A service under test.
#[derive(Clone)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:…`.
    pub url: String,
    /// Speaks to it without a token.
    pub channel: Channel,
}

impl Server {
    /// Speaks to it as `user`; hand it to a generated client.
    #[must_use]
    pub fn by(&self, user: &User) -> InterceptedService<Channel, Bearer> {
        InterceptedService::new(self.channel.clone(), Bearer::of(user))
    }
}

fn guard(clock: &FrozenClock, issuer: &Issuer, sessions: Sessions) -> Guard {
    let methods = proto::METHODS
        .iter()
        .map(|method| (method.path, method.streams, method.public, method.door()));
    let public = issuer.public();
    let verifier = Verifier::new(clock.clock(), move || {
        let keys = vec![public.clone()];
        Box::pin(async move { Ok(keys) })
    });
    let witness = Witness::new(SERVICE_SECRET);
    Guard::new(Rules::new(methods).unwrap(), verifier, sessions, witness)
}

/// Takes every session for good, with the role that its token says: the tokens come from this rig, not from auth.
struct Trusting;

impl Ask for Trusting {
    fn session(&self, asked: &Claims) -> BoxFuture<'_, kit::Result<Option<Role>>> {
        let role = Role::from_name(&asked.role);
        Box::pin(async move { Ok(role) })
    }

    fn key(&self, _: String) -> BoxFuture<'_, kit::Result<Option<Key>>> {
        Box::pin(async { Ok(None) })
    }
}

/// A service's own token, from the same issuer; asked anew each time, since the clock may have been advanced.
fn identity(clock: &FrozenClock, issuer: &Issuer) -> ServiceToken {
    let issuer = issuer.clone();
    ServiceToken::new(clock.clock(), move || {
        let token = issuer.user(Role::Service).token;
        Box::pin(async move { Ok((token, 300)) })
    })
}
