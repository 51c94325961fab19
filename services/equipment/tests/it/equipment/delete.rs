use kit::access::Role;
use proto::equipment::v1::{
    DeleteEquipmentRequest, Equipment, ListEquipmentRequest, equipment::Status,
};
use tonic::Code;

use crate::{NO_ID, by, create, delete, get, names, pump, refusal, start, update};

testkit::both! {
    async fn what_was_deleted_is_decommissioned_and_stays_readable(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, pump("Pump")).await.unwrap();

        delete(&mut admin, &made).await.unwrap();

        let gone = get(&mut admin, &made.id).await.unwrap();
        let expected = Equipment { status: Status::Decommissioned.into(), etag: gone.etag.clone(), ..made };
        assert_eq!(gone, expected);
        assert!(names(&mut admin, ListEquipmentRequest::default()).await.0.is_empty());
        let all = ListEquipmentRequest { show_deleted: true, ..Default::default() };
        assert_eq!(names(&mut admin, all).await.0, ["Pump"]);
    }

    async fn a_repeated_deletion_changes_nothing(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let made = create(&mut admin, pump("Pump")).await.unwrap();
        let request = DeleteEquipmentRequest { id: made.id.clone(), etag: made.etag };
        admin.delete_equipment(request.clone()).await.unwrap();
        let gone = get(&mut admin, &made.id).await.unwrap();

        admin.delete_equipment(request).await.unwrap();

        assert_eq!(get(&mut admin, &made.id).await.unwrap(), gone);
        let nowhere = Equipment { id: NO_ID.into(), ..Default::default() };
        assert_eq!(delete(&mut admin, &nowhere).await.unwrap_err().code(), Code::NotFound);
    }

    async fn the_whole_goes_after_its_parts(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let plant = create(&mut admin, pump("Plant")).await.unwrap();
        let parent_id = Some(plant.id.clone());
        let part = create(&mut admin, Equipment { parent_id, ..pump("Part") }).await.unwrap();

        let decommissioned = Equipment { status: Status::Decommissioned.into(), ..plant.clone() };
        let by_update = update(&mut admin, decommissioned.clone(), &["status"]).await.unwrap_err();
        let by_delete = delete(&mut admin, &plant).await.unwrap_err();
        assert_eq!((refusal(&by_update), refusal(&by_delete)), ("PARTS_IN_SERVICE".into(), "PARTS_IN_SERVICE".into()));
        assert_eq!(get(&mut admin, &plant.id).await.unwrap(), plant);

        delete(&mut admin, &part).await.unwrap();
        let gone = update(&mut admin, decommissioned, &["status"]).await.unwrap();
        assert_eq!(gone.status(), Status::Decommissioned);
    }

    async fn a_part_that_comes_while_the_whole_goes_has_a_whole_or_is_none(world: World) {
        let server = start(&world).await;
        let admin = by(&server, &world.user(Role::Admin));
        for _ in 0..10 {
            let plant = create(&mut admin.clone(), pump("Plant")).await.unwrap();
            let part = Equipment { parent_id: Some(plant.id.clone()), ..pump("Part") };

            let (mut creator, mut deleter) = (admin.clone(), admin.clone());
            let (made, gone) = tokio::join!(create(&mut creator, part), delete(&mut deleter, &plant));

            assert_ne!(made.is_ok(), gone.is_ok(), "{made:?} {gone:?}");
        }
    }
}
