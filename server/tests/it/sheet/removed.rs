//! What was imported and is gone since.

use std::collections::{BTreeMap, BTreeSet};

use flightline::Running;
use proto::{
    auth::v1::{
        CreateUserRequest, DeleteUserRequest, User, user, user_service_client::UserServiceClient,
    },
    equipment::v1::{DeleteEquipmentRequest, equipment_service_client::EquipmentServiceClient},
    maintenance::v1::{
        DeleteMaintenanceRequest, DeleteTaskRequest,
        maintenance_service_client::MaintenanceServiceClient,
        task_service_client::TaskServiceClient,
    },
};

use super::{export, id, import, imported, rows};
use crate::{PASSWORD, as_user, suite, token};

/// The rows of a noun without what is decommissioned.
fn left(suite: &Running, noun: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = rows(&export(suite, &[noun]));
    rows.retain(|row| row.get("status").is_none_or(|status| status != "DECOMMISSIONED"));
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_since_goes_in_again() {
    let (suite, _folder) = suite().await;
    imported(&suite, "equipment", "name,serial_number\nMill,M-1\n");
    let files = [
        ("tasks", "Inspect", "title,status,assignee_id\nInspect,IN_PROGRESS,admin\nGrease,,\n"),
        ("maintenance", "Greased.", "equipment_id,work_done\nM-1,Greased.\nM-1,Painted.\n"),
        ("equipment", "Pump", "name\nPump\nFan\n"),
    ];
    let token = token(suite.peers().auth.clone(), "admin", PASSWORD).await.unwrap();
    let remove = async |noun: &str, id: String| match noun {
        "tasks" => {
            let mut tasks = TaskServiceClient::new(suite.peers().maintenance.clone());
            let delete = DeleteTaskRequest { id, ..Default::default() };
            tasks.delete_task(as_user(&token, delete)).await.unwrap();
        }
        "equipment" => {
            let mut register = EquipmentServiceClient::new(suite.peers().equipment.clone());
            let delete = DeleteEquipmentRequest { id, ..Default::default() };
            register.delete_equipment(as_user(&token, delete)).await.unwrap();
        }
        _ => {
            let mut records = MaintenanceServiceClient::new(suite.peers().maintenance.clone());
            let delete = DeleteMaintenanceRequest { id, ..Default::default() };
            records.delete_maintenance(as_user(&token, delete)).await.unwrap();
        }
    };
    for (noun, text, file) in files {
        imported(&suite, noun, file);
        let before = left(&suite, noun);
        for _ in 0..2 {
            remove(noun, id(&suite, noun, text)).await;

            let (tried, ..) = import(&suite, noun, &["--dry-run"], file);
            let told = imported(&suite, noun, file);

            let could = "1 line could be written, and none was, 1 already there, 0 refused\n";
            assert_eq!(tried, could, "{noun}");
            assert_eq!(told, "1 line written, 1 already there, 0 refused\n", "{noun}");
            assert_eq!(left(&suite, noun), before, "{noun}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_work_of_somebody_who_left_goes_in_without_them() {
    let (suite, _folder) = suite().await;
    let token = token(suite.peers().auth.clone(), "admin", PASSWORD).await.unwrap();
    let mut users = UserServiceClient::new(suite.peers().auth.clone());
    let ana = User {
        username: "ana".into(),
        email: "ana@example.com".into(),
        password: Some(PASSWORD.into()),
        role: user::Role::Technician.into(),
        ..Default::default()
    };
    let create = CreateUserRequest { user: Some(ana), ..Default::default() };
    let ana = users.create_user(as_user(&token, create)).await.unwrap().into_inner();
    imported(
        &suite,
        "tasks",
        "title,status,assignee_id\nDone,COMPLETED,ana\nNever mind,CANCELLED,ana\nOpen,,ana\n",
    );
    let delete = DeleteUserRequest { id: ana.id.clone(), ..Default::default() };
    users.delete_user(as_user(&token, delete)).await.unwrap();
    let exported = export(&suite, &["tasks"]);
    // Elsewhere, the same work has ids of its own.
    let file = exported.lines().map(|line| line.split_once(',').unwrap().1);
    let file = file.collect::<Vec<_>>().join("\n");

    for who in ["ana", ana.id.as_str()] {
        let file = file.replace(",ana,", &format!(",{who},"));
        let (told, problems, code) = import(&suite, "tasks", &["--keep-good"], &file);

        assert_eq!(code, 2, "{problems}");
        // Which line is which, nobody knows: they were written side by side.
        let reasons = problems.lines().map(|line| line.split_once(", ").unwrap().1);
        let left = "assignee_id: left out: there is no such user";
        let open = "assignee_id: there is no such user";
        assert_eq!(reasons.collect::<Vec<_>>(), [open, left, left]);
        assert!(told.ends_with("already there, 1 refused\n"), "{told}");
    }
    let tasks = rows(&export(&suite, &["tasks"]));
    let left = tasks.iter().filter(|task| task["assignee_id"].is_empty());
    let left: BTreeSet<_> = left.map(|task| (&*task["title"], &*task["status"])).collect();
    assert_eq!(Vec::from_iter(left), [("Done", "COMPLETED"), ("Never mind", "CANCELLED")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decommissioned_is_not_there_for_a_line_that_wants_it_in_use() {
    let (suite, _folder) = suite().await;
    imported(&suite, "equipment", "name,serial_number,status\nMill,M-1,DECOMMISSIONED\n");

    for file in ["name,serial_number\nMill,M-1\n", "name,serial_number,status\nMill,M-1,DOWN\n"] {
        let (told, problems, code) = import(&suite, "equipment", &[], file);
        assert_eq!((told.contains("0 already there, 1 refused"), code), (true, 2), "{told}");
        let reason = "serial_number: is of Mill, which is decommissioned";
        assert!(problems.contains(reason), "{problems}");
    }
    let told =
        imported(&suite, "equipment", "name,serial_number,status\nMill,M-1,DECOMMISSIONED\n");
    assert_eq!(told, "0 lines written, 1 already there, 0 refused\n");
}
