use kit::access::Role;
use proto::equipment::v1::{
    CreateEquipmentRequest, Equipment, GetEquipmentRequest, ListEquipmentRequest,
    equipment::{Criticality, Status},
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{Client, by, pump, start};

async fn create(client: &mut Client, equipment: Equipment) -> Result<Equipment, tonic::Status> {
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    Ok(client.create_equipment(request).await?.into_inner())
}

async fn get(client: &mut Client, id: &str) -> Result<Equipment, tonic::Status> {
    Ok(client.get_equipment(GetEquipmentRequest { id: id.into() }).await?.into_inner())
}

async fn names(client: &mut Client, request: ListEquipmentRequest) -> (Vec<String>, String) {
    let page = client.list_equipment(request).await.unwrap().into_inner();
    let names = page.equipment.into_iter().map(|equipment| equipment.name).collect();
    (names, page.next_page_token)
}

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
        let nobody = "018f0000-0000-7000-8000-000000000000";

        for (equipment, field) in [
            (pump(""), "equipment.name"),
            (Equipment { parent_id: Some(nobody.into()), ..pump("P") }, "equipment.parent_id"),
            (Equipment { installation_date: Some("2023-02-29".into()), ..pump("P") }, "equipment.installation_date"),
            (Equipment { status: 99, ..pump("P") }, "equipment.status"),
        ] {
            let error = create(&mut admin, equipment).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
    }

    async fn what_is_not_there_is_not_found(world: World) {
        let server = start(&world).await;
        let mut viewer = by(&server, &world.user(Role::Viewer));

        let error = get(&mut viewer, "018f0000-0000-7000-8000-000000000000").await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }

    async fn a_list_is_filtered_and_paged_in_the_order_of_registration(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for number in 0..5 {
            let location = if number % 2 == 0 { "even" } else { "odd" };
            let equipment = Equipment { location: location.into(), ..pump(&number.to_string()) };
            create(&mut admin, equipment).await.unwrap();
        }
        let even = ListEquipmentRequest { location: "even".into(), page_size: 2, ..Default::default() };

        let (first, token) = names(&mut admin, even.clone()).await;
        let (second, end) =
            names(&mut admin, ListEquipmentRequest { page_token: token.clone(), ..even.clone() }).await;
        let other = ListEquipmentRequest { page_token: token, location: "odd".into(), ..even };
        let refused = admin.list_equipment(other).await.unwrap_err();

        assert_eq!((first, second, end.as_str()), (vec!["0".into(), "2".into()], vec!["4".into()], ""));
        assert_eq!(refused.code(), Code::InvalidArgument);
        let none = ListEquipmentRequest { status: Status::Down.into(), ..Default::default() };
        assert!(names(&mut admin, none).await.0.is_empty());
        let pumps = ListEquipmentRequest { r#type: "pump".into(), ..Default::default() };
        assert_eq!(names(&mut admin, pumps).await.0.len(), 5);
    }

    async fn equipment_is_found_by_any_part_of_what_people_know_it_by(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for equipment in [
            Equipment { serial_number: "SN_1".into(), location: "Halle Öst".into(), ..pump("Pump 7") },
            Equipment { serial_number: "SNX1".into(), model: "P-200%".into(), ..pump("Насос") },
            Equipment { manufacturer: "Acme".into(), notes: "loud".into(), ..pump("Fan") },
        ] {
            create(&mut admin, equipment).await.unwrap();
        }

        for (q, found) in [
            ("PUMP", vec!["Pump 7"]),
            ("sn", vec!["Pump 7", "Насос"]),
            ("sn_", vec!["Pump 7"]),
            ("нАСОС", vec!["Насос"]),
            ("ÖST", vec!["Pump 7"]),
            ("p-2", vec!["Насос"]),
            ("%", vec!["Насос"]),
            ("7sn", vec![]),
            ("acme", vec![]),
            ("loud", vec![]),
            ("", vec!["Pump 7", "Насос", "Fan"]),
        ] {
            let request = ListEquipmentRequest { q: q.into(), ..Default::default() };
            assert_eq!(names(&mut admin, request).await.0, found, "{q}");
        }
        let here = ListEquipmentRequest { q: "sn".into(), location: "Halle Öst".into(), ..Default::default() };
        assert_eq!(names(&mut admin, here).await.0, ["Pump 7"]);
    }

    async fn what_is_decommissioned_is_listed_for_those_who_ask(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let gone = Equipment { status: Status::Decommissioned.into(), ..pump("Gone") };
        let gone = create(&mut admin, gone).await.unwrap();
        create(&mut admin, pump("Here")).await.unwrap();

        let all = ListEquipmentRequest::default;
        for (request, found) in [
            (all(), vec!["Here"]),
            (ListEquipmentRequest { q: "e".into(), ..all() }, vec!["Here"]),
            (ListEquipmentRequest { show_deleted: true, ..all() }, vec!["Gone", "Here"]),
            (ListEquipmentRequest { status: Status::Decommissioned.into(), ..all() }, vec!["Gone"]),
            (ListEquipmentRequest { status: Status::Operational.into(), ..all() }, vec!["Here"]),
        ] {
            assert_eq!(names(&mut admin, request.clone()).await.0, found, "{request:?}");
        }
        assert_eq!(get(&mut admin, &gone.id).await.unwrap(), gone);
    }

    async fn a_parent_is_in_service(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let gone = Equipment { status: Status::Decommissioned.into(), ..pump("Gone") };
        let parent_id = Some(create(&mut admin, gone).await.unwrap().id);

        let error = create(&mut admin, Equipment { parent_id, ..pump("Part") }).await.unwrap_err();
        let violations = error.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "equipment.parent_id");
    }

    async fn a_repeated_request_registers_once(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let request = |name| CreateEquipmentRequest {
            equipment: Some(Equipment { attributes: [("a".into(), "b".into())].into(), ..pump(name) }),
            request_id: "key".into(),
        };

        let first = admin.create_equipment(request("Pump")).await.unwrap();
        let again = admin.create_equipment(request("Pump")).await.unwrap();
        let other = admin.create_equipment(request("Other")).await.unwrap_err();

        assert!(again.metadata().contains_key("flightline-replayed"));
        assert_eq!(first.into_inner(), again.into_inner());
        assert_eq!(other.code(), Code::FailedPrecondition);
        assert_eq!(names(&mut admin, ListEquipmentRequest::default()).await.0, ["Pump"]);
    }

    async fn a_method_is_closed_to_roles_that_it_does_not_name(world: World) {
        let server = start(&world).await;
        for role in [Role::Technician, Role::Viewer, Role::Device, Role::Service] {
            let error = create(&mut by(&server, &world.user(role)), pump("P")).await.unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
        }
    }
}
