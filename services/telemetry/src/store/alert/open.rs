//! Alerts whose condition lasts.

use std::collections::HashSet;

use kit::{
    Result, Timestamp,
    db::{Conn, Engine, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    alert::{Alert, AlertId, Severity},
    reading::EquipmentId,
    rule::{Rule, RuleId},
};

/// An open alert, and what its rule looks at.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Open {
    pub id: AlertId,
    pub equipment_id: EquipmentId,
    /// The type of equipment that its rule looks at; none if it looks at one alone.
    pub equipment_type: Option<String>,
}

/// All open alerts of rules.
pub async fn open(db: &mut Conn) -> Result<Vec<Open>> {
    Ok(on!(db, c => sqlx::query_as(
            "select alerts.id, alerts.equipment_id, rules.equipment_type
             from alerts
             join rules on rules.id = alerts.rule_id
             where alerts.cleared_at is null
             order by alerts.id",
        )
        .fetch_all(c).await)?)
}

/// The open alerts of these rules on these pieces of equipment.
pub async fn open_of(
    db: &mut Conn,
    rules: &HashSet<RuleId>,
    equipment_ids: &HashSet<EquipmentId>,
) -> Result<Vec<Alert>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where cleared_at is null and rule_id in ("));
        let mut ids = query.separated(", ");
        for id in rules {
            ids.push_bind(*id);
        }
        query.push(") and equipment_id in (");
        let mut ids = query.separated(", ");
        for id in equipment_ids {
            ids.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// How many alerts are open, by what they weigh.
pub async fn count_open(db: &mut Conn) -> Result<Vec<(Severity, i64)>> {
    Ok(on!(db, c => sqlx::query_as(
            "select severity, count(*)
             from alerts
             where cleared_at is null
             group by severity",
        )
        .fetch_all(c).await)?)
}

/// Whether an alert of a rule, as it is now, on one piece of equipment is open, or was cleared by hand with no reading after
/// `last`.
pub async fn stands(
    db: &mut Conn,
    rule: &Rule,
    equipment_id: EquipmentId,
    last: Timestamp,
) -> Result<bool> {
    let found: Option<i32> = on!(db, c => sqlx::query_scalar(
            "select 1
             from alerts
             where rule_id = $1 and equipment_id = $2 and judged_since = $3
               and (cleared_at is null or cleared_after >= $4)
             limit 1",
        )
        .bind(rule.id)
        .bind(equipment_id)
        .bind(rule.updated_at)
        .bind(last)
        .fetch_optional(c).await)?;
    Ok(found.is_some())
}

/// The open alerts of a rule, held until the transaction ends.
pub async fn lock_open(tx: &mut Tx, rule_id: RuleId) -> Result<Vec<Alert>> {
    Ok(match tx.engine() {
        Engine::Sqlite(c) => {
            sqlx::query_as(select!("where rule_id = $1 and cleared_at is null order by id"))
                .bind(rule_id)
                .fetch_all(c)
                .await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(select!(
                "where rule_id = $1 and cleared_at is null order by id for update"
            ))
            .bind(rule_id)
            .fetch_all(c)
            .await?
        }
    })
}
