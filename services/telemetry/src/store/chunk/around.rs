//! What may lie at many times.

use kit::{
    Result, Timestamp,
    db::{Conn, Engine},
};
use sqlx::QueryBuilder;

use crate::domain::reading::{EquipmentId, Key};

/// A series of a reading's equipment.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Around {
    pub equipment_id: EquipmentId,
    /// When the reading was measured.
    pub at: Timestamp,
    pub series_id: i64,
    /// Where the chunk ends that begins last before that; none if none does.
    pub last_at: Option<Timestamp>,
}

impl Around {
    pub fn key(&self) -> Key {
        Key { equipment_id: self.equipment_id, recorded_at: self.at }
    }

    /// Whether the reading may have a sealed value in the series.
    pub fn may_be_sealed(&self) -> bool {
        self.last_at.is_some_and(|last_at| self.at <= last_at)
    }
}

macro_rules! of_wanted {
    () => {
        ") select series.equipment_id, wanted.at, series.series_id,
                  (select last_at
                   from chunks
                   where chunks.series_id = series.series_id and first_at <= wanted.at
                   order by first_at desc
                   limit 1) as last_at
           from wanted
           join series on series.equipment_id = wanted.equipment_id"
    };
}

/// All series of the equipment of each of these readings.
pub async fn around(db: &mut Conn, keys: &[Key]) -> Result<Vec<Around>> {
    Ok(match db.engine() {
        Engine::Sqlite(c) => {
            let mut query = QueryBuilder::new("with wanted (equipment_id, at) as (");
            query.push_values(keys, |mut values, key| {
                values.push_bind(key.equipment_id).push_bind(key.recorded_at);
            });
            query.push(of_wanted!());
            query.build_query_as().persistent(false).fetch_all(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(concat!(
                "with wanted (equipment_id, at) as (
                     select * from unnest($1::uuid[], $2::bigint[])",
                of_wanted!(),
            ))
            .bind(keys.iter().map(|key| key.equipment_id.uuid()).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.recorded_at.micros()).collect::<Vec<_>>())
            .fetch_all(c)
            .await?
        }
    })
}
