use kit::{Call, Error, Result, Timestamp};
use proto::auth::v1 as pb;

use super::{Service, equipment, user, watch};
use crate::{
    Secret,
    domain::{
        audit::{Event, Kind},
        equipment::EquipmentId,
        key::{Key, KeyHash, KeyId, new_secret},
        user::check_name,
    },
    store,
};

/// Makes a key, and shows its secret this once.
pub async fn create(service: &Service, call: Call<pb::CreateKeyRequest>) -> Result<pb::Key> {
    let now = service.suite.clock.now();
    let secret = new_secret()?;
    let created_by = call.caller.id.clone();
    let key = read(call.message.key.unwrap_or_default(), &secret, created_by, now)?;
    let field = "key.equipment_ids";
    equipment::check_in_service(service, &call.caller, field, &key.equipment_ids).await?;
    let event = Event::new(&call.caller, Kind::KeyCreated, resource(key.id), now);

    let mut tx = service.db.begin("create key").await?;
    user::check_still(&mut tx, &call.caller).await?;
    store::key::insert(&mut tx, &key).await?;
    store::audit::insert(&mut tx, &key.described(event)).await?;
    tx.commit().await?;

    Ok(pb::Key { secret: Some(secret.reveal().to_owned()), ..key.into() })
}

pub async fn get(service: &Service, call: Call<pb::GetKeyRequest>) -> Result<pb::Key> {
    let id = KeyId::parse("id", &call.message.id)?;

    let key = store::key::find(&mut service.db.read().await?, id).await?;
    let key = key.filter(|key| key.deleted_at.is_none());
    Ok(key.ok_or_else(|| Error::not_found("key", id))?.into())
}

pub async fn list(
    service: &Service,
    mut call: Call<pb::ListKeysRequest>,
) -> Result<pb::ListKeysResponse> {
    let page = kit::page!(service.db, call.message)?;

    let rows = store::key::list(&mut service.db.read().await?, &page).await?;
    let (keys, next_page_token) = page.cut(rows, |key| key.id, pb::Key::from)?;
    Ok(pb::ListKeysResponse { keys, next_page_token })
}

pub async fn delete(service: &Service, call: Call<pb::DeleteKeyRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = KeyId::parse("id", &call.message.id)?;
    let event = Event::new(&call.caller, Kind::KeyDeleted, resource(id), now);

    let mut tx = service.db.begin("delete key").await?;
    let key = store::key::lock(&mut tx, id).await?.filter(|key| key.deleted_at.is_none());
    let key = key.ok_or_else(|| Error::not_found("key", id))?;
    store::key::delete(&mut tx, id, now).await?;
    watch::tell_deleted(&mut tx, id, now).await?;
    store::audit::insert(&mut tx, &event.with("name", key.name)).await?;
    tx.commit().await
}

/// Tells another service what a key is good for.
pub async fn check(
    service: &Service,
    call: Call<pb::CheckKeyRequest>,
) -> Result<pb::CheckKeyResponse> {
    let now = service.suite.clock.now();
    let hash = KeyHash::of(&Secret::from(call.message.secret));

    let key = store::key::find_secret(&mut service.db.read().await?, &hash).await?;
    let Some(key) = key.filter(|key| key.works(now)) else {
        return Err(Error::Unauthenticated("the key is not valid"));
    };

    Ok(pb::CheckKeyResponse {
        key_id: key.id.to_string(),
        name: key.name,
        equipment_ids: key.equipment_ids.iter().map(ToString::to_string).collect(),
        expires_at: key.expires_at.map(Into::into),
    })
}

/// A new key from what the caller may say of it.
fn read(wire: pb::Key, secret: &Secret, created_by: String, now: Timestamp) -> Result<Key> {
    check_name("key.name", &wire.name)?;
    let mut equipment_ids = Vec::with_capacity(wire.equipment_ids.len());
    for (index, id) in wire.equipment_ids.iter().enumerate() {
        let field = format!("key.equipment_ids[{index}]");
        let id = EquipmentId::parse(&field, id)?;
        if equipment_ids.contains(&id) {
            return Err(Error::invalid(field, "is there twice"));
        }
        equipment_ids.push(id);
    }
    let expires_at = Timestamp::parse_optional("key.expires_at", wire.expires_at.as_ref())?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("key.expires_at", "must lie ahead"));
    }
    Ok(Key {
        id: KeyId::new(),
        name: wire.name,
        hash: KeyHash::of(secret),
        equipment_ids,
        created_by,
        created_at: now,
        expires_at,
        deleted_at: None,
    })
}

/// As the audit trail calls it.
fn resource(id: KeyId) -> String {
    format!("key/{id}")
}

impl From<Key> for pb::Key {
    fn from(key: Key) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            equipment_ids: key.equipment_ids.iter().map(ToString::to_string).collect(),
            expires_at: key.expires_at.map(Into::into),
            created_by: key.created_by,
            created_at: Some(key.created_at.into()),
            secret: None,
        }
    }
}
