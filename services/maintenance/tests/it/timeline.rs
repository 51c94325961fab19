use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kit::{Timestamp, access::Role, peer::Place};
use prost_types::FieldMask;
use proto::{
    equipment::v1::{
        DeleteEquipmentRequest, Equipment, UpdateEquipmentRequest, equipment::Status,
        equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        ClaimTaskRequest, CompleteTaskRequest, ListTimelineRequest, MaintenanceRecord,
        RecordMaintenanceRequest, Task, TimelineEntry, UpdateTaskRequest, task_event::Kind as Step,
        timeline_entry::Kind,
    },
    telemetry::v1::{Alert, CreateAlertRequest, alert_service_client::AlertServiceClient},
};
use testkit::{Server, World};
use tonic::Code;

use super::{
    NO_ID, Suite, field, fragile, pump, records, start_alone, start_equipment, start_telemetry,
    task_for, tasks,
};

/// A suite with telemetry; it and the register go away when told to.
struct All {
    suite: Suite,
    telemetry: Server,
    register_away: Arc<AtomicBool>,
    telemetry_away: Arc<AtomicBool>,
}

async fn start_all(world: &World) -> All {
    let (register, alerts) = (Place::default(), Place::default());
    let equipment = start_equipment(world, &register).await;
    let register_away = fragile(&world.places.equipment, &register);
    let maintenance = start_alone(world).await;
    let telemetry = start_telemetry(world, &alerts).await;
    let telemetry_away = fragile(&world.places.telemetry, &alerts);
    All { suite: Suite { maintenance, equipment }, telemetry, register_away, telemetry_away }
}

impl All {
    async fn set(&self, world: &World, id: &str, status: Status) {
        let equipment = Equipment { id: id.into(), status: status.into(), ..Default::default() };
        let mask = FieldMask { paths: vec!["status".into()] };
        let request =
            UpdateEquipmentRequest { equipment: Some(equipment), update_mask: Some(mask) };
        let mut register =
            EquipmentServiceClient::new(self.suite.equipment.by(&world.user(Role::Admin)));
        register.update_equipment(request).await.unwrap();
    }

    async fn alert(&self, world: &World, id: &str, raised_at: Timestamp) -> Alert {
        let alert = Alert {
            equipment_id: id.into(),
            message: "Smells".into(),
            raised_at: Some(raised_at.into()),
            ..Default::default()
        };
        let request = CreateAlertRequest { alert: Some(alert), ..Default::default() };
        let mut alerts = AlertServiceClient::new(self.telemetry.by(&world.user(Role::Technician)));
        alerts.create_alert(request).await.unwrap().into_inner()
    }

    async fn record(
        &self,
        world: &World,
        id: &str,
        finished_at: Option<Timestamp>,
    ) -> MaintenanceRecord {
        let finished_at = finished_at.map(Into::into);
        let record =
            MaintenanceRecord { equipment_id: id.into(), finished_at, ..Default::default() };
        let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
        let mut technician = records(&self.suite, &world.user(Role::Technician));
        technician.record_maintenance(request).await.unwrap().into_inner()
    }

    async fn list(
        &self,
        world: &World,
        request: ListTimelineRequest,
    ) -> Result<(Vec<TimelineEntry>, String), tonic::Status> {
        let mut viewer = records(&self.suite, &world.user(Role::Viewer));
        let page = viewer.list_timeline(request).await?.into_inner();
        Ok((page.entries, page.next_page_token))
    }

    /// All there is, on one page.
    async fn whole(&self, world: &World, id: &str) -> Vec<TimelineEntry> {
        let request = ListTimelineRequest { page_size: 1000, ..of(id) };
        let (entries, next) = self.list(world, request).await.unwrap();
        assert_eq!(next, "");
        entries
    }
}

fn of(id: &str) -> ListTimelineRequest {
    ListTimelineRequest { equipment_id: id.into(), ..Default::default() }
}

fn kinds(entries: &[TimelineEntry]) -> Vec<Kind> {
    entries.iter().map(TimelineEntry::kind).collect()
}

fn ids(entries: &[TimelineEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.clone()).collect()
}

testkit::both! {
    async fn what_happened_is_told_in_one_order_newest_first(world: World) {
        let all = start_all(&world).await;
        let second = Duration::from_secs(1);
        let begin = world.clock.now();
        let pump = pump(&world, &all.suite).await;
        let other = super::pump(&world, &all.suite).await;
        let ana = world.user(Role::Technician);
        all.record(&world, &other, None).await;
        world.clock.advance(second);
        let alert = all.alert(&world, &pump, world.clock.now()).await;
        world.clock.advance(second);
        all.set(&world, &pump, Status::Down).await;
        world.clock.advance(second);
        let task = task_for(&world, &all.suite, &pump).await;
        world.clock.advance(second);
        let claim = ClaimTaskRequest { id: task.id.clone(), ..Default::default() };
        tasks(&all.suite, &ana).claim_task(claim).await.unwrap();
        world.clock.advance(second);
        // Told late.
        let record = all.record(&world, &pump, Some(begin.plus(second / 2))).await;
        let complete = CompleteTaskRequest {
            id: task.id.clone(),
            started_at: Some(begin.plus(second).plus(second / 2).into()),
            ..Default::default()
        };
        tasks(&all.suite, &ana).complete_task(complete).await.unwrap();

        let entries = all.whole(&world, &pump).await;

        assert_eq!(kinds(&entries), [Kind::Task, Kind::Task, Kind::Task, Kind::Status, Kind::Maintenance, Kind::Alert, Kind::Maintenance, Kind::Status]);
        let at: Vec<_> = entries.iter().map(|entry| entry.at.unwrap()).collect();
        let halves = [10, 8, 6, 4, 3, 2, 1, 0];
        assert_eq!(at, halves.map(|half| begin.plus(second / 2 * half).into()));
        let steps: Vec<_> = entries[..3].iter().map(|entry| {
            let event = entry.task_event.as_ref().unwrap();
            assert_eq!((&event.id, &event.task_id), (&entry.id, &task.id));
            assert_eq!(entry.task_title.as_ref(), Some(&task.title));
            event.kind()
        }).collect();
        assert_eq!(steps, [Step::Completed, Step::Claimed, Step::Created]);
        let down = entries[3].status.as_ref().unwrap();
        assert_eq!((&down.id, down.status()), (&entries[3].id, Status::Down));
        let of_task = entries[4].record.as_ref().unwrap();
        assert_eq!((&of_task.id, of_task.task_id.as_ref()), (&entries[4].id, Some(&task.id)));
        assert_eq!((&entries[5].id, entries[5].alert.as_ref()), (&alert.id, Some(&alert)));
        assert_eq!((&entries[6].id, entries[6].record.as_ref()), (&record.id, Some(&record)));
        let own = |entry: &TimelineEntry| [
            entry.status.is_some(), entry.task_event.is_some(), entry.record.is_some(), entry.alert.is_some(),
        ];
        assert!(entries.iter().all(|entry| own(entry).into_iter().filter(|it| *it).count() == 1));
    }

    async fn pages_join_also_where_all_happened_at_once_and_more_comes_meanwhile(world: World) {
        let all = start_all(&world).await;
        let pump = pump(&world, &all.suite).await;
        let (now, hour) = (world.clock.now(), Duration::from_hours(1));
        for number in 0..4_u32 {
            all.set(&world, &pump, [Status::Down, Status::Operational][number as usize % 2]).await;
            let at = now.minus(hour * (number / 2));
            all.record(&world, &pump, Some(at)).await;
            all.alert(&world, &pump, at).await;
            task_for(&world, &all.suite, &pump).await;
        }
        let before = ids(&all.whole(&world, &pump).await);
        assert_eq!(before.len(), 1 + 4 * 4);

        for page_size in [1, 2, 3, 5] {
            let before = ids(&all.whole(&world, &pump).await);
            let (mut seen, mut request) = (Vec::new(), ListTimelineRequest { page_size, ..of(&pump) });
            loop {
                let (entries, next) = all.list(&world, request.clone()).await.unwrap();
                assert!(next.is_empty() || i32::try_from(entries.len()).unwrap() == page_size);
                seen.extend(ids(&entries));
                assert!(seen.len() < 1000, "pages without end");
                if next.is_empty() {
                    break;
                }
                request.page_token = next;
                // Before the reader, behind them and where they are.
                if seen.len() < 12 {
                    let at = [now.minus(hour), now.minus(hour / 2), now][seen.len() % 3];
                    all.record(&world, &pump, Some(at)).await;
                    all.alert(&world, &pump, at).await;
                    all.set(&world, &pump, [Status::Standby, Status::Degraded][seen.len() % 2]).await;
                    task_for(&world, &all.suite, &pump).await;
                }
            }

            let mut once = seen.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), seen.len(), "shown twice, {page_size} a page");
            seen.retain(|id| before.contains(id));
            assert_eq!(seen, before, "{page_size} a page");
        }
    }

    async fn a_timeline_is_filtered_by_kind_and_time(world: World) {
        let all = start_all(&world).await;
        let pump = pump(&world, &all.suite).await;
        let (begin, second) = (world.clock.now(), Duration::from_secs(1));
        world.clock.advance(second);
        task_for(&world, &all.suite, &pump).await;
        all.record(&world, &pump, Some(begin.plus(second * 2))).await;
        all.alert(&world, &pump, begin.plus(second * 3)).await;
        all.set(&world, &pump, Status::Down).await;

        let at = |seconds: u32| Some(begin.plus(second * seconds).into());
        let only = |kinds: &[Kind]| kinds.iter().map(|kind| (*kind).into()).collect();
        for (request, found) in [
            (of(&pump), vec![Kind::Alert, Kind::Maintenance, Kind::Status, Kind::Task, Kind::Status]),
            (ListTimelineRequest { kinds: only(&[Kind::Status]), ..of(&pump) }, vec![Kind::Status, Kind::Status]),
            (ListTimelineRequest { kinds: only(&[Kind::Task]), ..of(&pump) }, vec![Kind::Task]),
            (ListTimelineRequest { kinds: only(&[Kind::Maintenance, Kind::Alert]), ..of(&pump) }, vec![Kind::Alert, Kind::Maintenance]),
            (ListTimelineRequest { from: at(1), ..of(&pump) }, vec![Kind::Alert, Kind::Maintenance, Kind::Status, Kind::Task]),
            (ListTimelineRequest { to: at(3), ..of(&pump) }, vec![Kind::Maintenance, Kind::Status, Kind::Task, Kind::Status]),
            (ListTimelineRequest { from: at(2), to: at(3), ..of(&pump) }, vec![Kind::Maintenance]),
            (ListTimelineRequest { to: at(1), ..of(&pump) }, vec![Kind::Status]),
            (ListTimelineRequest { from: at(4), ..of(&pump) }, vec![]),
        ] {
            let (entries, _) = all.list(&world, request.clone()).await.unwrap();
            assert_eq!(kinds(&entries), found, "{request:?}");
        }
        let (_, page_token) =
            all.list(&world, ListTimelineRequest { page_size: 1, ..of(&pump) }).await.unwrap();
        let request = ListTimelineRequest { kinds: only(&[Kind::Task]), page_token, ..of(&pump) };
        assert_eq!(field(&all.list(&world, request).await.unwrap_err()), "page_token");
        for kind in [0, 99] {
            let request = ListTimelineRequest { kinds: vec![kind], ..of(&pump) };
            assert_eq!(field(&all.list(&world, request).await.unwrap_err()), "kinds[0]");
        }
        assert_eq!(field(&all.list(&world, of("7")).await.unwrap_err()), "equipment_id");
    }

    async fn nothing_is_left_out_while_a_neighbour_is_away(world: World) {
        let all = start_all(&world).await;
        let pump = pump(&world, &all.suite).await;
        all.record(&world, &pump, None).await;
        let work = ListTimelineRequest { kinds: vec![Kind::Maintenance.into()], ..of(&pump) };

        all.telemetry_away.store(true, Ordering::SeqCst);
        let error = all.list(&world, of(&pump)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        // What telemetry knows nothing of needs none.
        assert_eq!(all.list(&world, work.clone()).await.unwrap().0.len(), 1);

        all.telemetry_away.store(false, Ordering::SeqCst);
        all.register_away.store(true, Ordering::SeqCst);
        let error = all.list(&world, of(&pump)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        all.register_away.store(false, Ordering::SeqCst);
        assert_eq!(all.list(&world, of(&pump)).await.unwrap().0.len(), 2);
    }

    async fn what_is_decommissioned_keeps_its_timeline_and_what_never_was_has_none(world: World) {
        let all = start_all(&world).await;
        let pump = pump(&world, &all.suite).await;
        task_for(&world, &all.suite, &pump).await;
        let mut register =
            EquipmentServiceClient::new(all.suite.equipment.by(&world.user(Role::Admin)));
        let request = DeleteEquipmentRequest { id: pump.clone(), ..Default::default() };
        register.delete_equipment(request).await.unwrap();

        let entries = all.whole(&world, &pump).await;

        assert_eq!(entries.len(), 3);
        let states = entries.iter().filter_map(|entry| entry.status.as_ref());
        assert_eq!(states.clone().filter(|it| it.status() == Status::Decommissioned).count(), 1);
        for kinds in [vec![], vec![Kind::Task.into()]] {
            let request = ListTimelineRequest { kinds, ..of(NO_ID) };
            assert_eq!(all.list(&world, request).await.unwrap_err().code(), Code::NotFound);
        }
    }

    async fn what_happened_to_a_task_stays_with_what_it_was_for(world: World) {
        let all = start_all(&world).await;
        let (one, two) = (pump(&world, &all.suite).await, pump(&world, &all.suite).await);
        let task = task_for(&world, &all.suite, &one).await;
        let moved = Task { id: task.id, equipment_id: Some(two.clone()), title: "Drips".into(), ..Default::default() };
        let mut admin = tasks(&all.suite, &world.user(Role::Admin));
        admin.update_task(UpdateTaskRequest { task: Some(moved), update_mask: None }).await.unwrap();

        for (pump, kind) in [(one, Step::Created), (two, Step::Updated)] {
            let kinds = vec![Kind::Task.into()];
            let (entries, _) = all.list(&world, ListTimelineRequest { kinds, ..of(&pump) }).await.unwrap();
            let found: Vec<_> = entries.iter().map(|entry| entry.task_event.as_ref().unwrap().kind()).collect();
            assert_eq!(found, [kind]);
            assert_eq!(entries[0].task_title.as_deref(), Some("Drips"), "as it is called now");
        }
    }
}
