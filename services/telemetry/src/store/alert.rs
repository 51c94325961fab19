use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
    order::{By, Field, OrderedPage},
};
use sqlx::QueryBuilder;

use crate::domain::{
    alert::{Alert, AlertId, Severity, State},
    reading::EquipmentId,
    rule::{Rule, RuleId},
};

/// Which alerts to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those whose condition lasts.
    pub open: bool,
    pub state: Option<State>,
    pub severity: Option<Severity>,
    pub equipment_id: Option<EquipmentId>,
    pub rule_id: Option<RuleId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, equipment_id, rule_id, metric, severity, message, value, threshold,
         raised_at, cleared_at, cleared_by, cleared_after,
         acknowledged_at, acknowledged_by, comment,
         task_id, task_requested, created_by, occurrences, judged_since, revision"
    };
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!("select ", columns!(), " from alerts ", $($rest),+)
    };
}

mod open;

pub use open::{Open, count_open, lock_open, open, open_of, standing};

pub async fn insert(tx: &mut Tx, alert: &Alert) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into alerts (
                 id, equipment_id, rule_id, metric, severity, message, value, threshold,
                 raised_at, cleared_at, cleared_by, cleared_after,
                 acknowledged_at, acknowledged_by, comment,
                 task_id, task_requested, created_by, occurrences, judged_since, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                     $19, $20, $21)",
        )
        .bind(alert.id)
        .bind(alert.equipment_id)
        .bind(alert.rule_id)
        .bind(&alert.metric)
        .bind(alert.severity)
        .bind(&alert.message)
        .bind(alert.value)
        .bind(alert.threshold)
        .bind(alert.raised_at)
        .bind(alert.cleared_at)
        .bind(&alert.cleared_by)
        .bind(alert.cleared_after)
        .bind(alert.acknowledged_at)
        .bind(&alert.acknowledged_by)
        .bind(&alert.comment)
        .bind(&alert.task_id)
        .bind(alert.task_requested)
        .bind(&alert.created_by)
        .bind(alert.occurrences)
        .bind(alert.judged_since)
        .bind(alert.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(db: &mut Conn, id: AlertId) -> Result<Option<Alert>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

/// Like [`find`], but holds the row until the transaction ends.
pub async fn lock(tx: &mut Tx, id: AlertId) -> Result<Option<Alert>> {
    Ok(match tx.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!("where id = $1 for update")).bind(id).fetch_optional(c).await?
        }
    })
}

/// What a list of alerts can be ordered by.
pub const ORDERS: &[Field<Alert>] = &[Field {
    name: "raised_at",
    sql: "raised_at",
    value: By::Number(|alert| alert.raised_at.micros()),
}];

pub async fn list(
    db: &mut Conn,
    filter: &Filter,
    page: &OrderedPage<Alert, AlertId>,
) -> Result<Vec<Alert>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        match filter.state {
            None => {}
            Some(State::Active) => {
                query.push(" and cleared_at is null and acknowledged_at is null");
            }
            Some(State::Acknowledged) => {
                query.push(" and cleared_at is null and acknowledged_at is not null");
            }
            Some(State::Cleared) => {
                query.push(" and cleared_at is not null");
            }
        }
        if filter.open {
            query.push(" and cleared_at is null");
        }
        if let Some(severity) = filter.severity {
            query.push(" and severity = ").push_bind(severity);
        }
        if let Some(equipment_id) = filter.equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(rule_id) = filter.rule_id {
            query.push(" and rule_id = ").push_bind(rule_id);
        }
        if let Some(from) = filter.from {
            query.push(" and raised_at >= ").push_bind(from);
        }
        if let Some(to) = filter.to {
            query.push(" and raised_at < ").push_bind(to);
        }
        kit::push_page!(query, page);
        query.build_query_as().fetch_all(c).await
    })?)
}

macro_rules! around {
    ($rest:literal) => {
        select!(
            "where rule_id = $1 and equipment_id = $2 and judged_since = $4
               and raised_at >= coalesce(
                   (select max(earlier.raised_at)
                    from alerts as earlier
                    where earlier.rule_id = $1 and earlier.equipment_id = $2
                      and earlier.judged_since = $4 and earlier.raised_at < $3),
                   $3)
             order by raised_at ",
            $rest
        )
    };
}

/// The alerts of a rule, as it is now, on one piece of equipment from the last one raised before `at` on, oldest first. Holds
/// the rows until the transaction ends: whoever acknowledges one meanwhile waits, and is not overwritten.
pub async fn lock_around(
    tx: &mut Tx,
    rule: &Rule,
    equipment_id: EquipmentId,
    at: Timestamp,
) -> Result<Vec<Alert>> {
    Ok(match tx.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_as(around!(""))
                .bind(rule.id)
                .bind(equipment_id)
                .bind(at)
                .bind(rule.updated_at)
                .fetch_all(c)
                .await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(around!("for update"))
                .bind(rule.id)
                .bind(equipment_id)
                .bind(at)
                .bind(rule.updated_at)
                .fetch_all(c)
                .await?
        }
    })
}

pub async fn update(tx: &mut Tx, alert: &Alert) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update alerts
             set severity = $2,
                 message = $3,
                 value = $4,
                 raised_at = $5,
                 cleared_at = $6,
                 cleared_by = $7,
                 cleared_after = $8,
                 acknowledged_at = $9,
                 acknowledged_by = $10,
                 comment = $11,
                 task_id = $12,
                 task_requested = $13,
                 revision = $14
             where id = $1",
        )
        .bind(alert.id)
        .bind(alert.severity)
        .bind(&alert.message)
        .bind(alert.value)
        .bind(alert.raised_at)
        .bind(alert.cleared_at)
        .bind(&alert.cleared_by)
        .bind(alert.cleared_after)
        .bind(alert.acknowledged_at)
        .bind(&alert.acknowledged_by)
        .bind(&alert.comment)
        .bind(&alert.task_id)
        .bind(alert.task_requested)
        .bind(alert.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, id: AlertId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from alerts where id = $1")
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// How often the rule has raised on the equipment before `at`.
pub async fn occurrences_before(
    db: &mut Conn,
    rule_id: RuleId,
    equipment_id: EquipmentId,
    at: Timestamp,
) -> Result<i64> {
    let last: Option<i64> = on!(db, c => sqlx::query_scalar(
            "select occurrences
             from alerts
             where rule_id = $1 and equipment_id = $2 and raised_at < $3
             order by raised_at desc
             limit 1",
        )
        .bind(rule_id)
        .bind(equipment_id)
        .bind(at)
        .fetch_optional(c).await)?;
    Ok(last.unwrap_or(0))
}

/// Counts `more` occurrences before each alert of the rule on the equipment that was raised after `at`. Answers them as they
/// are then.
pub async fn count_occurrences(
    tx: &mut Tx,
    rule_id: RuleId,
    equipment_id: EquipmentId,
    at: Timestamp,
    more: i64,
) -> Result<Vec<Alert>> {
    Ok(on!(tx, c => sqlx::query_as(concat!(
            "update alerts
             set occurrences = occurrences + $4,
                 revision = revision + 1
             where rule_id = $1 and equipment_id = $2 and raised_at > $3
             returning ",
            columns!(),
        ))
        .bind(rule_id)
        .bind(equipment_id)
        .bind(at)
        .bind(more)
        .fetch_all(c).await)?)
}
