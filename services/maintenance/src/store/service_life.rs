//! What records and tasks tell of a piece of equipment. A record's time is when the work was done, as far as it says.

use kit::{Result, Timestamp, db::Conn, on};

use crate::domain::{
    equipment::EquipmentId,
    maintenance::{Kind, MaintenanceId},
    service_life::Span,
};

/// How much work of one kind was done.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Count {
    pub kind: Kind,
    pub records: i64,
    /// Those of them with a beginning and an end.
    pub timed: i64,
    /// Those that were done before the time that figures are of.
    pub earlier: i64,
}

/// Work, and when it was done.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Work {
    pub id: MaintenanceId,
    pub done_at: Timestamp,
}

/// The work of the time of `window`, by kind; figures are of the time from `start`.
pub async fn count(
    db: &mut Conn,
    equipment_id: EquipmentId,
    window: Span,
    start: Timestamp,
) -> Result<Vec<Count>> {
    Ok(on!(db, c => sqlx::query_as(
            "select kind, count(*) as records, count(started_at + finished_at) as timed,
                    count(case when coalesce(finished_at, started_at, created_at) < $4 then 1 end) as earlier
             from maintenance_records
             where equipment_id = $1
               and coalesce(finished_at, started_at, created_at) >= $2
               and coalesce(finished_at, started_at, created_at) < $3
             group by kind",
        )
        .bind(equipment_id)
        .bind(window.start)
        .bind(window.end)
        .bind(start)
        .fetch_all(c).await)?)
}

/// The last work of the time of `window`.
pub async fn find_last(
    db: &mut Conn,
    equipment_id: EquipmentId,
    window: Span,
) -> Result<Option<Work>> {
    Ok(on!(db, c => sqlx::query_as(
            "select id, coalesce(finished_at, started_at, created_at) as done_at
             from maintenance_records
             where equipment_id = $1
               and coalesce(finished_at, started_at, created_at) >= $2
               and coalesce(finished_at, started_at, created_at) < $3
             order by coalesce(finished_at, started_at, created_at) desc, id desc
             limit 1",
        )
        .bind(equipment_id)
        .bind(window.start)
        .bind(window.end)
        .fetch_optional(c).await)?)
}

/// When corrective work was done that touches `window`.
pub async fn list_repairs(
    db: &mut Conn,
    equipment_id: EquipmentId,
    window: Span,
) -> Result<Vec<Span>> {
    Ok(on!(db, c => sqlx::query_as(
            r#"select started_at as "start", finished_at as "end"
             from maintenance_records
             where equipment_id = $1
               and coalesce(finished_at, started_at, created_at) >= $2
               and started_at < $3
               and finished_at is not null
               and kind = $4"#,
        )
        .bind(equipment_id)
        .bind(window.start)
        .bind(window.end)
        .bind(Kind::Corrective)
        .fetch_all(c).await)?)
}

/// How many tasks are open. The states stand in the text: so the index of these alone serves it.
pub async fn count_open_tasks(db: &mut Conn, equipment_id: EquipmentId) -> Result<i64> {
    Ok(on!(db, c => sqlx::query_scalar(
            "select count(*)
             from tasks
             where equipment_id = $1 and status in ('PENDING', 'IN_PROGRESS', 'ON_HOLD')",
        )
        .bind(equipment_id)
        .fetch_one(c).await)?)
}
