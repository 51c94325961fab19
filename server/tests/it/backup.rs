use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use kit::db::Schema;
use proto::telemetry::v1::WatchReadingsResponse;
use serde_json::Value;
use sqlx::{ConnectOptions, Connection, PgConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use testkit::{Engine, World};
use tonic::Streaming;

use super::{
    fleet::{Acknowledged, Fleet, Load, command, refused, succeeded},
    text,
};

/// A name for a backup that isn't there yet.
pub fn name(folder: &TempDir) -> String {
    folder.path().join("backup").display().to_string()
}

fn other(engine: Engine) -> Engine {
    match engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    }
}

/// All files of a backup.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The next temperature that a watch tells of, and the token to go on after it.
async fn next_reading(readings: &mut Streaming<WatchReadingsResponse>) -> (String, String) {
    let told = async {
        loop {
            let next = readings.message().await.unwrap().unwrap();
            if !next.readings.is_empty() {
                return next;
            }
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(30), told).await;
    let next = next.expect("the reading is told");
    (next.readings[0].metrics["temperature"].to_string(), next.resume_token)
}

/// What was acknowledged and is not there.
async fn missing(fleet: &Fleet, acknowledged: &Acknowledged) -> Vec<String> {
    let mut missing = Vec::new();
    for id in &acknowledged.equipment {
        if !fleet.has_equipment(id).await {
            missing.push(format!("equipment {id}"));
        }
    }
    for id in &acknowledged.tasks {
        if !fleet.has_task(id).await {
            missing.push(format!("task {id}"));
        }
    }
    let machines: HashSet<&String> = acknowledged.readings.iter().map(|(id, _)| id).collect();
    let mut kept = HashSet::new();
    for machine in machines {
        let readings = fleet.readings(machine).await;
        kept.extend(readings.into_iter().map(|(second, _)| (machine.clone(), second)));
    }
    let readings = acknowledged.readings.iter().filter(|reading| !kept.contains(*reading));
    missing.extend(readings.map(|(machine, second)| format!("reading {machine} {second}")));
    missing
}

testkit::both! {
    async fn a_backup_under_load_has_every_write_that_was_acknowledged_before(world: World) {
        let (fleet, folder) = (Fleet::start(&world.db).await, tempfile::tempdir().unwrap());
        let load = Load::begin(&fleet, 4);
        load.goes_on(&Acknowledged::default()).await;

        let before = load.acknowledged();
        succeeded(&command(&world, &["backup", &name(&folder)]).await);
        load.goes_on(&load.acknowledged()).await;
        load.end().await;
        fleet.stop().await;

        for engine in [world.engine, other(world.engine)] {
            let elsewhere = World::new(engine).await;
            succeeded(&command(&elsewhere, &["restore", &name(&folder)]).await);
            let restored = Fleet::start(&elsewhere.db).await;
            assert_eq!(missing(&restored, &before).await, Vec::<String>::new(), "on {engine:?}");
            assert_eq!(restored.astray().await, Vec::<String>::new(), "on {engine:?}");
            restored.stop().await;
        }
    }

    async fn a_restored_suite_goes_on_and_misses_and_repeats_nothing(world: World) {
        let (fleet, folder) = (Fleet::start(&world.db).await, tempfile::tempdir().unwrap());
        let machine = fleet.machine().await;
        fleet.send(&machine, 1_700_000_000, 95.0).await;
        let first = fleet.alerts(&machine, 1).await;
        let (told, resume_token) = fleet.watch("").await;
        assert_eq!(told, std::slice::from_ref(&machine));
        succeeded(&command(&world, &["backup", &name(&folder)]).await);
        // What comes after the backup is lost, and its places in the logs are given anew.
        let lost = fleet.machine().await;
        let mut readings = fleet.watch_readings("").await;
        let mut readings_token = String::new();
        for second in 0..20 {
            fleet.send(&lost, 1_700_000_000 + second, 70.0).await;
            readings_token = next_reading(&mut readings).await.1;
        }
        drop(readings);
        fleet.stop().await;

        let elsewhere = World::new(other(world.engine)).await;
        succeeded(&command(&elsewhere, &["restore", &name(&folder)]).await);
        let restored = Fleet::start(&elsewhere.db).await;

        assert_eq!(restored.alerts(&machine, 1).await, first);
        restored.send(&machine, 1_700_000_060, 70.0).await;
        restored.send(&machine, 1_700_000_120, 96.0).await;
        let alerts = restored.alerts(&machine, 2).await;
        let tasks: Vec<_> = restored.tasks(&machine).await.into_iter().map(|task| task.id).collect();
        let opened: Vec<_> = alerts.iter().rev().map(|alert| alert.task_id().to_owned()).collect();
        assert_eq!(tasks, opened);
        // Old tokens lead to all there is, never past it.
        let new = restored.machine().await;
        let (told, _) = restored.watch(&resume_token).await;
        assert_eq!(told, [machine.clone(), new]);
        assert!(!told.contains(&lost));
        // A token of readings that were lost leads to those that are new.
        let mut readings = restored.watch_readings(&readings_token).await;
        restored.send(&machine, 1_700_000_180, 71.0).await;
        for new in ["70", "96", "71"] {
            assert_eq!(next_reading(&mut readings).await.0, new);
        }
        restored.stop().await;
    }

    async fn a_backup_is_for_its_owner_alone_and_says_what_it_holds(world: World) {
        let (fleet, folder) = (Fleet::start(&world.db).await, tempfile::tempdir().unwrap());
        fleet.machine().await;
        let said = succeeded(&command(&world, &["backup", &name(&folder)]).await);
        fleet.stop().await;

        let backup = PathBuf::from(name(&folder));
        for file in files(&backup) {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
        for part in ["", "auth", "equipment"] {
            let mode = fs::metadata(backup.join(part)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{part}");
        }
        let manifest: Value =
            serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
        let services = manifest["services"].as_array().unwrap();
        let equipment = services.iter().find(|service| service["name"] == "equipment").unwrap();
        let tables = equipment["tables"].as_array().unwrap();
        let register = tables.iter().find(|table| table["name"] == "equipment").unwrap();
        assert_eq!(register["rows"], 1, "{manifest:#}");
        assert!(equipment["schema_steps"].as_array().unwrap().contains(&100.into()));
        assert!(said.contains("auth") && said.contains("the data as of 20"), "{said}");
        let sums = std::process::Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
            .current_dir(&backup)
            .output()
            .unwrap();
        assert!(sums.status.success(), "{}", text(&sums.stderr));
        let listed = fs::read_to_string(backup.join("SHA256SUMS")).unwrap().lines().count();
        assert_eq!(listed + 1, files(&backup).len());

        refused(&command(&world, &["backup", &name(&folder)]).await, "is there already");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    async fn what_is_not_as_it_was_made_is_not_restored(world: World) {
        let (fleet, folder) = (Fleet::start(&world.db).await, tempfile::tempdir().unwrap());
        fleet.machine().await;
        succeeded(&command(&world, &["backup", &name(&folder)]).await);
        fleet.stop().await;
        let backup = PathBuf::from(name(&folder));
        let elsewhere = World::new(world.engine).await;
        let untouched = |file: &str| fs::read(backup.join(file)).unwrap();

        for file in ["equipment/equipment.copy", "auth/users.copy", "manifest.json"] {
            let bytes = untouched(file);
            let mut touched = bytes.clone();
            let middle = touched.len() / 2;
            touched[middle] ^= 1;
            fs::write(backup.join(file), &touched).unwrap();
            refused(&command(&elsewhere, &["restore", &name(&folder)]).await, file);
            fs::remove_file(backup.join(file)).unwrap();
            refused(&command(&elsewhere, &["restore", &name(&folder)]).await, file);
            fs::write(backup.join(file), &bytes).unwrap();
        }
        refused(&command(&elsewhere, &["restore", "/nowhere"]).await, "is no backup");

        // Nothing was begun, so it goes in now.
        succeeded(&command(&elsewhere, &["restore", &name(&folder)]).await);
        refused(&command(&elsewhere, &["restore", &name(&folder)]).await, "holds data of Flightline");
        refused(&command(&world, &["restore", &name(&folder)]).await, "holds data of Flightline");
    }

    async fn a_backup_of_an_older_version_is_brought_up_to_date(world: World) {
        old_register(&world, &equipment::SCHEMA).await;
        let folder = tempfile::tempdir().unwrap();
        succeeded(&command(&world, &["backup", &name(&folder)]).await);

        let elsewhere = World::new(other(world.engine)).await;
        succeeded(&command(&elsewhere, &["restore", &name(&folder)]).await);
        succeeded(&command(&elsewhere, &["migrate"]).await);

        let again = tempfile::tempdir().unwrap();
        succeeded(&command(&elsewhere, &["backup", &name(&again)]).await);
        let manifest = fs::read(PathBuf::from(name(&again)).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let service = &manifest["services"][1];
        let rows = |table: &str| {
            let tables = service["tables"].as_array().unwrap();
            tables.iter().find(|other| other["name"] == table).unwrap()["rows"].clone()
        };
        // The history of states came later, and begins with what there was.
        assert_eq!((rows("equipment"), rows("status_intervals")), (1.into(), 1.into()));
        assert_eq!(order(&elsewhere).await, (3, "2020-01-02".into()));
    }

    async fn a_backup_of_a_newer_version_is_refused(world: World) {
        let (fleet, folder) = (Fleet::start(&world.db).await, tempfile::tempdir().unwrap());
        succeeded(&command(&world, &["backup", &name(&folder)]).await);
        fleet.stop().await;
        let backup = PathBuf::from(name(&folder));
        let change = |from: &str, to: &str| {
            let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
            fs::write(backup.join("manifest.json"), manifest.replacen(from, to, 1)).unwrap();
            let sum = std::process::Command::new("sh")
                .args(["-c", "sha256sum manifest.json */*.copy > SHA256SUMS"])
                .current_dir(&backup)
                .status();
            assert!(sum.unwrap().success());
        };

        let elsewhere = World::new(world.engine).await;
        change("        100,", "        100, 9999,");
        refused(&command(&elsewhere, &["restore", &name(&folder)]).await, "newer version");
        change("\"format\": 1", "\"format\": 2");
        refused(&command(&elsewhere, &["restore", &name(&folder)]).await, "newer version");
    }

    async fn where_there_is_nothing_there_is_nothing_to_back_up(world: World) {
        let folder = tempfile::tempdir().unwrap();
        let output = command(&world, &["backup", &name(&folder)]).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// Makes a register as the first version had it, with one piece of equipment.
pub async fn old_register(world: &World, schema: &Schema) {
    let insert = "insert into equipment (
                      id, name, type, model, manufacturer, location, status, criticality,
                      installation_date, notes, attributes, search, created_at, updated_at, revision
                  )
                  values (
                      $1, 'Pump', '', '', '', '', 'DOWN', 'HIGH', '2020-01-02', '', '{}', 'pump', 5, 7, 2
                  )";
    let id = kit::uuid::Uuid::now_v7();
    let old = |step| step <= 2 || step == 100;
    if let Some(url) = world.db.server() {
        let mut server = PgConnection::connect(url).await.unwrap();
        let enter = "create schema equipment; set search_path to equipment";
        sqlx::raw_sql(enter).execute(&mut server).await.unwrap();
        schema.build_on_server(&mut server, old).await.unwrap();
        sqlx::query(insert).bind(id).execute(&mut server).await.unwrap();
    } else {
        world.db.make_folder().unwrap();
        let options = SqliteConnectOptions::new().filename(world.db.file("equipment"));
        let mut file = options.create_if_missing(true).connect().await.unwrap();
        schema.build_file(&mut file, old).await.unwrap();
        sqlx::query(insert).bind(id).execute(&mut file).await.unwrap();
        file.close().await.unwrap();
    }
}

/// What lists have their order by, of the one piece of equipment: columns that came later.
async fn order(world: &World) -> (i64, String) {
    let db = equipment::SCHEMA.open(&world.db).await.unwrap();
    let mut conn = db.read().await.unwrap();
    kit::on!(&mut conn, c => sqlx::query_as("select criticality_rank, installation_day from equipment")
        .fetch_one(c).await)
    .unwrap()
}
