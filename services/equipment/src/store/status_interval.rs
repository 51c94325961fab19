use kit::{
    Page, Result, Timestamp,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    equipment::EquipmentId,
    status_interval::{IntervalId, StatusInterval},
};

/// Which intervals to list.
#[derive(Clone, Debug)]
pub struct Filter {
    pub equipment_id: EquipmentId,
    /// Begun at this time or after it.
    pub from: Option<Timestamp>,
    /// Begun before this time.
    pub to: Option<Timestamp>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, equipment_id, status, since, until, changed_by from status_intervals ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, interval: &StatusInterval) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into status_intervals (id, equipment_id, status, since, until, changed_by)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(interval.id)
        .bind(interval.equipment_id)
        .bind(interval.status)
        .bind(interval.since)
        .bind(interval.until)
        .bind(&interval.changed_by)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// The one that lasts.
pub async fn find_open(db: &mut Conn, equipment_id: EquipmentId) -> Result<StatusInterval> {
    Ok(on!(db, c => sqlx::query_as(select!("where equipment_id = $1 and until is null"))
        .bind(equipment_id)
        .fetch_one(c).await)?)
}

pub async fn end(tx: &mut Tx, id: IntervalId, until: Option<Timestamp>) -> Result<()> {
    on!(tx, c => sqlx::query("update status_intervals set until = $2 where id = $1")
        .bind(id)
        .bind(until)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Newest first.
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &Page<(Timestamp, IntervalId)>,
) -> Result<Vec<StatusInterval>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where equipment_id = "));
        query.push_bind(filter.equipment_id);
        if let Some(from) = filter.from {
            query.push(" and since >= ").push_bind(from);
        }
        // What comes after a page lies before `to`; told of both, SQLite would begin each page at `to`.
        match (page.after, filter.to) {
            (Some((since, id)), _) => {
                query.push(" and (since, id) < (").push_bind(since);
                query.push(", ").push_bind(id).push(")");
            }
            (None, Some(to)) => {
                query.push(" and since < ").push_bind(to);
            }
            (None, None) => {}
        }
        query.push(" order by since desc, id desc limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}
