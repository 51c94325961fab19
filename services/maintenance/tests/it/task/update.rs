use std::time::Duration;

use kit::access::Role;
use prost_types::FieldMask;
use proto::{
    equipment::v1::equipment::Status as EquipmentStatus,
    maintenance::v1::{
        ClaimTaskRequest, CompleteTaskRequest, Task, UpdateTaskRequest,
        task::{Priority, Status},
        task_event::Kind,
    },
};
use tonic::Code;

use super::get;
use crate::{
    NO_ID, Tasks, create, equipment, events, field, pump, refusal, start, task_for, tasks, titled,
};

/// Changes the fields that `paths` name; all of them, if none.
async fn update(client: &mut Tasks, task: Task, paths: &[&str]) -> Result<Task, tonic::Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateTaskRequest { task: Some(task), update_mask: Some(FieldMask { paths }) };
    Ok(client.update_task(request).await?.into_inner())
}

testkit::both! {
    async fn everything_mutable_is_replaced_and_nothing_else(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        let created = create(&mut client, Task {
            description: "It is".into(),
            equipment_id: Some(pump(&world, &suite).await),
            priority: Priority::Critical.into(),
            due_date: Some("2026-02-28".into()),
            ..titled("Leaks")
        }).await.unwrap();
        world.clock.advance(Duration::from_secs(1));

        let sent = Task {
            id: created.id.clone(),
            status: Status::Completed.into(),
            created_by: NO_ID.into(),
            completed_by: Some(NO_ID.into()),
            ..titled("Drips")
        };
        let updated = update(&mut client, sent, &[]).await.unwrap();

        let expected = Task {
            title: "Drips".into(),
            description: String::new(),
            equipment_id: None,
            priority: Priority::Medium.into(),
            due_date: None,
            updated_at: Some(world.clock.now().into()),
            etag: updated.etag.clone(),
            ..created.clone()
        };
        assert_eq!(updated, expected);
        assert_ne!(updated.etag, created.etag);
        assert_eq!(get(&mut client, &created.id).await.unwrap(), expected);
        let happened = events(&world, &suite, &created.id).await.remove(1);
        let fields = "title, description, equipment_id, priority, due_date";
        assert_eq!(happened, (Kind::Updated, ana.id, fields.into()));
    }

    async fn what_the_mask_leaves_out_stays(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let pump = pump(&world, &suite).await;
        let created = create(&mut client, titled("Leaks")).await.unwrap();
        let with = |task: Task| Task { id: created.id.clone(), ..task };

        let due = with(Task { due_date: Some("2026-02-28".into()), ..Default::default() });
        update(&mut client, due, &["due_date"]).await.unwrap();
        let of_pump = with(Task { equipment_id: Some(pump.clone()), ..Default::default() });
        update(&mut client, of_pump, &["equipment_id"]).await.unwrap();
        let urgent = with(Task { priority: Priority::High.into(), ..titled("not this") });
        let updated = update(&mut client, urgent.clone(), &["priority", "etag"]).await.unwrap();
        let same = update(&mut client, urgent, &["priority"]).await.unwrap();

        assert_eq!((updated.title.as_str(), updated.priority()), ("Leaks", Priority::High));
        assert_eq!(updated.due_date.as_deref(), Some("2026-02-28"));
        assert_eq!(updated.equipment_id, Some(pump));
        assert_eq!(same, updated, "nothing changed");
        assert_eq!(events(&world, &suite, &created.id).await.len(), 4);
    }

    async fn what_the_mask_leaves_out_is_not_looked_at(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let created = create(&mut client, titled("Leaks")).await.unwrap();

        let sent = Task {
            id: created.id.clone(),
            equipment_id: Some("no id".into()),
            due_date: Some("2026-02-29".into()),
            ..titled("Drips")
        };
        let updated = update(&mut client, sent, &["title"]).await.unwrap();

        assert_eq!(updated, Task { title: "Drips".into(), etag: updated.etag.clone(), ..created });
    }

    async fn bad_input_is_named_by_field_and_changes_nothing(world: World) {
        let suite = start(&world).await;
        let gone = equipment(&world, &suite.equipment, EquipmentStatus::Decommissioned).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let created = create(&mut client, titled("Leaks")).await.unwrap();
        let with = |task: Task| Task { id: created.id.clone(), ..task };
        let of = |id: &str| with(Task { equipment_id: Some(id.into()), ..titled("T") });
        let day = Some("2026-02-29".to_owned());

        for (task, paths, name) in [
            (with(titled("")), vec![], "task.title"),
            (with(titled(" ")), vec!["title"], "task.title"),
            (with(titled(&"t".repeat(201))), vec!["title"], "task.title"),
            (of("7"), vec!["equipment_id"], "task.equipment_id"),
            (of(NO_ID), vec!["equipment_id"], "task.equipment_id"),
            (of(&gone), vec![], "task.equipment_id"),
            (with(Task { priority: 99, ..titled("T") }), vec![], "task.priority"),
            (with(Task { due_date: day, ..titled("T") }), vec![], "task.due_date"),
            (with(Task { status: Status::Completed.into(), ..titled("T") }), vec!["status"], "task.status"),
            (with(Task { assignee_id: Some(NO_ID.into()), ..titled("T") }), vec!["assignee_id"], "task.assignee_id"),
            (with(titled("T")), vec!["colour"], "update_mask"),
            (titled("T"), vec![], "task.id"),
        ] {
            let error = update(&mut client, task, &paths).await.unwrap_err();
            assert_eq!(field(&error), name, "{error:?}");
        }
        assert_eq!(get(&mut client, &created.id).await.unwrap(), created);
    }

    async fn what_a_client_read_may_come_back_whole(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = tasks(&suite, &ana);
        let read = create(&mut client, titled("Leaks")).await.unwrap();
        let claim = ClaimTaskRequest { id: read.id.clone(), ..Default::default() };
        client.claim_task(claim).await.unwrap();

        let sent = Task { title: "Drips".into(), etag: String::new(), ..read };
        let updated = update(&mut client, sent, &[]).await.unwrap();
        let named = update(&mut client, updated.clone(), &["title", "status", "assignee_id"]).await;

        assert_eq!((updated.status(), updated.assignee_id.as_ref()), (Status::InProgress, Some(&ana.id)));
        assert_eq!(named.unwrap(), updated);
    }

    async fn a_task_is_changed_by_who_created_it_or_an_admin(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let created = create(&mut tasks(&suite, &ana), titled("Leaks")).await.unwrap();
        let claim = ClaimTaskRequest { id: created.id.clone(), ..Default::default() };
        tasks(&suite, &bob).claim_task(claim).await.unwrap();

        let sent = Task { id: created.id.clone(), ..titled("Drips") };
        let error = update(&mut tasks(&suite, &bob), sent.clone(), &[]).await.unwrap_err();
        let updated = update(&mut tasks(&suite, &world.user(Role::Admin)), sent, &[]).await.unwrap();

        assert_eq!(error.code(), Code::PermissionDenied);
        assert_eq!(updated.title, "Drips");
        assert_eq!(updated.created_by, ana.id);
    }

    async fn an_update_for_an_older_state_is_refused(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let created = create(&mut client, titled("Leaks")).await.unwrap();
        let sent = |title: &str| Task { title: title.into(), ..created.clone() };

        update(&mut client, sent("Drips"), &["title"]).await.unwrap();
        let error = update(&mut client, sent("Pours"), &["title"]).await.unwrap_err();

        assert_eq!(error.code(), Code::Aborted);
        assert_eq!(get(&mut client, &created.id).await.unwrap().title, "Drips");
    }

    async fn what_was_worked_on_stays_while_a_record_says_so(world: World) {
        let suite = start(&world).await;
        let (one, two) = (pump(&world, &suite).await, pump(&world, &suite).await);
        let task = task_for(&world, &suite, &one).await;
        let mut admin = tasks(&suite, &world.user(Role::Admin));
        let request = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
        admin.complete_task(request).await.unwrap();

        let moved = Task { id: task.id.clone(), equipment_id: Some(two), ..titled("Leaks") };
        let error = update(&mut admin, moved, &["equipment_id"]).await.unwrap_err();
        let same = Task { id: task.id, equipment_id: Some(one), ..titled("Leaked") };
        let updated = update(&mut admin, same, &[]).await.unwrap();

        assert_eq!(refusal(&error), ("TASK_RECORDED".into(), None));
        assert_eq!(updated.title, "Leaked");
    }

    async fn what_is_not_there_is_not_found(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Admin));
        let error = update(&mut client, Task { id: NO_ID.into(), ..titled("T") }, &[]).await;
        assert_eq!(error.unwrap_err().code(), Code::NotFound);
    }
}
