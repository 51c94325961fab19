use kit::{Db, access::Role, on, sqlx::migrate::Migrator};
use proto::equipment::v1::{Equipment, ListEquipmentRequest, equipment::Status};

use testkit::{Engine, World, eventually};
use tonic::Code;

use crate::{Client, by, create, delete, field, get, names, pump, start, update};

/// Makes `name` a part of `parent`.
async fn part(client: &mut Client, name: &str, parent: &Equipment) -> Equipment {
    create(client, Equipment { parent_id: Some(parent.id.clone()), ..pump(name) }).await.unwrap()
}

async fn move_to(
    client: &mut Client,
    equipment: &Equipment,
    parent: &Equipment,
) -> Result<Equipment, tonic::Status> {
    let wished =
        Equipment { id: equipment.id.clone(), parent_id: Some(parent.id.clone()), ..pump("") };
    update(client, wished, &["parent_id"]).await
}

testkit::both! {
    async fn equipment_moves_with_its_parts(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let first = create(&mut admin, pump("First")).await.unwrap();
        let second = create(&mut admin, pump("Second")).await.unwrap();
        let pump = part(&mut admin, "Pump", &first).await;
        part(&mut admin, "Bearing", &pump).await;
        let parts = |of: &Equipment| ListEquipmentRequest { parent_id: Some(of.id.clone()), ..Default::default() };

        let moved = move_to(&mut admin, &pump, &second).await.unwrap();

        assert_eq!(moved.parent_id, Some(second.id.clone()));
        assert!(names(&mut admin, parts(&first)).await.0.is_empty());
        assert_eq!(names(&mut admin, parts(&second)).await.0, ["Pump"]);
        assert_eq!(names(&mut admin, parts(&pump)).await.0, ["Bearing"]);

        let alone = Equipment { parent_id: None, ..moved };
        assert_eq!(update(&mut admin, alone, &["parent_id"]).await.unwrap().parent_id, None);
    }

    async fn nothing_is_part_of_itself(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let top = create(&mut admin, pump("Top")).await.unwrap();
        let middle = part(&mut admin, "Middle", &top).await;
        let bottom = part(&mut admin, "Bottom", &middle).await;

        for (equipment, parent) in [(&top, &top), (&top, &middle), (&top, &bottom), (&middle, &bottom)] {
            let error = move_to(&mut admin, equipment, parent).await.unwrap_err();
            assert_eq!(field(&error), "equipment.parent_id");
            assert_eq!(get(&mut admin, &equipment.id).await.unwrap(), *equipment);
        }
        move_to(&mut admin, &bottom, &top).await.unwrap();
        move_to(&mut admin, &middle, &bottom).await.unwrap();
    }

    async fn moves_that_race_make_no_cycle(world: World) {
        let server = start(&world).await;
        let admin = by(&server, &world.user(Role::Admin));
        for _ in 0..10 {
            let mut ring = Vec::new();
            for name in ["A", "B", "C", "D"] {
                ring.push(create(&mut admin.clone(), pump(name)).await.unwrap());
            }

            let moves = (0..4).map(|index| {
                let (mut admin, equipment, parent) =
                    (admin.clone(), ring[index].clone(), ring[(index + 1) % 4].clone());
                tokio::spawn(async move { move_to(&mut admin, &equipment, &parent).await })
            });
            let mut refused = 0;
            for moved in moves.collect::<Vec<_>>() {
                if let Err(error) = moved.await.unwrap() {
                    assert_eq!(field(&error), "equipment.parent_id");
                    refused += 1;
                }
            }

            assert_eq!(refused, 1, "the last to come would close the ring");
        }
    }

    async fn a_parent_is_in_service(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let here = create(&mut admin, pump("Here")).await.unwrap();
        let gone = create(&mut admin, pump("Gone")).await.unwrap();
        delete(&mut admin, &gone).await.unwrap();

        let born = Equipment { parent_id: Some(gone.id.clone()), ..pump("Part") };
        assert_eq!(field(&create(&mut admin, born).await.unwrap_err()), "equipment.parent_id");
        let moved = move_to(&mut admin, &here, &gone).await.unwrap_err();
        assert_eq!(field(&moved), "equipment.parent_id");
        assert_eq!(get(&mut admin, &gone.id).await.unwrap().status(), Status::Decommissioned);
        // As it was with them, which is history.
        let status = Status::Decommissioned.into();
        let buried = Equipment { parent_id: Some(gone.id.clone()), status, ..pump("Old part") };
        assert_eq!(create(&mut admin, buried).await.unwrap().parent_id, Some(gone.id));
    }
}

static MIGRATIONS: Migrator = sqlx::migrate!();

#[tokio::test]
async fn what_moves_nothing_waits_for_no_move() {
    let world = World::new(Engine::Postgres).await;
    let server = start(&world).await;
    let mut admin = by(&server, &world.user(Role::Admin));
    let (top, pump, db) = two_apart(&world, &mut admin).await;
    let mut other = db.begin("move").await.unwrap();
    on!(&mut other, c => sqlx::query("select pg_advisory_xact_lock(7166825)")
        .execute(c).await.map(drop))
    .unwrap();

    let noted = Equipment { id: pump.id.clone(), notes: "Oiled".into(), ..Default::default() };
    assert_eq!(update(&mut admin, noted, &["notes"]).await.unwrap().notes, "Oiled");
    let whole = Equipment { notes: "Greased".into(), etag: String::new(), ..pump.clone() };
    assert_eq!(update(&mut admin, whole, &[]).await.unwrap().notes, "Greased");
    let below = top.clone();
    let moved = tokio::spawn(async move { move_to(&mut admin, &pump, &below).await });
    somebody_waits(&db).await;
    other.commit().await.unwrap();

    assert_eq!(moved.await.unwrap().unwrap().parent_id, Some(top.id));
}

#[tokio::test]
async fn what_moves_nothing_undoes_no_move_that_it_waited_for() {
    let world = World::new(Engine::Postgres).await;
    let server = start(&world).await;
    let mut admin = by(&server, &world.user(Role::Admin));
    let (top, pump, db) = two_apart(&world, &mut admin).await;
    let mut other = db.begin("move").await.unwrap();
    on!(&mut other, c => sqlx::query("update equipment set parent_id = $2::uuid where id = $1::uuid")
        .bind(&pump.id)
        .bind(&top.id)
        .execute(c).await.map(drop))
    .unwrap();

    let mut writer = admin.clone();
    let whole = Equipment { notes: "Greased".into(), etag: String::new(), ..pump.clone() };
    let written = tokio::spawn(async move { update(&mut writer, whole, &[]).await });
    somebody_waits(&db).await;
    other.commit().await.unwrap();

    assert_eq!(written.await.unwrap().unwrap_err().code(), Code::Aborted);
    assert_eq!(get(&mut admin, &pump.id).await.unwrap().parent_id, Some(top.id));
}

/// Two pieces of equipment, neither of which is part of the other, and where they are kept.
async fn two_apart(world: &World, admin: &mut Client) -> (Equipment, Equipment, Db) {
    let top = create(admin, pump("Top")).await.unwrap();
    let pump = create(admin, pump("Pump")).await.unwrap();
    (top, pump, Db::open(&world.db, "equipment", &MIGRATIONS).await.unwrap())
}

/// Until somebody waits for a transaction of somebody else.
async fn somebody_waits(db: &Db) {
    eventually("somebody waits", || async {
        let mut db = db.read().await.unwrap();
        let waits: bool = on!(&mut db, c => sqlx::query_scalar(
                "select exists (
                     select 1
                     from pg_stat_activity
                     where datname = current_database() and wait_event_type = 'Lock'
                 )",
            )
            .fetch_one(c).await)
        .unwrap();
        waits.then_some(())
    })
    .await;
}
