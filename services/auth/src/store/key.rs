use std::collections::HashMap;

use kit::{
    Page, Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    equipment::EquipmentId,
    key::{Key, KeyHash, KeyId},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, name, hash, created_by, created_at, expires_at, deleted_at from keys ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, key: &Key) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into keys (id, name, hash, created_by, created_at, expires_at, deleted_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.id)
        .bind(&key.name)
        .bind(&key.hash)
        .bind(&key.created_by)
        .bind(key.created_at)
        .bind(key.expires_at)
        .bind(key.deleted_at)
        .execute(c).await.map(drop))?;
    for equipment_id in &key.equipment_ids {
        on!(tx, c => sqlx::query(
                "insert into key_equipment (key_id, equipment_id) values ($1, $2)",
            )
            .bind(key.id)
            .bind(equipment_id)
            .execute(c).await.map(drop))?;
    }
    Ok(())
}

pub async fn find(db: &mut Conn, id: KeyId) -> Result<Option<Key>> {
    let found: Option<Key> =
        on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?;
    let Some(mut key) = found else { return Ok(None) };
    key.equipment_ids = equipment(db, key.id).await?;
    Ok(Some(key))
}

/// Finds the key whose secret has this hash.
pub async fn find_secret(db: &mut Conn, hash: &KeyHash) -> Result<Option<Key>> {
    let found: Option<Key> = on!(db, c => sqlx::query_as(select!("where hash = $1"))
        .bind(hash)
        .fetch_optional(c).await)?;
    let Some(mut key) = found else { return Ok(None) };
    key.equipment_ids = equipment(db, key.id).await?;
    Ok(Some(key))
}

/// Finds a key and keeps everybody else from changing it until `tx` ends.
pub async fn lock(tx: &mut Tx, id: KeyId) -> Result<Option<Key>> {
    let found: Option<Key> = match tx.engine() {
        // Its transactions write one at a time anyway.
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await
        }
    }?;
    let Some(mut key) = found else { return Ok(None) };
    key.equipment_ids = equipment(tx, key.id).await?;
    Ok(Some(key))
}

pub async fn delete(tx: &mut Tx, id: KeyId, now: Timestamp) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update keys
             set deleted_at = $2
             where id = $1 and deleted_at is null",
        )
        .bind(id)
        .bind(now)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Those that were not deleted, by id, which is by age.
pub async fn list(db: &mut Conn, page: &Page<KeyId>) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = on!(db, c => {
        let mut query = QueryBuilder::new(select!("where deleted_at is null"));
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?;
    let mut equipment = equipment_of(db, &keys).await?;
    for key in &mut keys {
        key.equipment_ids = equipment.remove(&key.id).unwrap_or_default();
    }
    Ok(keys)
}

/// The keys that were deleted since `since`.
pub async fn deleted(db: &mut Conn, since: Timestamp) -> Result<Vec<KeyId>> {
    Ok(on!(db, c => sqlx::query_scalar("select id from keys where deleted_at >= $1")
        .bind(since)
        .fetch_all(c).await)?)
}

async fn equipment_of(db: &mut Conn, keys: &[Key]) -> Result<HashMap<KeyId, Vec<EquipmentId>>> {
    let mut equipment: HashMap<_, Vec<_>> = HashMap::new();
    if keys.is_empty() {
        return Ok(equipment);
    }
    let rows: Vec<(KeyId, EquipmentId)> = on!(db, c => {
        let mut query =
            QueryBuilder::new("select key_id, equipment_id from key_equipment where key_id in (");
        let mut ids = query.separated(", ");
        for key in keys {
            ids.push_bind(key.id);
        }
        query.push(") order by equipment_id");
        query.build_query_as().fetch_all(c).await
    })?;
    for (key_id, equipment_id) in rows {
        equipment.entry(key_id).or_default().push(equipment_id);
    }
    Ok(equipment)
}

async fn equipment(db: &mut Conn, id: KeyId) -> Result<Vec<EquipmentId>> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select equipment_id
             from key_equipment
             where key_id = $1
             order by equipment_id",
        )
        .bind(id)
        .fetch_all(c).await)?)
}
