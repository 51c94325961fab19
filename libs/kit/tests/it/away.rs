//! A server that lets nobody in any more.

use kit::{Db, Error, sqlx};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use testkit::{Engine, World};

async fn ask(db: &Db) -> kit::Result<()> {
    let mut conn = db.read().await?;
    kit::on!(&mut conn, c => sqlx::raw_sql("select 1").execute(c).await.map(drop))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_is_told_that_storage_is_away() {
    let world = World::new(Engine::Postgres).await;
    let url = world.db.server().unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    let database = options.get_database().unwrap().to_owned();
    let role = format!("role_of_{database}");
    let mut server = PgConnection::connect(url).await.unwrap();
    let mut say = async |statement: String| {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await.unwrap();
    };
    say(format!("create role {role} login; grant create on database {database} to {role}")).await;
    let mut config = world.db.clone();
    config.database_url = Some(options.username(&role).to_url_lossy().to_string());
    let db = crate::open(&config).await;
    ask(&db).await.unwrap();

    for (shut, open) in [("nologin", "login"), ("connection limit 0", "connection limit -1")] {
        say(format!("alter role {role} {shut}")).await;
        say(format!(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = '{role}'"
        ))
        .await;
        for _ in 0..3 {
            let told = ask(&db).await;
            assert!(matches!(told, Err(Error::Unavailable("storage is away"))), "{shut}: {told:?}");
        }

        say(format!("alter role {role} {open}")).await;
        ask(&db).await.unwrap();
    }
    db.close().await;
    say(format!("drop owned by {role}; drop role {role}")).await;
}
