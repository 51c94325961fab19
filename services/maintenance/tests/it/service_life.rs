mod history;
mod window;

use std::{sync::atomic::Ordering, time::Duration};

use kit::{Db, Timestamp, access::Role, on, peer::Place, sqlx::migrate::Migrator};
use prost_types::FieldMask;
use proto::{
    equipment::v1::{
        CreateEquipmentRequest, DeleteEquipmentRequest, Equipment, UpdateEquipmentRequest,
        equipment::Status, equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        Availability, CompleteTaskRequest, Downtime, GetServiceLifeRequest, LastWork,
        MaintenanceRecord, MeanTime, RecordMaintenanceRequest, RestorationParts, ServiceLife,
        WorkCounts, maintenance_record::Kind, service_life::AgeBasis,
    },
};
use testkit::{Bearer, World};
use tonic::{Code, service::interceptor::InterceptedService, transport::Channel};

use super::{
    NO_ID, Suite, field, fragile, pump, records, start, start_alone, start_equipment, task_for,
    tasks,
};

static EQUIPMENT: Migrator = sqlx::migrate!("../equipment/migrations");

const HOUR: Duration = Duration::from_hours(1);

/// Midnight of a day of January 2026, and hours after it.
fn january(day: i64, hours: f64) -> Timestamp {
    let midnight = kit::time::midnight("2026-01-01").unwrap();
    midnight.plus(HOUR * 24 * u32::try_from(day - 1).unwrap()).plus(HOUR.mul_f64(hours))
}

fn hours(hours: f64) -> Option<prost_types::Duration> {
    HOUR.mul_f64(hours).try_into().ok()
}

/// Has it be `at`.
fn wait_until(world: &World, at: Timestamp) {
    world.clock.advance(at.since(world.clock.now()));
}

/// An admin of now: time goes on for longer than a token is good.
fn register(
    world: &World,
    suite: &Suite,
) -> EquipmentServiceClient<InterceptedService<Channel, Bearer>> {
    EquipmentServiceClient::new(suite.equipment.by(&world.user(Role::Admin)))
}

async fn installed(world: &World, suite: &Suite, date: Option<&str>) -> String {
    let installation_date = date.map(str::to_owned);
    let equipment = Equipment { name: "Pump".into(), installation_date, ..Default::default() };
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    register(world, suite).create_equipment(request).await.unwrap().into_inner().id
}

async fn set(world: &World, suite: &Suite, id: &str, status: Status) {
    let equipment = Equipment { id: id.into(), status: status.into(), ..Default::default() };
    let mask = FieldMask { paths: vec!["status".into()] };
    let request = UpdateEquipmentRequest { equipment: Some(equipment), update_mask: Some(mask) };
    register(world, suite).update_equipment(request).await.unwrap();
}

/// The id of a new record of that work, from and to the hours of that day.
async fn record(
    world: &World,
    suite: &Suite,
    id: &str,
    kind: Kind,
    times: Option<(i64, f64, f64)>,
) -> String {
    let record = MaintenanceRecord {
        equipment_id: id.into(),
        kind: kind.into(),
        started_at: times.map(|(day, from, _)| january(day, from).into()),
        finished_at: times.map(|(day, _, to)| january(day, to).into()),
        ..Default::default()
    };
    let request = RecordMaintenanceRequest { record: Some(record), ..Default::default() };
    let mut technician = records(suite, &world.user(Role::Technician));
    technician.record_maintenance(request).await.unwrap().into_inner().id
}

fn of(id: &str) -> GetServiceLifeRequest {
    GetServiceLifeRequest { equipment_id: id.into(), ..Default::default() }
}

async fn life(
    world: &World,
    suite: &Suite,
    request: GetServiceLifeRequest,
) -> Result<ServiceLife, tonic::Status> {
    let mut viewer = records(suite, &world.user(Role::Viewer));
    Ok(viewer.get_service_life(request).await?.into_inner())
}

fn mean(value: f64, events: i32) -> MeanTime {
    MeanTime { mean: hours(value), events, note: None }
}

fn no_mean(note: &str) -> MeanTime {
    MeanTime { mean: None, events: 0, note: Some(note.into()) }
}

fn downtime(value: f64, events: i32) -> Downtime {
    Downtime { time: hours(value), events }
}

/// Tells the register of states that it was not told of in their time.
async fn insert_history(
    world: &World,
    id: &str,
    spans: impl Iterator<Item = (&'static str, Timestamp, Timestamp)>,
) {
    let db = Db::open(&world.db, "equipment", &EQUIPMENT).await.unwrap();
    let id: kit::uuid::Uuid = id.parse().unwrap();
    let mut tx = db.begin("insert a history").await.unwrap();
    for (status, since, until) in spans {
        on!(&mut tx, c => sqlx::query(
                "insert into status_intervals (id, equipment_id, status, since, until)
                 values ($1, $2, $3, $4, $5)",
            )
            .bind(kit::uuid::Uuid::now_v7())
            .bind(id)
            .bind(status)
            .bind(since)
            .bind(until)
            .execute(c).await.map(drop))
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// The history of the worked example (`domain/service_life.rs`), up to its end.
async fn live_through_the_example(world: &World, suite: &Suite) -> String {
    wait_until(world, january(3, 0.0));
    let pump = installed(world, suite, Some("2026-01-02")).await;
    for (day, hour, status) in [
        (4, 6.0, Status::Down),
        (4, 10.0, Status::Operational),
        (6, 0.0, Status::Maintenance),
        (6, 8.0, Status::Operational),
        (8, 0.0, Status::Standby),
        (9, 0.0, Status::Degraded),
        (9, 12.0, Status::Operational),
        (11, 18.0, Status::Down),
    ] {
        wait_until(world, january(day, hour));
        set(world, suite, &pump, status).await;
    }
    wait_until(world, january(12, 0.0));
    pump
}

testkit::both! {
    async fn the_worked_example_is_answered_as_it_was_reckoned_by_hand(world: World) {
        let suite = start(&world).await;
        let pump = live_through_the_example(&world, &suite).await;
        record(&world, &suite, &pump, Kind::Corrective, Some((4, 7.0, 9.5))).await;
        record(&world, &suite, &pump, Kind::Preventive, Some((6, 0.5, 7.5))).await;
        record(&world, &suite, &pump, Kind::Corrective, Some((7, 12.0, 14.0))).await;
        let last = record(&world, &suite, &pump, Kind::Corrective, Some((7, 13.0, 15.0))).await;
        let other = installed(&world, &suite, None).await;
        record(&world, &suite, &other, Kind::Corrective, Some((5, 1.0, 2.0))).await;

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        let ratio = answer.availability.as_ref().unwrap().ratio.unwrap();
        assert!((ratio - 195.0 / 216.0).abs() < 1e-12, "{ratio}");
        let expected = ServiceLife {
            equipment_id: pump,
            start_time: Some(january(2, 0.0).into()),
            end_time: Some(january(12, 0.0).into()),
            age: hours(240.0),
            in_service_since: Some(january(2, 0.0).into()),
            age_basis: AgeBasis::InstallationDate.into(),
            work: Some(WorkCounts { corrective: 3, preventive: 1, ..Default::default() }),
            last_work: Some(LastWork { at: Some(january(7, 15.0).into()), record_id: last }),
            open_tasks: 0,
            operating_time: hours(195.0),
            assumed_time: hours(24.0),
            not_required_time: hours(24.0),
            unplanned_downtime: Some(downtime(13.0, 3)),
            planned_downtime: Some(downtime(8.0, 1)),
            mtbf: Some(mean(65.0, 3)),
            mttr: Some(mean(3.5, 2)),
            mttr_parts: Some(RestorationParts {
                waiting: Some(mean(0.5, 2)),
                repair: Some(mean(2.75, 2)),
                return_to_service: Some(mean(0.25, 2)),
            }),
            availability: Some(Availability { ratio: Some(ratio), events: 4, note: None }),
            down_since: Some(january(11, 18.0).into()),
        };
        assert_eq!(answer, expected);
    }

    async fn what_is_new_has_no_figures_and_says_why(world: World) {
        let suite = start(&world).await;
        let pump = installed(&world, &suite, None).await;

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        let now = Some(world.clock.now().into());
        assert_eq!((&answer.start_time, &answer.end_time), (&now, &now));
        assert_eq!((answer.age, answer.age_basis()), (hours(0.0), AgeBasis::Registration));
        assert_eq!(answer.mtbf, Some(no_mean("not enough failures")));
        assert_eq!(answer.mttr, Some(no_mean("not enough restorations")));
        let note = Some("no required time".into());
        assert_eq!(answer.availability, Some(Availability { ratio: None, events: 0, note }));
        let parts = answer.mttr_parts.unwrap();
        assert_eq!(parts.waiting, Some(no_mean("not enough restorations")));
        assert_eq!((answer.last_work, answer.down_since), (None, None));
        assert_eq!(answer.unplanned_downtime, Some(downtime(0.0, 0)));
        // To be installed tomorrow.
        let ordered = installed(&world, &suite, Some("2026-01-03")).await;
        let answer = life(&world, &suite, of(&ordered)).await.unwrap();
        assert_eq!((answer.age, answer.start_time), (hours(0.0), now));
    }

    async fn work_from_before_its_registration_is_work_and_what_has_no_times_no_failure(world: World) {
        let suite = start(&world).await;
        wait_until(&world, january(5, 0.0));
        let pump = installed(&world, &suite, None).await;
        wait_until(&world, january(6, 0.0));
        record(&world, &suite, &pump, Kind::Corrective, Some((2, 1.0, 2.0))).await;
        let last = record(&world, &suite, &pump, Kind::Corrective, None).await;

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        let work = WorkCounts { corrective: 1, corrective_before_start: 1, ..Default::default() };
        assert_eq!(answer.work, Some(work), "the one of now is of what comes after now");
        wait_until(&world, january(6, 1.0));
        let answer = life(&world, &suite, of(&pump)).await.unwrap();
        let work = WorkCounts {
            corrective: 2,
            corrective_without_times: 1,
            corrective_before_start: 1,
            ..Default::default()
        };
        assert_eq!((answer.work, answer.last_work.unwrap().record_id), (Some(work), last));
        assert_eq!(answer.mtbf, Some(no_mean("not enough failures")));
        assert_eq!((answer.operating_time, answer.assumed_time), (hours(25.0), hours(0.0)));
    }

    async fn open_tasks_are_those_that_are_not_over(world: World) {
        let suite = start(&world).await;
        let pump = pump(&world, &suite).await;
        for _ in 0..3 {
            task_for(&world, &suite, &pump).await;
        }
        let done = task_for(&world, &suite, &pump).await;
        let request = CompleteTaskRequest { id: done.id, ..Default::default() };
        tasks(&suite, &world.user(Role::Technician)).complete_task(request).await.unwrap();

        assert_eq!(life(&world, &suite, of(&pump)).await.unwrap().open_tasks, 3);
    }

    async fn what_is_decommissioned_grows_no_older(world: World) {
        let suite = start(&world).await;
        wait_until(&world, january(3, 0.0));
        let pump = installed(&world, &suite, None).await;
        wait_until(&world, january(3, 4.0));
        set(&world, &suite, &pump, Status::Down).await;
        wait_until(&world, january(3, 5.0));
        let request = DeleteEquipmentRequest { id: pump.clone(), ..Default::default() };
        register(&world, &suite).delete_equipment(request).await.unwrap();
        wait_until(&world, january(4, 0.0));

        let answer = life(&world, &suite, of(&pump)).await.unwrap();

        assert_eq!((answer.age, answer.not_required_time), (hours(5.0), hours(19.0)));
        assert_eq!((answer.mtbf, answer.mttr), (Some(mean(4.0, 1)), Some(no_mean("not enough restorations"))));
        assert_eq!(answer.availability.unwrap().ratio, Some(0.8));
        assert_eq!(answer.down_since, None);
    }

    async fn what_cannot_be_answered_is_refused(world: World) {
        let place = Place::default();
        let equipment = start_equipment(&world, &place).await;
        let away = fragile(&world.places.equipment, &place);
        let suite = Suite { equipment, maintenance: start_alone(&world).await };
        let pump = pump(&world, &suite).await;
        let now = world.clock.now();
        let never = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });

        for (start_time, end_time, name) in [
            (Some(now.into()), None, "start_time"),
            (Some(now.plus(HOUR).into()), Some(now.plus(HOUR * 2).into()), "start_time"),
            (Some(now.minus(HOUR).into()), Some(now.minus(HOUR).into()), "start_time"),
            (never, None, "start_time"),
            (None, never, "end_time"),
        ] {
            let request = GetServiceLifeRequest { start_time, end_time, ..of(&pump) };
            let error = life(&world, &suite, request).await.unwrap_err();
            assert_eq!(field(&error), name);
        }
        assert_eq!(field(&life(&world, &suite, of("7")).await.unwrap_err()), "equipment_id");
        assert_eq!(life(&world, &suite, of(NO_ID)).await.unwrap_err().code(), Code::NotFound);
        away.store(true, Ordering::SeqCst);
        assert_eq!(life(&world, &suite, of(&pump)).await.unwrap_err().code(), Code::Unavailable);
    }
}
