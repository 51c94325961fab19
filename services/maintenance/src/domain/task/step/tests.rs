use super::*;
use crate::domain::task::{Priority, Source, TaskId};

const NOW: Timestamp = Timestamp::from_micros(7);
/// Everybody who may stand in some relation to a task.
const PEOPLE: [&str; 5] = ["admin", "holder", "completer", "creator", "other"];

fn task(status: Status, holder: Option<&str>) -> Task {
    let completed = status == Status::Completed;
    Task {
        id: TaskId::new(),
        title: String::new(),
        description: String::new(),
        equipment_id: None,
        status,
        priority: Priority::Medium,
        due_date: None,
        assignee_id: holder.map(str::to_owned),
        created_by: "creator".into(),
        source: Source::Manual,
        alert_id: None,
        completions: i64::from(completed),
        completed_at: completed.then_some(Timestamp::from_micros(3)),
        completed_by: completed.then(|| "completer".into()),
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        revision: 1,
    }
}

fn worker(id: &str) -> Worker {
    Worker { id: id.into(), is_admin: id == "admin" }
}

/// What came of a step: the kind of the event, or why it was refused.
fn outcome<T: Into<Option<TaskEvent>>>(result: Result<T>) -> &'static str {
    match result.map(Into::into) {
        Ok(Some(event)) => event.kind.name(),
        Ok(None) => "nothing",
        Err(Error::Refused { reason, .. }) => reason,
        Err(Error::Forbidden(_)) => "FORBIDDEN",
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_status_is_set_by_whom_the_step_is_for_and_by_an_admin() {
    use Status::{Cancelled, Completed, InProgress, OnHold, Pending};
    for (from, to, kind, by) in [
        (Pending, InProgress, "STARTED", "holder"),
        (Pending, Completed, "COMPLETED", "holder"),
        (Pending, Cancelled, "CANCELLED", "creator"),
        (InProgress, Pending, "RELEASED", "holder"),
        (InProgress, OnHold, "PUT_ON_HOLD", "holder"),
        (InProgress, Completed, "COMPLETED", "holder"),
        (InProgress, Cancelled, "CANCELLED", "creator"),
        (OnHold, Pending, "RELEASED", "holder"),
        (OnHold, InProgress, "RESUMED", "holder"),
        (OnHold, Completed, "COMPLETED", "holder"),
        (OnHold, Cancelled, "CANCELLED", "creator"),
        (Completed, Pending, "REOPENED", "completer"),
        (Completed, Cancelled, "CANCELLED", "completer"),
    ] {
        for person in PEOPLE {
            let mut task = task(from, Some("holder"));
            let before = task.clone();
            let outcome = outcome(task.set_status(to, &worker(person), NOW));
            let may = person == "admin" || person == by;
            let refused = if by == "holder" && to == Pending { "TASK_HELD" } else { "FORBIDDEN" };
            let concerns = matches!(person, "holder" | "creator")
                || person == "completer" && from == Completed;
            let expected = match (may, concerns) {
                (true, _) => kind,
                (false, true) => refused,
                (false, false) => "FORBIDDEN",
            };
            assert_eq!(outcome, expected, "{from:?} to {to:?} by {person}");
            assert_eq!(task.status, if may { to } else { from });
            assert_eq!(task == before, !may);
            assert_eq!(task.completed_at.is_some(), task.status == Completed);
            assert_eq!(task.completed_by.is_some(), task.status == Completed);
        }
    }
}

#[test]
fn every_other_step_is_refused_and_names_both_states() {
    use Status::{Cancelled, Completed, InProgress, OnHold, Pending};
    for (from, to) in [
        (Pending, OnHold),
        (Completed, InProgress),
        (Completed, OnHold),
        (Cancelled, Pending),
        (Cancelled, InProgress),
        (Cancelled, OnHold),
        (Cancelled, Completed),
    ] {
        let mut task = task(from, Some("holder"));
        let error = task.set_status(to, &worker("admin"), NOW).unwrap_err();
        let Error::Refused { reason, metadata, .. } = error else { panic!("{error:?}") };
        assert_eq!(reason, "TASK_TRANSITION");
        assert_eq!((metadata["from"].as_str(), metadata["to"].as_str()), (from.name(), to.name()));
        let other = outcome(task.set_status(to, &worker("other"), NOW));
        assert_eq!(other, "FORBIDDEN", "whom it doesn't concern learns nothing of it");
    }
}

#[test]
fn the_status_that_it_has_changes_nothing() {
    for status in Status::ALL {
        let mut task = task(*status, Some("holder"));
        let before = task.clone();
        assert_eq!(outcome(task.set_status(*status, &worker("admin"), NOW)), "nothing");
        assert_eq!(task, before);
    }
}

#[test]
fn what_is_with_nobody_is_not_begun_or_completed_by_its_status() {
    for to in [Status::InProgress, Status::Completed] {
        let mut task = task(Status::Pending, None);
        assert_eq!(outcome(task.set_status(to, &worker("creator"), NOW)), "FORBIDDEN");
        assert_ne!(outcome(task.set_status(to, &worker("admin"), NOW)), "FORBIDDEN");
    }
}

#[test]
fn work_that_an_admin_begins_with_nobody_is_theirs() {
    let mut free = task(Status::Pending, None);
    free.set_status(Status::InProgress, &worker("admin"), NOW).unwrap();
    assert_eq!(free.assignee_id.as_deref(), Some("admin"));

    let mut waiting = task(Status::Pending, Some("holder"));
    waiting.set_status(Status::InProgress, &worker("admin"), NOW).unwrap();
    assert_eq!(waiting.assignee_id.as_deref(), Some("holder"));
}

#[test]
fn an_assigned_task_waits_for_its_assignee() {
    let mut task = task(Status::Pending, Some("holder"));
    assert_eq!(outcome(task.claim(&worker("other"), NOW)), "TASK_HELD");
    assert_eq!(outcome(task.claim(&worker("admin"), NOW)), "TASK_HELD");
    assert_eq!(outcome(task.claim(&worker("holder"), NOW)), "CLAIMED");
    assert_eq!(task.status, Status::InProgress);
}

#[test]
fn the_holders_repeated_claim_changes_nothing() {
    for status in [Status::InProgress, Status::OnHold] {
        let mut task = task(status, Some("holder"));
        let before = task.clone();
        assert_eq!(outcome(task.claim(&worker("holder"), NOW)), "nothing");
        assert_eq!(task, before);
    }
}

#[test]
fn a_claim_that_comes_too_late_is_told_who_had_the_task() {
    let holder_id = |mut task: Task| {
        let error = task.claim(&worker("other"), NOW).unwrap_err();
        let Error::Refused { metadata, .. } = error else { panic!("{error:?}") };
        metadata.get("holder_id").cloned()
    };
    for (status, holder, expected) in [
        (Status::Completed, Some("holder"), Some("holder")),
        (Status::Completed, None, Some("completer")),
        (Status::Cancelled, Some("holder"), Some("holder")),
        // Nobody had it.
        (Status::Cancelled, None, None),
    ] {
        assert_eq!(holder_id(task(status, holder)).as_deref(), expected, "{status:?} {holder:?}");
    }
}

#[test]
fn what_is_over_takes_no_step_but_those_that_take_it_up() {
    let over = [(Status::Completed, "TASK_COMPLETED"), (Status::Cancelled, "TASK_CANCELLED")];
    for (status, why) in over {
        let mut task = task(status, Some("holder"));
        for person in ["admin", "holder"] {
            let worker = worker(person);
            assert_eq!(outcome(task.claim(&worker, NOW)), why);
            assert_eq!(outcome(task.release(&worker, NOW)), why);
            assert_eq!(outcome(task.assign("other", &worker, NOW)), why);
            assert_eq!(outcome(task.complete(&worker, NOW)), why);
        }
    }
    for status in [Status::Pending, Status::InProgress, Status::OnHold, Status::Cancelled] {
        let mut task = task(status, Some("holder"));
        assert_eq!(outcome(task.reopen(&worker("admin"), NOW)), "TASK_NOT_COMPLETED");
    }
}

#[test]
fn a_held_task_is_completed_or_released_by_its_holder_or_an_admin() {
    for status in [Status::Pending, Status::InProgress, Status::OnHold] {
        for (person, may) in
            [("holder", true), ("admin", true), ("other", false), ("creator", false)]
        {
            let mut completed = task(status, Some("holder"));
            let expected = if may { "COMPLETED" } else { "TASK_HELD" };
            assert_eq!(outcome(completed.complete(&worker(person), NOW)), expected);
            assert_eq!(completed.completed_by.as_deref(), may.then_some(person));
            assert_eq!(completed.completions, i64::from(may));

            let mut released = task(status, Some("holder"));
            let expected = if may { "RELEASED" } else { "TASK_HELD" };
            assert_eq!(outcome(released.release(&worker(person), NOW)), expected);
            assert_eq!(released.assignee_id.is_none(), may);
        }
    }
}

#[test]
fn a_task_that_is_with_nobody_is_completed_by_anybody_and_released_by_nobody() {
    let mut free = task(Status::Pending, None);
    assert_eq!(outcome(free.release(&worker("admin"), NOW)), "TASK_NOT_HELD");
    assert_eq!(outcome(free.complete(&worker("other"), NOW)), "COMPLETED");
}

#[test]
fn a_task_that_is_taken_up_again_waits_for_nobody() {
    for (person, expected) in [
        ("admin", "REOPENED"),
        ("completer", "REOPENED"),
        ("holder", "FORBIDDEN"),
        ("creator", "FORBIDDEN"),
    ] {
        let mut task = task(Status::Completed, Some("holder"));
        assert_eq!(outcome(task.reopen(&worker(person), NOW)), expected, "{person}");
        assert_eq!(task.assignee_id.is_none(), expected == "REOPENED");
    }
}

#[test]
fn every_step_counts_as_a_change_and_names_who_took_it() {
    let mut task = task(Status::Pending, None);
    let event = task.assign("holder", &worker("admin"), NOW).unwrap().unwrap();
    assert_eq!((event.actor_id.as_str(), event.detail.as_str()), ("admin", "holder"));
    assert_eq!((event.at, event.task_id), (NOW, task.id));
    assert_eq!((task.revision, task.updated_at), (2, NOW));
    assert!(task.assign("holder", &worker("admin"), NOW).unwrap().is_none());
    assert_eq!(task.revision, 2);
}

#[test]
fn time_does_not_go_backwards_for_a_step_that_waited_for_another() {
    let mut task = task(Status::Pending, None);
    let worker = worker("holder");
    task.claim(&worker, NOW).unwrap();

    let event = task.complete(&worker, Timestamp::from_micros(5)).unwrap();

    assert_eq!((event.at, task.completed_at, task.updated_at), (NOW, Some(NOW), NOW));
}
