//! Files with something wrong in them.

use super::{export, filled, id, import, imported, rows, suite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_line_keeps_all_out_unless_the_good_ones_are_asked_for() {
    let (suite, _folder) = filled().await;
    let file = "title,equipment_id,assignee_id,priority,due_date\n\
                Good,P-1,admin,HIGH,2026-02-28\n\
                ,nothing,nobody,URGENT,2026-02-30\n";
    let named = ["title", "equipment_id", "assignee_id", "priority", "due_date"];

    for more in [[].as_slice(), &["--dry-run"], &["--dry-run", "--keep-good"]] {
        let (told, problems, code) = import(&suite, "tasks", more, file);
        assert_eq!(told, "1 line could be written, and none was, 0 already there, 1 refused\n");
        assert_eq!((problems.lines().count(), code), (5, 2), "{problems}");
        for column in named {
            assert!(problems.contains(&format!("line 3, {column}: ")), "{problems}");
        }
        assert_eq!(rows(&export(&suite, &["tasks"])).len(), 5);
    }
    let (told, _, code) = import(&suite, "tasks", &["--keep-good"], file);

    assert_eq!((told.as_str(), code), ("1 line written, 0 already there, 1 refused\n", 2));
    assert_eq!(rows(&export(&suite, &["tasks"])).len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_in_service_of_what_the_file_decommissions_keeps_all_out() {
    let (suite, _folder) = filled().await;
    let file = "serial_number,name,status,parent_id\n\
                QP,Old press,DECOMMISSIONED,\n\
                QK,Its pump,OPERATIONAL,QP\n";

    for more in [[].as_slice(), &["--dry-run"]] {
        let (told, problems, code) = import(&suite, "equipment", more, file);
        assert_eq!(told, "1 line could be written, and none was, 0 already there, 1 refused\n");
        assert_eq!((problems.as_str(), code), ("line 3, parent_id: is decommissioned\n", 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_service_knows_is_told_by_line_and_column_before_anything_is_written() {
    let (suite, _folder) = filled().await;
    let file = "equipment_id,task_id,started_at,finished_at\n\
                P-1,0190b0a4-0000-7000-8000-000000000000,,\n\
                P-1,,2026-01-02T11:00:00Z,2026-01-02T10:00:00Z\n\
                P-1,,2026-01-02T10:00:00Z,2026-01-02T11:00:00Z\n";
    let before = rows(&export(&suite, &["maintenance"])).len();

    for more in [[].as_slice(), &["--dry-run"]] {
        let (told, problems, code) = import(&suite, "maintenance", more, file);
        let none = "1 line could be written, and none was, 0 already there, 2 refused\n";
        assert_eq!((told.as_str(), code), (none, 2), "{problems}");
        assert!(problems.contains("line 2, task_id: there is no such task"), "{problems}");
        assert!(problems.contains("line 3, finished_at: lies before started_at"), "{problems}");
        assert_eq!(rows(&export(&suite, &["maintenance"])).len(), before);
    }
    let (told, _, code) = import(&suite, "maintenance", &["--keep-good"], file);

    assert_eq!((told.as_str(), code), ("1 line written, 0 already there, 2 refused\n", 2));
    assert_eq!(rows(&export(&suite, &["maintenance"])).len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_work_that_is_done_already_is_refused_by_its_task() {
    let (suite, _folder) = filled().await;
    let id = id(&suite, "tasks", "Done");
    let file = format!("task_id,started_at\n{id},\n{id},2999-01-01T00:00:00Z\n");
    let columns = ["line 2, task_id", "line 3, task_id", "line 3, started_at"];

    let (_, problems, code) = import(&suite, "maintenance", &[], &file);

    let told: Vec<_> = problems.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!((told, code), (columns.to_vec(), 2), "{problems}");
    assert!(problems.contains("line 2, task_id: the task is completed\n"), "{problems}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_with_a_fault_is_named_at_once_whoever_finds_it() {
    let (suite, _folder) = filled().await;
    let file = "equipment_id,task_id,kind,work_done,started_at,finished_at\n\
                P-1,0190b0a4-0000-7000-8000-000000000000,REPAIR,,2999-01-01T00:00:00Z,2999-01-01T00:00:00Z\n";

    let (told, problems, code) = import(&suite, "maintenance", &[], file);

    assert_eq!(told, "0 lines could be written, and none was, 0 already there, 1 refused\n");
    let columns: Vec<_> = problems.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let named = ["kind", "started_at", "finished_at", "task_id"];
    assert_eq!(columns, named.map(|column| format!("line 2, {column}")), "{problems}");
    assert_eq!(code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_what_the_service_refuses_keeps_all_out() {
    let (suite, _folder) = filled().await;
    imported(&suite, "equipment", "name,serial_number,status\nOld plant,O-1,DECOMMISSIONED\n");
    let before = rows(&export(&suite, &["equipment"]));
    let file = "id,name,parent_id\nhall,Hall,O-1\n,Pump,hall\n,Fan,\n";

    let (told, problems, code) = import(&suite, "equipment", &[], file);

    assert_eq!(
        (told.as_str(), code),
        ("1 line could be written, and none was, 0 already there, 2 refused\n", 2),
        "{problems}"
    );
    assert!(problems.contains("line 2, parent_id: "), "{problems}");
    assert!(problems.contains("line 3, parent_id: is refused itself\n"), "{problems}");
    assert_eq!(rows(&export(&suite, &["equipment"])), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_file_is_no_success() {
    let (suite, _folder) = suite().await;
    for noun in ["equipment", "tasks", "maintenance"] {
        let (told, problems, code) = import(&suite, noun, &[], "");
        assert_eq!((told.as_str(), code), ("", 1));
        assert!(problems.contains("its header is missing"), "{problems}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equipment_that_is_registered_otherwise_is_named() {
    let (suite, _folder) = filled().await;
    let (_, problems, code) =
        import(&suite, "equipment", &[], "name,serial_number\nAnother,P-1\nNew,N-1\n");

    assert_eq!(code, 2);
    assert_eq!(problems, "line 2, serial_number: is taken by equipment that is not as here\n");
    assert_eq!(rows(&export(&suite, &["equipment"])).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equipment_that_is_part_of_something_else_than_before_is_not_already_there() {
    let (suite, _folder) = suite().await;
    let file = "id,name,serial_number,parent_id\n\
                p,Pump,P-1,a\na,Hall A,A-1,\nb,Hall B,B-1,\nc,Hall C,,\n,Fan,F-1,c\n";
    imported(&suite, "equipment", file);

    assert_eq!(
        imported(&suite, "equipment", file),
        "0 lines written, 5 already there, 0 refused\n"
    );
    for parent in ["b", ""] {
        let moved = file.replace("P-1,a", &format!("P-1,{parent}"));
        let (_, problems, code) = import(&suite, "equipment", &[], &moved);
        let taken = "line 2, serial_number: is taken by equipment that is not as here\n";
        assert_eq!((problems.as_str(), code), (taken, 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_that_is_not_closed_takes_nothing_in() {
    let (suite, _folder) = suite().await;

    for (file, line) in [
        ("title,description\nA,\"broken\nB,x\nC,y\n", "line 2"),
        ("title,description\nA,x\n\"B,y\nC,z", "line 3"),
        ("\"title,description\nA,x\n", "line 1"),
    ] {
        for more in [[].as_slice(), &["--keep-good"]] {
            let (told, problems, code) = import(&suite, "tasks", more, file);
            assert_eq!((told.as_str(), code), ("", 1), "{file}");
            let named = format!("{line}: a quote is not closed, and takes in all that follows");
            assert!(problems.contains(&named), "{problems}");
        }
    }
    assert_eq!(export(&suite, &["tasks"]).lines().count(), 1);
    let closed = "title,description\nA,\"not\nbroken\"\nB,\"y\"";
    let (told, problems, code) = import(&suite, "tasks", &[], closed);
    assert_eq!(
        (told.as_str(), code),
        ("2 lines written, 0 already there, 0 refused\n", 0),
        "{problems}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_long_rows_is_read_whole() {
    let (suite, _folder) = suite().await;
    let columns: Vec<_> = (0..80).map(|number| format!("attributes.key-{number}")).collect();
    let row = vec!["x".repeat(1000); columns.len()].join(",");
    let rows = (0..60).map(|number| format!("Pump {number},P-{number},{row}"));
    let rows = rows.collect::<Vec<_>>().join("\n");
    let file = format!("name,serial_number,{}\n{rows}\n", columns.join(","));

    for (written, there) in [("60 lines", 0), ("0 lines", 60)] {
        let (told, problems, code) = import(&suite, "equipment", &[], &file);
        let expected = format!("{written} written, {there} already there, 0 refused\n");
        assert_eq!((told, code), (expected, 0), "{problems}");
    }

    assert_eq!(export(&suite, &["equipment"]).lines().count(), 61);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_has_its_number_however_lines_end() {
    let (suite, _folder) = suite().await;
    let file = "\n\ntitle,priority\n\nbad,Y\nok,LOW\n\"mu\nlti\",Z\nbad,W";

    for file in [file.to_owned(), file.replace('\n', "\r\n")] {
        let (_, problems, code) = import(&suite, "tasks", &["--dry-run"], &file);
        let lines: Vec<_> = problems.lines().filter_map(|line| line.split(',').next()).collect();
        assert_eq!((lines, code), (vec!["line 5", "line 7", "line 9"], 2), "{file:?}");
    }
}
