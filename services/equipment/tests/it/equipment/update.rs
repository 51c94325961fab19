use std::time::Duration;

use kit::access::Role;
use proto::equipment::v1::{
    Equipment,
    equipment::{Criticality, Status},
};
use tonic::Code;

use crate::{NO_ID, by, create, delete, field, get, pump, refusal, start, update};

/// All that can be given.
fn full() -> Equipment {
    Equipment {
        model: "P-200".into(),
        manufacturer: "Acme".into(),
        serial_number: "SN-1".into(),
        location: "Hangar 2".into(),
        status: Status::Standby.into(),
        criticality: Criticality::High.into(),
        installation_date: Some("2024-02-29".into()),
        notes: "Loud.".into(),
        attributes: [("colour".to_owned(), "grey".to_owned())].into(),
        ..pump("Pump 7")
    }
}

testkit::both! {
    async fn an_update_without_a_mask_replaces_all_that_can_change(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let plant = create(&mut admin, pump("Plant")).await.unwrap();
        let made = create(&mut admin, Equipment { parent_id: Some(plant.id), ..full() }).await.unwrap();
        world.clock.advance(Duration::from_secs(1));

        let bare = Equipment { id: made.id.clone(), name: "Pump 8".into(), ..Default::default() };
        let replaced = update(&mut admin, bare.clone(), &[]).await.unwrap();

        let expected = Equipment {
            status: Status::Standby.into(),
            criticality: Criticality::Medium.into(),
            created_at: made.created_at,
            updated_at: Some(world.clock.now().into()),
            etag: replaced.etag.clone(),
            ..bare
        };
        assert_eq!(replaced, expected, "a state is not forgotten with what was left out");
        assert_ne!(replaced.etag, made.etag);
        assert_eq!(get(&mut admin, &made.id).await.unwrap(), expected);
    }

    async fn an_update_with_a_mask_changes_what_it_names(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, full()).await.unwrap();

        let wished = Equipment {
            id: made.id.clone(),
            location: "Hangar 3".into(),
            installation_date: Some("not a date, and not named".into()),
            parent_id: Some(NO_ID.into()),
            ..Default::default()
        };
        let changed = update(&mut admin, wished, &["location", "notes", "etag"]).await.unwrap();

        let expected = Equipment {
            location: "Hangar 3".into(),
            notes: String::new(),
            etag: changed.etag.clone(),
            ..made
        };
        assert_eq!(changed, expected);
        let found = proto::equipment::v1::ListEquipmentRequest { q: "hangar 3".into(), ..Default::default() };
        assert_eq!(crate::names(&mut admin, found).await.0, ["Pump 7"]);
    }

    async fn what_changes_nothing_leaves_the_version(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, full()).await.unwrap();
        world.clock.advance(Duration::from_secs(1));

        assert_eq!(update(&mut admin, made.clone(), &[]).await.unwrap(), made);
        assert_eq!(get(&mut admin, &made.id).await.unwrap(), made);
    }

    async fn a_stale_version_stops_a_write(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let first = create(&mut admin, full()).await.unwrap();
        let second = update(&mut admin, Equipment { name: "Second".into(), ..first.clone() }, &[]).await.unwrap();

        let stale = Equipment { name: "Third".into(), ..first.clone() };
        let error = update(&mut admin, stale, &[]).await.unwrap_err();
        let request = proto::equipment::v1::DeleteEquipmentRequest { id: first.id.clone(), etag: first.etag };
        let deletion = admin.delete_equipment(request).await.unwrap_err();

        assert_eq!((error.code(), deletion.code()), (Code::Aborted, Code::Aborted));
        assert_eq!(get(&mut admin, &first.id).await.unwrap(), second);
    }

    async fn of_many_writes_of_one_version_one_wins(world: World) {
        let server = start(&world).await;
        let admin = by(&server, &world.user(Role::Admin));
        for _ in 0..10 {
            let made = create(&mut admin.clone(), pump("Pump")).await.unwrap();

            let writes = (0..8).map(|number| {
                let (mut admin, made) = (admin.clone(), made.clone());
                let wished = Equipment { notes: number.to_string(), ..made };
                tokio::spawn(async move { update(&mut admin, wished, &["notes"]).await })
            });
            let mut codes = Vec::new();
            for write in writes.collect::<Vec<_>>() {
                codes.push(write.await.unwrap().map_or_else(|error| error.code(), |_| Code::Ok));
            }

            codes.sort_by_key(|code| *code as i32);
            assert_eq!(codes, [vec![Code::Ok], vec![Code::Aborted; 7]].concat());
        }
    }

    async fn a_wrong_change_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, full()).await.unwrap();
        let other = Equipment { serial_number: "SN-2".into(), ..pump("Other") };
        create(&mut admin, other).await.unwrap();

        for (wished, paths, wrong) in [
            (Equipment { name: String::new(), ..made.clone() }, vec![], "equipment.name"),
            (Equipment { name: String::new(), ..made.clone() }, vec!["name"], "equipment.name"),
            (Equipment { parent_id: Some(NO_ID.into()), ..made.clone() }, vec![], "equipment.parent_id"),
            (Equipment { installation_date: Some("2023-02-29".into()), ..made.clone() }, vec![], "equipment.installation_date"),
            (Equipment { status: 99, ..made.clone() }, vec!["status"], "equipment.status"),
            (Equipment { id: "7".into(), ..made.clone() }, vec![], "equipment.id"),
            (made.clone(), vec!["colour"], "update_mask"),
        ] {
            let error = update(&mut admin, wished, &paths).await.unwrap_err();
            assert_eq!(field(&error), wrong, "{paths:?}");
        }
        let taken = Equipment { serial_number: "SN-2".into(), ..made.clone() };
        assert_eq!(update(&mut admin, taken, &[]).await.unwrap_err().code(), Code::AlreadyExists);
        let nowhere = Equipment { id: NO_ID.into(), ..made.clone() };
        assert_eq!(update(&mut admin, nowhere, &[]).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(get(&mut admin, &made.id).await.unwrap(), made);
    }

    async fn what_is_decommissioned_does_not_change_any_more(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, full()).await.unwrap();
        delete(&mut admin, &made).await.unwrap();
        let gone = get(&mut admin, &made.id).await.unwrap();

        for (wished, path) in [
            (Equipment { status: Status::Operational.into(), ..gone.clone() }, "status"),
            (Equipment { notes: "Was loud.".into(), ..gone.clone() }, "notes"),
        ] {
            let error = update(&mut admin, wished, &[path]).await.unwrap_err();
            assert_eq!(refusal(&error), "DECOMMISSIONED");
        }
        assert_eq!(get(&mut admin, &made.id).await.unwrap(), gone);
    }
}
