//! Equipment, tasks and maintenance records from and to files.

mod fault;
mod removed;

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Output, Stdio},
};

use flightline::Running;
use proto::maintenance::v1::{ReopenTaskRequest, task_service_client::TaskServiceClient};
use tempfile::TempDir;

use super::{PASSWORD, as_user, run, suite, text, token};

fn flightline(suite: &Running, arguments: &[&str], input: &str) -> Output {
    let server = suite.grpc_url().unwrap();
    let all: Vec<_> = arguments.iter().copied().chain(["--server", &server]).collect();
    run(&all, &[("FLIGHTLINE_PASSWORD", PASSWORD)], input)
}

/// What an import printed, on both ways, and how it ended.
fn import(suite: &Running, noun: &str, more: &[&str], file: &str) -> (String, String, i32) {
    let arguments: Vec<_> = ["import", noun, "-"].iter().chain(more).copied().collect();
    let output = flightline(suite, &arguments, file);
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

fn imported(suite: &Running, noun: &str, file: &str) -> String {
    let (told, problems, code) = import(suite, noun, &[], file);
    assert_eq!((problems.as_str(), code), ("", 0), "{told}");
    told
}

fn export(suite: &Running, arguments: &[&str]) -> String {
    let arguments: Vec<_> = ["export"].iter().chain(arguments).copied().collect();
    let output = flightline(suite, &arguments, "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The rows of a file as they stand there.
fn table(file: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(file.as_bytes()).deserialize().map(Result::unwrap).collect()
}

/// The id of the last that was made of those rows of a noun that say `text` in some column.
fn id(suite: &Running, noun: &str, text: &str) -> String {
    let mut rows = table(&export(suite, &[noun]));
    rows.retain(|row| row.values().any(|cell| cell == text));
    rows.into_iter().map(|mut row| row.remove("id").unwrap()).max().unwrap()
}

/// The rows of a file in an order of their own, since lines are written side by side; without the columns that no two suites
/// have in common.
fn rows(file: &str) -> Vec<BTreeMap<String, String>> {
    const OWN: [&str; 7] =
        ["id", "created_at", "updated_at", "completed_at", "etag", "task_id", "alert_id"];
    let mut rows = table(file);
    for row in &mut rows {
        row.retain(|column, _| !OWN.contains(&column.as_str()));
    }
    rows.sort();
    rows
}

const EQUIPMENT: &str = "name,type,serial_number,parent_id,status,criticality,installation_date,notes,attributes.oil,attributes.bay\n\
    Impeller,impeller,I-1,P-1,OPERATIONAL,LOW,,,,\n\
    \"Pump, \"\"7\"\"\",pump,P-1,,DOWN,HIGH,2020-02-29,\"two\nlines\",ISO VG 46,3\n\
    Насос,pump,,,,,,,,\n";

const TASKS: &str = "title,description,equipment_id,priority,due_date,assignee_id,status\n\
    Grease it,\"The bearing, left\",P-1,HIGH,2026-02-01,admin,IN_PROGRESS\n\
    Look at it,,P-1,,,,\n\
    Wait for parts,,,LOW,,admin,ON_HOLD\n\
    Never mind,,,,,,CANCELLED\n\
    Done,,I-1,CRITICAL,,,COMPLETED\n";

const RECORDS: &str = "equipment_id,kind,work_done,started_at,finished_at,parts_used\n\
    P-1,PREVENTIVE,Greased the bearing.,2026-01-02T10:00:00Z,2026-01-02T11:30:00Z,\n\
    I-1,,Looked at it.,,,one gasket\n";

/// A suite with all of these.
async fn filled() -> (Running, TempDir) {
    let (suite, folder) = suite().await;
    assert_eq!(
        imported(&suite, "equipment", EQUIPMENT),
        "3 lines written, 0 already there, 0 refused\n"
    );
    assert_eq!(imported(&suite, "tasks", TASKS), "5 lines written, 0 already there, 0 refused\n");
    assert_eq!(
        imported(&suite, "maintenance", RECORDS),
        "2 lines written, 0 already there, 0 refused\n"
    );
    (suite, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_exported_is_imported_elsewhere_and_is_exported_alike() {
    let (first, _folder) = filled().await;
    let (second, _folder) = suite().await;

    work_twice_on(&first, &id(&first, "tasks", "Look at it")).await;

    let mut counts = Vec::new();
    for (noun, more) in [("equipment", None), ("tasks", None), ("maintenance", Some(WITHOUT_TASKS))]
    {
        let exported = export(&first, &[noun]);
        for written in [true, false] {
            let more: Vec<_> = more.into_iter().collect();
            let (told, problems, code) = import(&second, noun, &more, &exported);
            assert_eq!((problems.as_str(), code), ("", 0), "{told}");
            assert_eq!(told.starts_with("0 lines written"), !written, "{told}");
            assert_eq!(rows(&export(&second, &[noun])), rows(&exported), "{noun}");
        }
        counts.push(rows(&exported).len());
    }

    assert_eq!(counts, [3, 5, 4]);
    // Two of them completed a task, which has another id there, if it has one.
    let (_, problems, code) =
        import(&second, "maintenance", &[], &export(&first, &["maintenance"]));
    assert_eq!((problems.matches(", task_id: ").count(), code), (2, 2), "{problems}");
}

const WITHOUT_TASKS: &str = "--without-tasks";

/// Has a task completed by a record, taken up again, and completed by another.
async fn work_twice_on(suite: &Running, id: &str) {
    let token = token(suite.peers().auth.clone(), "admin", PASSWORD).await.unwrap();
    let mut tasks = TaskServiceClient::new(suite.peers().maintenance.clone());
    for day in [3, 4] {
        let file = format!(
            "task_id,kind,work_done,started_at,finished_at\n\
             {id},PREVENTIVE,Looked.,2026-01-0{day}T10:00:00Z,2026-01-0{day}T11:00:00Z\n"
        );
        imported(suite, "maintenance", &file);
        if day == 3 {
            let reopen = ReopenTaskRequest { id: id.to_owned(), ..Default::default() };
            tasks.reopen_task(as_user(&token, reopen)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decommissioned_is_exported_and_imported_too() {
    let (first, _folder) = suite().await;
    let (second, _folder) = suite().await;
    let file = "name,serial_number,parent_id,status\n\
                Old pump,O-2,O-1,DECOMMISSIONED\nOld plant,O-1,,DECOMMISSIONED\n";
    imported(&first, "equipment", file);

    let exported = export(&first, &["equipment"]);
    imported(&second, "equipment", &exported);

    assert_eq!(rows(&exported).len(), 2);
    assert_eq!(rows(&export(&second, &["equipment"])), rows(&exported));
    // What was found there already is not written again.
    assert_eq!(
        imported(&second, "equipment", file),
        "0 lines written, 2 already there, 0 refused\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_sent_again_doubles_nothing() {
    let (suite, _folder) = filled().await;
    let before: Vec<_> =
        ["equipment", "tasks", "maintenance"].map(|noun| export(&suite, &[noun])).into();

    for (noun, file, count) in
        [("equipment", EQUIPMENT, 3), ("tasks", TASKS, 5), ("maintenance", RECORDS, 2)]
    {
        let (told, problems, code) = import(&suite, noun, &["--dry-run"], file);
        let none =
            format!("0 lines could be written, and none was, {count} already there, 0 refused\n");
        assert_eq!((told, problems.as_str(), code), (none, "", 0));
        let none = format!("0 lines written, {count} already there, 0 refused\n");
        assert_eq!(imported(&suite, noun, file), none);
    }
    let after: Vec<_> =
        ["equipment", "tasks", "maintenance"].map(|noun| export(&suite, &[noun])).into();
    assert_eq!(after, before);
    // Alike lines are as many things.
    imported(&suite, "tasks", "title\nInspect\nInspect\n");
    assert_eq!(rows(&export(&suite, &["tasks"])).len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_exported_here_is_not_doubled_by_being_imported_here() {
    let (suite, _folder) = filled().await;

    // Of the equipment, two pieces have a serial number, which the register knows them by.
    for (noun, there, refused) in [("equipment", 2, 1), ("tasks", 0, 5), ("maintenance", 0, 2)] {
        let exported = export(&suite, &[noun]);
        for more in ["--dry-run", "--keep-good"] {
            let (told, problems, code) = import(&suite, noun, &[more], &exported);

            assert!(told.starts_with("0 lines "), "{noun}: {told}");
            let counts = format!("{there} already there, {refused} refused\n");
            assert!(told.ends_with(&counts), "{noun}: {told}");
            let named = problems.lines().filter(|line| line.ends_with(", id: is there already"));
            assert_eq!((named.count(), code), (refused, 2), "{noun}: {problems}");
        }
        assert_eq!(export(&suite, &[noun]), exported, "{noun}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_writes_nothing_and_a_task_is_recorded_once() {
    let (suite, _folder) = filled().await;
    let tasks = export(&suite, &["tasks"]);
    let id = id(&suite, "tasks", "Look at it");
    let twice = format!("task_id,work_done\n{id},Looked.\n{id},Looked again.\n");
    let once = format!("task_id,work_done\n{id},Looked.\n");

    let (told, problems, _) = import(&suite, "maintenance", &[], &twice);
    assert_eq!(told, "1 line could be written, and none was, 0 already there, 1 refused\n");
    assert_eq!(problems, "line 3, task_id: is on line 2, too\n");
    let (told, _, code) = import(&suite, "maintenance", &["--dry-run"], &once);
    let all_good = "1 line could be written, and none was, 0 already there, 0 refused\n";
    assert_eq!((told.as_str(), code), (all_good, 0));
    assert_eq!(export(&suite, &["tasks"]), tasks);

    // What was written already is no obstacle to the same file.
    for _ in 0..2 {
        imported(&suite, "maintenance", &once);
    }
    assert_eq!(rows(&export(&suite, &["maintenance"])).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equipment_with_many_attributes_is_doubled_by_no_second_sending() {
    let (suite, _folder) = suite().await;
    let keys = ["oil", "bay", "colour", "fuel", "line", "voltage", "crew"];
    let header: Vec<_> = keys.map(|key| format!("attributes.{key}")).into();
    let row = |number: u8| {
        let cells: Vec<_> = keys.map(|key| format!("{key} {number}")).into();
        format!("\nPump {number},{}", cells.join(","))
    };
    let rows_of_file: Vec<_> = (0..8).map(row).collect();
    let file = format!("name,{}{}", header.join(","), rows_of_file.concat());

    for _ in 0..2 {
        imported(&suite, "equipment", &file);
    }
    assert_eq!(rows(&export(&suite, &["equipment"])).len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_resumed_also_below_what_has_no_serial_number() {
    let (suite, _folder) = suite().await;
    let begun = "id,name,serial_number,parent_id\nhall,Hall,,\np,Pump,P-1,hall\n,Valve,,hall\n";
    let whole = format!("{begun},Bolt,,p\nfan,Fan,F-1,hall\n,Blade,,fan\n");

    imported(&suite, "equipment", begun);
    let (tried, ..) = import(&suite, "equipment", &["--dry-run"], &whole);
    let told = imported(&suite, "equipment", &whole);
    let again = imported(&suite, "equipment", &whole);

    let could = "3 lines could be written, and none was, 3 already there, 0 refused\n";
    assert_eq!(tried, could);
    assert_eq!(told, "3 lines written, 3 already there, 0 refused\n");
    assert_eq!(again, "0 lines written, 6 already there, 0 refused\n");
    let exported = export(&suite, &["equipment"]);
    let parts: Vec<_> = rows(&exported)
        .iter()
        .map(|row| (row["name"].clone(), row["parent_id"].clone()))
        .filter(|(name, _)| !["Pump", "Fan", "Valve"].contains(&name.as_str()))
        .collect();
    let parts: Vec<_> = parts.iter().map(|(name, of)| (name.as_str(), of.as_str())).collect();
    assert_eq!(parts, [("Blade", "F-1"), ("Bolt", "P-1"), ("Hall", "")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_are_exported_as_they_are_imported_with_and_without_their_word() {
    let (suite, _folder) = filled().await;
    let id = text(&flightline(&suite, &["export", "equipment"], "").stdout);
    let id = id.lines().nth(1).and_then(|line| line.split(',').next()).unwrap().to_owned();
    let of = ["--equipment", &id, "--metric", "temperature"];
    let file = "timestamp,value\n2026-01-02T10:00:00Z,71.25\n2026-01-02T10:00:01.500Z,-3\n";

    for words in [["import", "-"].as_slice(), &["import", "readings", "-"]] {
        let arguments: Vec<_> = words.iter().chain(&of).copied().collect();
        let output = flightline(&suite, &arguments, file);
        assert_eq!(
            text(&output.stdout),
            "2 readings accepted, 0 lines refused\n",
            "{}",
            text(&output.stderr)
        );
    }
    let arguments: Vec<_> = ["readings"].iter().chain(&of).copied().collect();
    assert_eq!(export(&suite, &arguments), file);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_fails_leaves_the_file_as_it_was() {
    let (suite, _folder) = filled().await;
    let id = id(&suite, "equipment", "P-1");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yesterday.csv");
    let path = file.to_str().unwrap();
    assert_eq!(export(&suite, &["tasks", path]), "");
    let tasks = export(&suite, &["tasks"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), tasks);

    let metric = "m".repeat(65);
    let arguments = ["export", "readings", path, "--equipment", &id, "--metric", &metric];
    let output = flightline(&suite, &arguments, "");

    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), tasks);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_no_further_is_told_of_no_fault() {
    let (suite, _folder) = filled().await;
    let server = suite.grpc_url().unwrap();
    let mut export = Command::new(env!("CARGO_BIN_EXE_flightline"))
        .args(["export", "tasks", "--server", &server])
        .env("FLIGHTLINE_PASSWORD", PASSWORD)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(export.stdout.take());

    let output = export.wait_with_output().unwrap();

    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}
