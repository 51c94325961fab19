use std::process::Output;

use kit::db::Config;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};
use testkit::{Engine, World};

use super::{run, text};

/// Runs `flightline migrate` on the databases of `db`.
fn migrate(db: &Config, more: &[&str]) -> Output {
    let folder = db.data_dir.display().to_string();
    let mut variables = vec![("FLIGHTLINE_DATA_DIR", folder.as_str())];
    variables.extend(db.server().map(|url| ("DATABASE_URL", url)));
    run(&[&["migrate"], more].concat(), &variables, "")
}

/// Has the register's database take a step that this version doesn't know.
async fn take_a_newer_step(db: &Config) {
    let insert = "insert into {schema}_sqlx_migrations \
                      (version, description, success, checksum, execution_time) \
                  values (9999, 'newer', true, '', 0)";
    if let Some(url) = db.server() {
        let mut server = PgConnection::connect(url).await.unwrap();
        let insert = insert.replace("{schema}", "equipment.");
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut server).await.unwrap();
    } else {
        let options = SqliteConnectOptions::new().filename(db.file("equipment"));
        let mut file = options.connect().await.unwrap();
        let insert = insert.replace("{schema}", "");
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
    }
}

testkit::both! {
    async fn a_check_says_what_is_pending_and_changes_nothing(world: World) {
        for _ in 0..2 {
            let checked = migrate(&world.db, &["--check"]);

            assert_eq!(checked.status.code(), Some(2), "{}", text(&checked.stderr));
            let said = text(&checked.stdout);
            assert_eq!(said.lines().count(), 4, "{said}");
            assert!(said.contains("equipment: pending: 0001 changes, 0002 answers"), "{said}");
            assert!(said.contains("0100 equipment"), "{said}");
        }
        assert!(!world.db.data_dir.exists());
    }

    async fn what_was_pending_is_done_once(world: World) {
        let first = migrate(&world.db, &[]);
        assert!(first.status.success(), "{}", text(&first.stderr));
        assert!(text(&first.stdout).contains("telemetry: done: 0001 changes"));

        for more in [&["--check"][..], &[]] {
            let again = migrate(&world.db, more);
            assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
            let up_to_date = ["auth", "equipment", "maintenance", "telemetry"]
                .map(|service| format!("{service}: up to date\n"));
            assert_eq!(text(&again.stdout), up_to_date.concat());
        }
    }

    async fn a_database_of_a_newer_version_is_left_alone(world: World) {
        assert!(migrate(&world.db, &[]).status.success());
        take_a_newer_step(&world.db).await;

        for more in [&["--check"][..], &[]] {
            let refused = migrate(&world.db, more);
            assert_eq!(refused.status.code(), Some(1));
            let said = text(&refused.stderr);
            assert!(said.contains("database of equipment is of a newer version (step 9999)"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_migrate_at_once_do_it_once() {
    let world = World::new(Engine::Postgres).await;

    let all: Vec<_> = std::thread::scope(|scope| {
        let replicas: Vec<_> = (0..3).map(|_| scope.spawn(|| migrate(&world.db, &[]))).collect();
        replicas.into_iter().map(|replica| replica.join().unwrap()).collect()
    });

    for replica in all {
        assert!(replica.status.success(), "{}", text(&replica.stderr));
    }
    assert_eq!(migrate(&world.db, &["--check"]).status.code(), Some(0));
}
