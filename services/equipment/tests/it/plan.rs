//! How the lists do what they are asked, with many rows: each filter, the usual pairs and each order, the first page and
//! one far behind.

use kit::access::Role;
use proto::equipment::v1::{ListEquipmentRequest, ListStatusIntervalsRequest, equipment::Status};
use testkit::{Plans, World, check_plans};

use crate::{by, start};

const PARENT: &str = "018e0000-0000-7000-8000-000000000007";

/// Enough rows that PostgreSQL plans as it would with more, and some for SQLite, which plans alike with any.
async fn fill(world: &World) {
    let (sqlite, postgres) = (include_str!("plan/sqlite.sql"), include_str!("plan/postgres.sql"));
    world.fill("equipment", sqlite, postgres).await;
}

testkit::both! {
    async fn every_filter_and_every_order_of_equipment_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "equipment").await;
        let server = start(&world).await;
        fill(&world).await;
        let mut client = by(&server, &world.user(Role::Viewer));

        let all = ListEquipmentRequest::default;
        let of_type = ListEquipmentRequest { r#type: "type 3".into(), ..all() };
        let down = ListEquipmentRequest { status: Status::Down.into(), ..all() };
        let gone = ListEquipmentRequest { status: Status::Decommissioned.into(), ..all() };
        let here = ListEquipmentRequest { location: "Hall 3".into(), ..all() };
        let parts = ListEquipmentRequest { parent_id: Some(PARENT.into()), ..all() };
        let cases = [
            ("equipment_in_service_idx", all()),
            ("sqlite_autoindex_equipment_1", ListEquipmentRequest { show_deleted: true, ..all() }),
            ("equipment_type_idx", of_type.clone()),
            ("equipment_type_idx", ListEquipmentRequest { show_deleted: true, ..of_type.clone() }),
            ("equipment_status_idx", down.clone()),
            ("equipment_status_idx", gone),
            ("equipment_location_idx", here.clone()),
            ("equipment_parent_id_idx", parts.clone()),
            ("equipment_type_status_idx", ListEquipmentRequest { r#type: of_type.r#type.clone(), ..down.clone() }),
            ("equipment_type_location_idx", ListEquipmentRequest { r#type: of_type.r#type.clone(), ..here.clone() }),
            ("equipment_location_status_idx", ListEquipmentRequest { status: down.status, ..here.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { r#type: of_type.r#type, ..parts.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { status: down.status, ..parts.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { location: here.location, ..parts }),
        ];
        for (index, request) in cases {
            check_plans!(world, plans, client.list_equipment, "equipment", index, "id>?", request);
        }
        for (index, order, column) in [
            ("equipment_name_idx", "name", "name"),
            ("equipment_type_idx", "type", "type"),
            ("equipment_location_idx", "location", "location"),
            ("equipment_in_service_status_idx", "status", "status"),
            ("equipment_criticality_rank_idx", "criticality", "criticality_rank"),
            ("equipment_installation_day_idx", "installation_date", "installation_day"),
            ("equipment_created_at_idx", "created_at", "created_at"),
            ("equipment_updated_at_idx", "updated_at", "updated_at"),
        ] {
            for (direction, comparison) in [("", '>'), (" desc", '<')] {
                let request = ListEquipmentRequest { order_by: format!("{order}{direction}"), ..all() };
                let place = format!("({column},id){comparison}(?,?)");
                check_plans!(world, plans, client.list_equipment, "equipment", index, place.as_str(), request);
            }
        }
    }

    async fn the_history_of_one_piece_of_equipment_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "equipment").await;
        let server = start(&world).await;
        fill(&world).await;
        let mut client = by(&server, &world.user(Role::Viewer));

        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let all = || ListStatusIntervalsRequest { equipment_id: PARENT.into(), ..Default::default() };
        for request in [
            all(),
            ListStatusIntervalsRequest { from: time(1), ..all() },
            ListStatusIntervalsRequest { to: time(19_000), ..all() },
            ListStatusIntervalsRequest { from: time(1), to: time(19_000), ..all() },
        ] {
            let (index, place) = ("status_intervals_equipment_id_idx", "(since,id)<(?,?)");
            check_plans!(world, plans, client.list_status_intervals, "status_intervals", index, place, request);
        }
    }
}
