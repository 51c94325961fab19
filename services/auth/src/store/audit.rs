use kit::{
    Page, Result, Timestamp,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::audit::{Event, EventId, Kind};

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub actor: Option<String>,
    pub kind: Option<Kind>,
    pub resource: Option<String>,
    /// This time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

pub async fn insert(tx: &mut Tx, event: &Event) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into audit_events (id, at, actor, kind, resource, address, details)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(event.id)
        .bind(event.at)
        .bind(&event.actor)
        .bind(event.kind)
        .bind(&event.resource)
        .bind(&event.address)
        .bind(event.details.to_json())
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Newest first.
pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &Page<(Timestamp, EventId)>,
) -> Result<Vec<Event>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(
            "select id, at, actor, kind, resource, address, details
             from audit_events
             where true",
        );
        if let Some(actor) = &filter.actor {
            query.push(" and actor = ").push_bind(actor);
        }
        if let Some(kind) = filter.kind {
            query.push(" and kind = ").push_bind(kind);
        }
        if let Some(resource) = &filter.resource {
            query.push(" and resource = ").push_bind(resource);
        }
        if let Some(from) = filter.from {
            query.push(" and at >= ").push_bind(from);
        }
        // The first page alone: what comes after another is before `to` anyway, and SQLite would seek by that and walk
        // through all that was shown.
        if let (Some(to), None) = (filter.to, page.after) {
            query.push(" and at < ").push_bind(to);
        }
        if let Some((at, id)) = page.after {
            query.push(" and (at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        query.push(" order by at desc, id desc limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Drops at most `limit` of the events before `before`; says how many went.
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
            "delete from audit_events
             where id in (select id from audit_events where at < $1 order by at limit $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
