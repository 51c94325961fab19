use kit::db;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use testkit::{Engine, World};

use super::{
    backup::old_register,
    fleet::{Fleet, command_on, refused, succeeded},
    text,
};

/// Embedded databases and an empty server.
async fn worlds() -> (World, World) {
    (World::new(Engine::Sqlite).await, World::new(Engine::Postgres).await)
}

/// Runs `flightline move` between them.
async fn move_all(from: &World, to: &World) -> std::process::Output {
    let both = db::Config { data_dir: from.db.data_dir.clone(), ..to.db.clone() };
    command_on(&both, &["move"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_moves_to_a_server_and_goes_on_there() {
    let (from, to) = worlds().await;
    let fleet = Fleet::start(&from.db).await;
    let machine = fleet.machine().await;
    for second in 0..50 {
        fleet.send(&machine, 1_700_000_000 + second, 71.0).await;
    }
    fleet.send(&machine, 1_700_000_060, 95.0).await;
    let alerts = fleet.alerts(&machine, 1).await;
    let (tasks, readings) = (fleet.tasks(&machine).await, fleet.readings(&machine).await);
    let (told, resume_token) = fleet.watch("").await;
    fleet.stop().await;

    let said = succeeded(&move_all(&from, &to).await);
    assert!(said.contains("moved, and compared row by row"), "{said}");

    let moved = Fleet::start(&to.db).await;
    assert_eq!(moved.alerts(&machine, 1).await, alerts);
    assert_eq!(moved.tasks(&machine).await, tasks);
    assert_eq!(moved.readings(&machine).await, readings);
    assert_eq!(moved.watch(&resume_token).await.0, told, "an old token leads to all there is");
    // Numbers go on after the highest, and every alert has one task.
    let other = moved.machine().await;
    moved.send(&other, 1_700_000_000, 95.0).await;
    moved.alerts(&other, 1).await;
    assert_eq!((moved.tasks(&other).await.len(), moved.tasks(&machine).await.len()), (1, 1));
    moved.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_no_superuser_is_told_nothing_but_that_all_is_there() {
    let (from, mut to) = worlds().await;
    Fleet::start(&from.db).await.stop().await;
    let url = to.db.database_url.take().unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    let database = options.get_database().unwrap().to_owned();
    let role = format!("role_of_{database}");
    let mut server = PgConnection::connect(&url).await.unwrap();
    let may = format!("create role {role} login; grant create on database {database} to {role}");
    sqlx::raw_sql(AssertSqlSafe(may)).execute(&mut server).await.unwrap();
    to.db.database_url = Some(options.username(&role).to_url_lossy().to_string());

    let moved = move_all(&from, &to).await;

    succeeded(&moved);
    let said = text(&moved.stderr);
    assert!(!said.contains("\"WARN\""), "{said}");
    let is_known = "select reltuples >= 0 from pg_class
                    where oid = 'equipment.equipment'::regclass";
    let is_known: bool = sqlx::query_scalar(is_known).fetch_one(&mut server).await.unwrap();
    assert!(is_known, "the planner knows nothing of the table");
    let gone = format!("drop owned by {role} cascade; drop role {role}");
    sqlx::raw_sql(AssertSqlSafe(gone)).execute(&mut server).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_run_again_compares_and_doubles_nothing() {
    let (from, to) = worlds().await;
    let fleet = Fleet::start(&from.db).await;
    let machine = fleet.machine().await;
    fleet.stop().await;

    succeeded(&move_all(&from, &to).await);
    for _ in 0..2 {
        let said = succeeded(&move_all(&from, &to).await);
        assert!(said.contains("moved before: the server holds the same"), "{said}");
    }

    let moved = Fleet::start(&to.db).await;
    assert_eq!(moved.equipment().await, [machine]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_brought_up_to_date_when_it_moved_is_not_taken_for_other_data() {
    let (from, to) = worlds().await;
    old_register(&from, &equipment::SCHEMA).await;

    succeeded(&move_all(&from, &to).await);

    refused(&move_all(&from, &to).await, "equipment is of another version on the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_holds_other_data_keeps_it() {
    let (from, to) = worlds().await;
    Fleet::start(&from.db).await.stop().await;
    let there = Fleet::start(&to.db).await;
    let machine = there.machine().await;
    there.stop().await;

    refused(&move_all(&from, &to).await, "holds other data");

    assert_eq!(Fleet::start(&to.db).await.equipment().await, [machine]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_value_that_differs_is_found() {
    let (from, to) = worlds().await;
    let fleet = Fleet::start(&from.db).await;
    fleet.machine().await;
    fleet.stop().await;
    succeeded(&move_all(&from, &to).await);
    let mut server = PgConnection::connect(to.db.server().unwrap()).await.unwrap();
    let change = "update equipment.equipment set name = 'Pumq'";
    sqlx::raw_sql(change).execute(&mut server).await.unwrap();

    refused(&move_all(&from, &to).await, "equipment.equipment holds 1 rows with the checksum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_moves_while_the_suite_runs() {
    let (from, to) = worlds().await;
    let fleet = Fleet::start(&from.db).await;

    refused(&move_all(&from, &to).await, "stop it first");

    fleet.stop().await;
    succeeded(&move_all(&from, &to).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_fails_half_way_leaves_the_server_empty() {
    let (from, to) = worlds().await;
    let fleet = Fleet::start(&from.db).await;
    fleet.machine().await;
    fleet.stop().await;
    // A text that no server takes, in the last of the services.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(from.db.file("telemetry"));
    let mut file = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let nul = "update rules set guidance = 'a' || char(0) || 'b'";
    sqlx::raw_sql(nul).execute(&mut file).await.unwrap();

    refused(&move_all(&from, &to).await, "telemetry.rules");

    sqlx::raw_sql("update rules set guidance = ''").execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    succeeded(&move_all(&from, &to).await);
}
