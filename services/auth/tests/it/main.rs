//! The auth service, seen through its API.
#![expect(clippy::unwrap_used, reason = "what a test doesn't expect should stop it")]

mod access;
mod account;
mod audit;
mod demotion;
mod guess;
mod key;
mod password;
mod profile;
mod session;
mod signing_key;
mod ticket;
mod token;
mod user;
mod watch;

use auth::{Config, FirstAdmin, Registration};
use kit::{access::Role, token::Claims};
use proto::auth::v1::{
    CreateTokenRequest, ListUsersRequest, RefreshTokenRequest, RegisterRequest, TokenPair, User,
    auth_service_client::AuthServiceClient, user_service_client::UserServiceClient,
};
use testkit::{
    Bearer, OTHER_PASSWORD as FIRST_PASSWORD, PASSWORD, SERVICE_SECRET as SECRET, Server, World,
};
use tonic::{
    Status,
    service::{Routes, interceptor::InterceptedService},
    transport::Channel,
};

type Anon = AuthServiceClient<Channel>;
type Auth = AuthServiceClient<InterceptedService<Channel, Bearer>>;
type Users = UserServiceClient<InterceptedService<Channel, Bearer>>;

fn config() -> Config {
    Config {
        admin_username: "admin".into(),
        admin_password: Some(FIRST_PASSWORD.into()),
        registration: Registration::Open,
        signing_key_days: 30,
        audit_days: 365,
    }
}

/// The service under test.
async fn start(world: &World) -> Server {
    start_with(world, &config()).await.0
}

async fn start_with(world: &World, config: &Config) -> (Server, Option<FirstAdmin>) {
    let mut routes = Routes::builder();
    let started = auth::start(config, SECRET, &world.db, &world.suite, &mut routes).await;
    (world.serve(routes.routes(), &world.places.auth).await, started.unwrap())
}

/// The register of equipment, beside it.
async fn start_equipment(world: &World) -> Server {
    let mut routes = Routes::builder();
    equipment::start(&world.db, &world.suite, &mut routes).await.unwrap();
    world.serve(routes.routes(), &world.places.equipment).await
}

/// Somebody without a token.
fn anon(server: &Server) -> Anon {
    AuthServiceClient::new(server.channel.clone())
}

/// Somebody with `role`, known to the service or not.
fn by(server: &Server, world: &World, id: &str, role: Role) -> Users {
    let token = world.issuer.sign(&world.issuer.claims(id, role));
    UserServiceClient::new(server.by(&testkit::User { id: id.into(), token }))
}

/// Who `pair` was given to, with the same session: the tests' own issuer stands in for the keys of the service.
async fn holder(world: &World, server: &Server, pair: &TokenPair) -> testkit::User {
    let (theirs, role) = token::verifier(world, server).verify(&pair.access).await.unwrap();
    let claims = Claims { sid: theirs.sid, ..world.issuer.claims(&theirs.sub, role) };
    testkit::User { id: theirs.sub, token: world.issuer.sign(&claims) }
}

/// Somebody with the session of `pair`.
async fn auth(world: &World, server: &Server, pair: &TokenPair) -> Auth {
    AuthServiceClient::new(server.by(&holder(world, server, pair).await))
}

/// Somebody with the session of `pair`, who asks about people.
async fn users(world: &World, server: &Server, pair: &TokenPair) -> Users {
    UserServiceClient::new(server.by(&holder(world, server, pair).await))
}

/// Somebody without a token for whom the gateway calls, from `$address`.
macro_rules! from {
    ($server:expr, $address:expr) => {{
        let address = $address.parse::<tonic::metadata::MetadataValue<_>>().unwrap();
        proto::auth::v1::auth_service_client::AuthServiceClient::with_interceptor(
            $server.channel.clone(),
            move |mut request: tonic::Request<()>| {
                request.metadata_mut().insert(kit::forwarded::FOR, address.clone());
                let mut headers = std::mem::take(request.metadata_mut()).into_headers();
                kit::forwarded::Witness::new(testkit::SERVICE_SECRET).vouch(&mut headers);
                *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
                Ok(request)
            },
        )
    }};
}
use from;

/// The first admin.
async fn admin(world: &World, server: &Server) -> Users {
    let pair = log_in(&mut anon(server), "admin", FIRST_PASSWORD).await.unwrap();
    users(world, server, &pair).await
}

/// All who are there.
async fn everybody(users: &mut Users) -> Vec<User> {
    users.list_users(ListUsersRequest::default()).await.unwrap().into_inner().users
}

fn ana() -> RegisterRequest {
    person("Ana")
}

fn person(username: &str) -> RegisterRequest {
    RegisterRequest {
        username: username.into(),
        email: format!("{username}@Example.org"),
        password: PASSWORD.into(),
        full_name: String::new(),
        request_id: String::new(),
    }
}

async fn register(anon: &mut Anon, request: RegisterRequest) -> Result<User, Status> {
    Ok(anon.register(request).await?.into_inner())
}

async fn log_in(anon: &mut Anon, username: &str, password: &str) -> Result<TokenPair, Status> {
    let request = CreateTokenRequest { username: username.into(), password: password.into() };
    Ok(anon.create_token(request).await?.into_inner())
}

async fn refresh(anon: &mut Anon, token: &str) -> Result<TokenPair, Status> {
    Ok(anon.refresh_token(RefreshTokenRequest { refresh: token.into() }).await?.into_inner())
}

/// The service's own database, to see what a client can't.
async fn database(world: &World) -> kit::Db {
    kit::Db::open(&world.db, "auth", &sqlx::migrate!()).await.unwrap()
}
