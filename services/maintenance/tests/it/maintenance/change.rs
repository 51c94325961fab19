use std::time::Duration;

use kit::access::Role;
use prost_types::FieldMask;
use proto::maintenance::v1::{
    DeleteMaintenanceRequest, GetMaintenanceRequest, GetTaskRequest, MaintenanceRecord,
    ReopenTaskRequest, UpdateMaintenanceRequest, maintenance_record::Kind, task::Status,
};
use tonic::Code;

use super::{of, on, record};
use crate::{NO_ID, Records, all_records, field, pump, records, refusal, start, task_for, tasks};

/// Changes the fields that `paths` name; all of them, if none.
async fn update(
    client: &mut Records,
    record: MaintenanceRecord,
    paths: &[&str],
) -> Result<MaintenanceRecord, tonic::Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(FieldMask { paths });
    let request = UpdateMaintenanceRequest { record: Some(record), update_mask };
    Ok(client.update_maintenance(request).await?.into_inner())
}

async fn delete(client: &mut Records, id: &str, etag: &str) -> Result<(), tonic::Status> {
    let request = DeleteMaintenanceRequest { id: id.into(), etag: etag.into() };
    client.delete_maintenance(request).await.map(tonic::Response::into_inner)
}

async fn get(client: &mut Records, id: &str) -> Result<MaintenanceRecord, tonic::Status> {
    let request = GetMaintenanceRequest { id: id.into() };
    Ok(client.get_maintenance(request).await?.into_inner())
}

testkit::both! {
    async fn what_the_mask_leaves_out_is_not_looked_at(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let created = record(&mut client, on(&pump)).await.unwrap();

        let never = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        let sent = MaintenanceRecord {
            id: created.id.clone(),
            equipment_id: "no id".into(),
            task_id: Some("no id".into()),
            started_at: never,
            finished_at: never,
            work_done: "Looked".into(),
            ..Default::default()
        };
        let updated = update(&mut client, sent, &["work_done"]).await.unwrap();

        let expected =
            MaintenanceRecord { work_done: "Looked".into(), etag: updated.etag.clone(), ..created };
        assert_eq!(updated, expected);
    }

    async fn what_was_done_is_replaced_and_nothing_else(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let work = MaintenanceRecord { parts_used: "Seal".into(), ..of(&task.id) };
        let created = record(&mut client, work).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        let now = world.clock.now();

        let sent = MaintenanceRecord {
            id: created.id.clone(),
            technician_id: NO_ID.into(),
            kind: Kind::Inspection.into(),
            work_done: "Looked".into(),
            started_at: Some(now.minus(Duration::from_mins(1)).into()),
            finished_at: Some(now.into()),
            ..Default::default()
        };
        let updated = update(&mut client, sent.clone(), &[]).await.unwrap();

        let expected = MaintenanceRecord {
            equipment_id: pump,
            task_id: Some(task.id),
            technician_id: created.technician_id,
            created_at: created.created_at,
            updated_at: Some(now.into()),
            etag: updated.etag.clone(),
            downtime: Some(Duration::from_mins(1).try_into().unwrap()),
            ..sent
        };
        assert_eq!(updated, expected);
        assert_ne!(updated.etag, created.etag);
        assert_eq!(get(&mut client, &created.id).await.unwrap(), expected);
    }

    async fn what_the_mask_leaves_out_stays(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let work = MaintenanceRecord { work_done: "Oiled".into(), parts_used: "Oil".into(), ..on(&pump) };
        let created = record(&mut client, work).await.unwrap();

        let sent = MaintenanceRecord {
            work_done: "Greased".into(),
            parts_used: "Grease".into(),
            ..created.clone()
        };
        let paths = ["work_done", "equipment_id", "task_id", "etag"];
        let updated = update(&mut client, sent.clone(), &paths).await.unwrap();
        let sent = MaintenanceRecord { etag: String::new(), ..sent };
        let same = update(&mut client, sent, &["work_done"]).await.unwrap();

        assert_eq!((updated.work_done.as_str(), updated.parts_used.as_str()), ("Greased", "Oil"));
        assert_eq!(same, updated, "nothing changed");
    }

    async fn a_record_is_the_word_of_who_did_the_work(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let ana = world.user(Role::Technician);
        let created = record(&mut records(&suite, &ana), on(&pump)).await.unwrap();

        for user in [world.user(Role::Technician), world.user(Role::Admin)] {
            let mut client = records(&suite, &user);
            let error = update(&mut client, created.clone(), &[]).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied);
            let error = delete(&mut client, &created.id, "").await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied);
        }
        assert_eq!(get(&mut records(&suite, &ana), &created.id).await.unwrap(), created);
    }

    async fn bad_input_is_named_by_field_and_changes_nothing(world: World) {
        let suite = start(&world).await;
        let (one, two) = (pump(&world, &suite).await, pump(&world, &suite).await);
        let mut client = records(&suite, &world.user(Role::Technician));
        let now = world.clock.now();
        let at = |seconds| Some(now.minus(Duration::from_secs(seconds)).into());
        let work = MaintenanceRecord { started_at: at(5), finished_at: at(4), ..on(&one) };
        let created = record(&mut client, work).await.unwrap();
        let with = |record: MaintenanceRecord| MaintenanceRecord { id: created.id.clone(), ..record };
        let ahead = Some(now.plus(Duration::from_secs(601)).into());

        for (record, paths, name) in [
            (with(MaintenanceRecord { kind: 99, ..on(&one) }), vec![], "record.kind"),
            (with(MaintenanceRecord { started_at: ahead, ..on(&one) }), vec!["started_at"], "record.started_at"),
            (with(MaintenanceRecord { finished_at: ahead, ..on(&one) }), vec![], "record.finished_at"),
            // Each by itself could be; together with what is on record they can't.
            (with(MaintenanceRecord { started_at: at(3), ..on(&one) }), vec!["started_at"], "record.finished_at"),
            (with(MaintenanceRecord { finished_at: at(6), ..on(&one) }), vec!["finished_at"], "record.finished_at"),
            (with(on(&two)), vec!["equipment_id"], "record.equipment_id"),
            (with(of(NO_ID)), vec!["task_id"], "record.task_id"),
            (with(on(&one)), vec!["colour"], "update_mask"),
            (on(&one), vec![], "record.id"),
        ] {
            let error = update(&mut client, record, &paths).await.unwrap_err();
            assert_eq!(field(&error), name, "{error:?}");
        }
        assert_eq!(get(&mut client, &created.id).await.unwrap(), created);
    }

    async fn a_write_for_an_older_state_is_refused(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let mut client = records(&suite, &world.user(Role::Technician));
        let created = record(&mut client, on(&pump)).await.unwrap();
        let sent = |work: &str| MaintenanceRecord { work_done: work.into(), ..created.clone() };

        let updated = update(&mut client, sent("Oiled"), &["work_done"]).await.unwrap();
        let error = update(&mut client, sent("Greased"), &["work_done"]).await.unwrap_err();
        assert_eq!(error.code(), Code::Aborted);
        let error = delete(&mut client, &created.id, &created.etag).await.unwrap_err();
        assert_eq!(error.code(), Code::Aborted);
        assert_eq!(get(&mut client, &created.id).await.unwrap(), updated);
    }

    async fn the_task_of_a_deleted_record_stays_completed(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let ana = world.user(Role::Technician);
        let (mut client, mut tasks) = (records(&suite, &ana), tasks(&suite, &ana));
        let created = record(&mut client, of(&task.id)).await.unwrap();

        delete(&mut client, &created.id, &created.etag).await.unwrap();

        assert_eq!(get(&mut client, &created.id).await.unwrap_err().code(), Code::NotFound);
        assert!(all_records(&world, &suite).await.is_empty());
        let request = GetTaskRequest { id: task.id.clone() };
        let completed = tasks.get_task(request).await.unwrap().into_inner();
        assert_eq!(completed.status(), Status::Completed);
        let error = record(&mut client, of(&task.id)).await.unwrap_err();
        assert_eq!(refusal(&error).0, "TASK_COMPLETED");
        let request = ReopenTaskRequest { id: task.id.clone(), ..Default::default() };
        tasks.reopen_task(request).await.unwrap();
        record(&mut client, of(&task.id)).await.unwrap();
    }

    async fn what_is_not_there_is_neither_changed_nor_deleted(world: World) {
        let suite = start(&world).await;
        let mut client = records(&suite, &world.user(Role::Admin));
        let sent = MaintenanceRecord { id: NO_ID.into(), ..Default::default() };
        let error = update(&mut client, sent, &[]).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(delete(&mut client, NO_ID, "").await.unwrap_err().code(), Code::NotFound);
    }
}
