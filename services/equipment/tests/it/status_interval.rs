use std::time::Duration;

use kit::{
    Db, Timestamp,
    access::Role,
    on,
    sqlx::{self, migrate::Migrator},
};
use proto::equipment::v1::{
    Equipment, ListStatusIntervalsRequest, StatusInterval, equipment::Status,
};
use tonic::Code;

use super::{Client, NO_ID, by, create, delete, field, pump, start, update};

async fn intervals(client: &mut Client, id: &str) -> Result<Vec<StatusInterval>, tonic::Status> {
    Ok(client.list_status_intervals(of(id)).await?.into_inner().intervals)
}

fn of(id: &str) -> ListStatusIntervalsRequest {
    ListStatusIntervalsRequest { equipment_id: id.into(), ..Default::default() }
}

async fn set(client: &mut Client, equipment: &Equipment, status: Status) {
    let wished =
        Equipment { id: equipment.id.clone(), status: status.into(), ..Equipment::default() };
    update(client, wished, &["status"]).await.unwrap();
}

testkit::both! {
    async fn every_status_has_an_interval_and_they_join(world: World) {
        let server = start(&world).await;
        let (ana, ben) = (world.user(Role::Admin), world.user(Role::Admin));
        let (mut by_ana, mut by_ben) = (by(&server, &ana), by(&server, &ben));
        let begin = world.clock.now();
        let pump = create(&mut by_ana, pump("Pump")).await.unwrap();
        let minute = Duration::from_mins(1);
        for (client, status) in [(&mut by_ben, Status::Down), (&mut by_ana, Status::Maintenance)] {
            world.clock.advance(minute);
            set(client, &pump, status).await;
        }
        world.clock.advance(minute);
        set(&mut by_ben, &pump, Status::Maintenance).await;
        let other = Equipment { notes: "Loud.".into(), etag: String::new(), ..pump.clone() };
        update(&mut by_ben, other, &["notes"]).await.unwrap();
        delete(&mut by_ben, &pump).await.unwrap();

        let found = intervals(&mut by_ana, &pump.id).await.unwrap();

        let at = |minutes: u32| begin.plus(minute * minutes);
        let expected = [
            (Status::Decommissioned, at(3), None, &ben),
            (Status::Maintenance, at(2), Some(at(3)), &ana),
            (Status::Down, at(1), Some(at(2)), &ben),
            (Status::Operational, at(0), Some(at(1)), &ana),
        ];
        let wire = |at: Timestamp| prost_types::Timestamp::from(at);
        let expected: Vec<_> = expected
            .into_iter()
            .zip(&found)
            .map(|((status, since, until, who), found)| StatusInterval {
                id: found.id.clone(),
                equipment_id: pump.id.clone(),
                status: status.into(),
                since: Some(wire(since)),
                until: until.map(wire),
                changed_by: Some(who.id.clone()),
            })
            .collect();
        assert_eq!(found, expected);
    }

    async fn intervals_are_paged_newest_first_whatever_comes_meanwhile(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let pump = create(&mut admin, pump("Pump")).await.unwrap();
        // The clock stands still: intervals without length are told apart by their ids.
        for status in [Status::Down, Status::Operational, Status::Down, Status::Standby] {
            set(&mut admin, &pump, status).await;
        }
        let before = intervals(&mut admin, &pump.id).await.unwrap();

        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let request =
                ListStatusIntervalsRequest { page_size: 2, page_token, ..of(&pump.id) };
            let page = admin.list_status_intervals(request).await.unwrap().into_inner();
            seen.extend(page.intervals);
            set(&mut admin, &pump, [Status::Down, Status::Degraded][seen.len() / 2 % 2]).await;
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }

        assert_eq!(before.len(), 5);
        assert_eq!(seen, before);
    }

    async fn a_history_is_asked_for_by_when_intervals_began(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let begin = world.clock.now();
        let pump = create(&mut admin, pump("Pump")).await.unwrap();
        let minute = Duration::from_mins(1);
        for status in [Status::Down, Status::Standby] {
            world.clock.advance(minute);
            set(&mut admin, &pump, status).await;
        }

        let at = |minutes: u32| Some(begin.plus(minute * minutes).into());
        for (from, to, found) in [
            (None, None, vec![Status::Standby, Status::Down, Status::Operational]),
            (at(1), None, vec![Status::Standby, Status::Down]),
            (None, at(1), vec![Status::Operational]),
            (at(1), at(2), vec![Status::Down]),
            (at(3), None, vec![]),
        ] {
            let request = ListStatusIntervalsRequest { from, to, ..of(&pump.id) };
            let page = admin.list_status_intervals(request).await.unwrap().into_inner();
            let statuses: Vec<_> = page.intervals.iter().map(StatusInterval::status).collect();
            assert_eq!(statuses, found, "{from:?} {to:?}");
        }
        let never = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        for (from, to, name) in [(never, None, "from"), (None, never, "to")] {
            let request = ListStatusIntervalsRequest { from, to, ..of(&pump.id) };
            assert_eq!(field(&admin.list_status_intervals(request).await.unwrap_err()), name);
        }
    }

    async fn the_history_of_nothing_is_not_found(world: World) {
        let server = start(&world).await;
        let mut viewer = by(&server, &world.user(Role::Viewer));
        assert_eq!(intervals(&mut viewer, NO_ID).await.unwrap_err().code(), Code::NotFound);
    }

    async fn what_was_registered_before_there_was_a_history_begins_one(world: World) {
        let all = sqlx::migrate!();
        let before = all.iter().filter(|migration| migration.version <= 100).cloned().collect();
        let db = Db::open(&world.db, "equipment", &Migrator::with_migrations(before)).await.unwrap();
        let mut tx = db.begin("insert as before").await.unwrap();
        let id: kit::uuid::Uuid = NO_ID.parse().unwrap();
        on!(&mut tx, c => sqlx::query(
                "insert into equipment (
                     id, name, type, model, manufacturer, location, status, criticality, notes,
                     attributes, search, created_at, updated_at, revision
                 )
                 values ($1, 'Pump', '', '', '', '', 'DOWN', 'HIGH', '', '{}', 'pump', 5, 7, 2)",
            )
            .bind(id)
            .execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
        db.close().await;

        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let found = intervals(&mut admin, NO_ID).await.unwrap();

        let since = Timestamp::from_micros(5);
        let expected = StatusInterval {
            id: NO_ID.into(),
            equipment_id: NO_ID.into(),
            status: Status::Down.into(),
            since: Some(since.into()),
            until: None,
            changed_by: None,
        };
        assert_eq!(found, [expected]);
        set(&mut admin, &Equipment { id: NO_ID.into(), ..Default::default() }, Status::Operational).await;
        assert_eq!(intervals(&mut admin, NO_ID).await.unwrap().len(), 2);
    }
}
