//! What the register of equipment says, and what happens when it is away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kit::{access::Role, peer::Place};
use proto::{
    equipment::v1::equipment::Status,
    maintenance::v1::{
        ClaimTaskRequest, CompleteTaskRequest, CreateTaskRequest, ListTasksRequest,
        MaintenanceRecord, RecordMaintenanceRequest, Task,
    },
};
use testkit::World;
use tonic::Code;

use super::{
    NO_ID, Suite, all_records, create, equipment, fragile, pump, records, start, start_alone,
    start_equipment, task_for, tasks, titled,
};

/// A suite whose register goes away when told to.
async fn start_fragile(world: &World) -> (Suite, Arc<AtomicBool>) {
    let place = Place::default();
    let register = start_equipment(world, &place).await;
    let away = fragile(&world.places.equipment, &place);
    (Suite { equipment: register, maintenance: start_alone(world).await }, away)
}

testkit::both! {
    async fn without_the_register_nothing_is_written(world: World) {
        let (suite, away) = start_fragile(&world).await;
        let pump = pump(&world, &suite).await;
        let user = world.user(Role::Technician);
        let mut client = tasks(&suite, &user);
        away.store(true, Ordering::SeqCst);

        let task = Task { equipment_id: Some(pump.clone()), ..titled("Leaks") };
        let error = create(&mut client, task).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        let record = Some(MaintenanceRecord { equipment_id: pump, ..Default::default() });
        let request = RecordMaintenanceRequest { record, ..Default::default() };
        let error = records(&suite, &user).record_maintenance(request).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);

        let list = client.list_tasks(ListTasksRequest::default()).await.unwrap().into_inner();
        assert!(list.tasks.is_empty());
        assert!(all_records(&world, &suite).await.is_empty());
    }

    async fn what_needs_no_register_works_without_it(world: World) {
        let (suite, away) = start_fragile(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let other = task_for(&world, &suite, &pump).await;
        let user = world.user(Role::Technician);
        let mut client = tasks(&suite, &user);
        away.store(true, Ordering::SeqCst);

        create(&mut client, titled("Sweep")).await.unwrap();
        client.claim_task(ClaimTaskRequest { id: task.id.clone(), ..Default::default() }).await.unwrap();
        let request = CompleteTaskRequest { id: task.id, ..Default::default() };
        client.complete_task(request).await.unwrap();
        let record = Some(MaintenanceRecord { task_id: Some(other.id), ..Default::default() });
        let request = RecordMaintenanceRequest { record, ..Default::default() };
        records(&suite, &user).record_maintenance(request).await.unwrap();

        assert_eq!(all_records(&world, &suite).await.len(), 2);
    }

    async fn a_repeated_request_needs_no_register(world: World) {
        let (suite, away) = start_fragile(&world).await;
        let pump = pump(&world, &suite).await;
        let service = world.user(Role::Service);
        let ana = world.user(Role::Technician);
        let task = |alert_id: Option<&str>| CreateTaskRequest {
            task: Some(Task {
                equipment_id: Some(pump.clone()),
                alert_id: alert_id.map(str::to_owned),
                ..titled("Leaks")
            }),
            request_id: if alert_id.is_some() { String::new() } else { "key".into() },
            ..Default::default()
        };
        let record = RecordMaintenanceRequest {
            record: Some(MaintenanceRecord { equipment_id: pump.clone(), ..Default::default() }),
            request_id: "key".into(),
            ..Default::default()
        };
        let first = tasks(&suite, &ana).create_task(task(None)).await.unwrap();
        let alerted = tasks(&suite, &service).create_task(task(Some(NO_ID))).await.unwrap();
        let recorded = records(&suite, &ana).record_maintenance(record.clone()).await.unwrap();
        away.store(true, Ordering::SeqCst);

        let again = tasks(&suite, &ana).create_task(task(None)).await.unwrap();
        assert_eq!(again.into_inner(), first.into_inner());
        let again = tasks(&suite, &service).create_task(task(Some(NO_ID))).await.unwrap();
        assert_eq!(again.into_inner(), alerted.into_inner());
        let again = records(&suite, &ana).record_maintenance(record).await.unwrap();
        assert_eq!(again.into_inner(), recorded.into_inner());
    }

    async fn a_refused_request_may_be_repeated_once_it_can_work(world: World) {
        let (suite, away) = start_fragile(&world).await;
        let pump = pump(&world, &suite).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let task = Some(Task { equipment_id: Some(pump), ..titled("Leaks") });
        let request = CreateTaskRequest { task, request_id: "key".into(), ..Default::default() };

        away.store(true, Ordering::SeqCst);
        client.create_task(request.clone()).await.unwrap_err();
        away.store(false, Ordering::SeqCst);
        let created = client.create_task(request).await.unwrap();

        assert!(!created.metadata().contains_key("flightline-replayed"));
    }

    async fn a_service_opens_tasks_for_what_the_register_knows(world: World) {
        let suite = start(&world).await;
        let standby = equipment(&world, &suite.equipment, Status::Standby).await;
        let mut client = tasks(&suite, &world.user(Role::Service));
        let task = Task { equipment_id: Some(standby.clone()), ..titled("Leaks") };
        assert_eq!(create(&mut client, task).await.unwrap().equipment_id, Some(standby));
    }
}
