use kit::access::Role;
use proto::equipment::v1::{
    Equipment, ListEquipmentRequest,
    equipment::{Criticality, Status},
};
use tonic::Code;

use crate::{Client, by, create, field, get, names, pump, start, update};

/// The names on all pages from the one that is asked for.
async fn all(client: &mut Client, mut request: ListEquipmentRequest) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let (found, token) = names(client, request.clone()).await;
        all.extend(found);
        if token.is_empty() {
            return all;
        }
        request.page_token = token;
    }
}

testkit::both! {
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

    async fn a_list_is_in_the_order_that_is_asked_for(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for (name, kind, location, status, criticality, date) in [
            ("b", "x", "2", Status::Standby, Criticality::High, Some("2024-02-29")),
            ("B", "z", "1", Status::Down, Criticality::Low, None),
            ("a-c", "", "2", Status::Operational, Criticality::Medium, Some("1999-12-31")),
            ("ab", "y", "", Status::Down, Criticality::Low, None),
            ("Ä", "x", "2", Status::Down, Criticality::High, Some("2024-02-29")),
        ] {
            world.clock.advance(std::time::Duration::from_secs(1));
            let equipment = Equipment {
                r#type: kind.into(),
                location: location.into(),
                status: status.into(),
                criticality: criticality.into(),
                installation_date: date.map(str::to_owned),
                ..pump(name)
            };
            create(&mut admin, equipment).await.unwrap();
        }
        let (found, _) = names(&mut admin, ListEquipmentRequest { q: "b".into(), page_size: 1, ..Default::default() }).await;
        assert_eq!(found, ["b"]);
        let touched = admin.list_equipment(ListEquipmentRequest::default()).await.unwrap().into_inner().equipment.remove(1);
        world.clock.advance(std::time::Duration::from_secs(1));
        update(&mut admin, Equipment { notes: "new".into(), ..touched }, &["notes"]).await.unwrap();

        for (order_by, expected) in [
            ("", ["b", "B", "a-c", "ab", "Ä"]),
            ("name", ["B", "a-c", "ab", "b", "Ä"]),
            ("type", ["a-c", "b", "Ä", "ab", "B"]),
            ("location", ["ab", "B", "b", "a-c", "Ä"]),
            ("status", ["B", "ab", "Ä", "a-c", "b"]),
            ("criticality", ["B", "ab", "a-c", "b", "Ä"]),
            ("installation_date", ["B", "ab", "a-c", "b", "Ä"]),
            ("created_at", ["b", "B", "a-c", "ab", "Ä"]),
            ("updated_at", ["b", "a-c", "ab", "Ä", "B"]),
        ] {
            for desc in if order_by.is_empty() { vec![""] } else { vec!["", " desc"] } {
                let mut expected = expected.to_vec();
                if desc == " desc" {
                    expected.reverse();
                }
                for page_size in [2, 1000] {
                    let order_by = format!("{order_by}{desc}");
                    let request = ListEquipmentRequest { order_by: order_by.clone(), page_size, ..Default::default() };
                    assert_eq!(all(&mut admin, request).await, expected, "{order_by}, {page_size} a page");
                }
            }
        }
    }

    async fn equipment_moves_to_where_a_change_puts_it(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for name in ["a", "b", "c"] {
            create(&mut admin, pump(name)).await.unwrap();
        }
        let request = |order_by: &str| ListEquipmentRequest { order_by: order_by.into(), ..Default::default() };
        let rows = admin.list_equipment(request("name")).await.unwrap().into_inner().equipment;
        let first = Equipment { criticality: Criticality::High.into(), ..rows[0].clone() };
        update(&mut admin, first, &["criticality"]).await.unwrap();
        let second = Equipment { installation_date: Some("2024-01-01".into()), ..rows[1].clone() };
        update(&mut admin, second, &["installation_date"]).await.unwrap();

        assert_eq!(names(&mut admin, request("criticality")).await.0, ["b", "c", "a"]);
        assert_eq!(names(&mut admin, request("installation_date")).await.0, ["a", "c", "b"]);
    }

    async fn an_order_that_no_list_has_is_refused_by_name(world: World) {
        let server = start(&world).await;
        let mut viewer = by(&server, &world.user(Role::Viewer));
        for order_by in ["id", "notes", "name asc", "name,type", "name; drop table equipment"] {
            let request = ListEquipmentRequest { order_by: order_by.into(), ..Default::default() };
            let error = viewer.list_equipment(request).await.unwrap_err();
            assert_eq!(field(&error), "order_by", "{order_by}");
        }
    }

    async fn a_page_token_serves_the_order_that_it_was_made_for(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for name in ["a", "b", "c"] {
            create(&mut admin, pump(name)).await.unwrap();
        }
        let request = |order_by: &str, page_token: String| ListEquipmentRequest {
            order_by: order_by.into(),
            page_token,
            page_size: 1,
            ..Default::default()
        };
        let (_, token) = names(&mut admin, request("name", String::new())).await;

        for order_by in ["name desc", "type", ""] {
            let error = admin.list_equipment(request(order_by, token.clone())).await.unwrap_err();
            assert_eq!(field(&error), "page_token", "{order_by}");
        }
        assert_eq!(names(&mut admin, request("name", token)).await.0, ["b"]);
    }

    async fn a_list_goes_on_after_the_longest_name_that_there_may_be(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let names = ["\u{10348}".repeat(200), "\u{1f6e2}".repeat(200)];
        for name in &names {
            create(&mut admin, pump(name)).await.unwrap();
        }

        let request = ListEquipmentRequest { order_by: "name".into(), page_size: 1, ..Default::default() };
        assert_eq!(all(&mut admin, request).await, names);
    }

    async fn what_changes_while_a_client_pages_is_not_shown_twice(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        for name in ["b", "d", "f", "h"] {
            create(&mut admin, pump(name)).await.unwrap();
        }
        let mut request = ListEquipmentRequest { order_by: "name".into(), page_size: 2, ..Default::default() };
        let (first, token) = names(&mut admin, request.clone()).await;
        for name in ["a", "c", "g"] {
            create(&mut admin, pump(name)).await.unwrap();
        }
        request.page_token = token;

        let rest = all(&mut admin, request).await;

        assert_eq!((first, rest), (vec!["b".into(), "d".into()], vec!["f".into(), "g".into(), "h".into()]));
    }
}
