//! The people of the demo: a chief, who registers machines and rules, and three technicians.

use anyhow::{Context, anyhow};
use auth::{Secret, UserSetup};
use kit::{Clock, access::Role, peer::Peers};
use proto::auth::v1::{GetUserRequest, user_service_client::UserServiceClient};

use crate::session::{Credentials, Session};

/// Usernames that nobody else would take: the accounts get new passwords at each start.
const CHIEF: (&str, &str) = ("flightline-demo-chief", "Robin Vance");
const TECHNICIANS: [(&str, &str); 3] = [
    ("flightline-demo-ana", "Ana Ruiz"),
    ("flightline-demo-ben", "Ben Okoro"),
    ("flightline-demo-chen", "Chen Li"),
];

/// Everybody, logged in.
pub struct People {
    pub chief: Session,
    pub technicians: Vec<Person>,
}

/// A technician, logged in.
pub struct Person {
    pub id: String,
    pub name: &'static str,
    pub session: Session,
}

impl People {
    /// Sets their accounts up, with passwords that nobody knows, and logs them in.
    ///
    /// # Errors
    ///
    /// The database or auth refuses.
    pub async fn set_up(
        db: &kit::db::Config,
        clock: &Clock,
        peers: &Peers,
    ) -> anyhow::Result<Self> {
        let chief = chief(db, clock, peers).await?;
        let mut technicians = Vec::new();
        for who in TECHNICIANS {
            let mut session = log_in(db, clock, peers, who, Role::Technician).await?;
            let id = own_id(&mut session, peers).await?;
            technicians.push(Person { id, name: who.1, session });
        }
        Ok(Self { chief, technicians })
    }
}

/// The chief alone.
///
/// # Errors
///
/// The database or auth refuses.
pub async fn chief(db: &kit::db::Config, clock: &Clock, peers: &Peers) -> anyhow::Result<Session> {
    log_in(db, clock, peers, CHIEF, Role::Admin).await
}

async fn log_in(
    db: &kit::db::Config,
    clock: &Clock,
    peers: &Peers,
    (username, full_name): (&str, &str),
    role: Role,
) -> anyhow::Result<Session> {
    let (username, password) = (username.to_owned(), Secret::random()?);
    let setup = UserSetup {
        username: username.clone(),
        email: format!("{username}@demo.invalid"),
        full_name: full_name.to_owned(),
        role,
        password: password.clone(),
    };
    auth::set_up_user(db, clock, setup)
        .await
        .with_context(|| format!("can't set up the demo's account {username}"))?;

    let credentials = Credentials { username, password: password.reveal().to_owned() };
    let session = Session::log_in(peers.auth.clone(), credentials).await;
    session.map_err(|status| anyhow!("{full_name} can't log in: {}", status.message()))
}

/// Who that is.
pub async fn own_id(session: &mut Session, peers: &Peers) -> anyhow::Result<String> {
    let request = session.request(GetUserRequest { id: "me".into(), ..Default::default() }).await?;
    let user = UserServiceClient::new(peers.auth.clone()).get_user(request).await?;
    Ok(user.into_inner().id)
}
