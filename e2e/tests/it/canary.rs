//! No secret is anywhere but with its holder: not in the log, however much of it is kept, not in an error, a metric or the
//! audit trail, and in no column of any table.
//!
//! Whatever is searched is also searched, by the same means, for something that must be there: a search that looks at
//! nothing fails.

mod life;
mod witness;

use reqwest::Method;
use testkit::{
    Engine, World,
    canary::{self, Secrets},
};

use self::witness::{REQUEST_ID, Witness};
use crate::{rest::text, site::Site};

/// Lives through all that can befall a secret, and then looks for it everywhere.
async fn secrets_are_seen_nowhere(site: &Site) {
    let witness = Witness::new(site);
    let chief = life::live(site, &witness).await;
    let trail = trail(&witness, &chief).await;
    let errors = witness.assert_discreet();
    assert!(60 < errors, "{errors} errors");

    let (secrets, known) = (witness.secrets(), Secrets::new([("username", life::NAME)]));
    let is_known = |bytes: &[u8]| !known.in_bytes(bytes).is_empty();
    assert!(is_known(trail.as_bytes()), "the trail tells of people");
    assert_none(&secrets, "the audit trail", trail.as_bytes());
    log(&secrets);
    metrics(site, &secrets).await;

    let stored = canary::stored(site.db()).await;
    for (place, bytes) in &stored {
        assert_none(&secrets, place, bytes);
    }
    let mut places: Vec<_> = stored
        .iter()
        .filter(|(_, bytes)| is_known(bytes))
        .map(|(place, _)| place.as_str())
        .collect();
    places.dedup();
    for table in ["users", "audit_events", "changes"] {
        assert!(places.iter().any(|place| place.contains(table)), "{table} is not in {places:?}");
    }
    let parts = ["auth", "equipment", "maintenance", "telemetry"];
    let is_read = |part: &&str| stored.iter().any(|(place, _)| place.starts_with(part));
    assert!(parts.iter().all(is_read), "the databases of all services are read");
}

fn assert_none(secrets: &Secrets, place: &str, bytes: &[u8]) {
    let found = secrets.in_bytes(bytes);
    assert!(found.is_empty(), "{place} holds {found:?}");
}

/// The log of all parts, which run in this process.
fn log(secrets: &Secrets) {
    let log = canary::recorded();
    let known = [
        ("a request", REQUEST_ID),
        ("a call", "flightline.auth.v1.AuthService/CreateToken"),
        ("a library's detail", "h2::codec::framed_write"),
    ];
    assert_eq!(Secrets::new(known).in_bytes(&log).len(), known.len(), "all of the log is there");
    for line in log.split(|byte| *byte == b'\n') {
        let found = secrets.in_bytes(line);
        assert!(found.is_empty(), "logged {found:?}: {}", String::from_utf8_lossy(line));
    }
}

async fn metrics(site: &Site, secrets: &Secrets) {
    let known = Secrets::new([("a method", "AuthService/CreateToken")]);
    for url in site.metrics() {
        let page = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
        assert_eq!(known.in_bytes(page.as_bytes()).len(), 1, "metrics tell of calls");
        assert_none(secrets, "the metrics", page.as_bytes());
    }
}

/// The whole audit trail.
async fn trail(witness: &Witness<'_>, chief: &str) -> String {
    let (mut trail, mut token) = (String::new(), String::new());
    loop {
        let path = format!("/api/audit?page_size=1000&page_token={token}");
        let page = witness.rest(Method::GET, &path, chief, "").await;
        trail.push_str(&page["events"].to_string());
        token = text(&page, "next_page_token");
        if token.is_empty() {
            return trail;
        }
    }
}

/// The log is kept before anything begins: of one process down to the last detail, of five the details of connections
/// alone would fill it.
async fn world(engine: Engine, levels: &str) -> World {
    canary::record(levels);
    World::new(engine).await
}

mod secrets_are_nowhere_but_with_their_holders {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        secrets_are_seen_nowhere(&Site::whole(world(Engine::Sqlite, "trace").await).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        secrets_are_seen_nowhere(&Site::whole(world(Engine::Postgres, "trace").await).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite_parts() {
        secrets_are_seen_nowhere(&Site::parts(world(Engine::Sqlite, "debug").await).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_parts() {
        secrets_are_seen_nowhere(&Site::parts(world(Engine::Postgres, "debug").await).await).await;
    }
}
