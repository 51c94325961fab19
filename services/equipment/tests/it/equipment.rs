mod delete;
mod list;
mod tree;
mod update;

use kit::access::Role;
use proto::equipment::v1::{
    CreateEquipmentRequest, Equipment, ListEquipmentRequest,
    equipment::{Criticality, Status},
};
use tonic::Code;

use super::{NO_ID, by, create, field, get, names, pump, start};

testkit::both! {
    async fn what_was_registered_is_read_back_whole(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let plant = create(&mut admin, pump("Plant")).await.unwrap();

        let sent = Equipment {
            name: "Pump 7 \u{1f6e0}".into(),
            model: "P-200".into(),
            manufacturer: "Acme".into(),
            serial_number: "SN-1".into(),
            location: "Hangar 2".into(),
            parent_id: Some(plant.id),
            status: Status::Standby.into(),
            criticality: Criticality::High.into(),
            installation_date: Some("2024-02-29".into()),
            notes: "'; drop table equipment; --".into(),
            attributes: [("colour".to_owned(), "grey".to_owned())].into(),
            ..pump("")
        };
        let created = create(&mut admin, sent.clone()).await.unwrap();

        let expected = Equipment {
            id: created.id.clone(),
            created_at: Some(world.clock.now().into()),
            updated_at: Some(world.clock.now().into()),
            etag: created.etag.clone(),
            ..sent
        };
        assert_eq!(created, expected);
        assert!(!created.etag.is_empty());
        assert_eq!(get(&mut admin, &created.id).await.unwrap(), expected);
    }

    async fn what_is_left_out_has_a_default(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));

        let created = create(&mut admin, pump("Pump")).await.unwrap();

        assert_eq!(created.status(), Status::Operational);
        assert_eq!(created.criticality(), Criticality::Medium);
        assert_eq!(created.parent_id, None);
    }

    async fn a_serial_number_is_registered_once(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let numbered = |name| Equipment { serial_number: "SN-1".into(), ..pump(name) };

        create(&mut admin, numbered("First")).await.unwrap();
        let error = create(&mut admin, numbered("Second")).await.unwrap_err();

        assert_eq!(error.code(), Code::AlreadyExists);
        let (names, _) = names(&mut admin, ListEquipmentRequest::default()).await;
        assert_eq!(names, ["First"]);
    }

    async fn any_number_may_lack_a_serial_number(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));

        create(&mut admin, pump("First")).await.unwrap();
        create(&mut admin, pump("Second")).await.unwrap();
    }

    async fn bad_input_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));

        for (equipment, wrong) in [
            (pump(""), "equipment.name"),
            (Equipment { parent_id: Some(NO_ID.into()), ..pump("P") }, "equipment.parent_id"),
            (Equipment { installation_date: Some("2023-02-29".into()), ..pump("P") }, "equipment.installation_date"),
            (Equipment { status: 99, ..pump("P") }, "equipment.status"),
        ] {
            let error = create(&mut admin, equipment).await.unwrap_err();
            assert_eq!(field(&error), wrong);
        }
    }

    async fn what_is_not_there_is_not_found(world: World) {
        let server = start(&world).await;
        let mut viewer = by(&server, &world.user(Role::Viewer));

        let error = get(&mut viewer, NO_ID).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }

    async fn a_repeated_request_registers_once(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let request = |name| CreateEquipmentRequest {
            equipment: Some(Equipment { attributes: [("a".into(), "b".into())].into(), ..pump(name) }),
            request_id: "key".into(),
            ..Default::default()
        };

        let first = admin.create_equipment(request("Pump")).await.unwrap();
        let again = admin.create_equipment(request("Pump")).await.unwrap();
        let other = admin.create_equipment(request("Other")).await.unwrap_err();

        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(other.code(), Code::FailedPrecondition);
        assert_eq!(names(&mut admin, ListEquipmentRequest::default()).await.0, ["Pump"]);
    }

    async fn what_is_only_tried_is_answered_and_not_kept(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let request = |key: &str, validate_only| CreateEquipmentRequest {
            equipment: Some(Equipment { serial_number: "SN-1".into(), ..pump("Pump") }),
            request_id: key.into(),
            validate_only,
        };

        let tried = admin.create_equipment(request("key", true)).await.unwrap();
        assert!(tried.metadata().contains_key("flightline-tried"));
        assert_eq!(tried.get_ref().name, "Pump");
        let gone = get(&mut admin, &tried.get_ref().id).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
        assert!(names(&mut admin, ListEquipmentRequest::default()).await.0.is_empty());

        let made = admin.create_equipment(request("key", false)).await.unwrap();
        assert!(!made.metadata().contains_key("flightline-replayed"));
        let again = admin.create_equipment(request("key", true)).await.unwrap();
        assert_eq!(again.into_inner(), made.into_inner(), "done already");
        let other = admin.create_equipment(request("", true)).await.unwrap_err();
        assert_eq!(other.code(), Code::AlreadyExists);
    }

    async fn a_method_is_closed_to_roles_that_it_does_not_name(world: World) {
        let server = start(&world).await;
        for role in [Role::Technician, Role::Viewer, Role::Device, Role::Service] {
            let error = create(&mut by(&server, &world.user(role)), pump("P")).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
