use kit::access::Role;
use proto::equipment::v1::{
    CreateEquipmentRequest, Equipment, WatchEquipmentRequest, WatchEquipmentResponse,
    equipment::Status,
};
use tonic::Streaming;

use super::{Client, by, pump, start};

async fn create(client: &mut Client, name: &str) {
    let request = CreateEquipmentRequest { equipment: Some(pump(name)), ..Default::default() };
    client.create_equipment(request).await.unwrap();
}

async fn watch(client: &mut Client, token: &str) -> Streaming<WatchEquipmentResponse> {
    let request = WatchEquipmentRequest { resume_token: token.into() };
    client.watch_equipment(request).await.unwrap().into_inner()
}

/// The next message: a name, or nothing at the end of the snapshot; and where to go on.
async fn next(stream: &mut Streaming<WatchEquipmentResponse>) -> (Option<String>, String) {
    let message = stream.message().await.unwrap().unwrap();
    (message.equipment.map(|equipment| equipment.name), message.resume_token)
}

/// The next name that is not `known`. On PostgreSQL what the snapshot told may be told again: the log's end is taken to lie
/// before the oldest transaction that runs, and those of other tests on the same server count.
async fn next_but(stream: &mut Streaming<WatchEquipmentResponse>, known: &str) -> Option<String> {
    loop {
        let (name, _) = next(stream).await;
        if name.as_deref() != Some(known) {
            return name;
        }
    }
}

testkit::both! {
    async fn a_watcher_sees_all_there_is_and_then_each_change(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let mut watcher = by(&server, &world.user(Role::Service));
        create(&mut admin, "before").await;

        let mut stream = watch(&mut watcher, "").await;
        assert_eq!(next(&mut stream).await.0.as_deref(), Some("before"));
        assert_eq!(next(&mut stream).await.0, None);
        create(&mut admin, "after").await;
        assert_eq!(next_but(&mut stream, "before").await.as_deref(), Some("after"));
    }

    async fn a_watcher_sees_what_is_decommissioned(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let equipment = Some(Equipment { status: Status::Decommissioned.into(), ..pump("gone") });
        let request = CreateEquipmentRequest { equipment, ..Default::default() };
        admin.create_equipment(request).await.unwrap();

        let mut stream = watch(&mut by(&server, &world.user(Role::Service)), "").await;
        assert_eq!(next(&mut stream).await.0.as_deref(), Some("gone"));
    }

    async fn a_watcher_goes_on_where_it_left_off(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let mut watcher = by(&server, &world.user(Role::Service));
        let (_, start) = next(&mut watch(&mut watcher, "").await).await;

        create(&mut admin, "first").await;
        create(&mut admin, "second").await;
        let (first, token) = next(&mut watch(&mut watcher, &start).await).await;
        let (second, _) = next(&mut watch(&mut watcher, &token).await).await;

        assert_eq!((first.as_deref(), second.as_deref()), (Some("first"), Some("second")));
    }

    async fn a_watcher_hears_of_every_kind_of_change(world: World) {
        let server = start(&world).await;
        let mut admin = by(&server, &world.user(Role::Admin));
        let mut stream = watch(&mut by(&server, &world.user(Role::Service)), "").await;
        assert_eq!(next(&mut stream).await.0, None);

        let made = crate::create(&mut admin, pump("made")).await.unwrap();
        let moved = Equipment { name: "renamed".into(), ..made.clone() };
        crate::update(&mut admin, moved, &["name"]).await.unwrap();
        crate::delete(&mut admin, &made).await.unwrap();

        let mut heard = Vec::new();
        for _ in 0..3 {
            let equipment = stream.message().await.unwrap().unwrap().equipment.unwrap();
            heard.push((equipment.name.clone(), equipment.status(), equipment.etag));
        }
        let expected = [
            ("made", Status::Operational, "1"),
            ("renamed", Status::Operational, "2"),
            ("renamed", Status::Decommissioned, "3"),
        ];
        assert_eq!(heard, expected.map(|(name, status, etag)| (name.to_owned(), status, etag.to_owned())));
    }
}
