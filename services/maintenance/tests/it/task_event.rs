use std::time::Duration;

use kit::access::Role;
use proto::maintenance::v1::{
    ClaimTaskRequest, ListTaskEventsRequest, MaintenanceRecord, RecordMaintenanceRequest,
    TaskEvent, task_event::Kind,
};
use tonic::Code;

use super::{NO_ID, field, pump, records, start, task_for, tasks};

testkit::both! {
    async fn every_step_is_kept_with_who_took_it_and_when(world: World) {
        let suite = start(&world).await;
        let ana = world.user(Role::Technician);
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let mut client = tasks(&suite, &ana);
        world.clock.advance(Duration::from_secs(1));
        let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
        client.claim_task(claim).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        let record = MaintenanceRecord { task_id: Some(task.id.clone()), ..Default::default() };
        let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
        records(&suite, &ana).record_maintenance(request).await.unwrap();

        let list = ListTaskEventsRequest { task_id: task.id.clone(), ..Default::default() };
        let events = client.list_task_events(list).await.unwrap().into_inner().events;

        let ago = |seconds| Some(world.clock.now().minus(Duration::from_secs(seconds)).into());
        let of = |index: usize, kind: Kind, actor_id: &str, at| TaskEvent {
            id: events[index].id.clone(),
            task_id: task.id.clone(),
            equipment_id: Some(pump.clone()),
            kind: kind.into(),
            actor_id: actor_id.into(),
            at,
            detail: String::new(),
        };
        assert_eq!(events, [
            of(0, Kind::Created, &task.created_by, ago(2)),
            of(1, Kind::Claimed, &ana.id, ago(1)),
            of(2, Kind::Completed, &ana.id, ago(0)),
        ]);
    }

    async fn events_are_paged_by_age(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        let task = task_for(&world, &suite, &pump).await;
        let other = task_for(&world, &suite, &pump).await;
        let mut client = tasks(&suite, &world.user(Role::Technician));
        let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
        client.claim_task(claim).await.unwrap();

        let list = ListTaskEventsRequest { task_id: task.id, page_size: 1, ..Default::default() };
        let first = client.list_task_events(list.clone()).await.unwrap().into_inner();
        let rest = ListTaskEventsRequest { page_token: first.next_page_token.clone(), ..list.clone() };
        let second = client.list_task_events(rest.clone()).await.unwrap().into_inner();
        let other = ListTaskEventsRequest { task_id: other.id, ..rest };
        let refused = client.list_task_events(other).await.unwrap_err();

        let kinds: Vec<_> = [&first, &second].iter().flat_map(|page| &page.events).map(TaskEvent::kind).collect();
        assert_eq!(kinds, [Kind::Created, Kind::Claimed]);
        assert_eq!(second.next_page_token, "");
        assert_eq!(field(&refused), "page_token");
    }

    async fn nothing_happened_to_what_is_not_there(world: World) {
        let suite = start(&world).await;
        let mut client = tasks(&suite, &world.user(Role::Viewer));
        let request = ListTaskEventsRequest { task_id: NO_ID.into(), ..Default::default() };
        assert_eq!(client.list_task_events(request).await.unwrap_err().code(), Code::NotFound);
    }
}
