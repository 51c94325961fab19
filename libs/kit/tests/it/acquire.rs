//! What a server's connection is asked before it is handed out.

use std::time::Duration;

use kit::{Db, sqlx};
use testkit::{Engine, World, canary};

/// Longer than a connection that was just used is taken to live.
const REST: Duration = Duration::from_millis(150);

async fn execute(db: &Db, statement: &'static str) -> sqlx::Result<()> {
    let mut conn = db.read().await.unwrap();
    kit::on!(&mut conn, c => sqlx::raw_sql(statement).execute(c).await.map(drop))
}

/// Ends all connections to the database at `url`, and waits until they have ended.
async fn end_connections(url: &str) {
    use sqlx::Connection;

    let mut server = sqlx::PgConnection::connect(url).await.unwrap();
    let all = "select pg_terminate_backend(pid, 10000) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(all).execute(&mut server).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_has_nothing_to_warn_of() {
    canary::record("info");
    let world = World::new(Engine::Postgres).await;
    let db = crate::open(&world.db).await;

    for rest in [Duration::ZERO, REST, REST] {
        tokio::time::sleep(rest).await;
        execute(&db, "select 1").await.unwrap();
        db.begin("nothing").await.unwrap().commit().await.unwrap();
        drop(db.begin("nothing").await.unwrap());
    }

    let log = String::from_utf8(canary::recorded()).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(warnings, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_while_it_rested_fails_nobody() {
    let world = World::new(Engine::Postgres).await;
    let db = crate::open(&world.db).await;
    execute(&db, "select 1").await.unwrap();

    end_connections(world.db.server().unwrap()).await;
    tokio::time::sleep(REST).await;

    execute(&db, "select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_left_open_is_ended() {
    let world = World::new(Engine::Postgres).await;
    let mut config = world.db.clone();
    config.database_connections = 1;
    let db = crate::open(&config).await;
    execute(&db, "begin; create table left_behind (it integer)").await.unwrap();

    tokio::time::sleep(REST).await;

    assert!(execute(&db, "select it from left_behind").await.is_err());
}
