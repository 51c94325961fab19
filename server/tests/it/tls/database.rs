//! TLS between the suite and PostgreSQL.

use std::{fs, path::Path};

use flightline::Running;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use testkit::{Postgres, eventually};
use tokio_util::sync::CancellationToken;

use super::authority::Authority;
use crate::{config, start};

/// The address of `server` for who speaks TLS with whom `authority` vouches for.
fn verified(server: &Postgres, authority: &Authority) -> String {
    let authority = authority.certificate();
    let settings = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    server.url.replace("sslmode=disable", &settings)
}

fn settings(folder: &Path, url: &str) -> flightline::Config {
    config(folder, &[&format!("--database-url={url}")])
}

/// Has `server` take connections in TLS, with one of the certificates of `authority`. It writes its files itself: a key that
/// is another user's it would not take.
async fn speak_tls(server: &Postgres, authority: &Authority) -> PgConnection {
    let (certificate, key) = authority.own("auth");
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
        let text = fs::read_to_string(from).unwrap();
        let lines = format!("select unnest(string_to_array('{}', E'\\n'))", text.trim());
        let copy = format!("copy ({lines}) to program 'umask 077; cat > {to}'");
        sqlx::query(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
    }
    for statement in ["alter system set ssl = on", "select pg_reload_conf()"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let url = verified(server, authority);
    eventually("TLS", async || PgConnection::connect(&url).await.ok()).await;
    connection
}

/// Why a suite with its data at `url` doesn't start.
async fn refusal(folder: &Path, url: &str) -> String {
    let started = Running::start(settings(folder, url), None, CancellationToken::new()).await;
    format!("{:#}", started.err().expect("it was let in"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_on_a_server_is_spoken_with_in_tls() {
    let (folder, others) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (ours, other) = (Authority::new(folder.path(), &[]), Authority::new(others.path(), &[]));
    let server = Postgres::start();
    let plain = refusal(folder.path(), &verified(&server, &ours)).await;
    assert!(plain.contains("TLS"), "{plain}");
    let mut connection = speak_tls(&server, &ours).await;

    let suite = start(settings(folder.path(), &verified(&server, &ours)), None).await;

    let secure: Vec<(String, bool)> = sqlx::query_as(
        "select application_name, bool_and(ssl)
         from pg_stat_ssl join pg_stat_activity using (pid)
         where application_name in ('auth', 'equipment', 'maintenance', 'telemetry')
         group by application_name order by application_name",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let all = ["auth", "equipment", "maintenance", "telemetry"].map(|name| (name.to_owned(), true));
    assert_eq!(secure, all);
    suite.stop().await.unwrap();
    let stranger = refusal(folder.path(), &verified(&server, &other)).await;
    assert!(stranger.contains("certificate"), "{stranger}");
}
