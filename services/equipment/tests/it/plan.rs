//! How the lists do what they are asked, with many rows: each filter, the usual pairs and each order, the first page and
//! one far behind.

use kit::access::Role;
use proto::equipment::v1::{ListEquipmentRequest, ListStatusIntervalsRequest, equipment::Status};
use sqlx::{Connection, PgConnection};
use testkit::{Engine, Plan, Plans, World};

use crate::{by, create, pump, start, update};

const PARENT: &str = "018e0000-0000-7000-8000-000000000007";

/// Rows that may be looked at for a page of two. A filter without an index looks at all 20,000.
const MOST: u64 = 1000;

/// Enough rows that PostgreSQL plans as it would with more. SQLite plans alike with none.
async fn fill(world: &World) {
    let Some(url) = &world.db.database_url else { return };
    let mut db = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(include_str!("plan.sql")).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

/// `index`: what SQLite must use.
fn check(engine: Engine, index: &str, plan: &Plan, asked: &impl std::fmt::Debug) {
    let sorts = plan.steps.iter().any(|step| step.contains("TEMP B-TREE"));
    match engine {
        Engine::Sqlite => assert!(plan.uses(index) && !sorts, "{asked:?}: {plan:?}"),
        Engine::Postgres => assert!(plan.visited < Some(MOST), "{asked:?}: {plan:?}"),
    }
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
        let mut cases = vec![
            ("equipment_in_service_idx", all()),
            ("sqlite_autoindex_equipment_1", ListEquipmentRequest { show_deleted: true, ..all() }),
            ("equipment_type_idx", of_type.clone()),
            ("equipment_type_idx", ListEquipmentRequest { show_deleted: true, ..of_type.clone() }),
            ("equipment_status_idx", down.clone()),
            ("equipment_status_idx", gone),
            ("equipment_location_idx", here.clone()),
            ("equipment_parent_id_idx", parts.clone()),
            ("equipment_type_status_idx", ListEquipmentRequest { r#type: of_type.r#type.clone(), ..down.clone() }),
            ("equipment_location_idx", ListEquipmentRequest { r#type: of_type.r#type.clone(), ..here.clone() }),
            ("equipment_location_status_idx", ListEquipmentRequest { status: down.status, ..here.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { r#type: of_type.r#type, ..parts.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { status: down.status, ..parts.clone() }),
            ("equipment_parent_id_idx", ListEquipmentRequest { location: here.location, ..parts }),
        ];
        for (index, order) in [
            ("equipment_name_idx", "name"),
            ("equipment_type_idx", "type"),
            ("equipment_location_idx", "location"),
            ("equipment_in_service_status_idx", "status"),
            ("equipment_criticality_idx", "criticality"),
            ("equipment_installation_date_idx", "installation_date"),
            ("equipment_created_at_idx", "created_at"),
            ("equipment_updated_at_idx", "updated_at"),
        ] {
            for order_by in [order.to_owned(), format!("{order} desc")] {
                cases.push((index, ListEquipmentRequest { order_by, ..all() }));
            }
        }
        for (index, mut request) in cases {
            request.page_size = 1000;
            let page = client.list_equipment(request.clone()).await.unwrap().into_inner();
            for page_token in [String::new(), page.next_page_token] {
                (request.page_size, request.page_token) = (2, page_token);
                plans.clear();
                client.list_equipment(request.clone()).await.unwrap();
                check(world.engine, index, &plans.of("from equipment").await, &request);
            }
        }
    }

    async fn the_history_of_one_piece_of_equipment_is_served_by_an_index(world: World) {
        let plans = Plans::listen(&world, "equipment").await;
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let mut pump = create(&mut admin, pump("Pump")).await.unwrap();
        for status in [Status::Down, Status::Operational] {
            pump.status = status.into();
            pump = update(&mut admin, pump, &["status"]).await.unwrap();
        }

        let mut request =
            ListStatusIntervalsRequest { equipment_id: pump.id, page_size: 2, ..Default::default() };
        let page = admin.list_status_intervals(request.clone()).await.unwrap().into_inner();
        for page_token in [String::new(), page.next_page_token] {
            request.page_token = page_token;
            plans.clear();
            admin.list_status_intervals(request.clone()).await.unwrap();
            let plan = plans.of("from status_intervals").await;
            check(world.engine, "status_intervals_equipment_id_idx", &plan, &request);
        }
    }
}
