mod change;

use std::time::Duration;

use kit::access::Role;
use proto::{
    equipment::v1::equipment::Status as EquipmentStatus,
    maintenance::v1::{
        ClaimTaskRequest, CompleteTaskRequest, GetMaintenanceRequest, GetTaskRequest,
        ListMaintenanceRequest, MaintenanceRecord, RecordMaintenanceRequest,
        maintenance_record::Kind, task::Status,
    },
};
use tonic::Code;

use super::{
    NO_ID, Records, all_records, create, equipment, field, pump, records, refusal, start, task_for,
    tasks, titled,
};

async fn record(
    client: &mut Records,
    record: MaintenanceRecord,
) -> Result<MaintenanceRecord, tonic::Status> {
    let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
    Ok(client.record_maintenance(request).await?.into_inner())
}

fn on(equipment_id: &str) -> MaintenanceRecord {
    MaintenanceRecord { equipment_id: equipment_id.into(), ..Default::default() }
}

fn of(task_id: &str) -> MaintenanceRecord {
    MaintenanceRecord { task_id: Some(task_id.into()), ..Default::default() }
}

async fn works(client: &mut Records, request: ListMaintenanceRequest) -> Vec<String> {
    let page = client.list_maintenance(request).await.unwrap().into_inner();
    page.records.into_iter().map(|record| record.work_done).collect()
}

testkit::both! {
    async fn what_was_recorded_is_read_back_whole(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let mut client = records(&suite, &ana);
        let now = world.clock.now();
        let sent = MaintenanceRecord {
            kind: Kind::Inspection.into(),
            work_done: "Looked \u{1f50d}".into(),
            started_at: Some(now.minus(Duration::from_secs(1)).into()),
            finished_at: Some(now.plus(Duration::from_mins(10)).into()),
            parts_used: "none".into(),
            ..on(&pump(&world, &suite).await)
        };

        let claimed = MaintenanceRecord {
            id: NO_ID.into(),
            technician_id: NO_ID.into(),
            etag: "7".into(),
            downtime: Some(Duration::from_secs(7).try_into().unwrap()),
            ..sent.clone()
        };
        let created = record(&mut client, claimed).await.unwrap();

        let expected = MaintenanceRecord {
            id: created.id.clone(),
            technician_id: ana.id,
            created_at: Some(now.into()),
            updated_at: Some(now.into()),
            etag: created.etag.clone(),
            downtime: Some(Duration::from_secs(601).try_into().unwrap()),
            ..sent
        };
        assert_eq!(created, expected);
        assert_ne!(created.id, NO_ID);
        let request = GetMaintenanceRequest { id: created.id };
        assert_eq!(client.get_maintenance(request).await.unwrap().into_inner(), expected);
    }

    async fn a_record_completes_its_task_and_takes_its_equipment(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;

        let created = record(&mut records(&suite, &ana), of(&task.id)).await.unwrap();

        assert_eq!((created.kind(), created.equipment_id), (Kind::Corrective, pump));
        let request = GetTaskRequest { id: task.id };
        let task = tasks(&suite, &ana).get_task(request).await.unwrap().into_inner();
        assert_eq!((task.status(), task.completed_by), (Status::Completed, Some(ana.id)));
        assert_eq!(task.completed_at, Some(world.clock.now().into()));
    }

    async fn a_task_without_equipment_is_recorded_on_what_the_record_names(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let pump = pump(&world, &suite).await;
        let task = create(&mut tasks(&suite, &ana), titled("Task")).await.unwrap();

        let work = MaintenanceRecord { equipment_id: pump.clone(), ..of(&task.id) };
        let created = record(&mut records(&suite, &ana), work).await.unwrap();
        assert_eq!((created.equipment_id, created.task_id), (pump, Some(task.id)));
    }

    async fn a_completed_task_takes_no_further_record(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let pump = pump(&world, &suite).await;

        for number in 0..2 {
            let task = task_for(&world, &suite, &pump).await;
            if number == 0 {
                record(&mut records(&suite, &ana), of(&task.id)).await.unwrap();
            } else {
                let request = CompleteTaskRequest { id: task.id.clone(), ..Default::default() };
                tasks(&suite, &ana).complete_task(request).await.unwrap();
            }
            let before = all_records(&world, &suite).await;

            let error = record(&mut records(&suite, &ana), of(&task.id)).await.unwrap_err();

            assert_eq!(refusal(&error), ("TASK_COMPLETED".into(), None));
            assert_eq!(all_records(&world, &suite).await, before);
        }
    }

    async fn a_held_task_is_recorded_by_its_holder_or_an_admin(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let pump = pump(&world, &suite).await;

        for by in [&ana, &world.user(Role::Admin)] {
            let task = task_for(&world, &suite, &pump).await;
            let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
            tasks(&suite, &ana).claim_task(claim).await.unwrap();

            let error = record(&mut records(&suite, &bob), of(&task.id)).await.unwrap_err();
            assert_eq!(refusal(&error), ("TASK_HELD".into(), Some(ana.id.clone())));
            let created = record(&mut records(&suite, by), of(&task.id)).await.unwrap();
            assert_eq!(created.technician_id, by.id);
        }
        assert_eq!(all_records(&world, &suite).await.len(), 2);
    }

    async fn bad_input_is_named_by_field_and_completes_nothing(world: World) {
        let suite = start(&world).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let (one, two) = (pump(&world, &suite).await, pump(&world, &suite).await);
        let task = task_for(&world, &suite, &one).await;
        let bare = create(&mut tasks(&suite, &world.user(Role::Admin)), titled("T")).await.unwrap();
        let now = world.clock.now();
        let ahead = Some(now.plus(Duration::from_secs(601)).into());
        let past = Some(now.minus(Duration::from_secs(1)).into());

        for (work, name) in [
            (MaintenanceRecord::default(), "record.equipment_id"),
            (on("7"), "record.equipment_id"),
            (on(NO_ID), "record.equipment_id"),
            (of(&bare.id), "record.equipment_id"),
            (MaintenanceRecord { equipment_id: two, ..of(&task.id) }, "record.equipment_id"),
            (of("7"), "record.task_id"),
            (of(NO_ID), "record.task_id"),
            (MaintenanceRecord { kind: 99, ..of(&task.id) }, "record.kind"),
            (MaintenanceRecord { started_at: ahead, ..of(&task.id) }, "record.started_at"),
            (MaintenanceRecord { finished_at: ahead, ..of(&task.id) }, "record.finished_at"),
            (
                MaintenanceRecord { started_at: Some(now.into()), finished_at: past, ..of(&task.id) },
                "record.finished_at",
            ),
        ] {
            let error = record(&mut client, work).await.unwrap_err();
            assert_eq!(field(&error), name, "{error:?}");
        }

        assert!(all_records(&world, &suite).await.is_empty());
        for id in [task.id, bare.id] {
            let mut viewer = tasks(&suite, &world.user(Role::Viewer));
            let task = viewer.get_task(GetTaskRequest { id }).await.unwrap().into_inner();
            assert_eq!(task.status(), Status::Pending);
        }
    }

    async fn work_on_what_is_gone_may_be_recorded_afterwards(world: World) {
        let suite = start(&world).await;
        let gone = equipment(&world, &suite.equipment, EquipmentStatus::Decommissioned).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        assert_eq!(record(&mut client, on(&gone)).await.unwrap().equipment_id, gone);
    }

    async fn a_repeated_request_records_once(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = records(&suite, &world.user(Role::Technician));

        for work in [of(&task.id), on(&pump)] {
            let before = all_records(&world, &suite).await.len();
            let request = RecordMaintenanceRequest {
                request_id: format!("key {before}"),
                record: Some(work),
                ..Default::default()
            };
            let first = client.record_maintenance(request.clone()).await.unwrap();
            let again = client.record_maintenance(request).await.unwrap();

            assert!(again.metadata().contains_key("flightline-replayed"));
            assert_eq!(first.into_inner(), again.into_inner());
            assert_eq!(all_records(&world, &suite).await.len(), before + 1);
        }
    }

    async fn what_is_only_tried_is_answered_and_not_kept(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let request = |validate_only| RecordMaintenanceRequest {
            record: Some(of(&task.id)),
            request_id: "key".into(),
            validate_only,
        };

        let tried = client.record_maintenance(request(true)).await.unwrap();

        assert!(tried.metadata().contains_key("flightline-tried"));
        assert_eq!(tried.into_inner().equipment_id, pump);
        assert!(all_records(&world, &suite).await.is_empty());
        let mut viewer = tasks(&suite, &world.user(Role::Viewer));
        let kept = viewer.get_task(GetTaskRequest { id: task.id.clone() }).await.unwrap();
        assert_eq!(kept.into_inner(), task);
        let made = client.record_maintenance(request(false)).await.unwrap();
        assert!(!made.metadata().contains_key("flightline-replayed"));
        let again = client.record_maintenance(request(true)).await.unwrap();
        assert_eq!(again.into_inner(), made.into_inner(), "done already");
    }

    async fn what_is_not_there_is_not_found(world: World) {
        let suite = start(&world).await;
        let mut client = records(&suite, &world.user(Role::Viewer));
        let request = GetMaintenanceRequest { id: NO_ID.into() };
        assert_eq!(client.get_maintenance(request).await.unwrap_err().code(), Code::NotFound);
    }

    async fn only_who_may_work_may_record(world: World) {
        let suite = start(&world).await;
        for role in [Role::Viewer, Role::Device, Role::Service] {
            let mut client = records(&suite, &world.user(role));
            let error = record(&mut client, on(NO_ID)).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }

    async fn records_are_filtered_and_paged(world: World) {
        let suite = start(&world).await;
        let (ana, bob) = (world.user(Role::Technician), world.user(Role::Technician));
        let (one, two) = (pump(&world, &suite).await, pump(&world, &suite).await);
        let task = task_for(&world, &suite, &two).await;
        for (by, equipment_id, task_id, work) in [
            (&ana, &one, None, "a"),
            (&bob, &one, None, "b"),
            (&bob, &two, Some(task.id.clone()), "c"),
        ] {
            let (equipment_id, work_done) = (equipment_id.clone(), work.to_owned());
            let record = MaintenanceRecord { equipment_id, task_id, work_done, ..Default::default() };
            let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
            records(&suite, by).record_maintenance(request).await.unwrap();
        }
        let mut viewer = records(&suite, &world.user(Role::Viewer));

        let all = ListMaintenanceRequest::default;
        for (request, found) in [
            (all(), vec!["a", "b", "c"]),
            (ListMaintenanceRequest { equipment_id: Some(one), ..all() }, vec!["a", "b"]),
            (ListMaintenanceRequest { task_id: Some(task.id), ..all() }, vec!["c"]),
            (ListMaintenanceRequest { technician_id: Some(bob.id.to_uppercase()), ..all() }, vec!["b", "c"]),
            (ListMaintenanceRequest { equipment_id: Some(two), technician_id: Some(ana.id), ..all() }, vec![]),
        ] {
            assert_eq!(works(&mut viewer, request.clone()).await, found, "{request:?}");
        }
        let half = ListMaintenanceRequest { page_size: 2, ..all() };
        let page = viewer.list_maintenance(half.clone()).await.unwrap().into_inner();
        assert_eq!(page.records.len(), 2);
        let rest = ListMaintenanceRequest { page_token: page.next_page_token, ..half };
        assert_eq!(works(&mut viewer, rest).await, ["c"]);
    }
}
