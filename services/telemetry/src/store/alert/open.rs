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

macro_rules! standing {
    () => {
        ") select wanted.rule_id, wanted.equipment_id
           from wanted
           where exists (select 1
                         from alerts
                         where alerts.rule_id = wanted.rule_id
                           and alerts.equipment_id = wanted.equipment_id
                           and judged_since = wanted.since
                           and (cleared_at is null
                                or (cleared_by is not null and cleared_after >= wanted.last_at)))"
    };
}

/// Where, of these, an alert of the rule, as it is now, is open on the equipment, or was cleared by hand with no reading after
/// that time.
pub async fn standing(
    db: &mut Conn,
    wanted: &[(&Rule, EquipmentId, Timestamp)],
) -> Result<HashSet<(RuleId, EquipmentId)>> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<(RuleId, EquipmentId)> = match db.engine() {
        Engine::Sqlite(c) => {
            let mut query =
                QueryBuilder::new("with wanted (rule_id, equipment_id, since, last_at) as (");
            query.push_values(wanted, |mut values, (rule, equipment_id, last_at)| {
                values
                    .push_bind(rule.id)
                    .push_bind(*equipment_id)
                    .push_bind(rule.updated_at)
                    .push_bind(*last_at);
            });
            query.push(standing!());
            query.build_query_as().persistent(false).fetch_all(c).await?
        }
        Engine::Postgres(c) => {
            sqlx::query_as(concat!(
                "with wanted (rule_id, equipment_id, since, last_at) as (
                     select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])",
                standing!(),
            ))
            .bind(wanted.iter().map(|(rule, ..)| rule.id.uuid()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, id, _)| id.uuid()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(rule, ..)| rule.updated_at.micros()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(.., last_at)| last_at.micros()).collect::<Vec<_>>())
            .fetch_all(c)
            .await?
        }
    };
    Ok(found.into_iter().collect())
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
