use super::*;

/// Line and wave of each step without problems, and the problems.
fn plan(noun: Noun, file: &str) -> (Vec<(u64, usize)>, Vec<String>) {
    let plan = Plan::of(noun, file.as_bytes(), &Names::default(), &[]).unwrap();
    let problems = plan.problems.iter().map(ToString::to_string).collect();
    let left = without(plan.steps, &plan.problems);
    (left.iter().map(|step| (step.draft.line, step.wave)).collect(), problems)
}

#[test]
fn parts_come_after_what_they_are_part_of_wherever_it_stands() {
    let file = "id,name,serial_number,parent_id\n,Bolt,,P-1\n,Pump,P-1,hall\nhall,Hall,,\n";
    let (steps, problems) = plan(Noun::Equipment, file);
    assert_eq!(steps, [(4, 0), (3, 1), (2, 2)]);
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn what_is_part_of_itself_or_of_nothing_is_refused() {
    let file = "id,name,parent_id\na,A,c\nb,B,a\nc,C,b\nd,D,x\ne,E,d\nf,F,\n";
    let (steps, problems) = plan(Noun::Equipment, file);
    assert_eq!(steps, [(7, 0)]);
    assert_eq!(
        problems,
        [
            "line 2, parent_id: is refused itself",
            "line 3, parent_id: is a part of this one",
            "line 4, parent_id: is refused itself",
            "line 5, parent_id: there is no such equipment",
            "line 6, parent_id: is refused itself",
        ]
    );
}

#[test]
fn every_problem_is_named_by_line_and_column() {
    let file = "name,status,installation_date,serial_number,attributes.oil\n\
                ,down,2026-02-30,R,x\nPump,DOWN,,S,\nFan,,soon,,\nshort\nFan,,,S,\n";
    let (steps, problems) = plan(Noun::Equipment, file);
    assert_eq!(steps, [(3, 0)]);
    let begins: Vec<_> =
        problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "line 2, status",
            "line 2, name",
            "line 2, installation_date",
            "line 4, installation_date",
            "line 5, the line",
            "line 6, serial_number",
        ],
        "{problems:?}"
    );
}

#[test]
fn a_column_that_there_is_not_is_named_with_those_that_there_are() {
    let error =
        Plan::of(Noun::Tasks, "title,colour\n".as_bytes(), &Names::default(), &[]).err().unwrap();
    let error = error.to_string();
    assert!(
        error.starts_with("there is no column \"colour\" of tasks; there are id, title,"),
        "{error}"
    );
    let twice = Plan::of(Noun::Tasks, "title,title\n".as_bytes(), &Names::default(), &[]);
    assert!(twice.is_err());
}

#[test]
fn a_line_with_one_fault_is_looked_at_whole() {
    let file = "id,name,serial_number,criticality,parent_id\n\
                a,A,S,high,nothing\nb,B,S,,a\nc,C,,URGENT,c\n";
    let (steps, problems) = plan(Noun::Equipment, file);
    assert_eq!(steps, []);
    assert_eq!(
        problems,
        [
            "line 2, criticality: must be one of LOW, MEDIUM, HIGH",
            "line 2, parent_id: there is no such equipment",
            "line 3, serial_number: is on line 2, too",
            "line 3, parent_id: is refused itself",
            "line 4, criticality: must be one of LOW, MEDIUM, HIGH",
            "line 4, parent_id: is a part of this one",
        ]
    );
}

#[test]
fn a_cell_that_is_no_text_is_named_by_its_column() {
    let file = b"name,model,notes,etag\nPump,\xff,\xff,\xff\n";
    let plan = Plan::of(Noun::Equipment, file.as_slice(), &Names::default(), &[]).unwrap();
    let problems: Vec<_> = plan.problems.iter().map(ToString::to_string).collect();
    let no_text = |column| format!("line 2, {column}: is not text in UTF-8");
    assert_eq!(problems, [no_text("model"), no_text("notes")]);
}

#[test]
fn a_file_without_a_header_is_told_of_the_columns() {
    for file in ["", "\n", "\n\n"] {
        let error = Plan::of(Noun::Tasks, file.as_bytes(), &Names::default(), &[]).err().unwrap();
        let error = error.to_string();
        assert!(error.starts_with("the file is empty: its header is missing"), "{error}");
        assert!(error.contains("tasks; there are id, title,"), "{error}");
    }
}

#[test]
fn a_file_does_not_end_where_a_line_is_as_its_end() {
    let file = "title,description\nOne,\n\0\nTwo,\"x\n\0\n\"\nThree,\n";
    for file in [file.to_owned(), ["\u{feff}", file].concat(), file.trim_end().to_owned()] {
        let (steps, problems) = plan(Noun::Tasks, &file);
        assert_eq!(steps, [(2, 0), (7, 0)], "{file:?}");
        let width = "line 3, the line: has 1 fields, and the header 2";
        assert_eq!(problems[0], width, "{file:?}");
        assert!(problems[1].starts_with("line 4, description: "), "{problems:?}");
    }
    let (steps, problems) = plan(Noun::Tasks, "title\n\0\nTwo\n");
    assert_eq!(steps, [(3, 0)]);
    assert!(problems[0].starts_with("line 2, title: "), "{problems:?}");
    assert!(Plan::of(Noun::Tasks, "\0\ntitle\n".as_bytes(), &Names::default(), &[]).is_err());
}

#[test]
fn a_task_is_completed_by_one_record() {
    let id = "0190b0a4-0000-7000-8000-00000000000a";
    let file = format!("work_done,task_id\nOne,{id}\nTwo,\nThree,{}\nFour,\n", id.to_uppercase());
    let (steps, problems) = plan(Noun::Maintenance, &file);
    assert_eq!(steps, [(2, 0), (3, 0), (5, 0)]);
    assert_eq!(problems, ["line 4, task_id: is on line 2, too"]);
}

#[test]
fn what_is_left_keeps_what_it_is_part_of() {
    let file = "id,name,parent_id\na,A,\nb,B,a\nc,C,\nd,D,c\n";
    let plan = Plan::of(Noun::Equipment, file.as_bytes(), &Names::default(), &[]).unwrap();
    let refused =
        |line, column: &str| Problem { line, column: column.into(), reason: String::new() };
    let left = without(plan.steps, &[refused(2, "name"), refused(3, "parent_id")]);
    let parents: Vec<_> = left.iter().map(|step| (step.draft.line, step.parent)).collect();
    assert_eq!(parents, [(4, None), (5, Some(0))]);
}

#[test]
fn work_that_was_begun_is_with_somebody() {
    let (steps, problems) = plan(Noun::Tasks, "title,status\nOne,IN_PROGRESS\nTwo,COMPLETED\n");
    assert_eq!(steps, [(3, 0)]);
    assert!(problems[0].starts_with("line 2, assignee_id: is required"), "{problems:?}");
}
