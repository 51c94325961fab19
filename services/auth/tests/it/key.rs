use std::time::Duration;

use kit::{access::Role, on};
use proto::auth::v1::{
    CheckKeyRequest, CheckKeyResponse, CreateKeyRequest, DeleteKeyRequest, Key, ListKeysRequest,
    WatchSessionsRequest, key_service_client::KeyServiceClient,
    session_service_client::SessionServiceClient,
};
use testkit::{Bearer, Server, World};
use tonic::{Code, Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_types::StatusExt;

use super::{database, start};

type Keys = KeyServiceClient<InterceptedService<Channel, Bearer>>;

const PUMP: &str = "018f0000-0000-7000-8000-00000000000a";
const CRANE: &str = "018f0000-0000-7000-8000-00000000000b";

fn keys(world: &World, server: &Server) -> Keys {
    KeyServiceClient::new(server.by(&world.user(Role::Admin)))
}

fn pump_house() -> Key {
    let equipment_ids = vec![PUMP.into(), CRANE.into()];
    Key { name: "pump house".into(), equipment_ids, ..Key::default() }
}

async fn create(keys: &mut Keys, key: Key) -> Result<Key, Status> {
    Ok(keys.create_key(CreateKeyRequest { key: Some(key) }).await?.into_inner())
}

async fn list(keys: &mut Keys) -> Vec<Key> {
    keys.list_keys(ListKeysRequest::default()).await.unwrap().into_inner().keys
}

/// What another service is told of a key.
async fn check(world: &World, server: &Server, secret: &str) -> Result<CheckKeyResponse, Status> {
    let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));
    Ok(service.check_key(CheckKeyRequest { secret: secret.into() }).await?.into_inner())
}

testkit::both! {
    async fn a_key_is_good_for_its_equipment_and_shown_once(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);

        let key = create(&mut keys, pump_house()).await.unwrap();
        let secret = key.secret.clone().unwrap();
        let checked = check(&world, &server, &secret).await.unwrap();

        assert_eq!((&secret[..3], secret.len()), ("fl_", 46));
        assert_eq!((&checked.key_id, checked.name.as_str()), (&key.id, "pump house"));
        assert_eq!(checked.equipment_ids, [PUMP, CRANE]);
        assert_eq!(checked.expires_at, None);
        assert_eq!(list(&mut keys).await, [Key { secret: None, ..key }]);
    }

    async fn a_keys_secret_is_nowhere_in_the_database(world: World) {
        let server = start(&world).await;
        let key = create(&mut keys(&world, &server), pump_house()).await.unwrap();

        let mut db = database(&world).await.read().await.unwrap();
        let kept: Vec<String> = on!(&mut db, c => sqlx::query_scalar(
                "select hash from keys union all select details from audit_events",
            )
            .fetch_all(c).await).unwrap();

        assert_eq!(kept.len(), 3, "the key, and what the first admin and the key left in the trail");
        assert!(kept.iter().all(|text| !text.contains(&key.secret.clone().unwrap()[3..])));
    }

    async fn an_unknown_expired_or_deleted_key_is_good_for_nothing(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let hour = world.clock.now().plus(Duration::from_hours(1));
        let brief = Key { expires_at: Some(hour.into()), ..pump_house() };
        let brief = create(&mut keys, brief).await.unwrap().secret.unwrap();
        let deleted = create(&mut keys, pump_house()).await.unwrap();
        let good = create(&mut keys, pump_house()).await.unwrap().secret.unwrap();
        check(&world, &server, &brief).await.unwrap();

        keys.delete_key(DeleteKeyRequest { id: deleted.id.clone() }).await.unwrap();
        world.clock.advance(Duration::from_hours(1));

        for secret in [&brief, &deleted.secret.unwrap(), "fl_", &good.to_uppercase(), &good[..45]] {
            let error = check(&world, &server, secret).await.unwrap_err();
            let answer = (error.code(), error.message());
            assert_eq!(answer, (Code::Unauthenticated, "the key is not valid"), "{secret}");
        }
        check(&world, &server, &good).await.unwrap();
        let mut keys = self::keys(&world, &server);
        let again = keys.delete_key(DeleteKeyRequest { id: deleted.id }).await.unwrap_err();
        assert_eq!(again.code(), Code::NotFound);
        assert_eq!(list(&mut keys).await.len(), 2);
    }

    async fn a_deleted_key_is_news(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let key = create(&mut keys, pump_house()).await.unwrap();
        let mut service = SessionServiceClient::new(server.by(&world.user(Role::Service)));

        keys.delete_key(DeleteKeyRequest { id: key.id.clone() }).await.unwrap();
        let request = WatchSessionsRequest::default();
        let mut watch = service.watch_sessions(request).await.unwrap().into_inner();

        assert_eq!(watch.message().await.unwrap().unwrap().deleted_key_ids, [key.id]);
    }

    async fn what_is_wrong_with_a_key_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let now = world.clock.now();

        for (key, field) in [
            (Key { name: String::new(), ..pump_house() }, "key.name"),
            (Key { name: "a\nb".into(), ..pump_house() }, "key.name"),
            (Key { equipment_ids: vec![], ..pump_house() }, "key.equipment_ids"),
            (Key { equipment_ids: vec!["7".into()], ..pump_house() }, "key.equipment_ids[0]"),
            (
                Key { equipment_ids: vec![PUMP.into(), PUMP.into()], ..pump_house() },
                "key.equipment_ids[1]",
            ),
            (Key { expires_at: Some(now.into()), ..pump_house() }, "key.expires_at"),
        ] {
            let error = create(&mut keys, key).await.unwrap_err();
            let violations = error.get_details_bad_request().unwrap().field_violations;
            assert_eq!((error.code(), violations[0].field.as_str()), (Code::InvalidArgument, field));
        }
    }
}
