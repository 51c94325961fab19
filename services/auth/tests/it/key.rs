use std::time::Duration;

use kit::{access::Role, on};
use proto::{
    auth::v1::{
        CheckKeyRequest, CheckKeyResponse, CreateKeyRequest, DeleteKeyRequest, GetKeyRequest, Key,
        ListAuditEventsRequest, ListKeysRequest, key_service_client::KeyServiceClient,
        session_service_client::SessionServiceClient,
    },
    equipment::v1::{
        CreateEquipmentRequest, Equipment, equipment::Status as State,
        equipment_service_client::EquipmentServiceClient,
    },
};
use testkit::{Bearer, Server, World};
use tonic::{Code, Status, service::interceptor::InterceptedService, transport::Channel};
use tonic_types::StatusExt;

use super::{audit, database, start, start_equipment};

type Keys = KeyServiceClient<InterceptedService<Channel, Bearer>>;

/// What nothing has.
const NOTHING: &str = "018f0000-0000-7000-8000-00000000000a";

/// Two pieces of equipment in service.
pub async fn equipment(world: &World) -> [String; 2] {
    let register = start_equipment(world).await;
    [
        register_one(world, &register, State::Standby).await,
        register_one(world, &register, State::Down).await,
    ]
}

async fn register_one(world: &World, register: &Server, state: State) -> String {
    let mut register = EquipmentServiceClient::new(register.by(&world.user(Role::Admin)));
    let equipment = Equipment { name: "Pump".into(), status: state.into(), ..Default::default() };
    let request = CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
    register.create_equipment(request).await.unwrap().into_inner().id
}

pub fn keys(world: &World, server: &Server) -> Keys {
    KeyServiceClient::new(server.by(&world.user(Role::Admin)))
}

pub fn pump_house(equipment_ids: &[String]) -> Key {
    Key { name: "pump house".into(), equipment_ids: equipment_ids.into(), ..Key::default() }
}

/// A new key for a new piece of equipment.
pub async fn new_key(world: &World, server: &Server) -> Key {
    let equipment = equipment(world).await;
    create(&mut keys(world, server), pump_house(&equipment)).await.unwrap()
}

pub async fn create(keys: &mut Keys, key: Key) -> Result<Key, Status> {
    Ok(keys.create_key(CreateKeyRequest { key: Some(key) }).await?.into_inner())
}

async fn get(keys: &mut Keys, id: &str) -> Result<Key, Status> {
    Ok(keys.get_key(GetKeyRequest { id: id.into() }).await?.into_inner())
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
        let equipment = equipment(&world).await;

        let key = create(&mut keys, pump_house(&equipment)).await.unwrap();
        let secret = key.secret.clone().unwrap();
        let checked = check(&world, &server, &secret).await.unwrap();

        assert_eq!((&secret[..3], secret.len()), ("fl_", 46));
        assert_eq!((&checked.key_id, checked.name.as_str()), (&key.id, "pump house"));
        assert_eq!(checked.equipment_ids, equipment);
        assert_eq!(checked.expires_at, None);
        assert_eq!(list(&mut keys).await, [Key { secret: None, ..key }]);
    }

    async fn a_key_is_read_by_its_id_until_it_is_deleted(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let pump_house = pump_house(&equipment(&world).await);
        let key = create(&mut keys, pump_house.clone()).await.unwrap();
        let other = create(&mut keys, pump_house).await.unwrap();

        assert_eq!(get(&mut keys, &key.id).await.unwrap(), Key { secret: None, ..key.clone() });

        keys.delete_key(DeleteKeyRequest { id: key.id.clone() }).await.unwrap();
        for id in [key.id.as_str(), NOTHING] {
            assert_eq!(get(&mut keys, id).await.unwrap_err().code(), Code::NotFound);
        }
        assert_eq!(get(&mut keys, &other.id).await.unwrap().id, other.id);
    }

    async fn the_trail_says_what_a_key_is_good_for_and_until_when(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let equipment = equipment(&world).await;
        let expires_at = world.clock.now().plus(Duration::from_mins(1));
        let brief = Key { expires_at: Some(expires_at.into()), ..pump_house(&equipment) };

        for key in [pump_house(&equipment[..1]), brief] {
            let key = create(&mut keys, key).await.unwrap();

            let mut reader = audit::reader(&world, &server);
            let resource = format!("key/{}", key.id);
            let of_key = ListAuditEventsRequest { resource, ..Default::default() };
            let details = audit::events(&mut reader, of_key).await.remove(0).details;
            assert_eq!(details["equipment_ids"], key.equipment_ids.join(","));
            let until = key.expires_at.map(|_| expires_at.to_string());
            assert_eq!(details.get("expires_at"), until.as_ref());
        }
    }

    async fn a_keys_secret_is_nowhere_in_the_database(world: World) {
        let server = start(&world).await;
        let key = new_key(&world, &server).await;

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
        let pump_house = pump_house(&equipment(&world).await);
        let hour = world.clock.now().plus(Duration::from_hours(1));
        let brief = Key { expires_at: Some(hour.into()), ..pump_house.clone() };
        let brief = create(&mut keys, brief).await.unwrap().secret.unwrap();
        let deleted = create(&mut keys, pump_house.clone()).await.unwrap();
        let good = create(&mut keys, pump_house).await.unwrap().secret.unwrap();
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

    async fn what_is_wrong_with_a_key_is_named_by_field(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);
        let register = start_equipment(&world).await;
        let pump = register_one(&world, &register, State::Operational).await;
        let gone = register_one(&world, &register, State::Decommissioned).await;
        let good = || pump_house(std::slice::from_ref(&pump));
        let bound = |ids: &[&str]| pump_house(&ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        let now = world.clock.now();

        for (key, field, problem) in [
            (Key { name: String::new(), ..good() }, "key.name", "must not be empty"),
            (Key { name: "a\nb".into(), ..good() }, "key.name", "control characters"),
            (bound(&[]), "key.equipment_ids", "must not be empty"),
            (bound(&["7"]), "key.equipment_ids[0]", "must be an id"),
            (bound(&[&pump, &pump]), "key.equipment_ids[1]", "is there twice"),
            (bound(&[&pump, NOTHING]), "key.equipment_ids[1]", "there is no such equipment"),
            (bound(&[&pump, &gone]), "key.equipment_ids[1]", "is decommissioned"),
            (Key { expires_at: Some(now.into()), ..good() }, "key.expires_at", "must lie ahead"),
        ] {
            let error = create(&mut keys, key).await.unwrap_err();
            let violation = error.get_details_bad_request().unwrap().field_violations.remove(0);
            assert_eq!((error.code(), violation.field.as_str()), (Code::InvalidArgument, field));
            assert!(violation.description.contains(problem), "{field}: {}", violation.description);
        }
        assert!(list(&mut keys).await.is_empty());
    }

    async fn while_the_register_is_away_no_key_is_made(world: World) {
        let server = start(&world).await;
        let mut keys = keys(&world, &server);

        let error = create(&mut keys, pump_house(&[NOTHING.into()])).await.unwrap_err();

        assert_eq!(error.code(), Code::Unavailable);
        assert!(list(&mut keys).await.is_empty());
    }
}
