use kit::{
    Page, Result, Timestamp,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::{
    alert::Severity,
    reading::EquipmentId,
    rule::{Condition, Rule, RuleId},
};

/// Which rules to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub equipment_id: Option<EquipmentId>,
    pub equipment_type: Option<String>,
    pub metric: Option<String>,
    pub severity: Option<Severity>,
    pub enabled: Option<bool>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, name, equipment_id, equipment_type, metric, condition, threshold, deadband,
                    on_delay, off_delay, severity, open_task, enabled, guidance,
                    created_at, updated_at, revision
             from rules ",
            $rest
        )
    };
}

pub async fn insert(tx: &mut Tx, rule: &Rule) -> Result<()> {
    on!(tx, c => sqlx::query(
            "insert into rules (
                 id, name, equipment_id, equipment_type, metric, condition, threshold, deadband,
                 on_delay, off_delay, severity, open_task, enabled, guidance,
                 created_at, updated_at, revision
             )
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(rule.id)
        .bind(&rule.name)
        .bind(rule.equipment_id)
        .bind(&rule.equipment_type)
        .bind(&rule.metric)
        .bind(rule.condition)
        .bind(rule.threshold)
        .bind(rule.deadband)
        .bind(rule.on_delay.micros())
        .bind(rule.off_delay.micros())
        .bind(rule.severity)
        .bind(rule.open_task)
        .bind(rule.enabled)
        .bind(&rule.guidance)
        .bind(rule.created_at)
        .bind(rule.updated_at)
        .bind(rule.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn find(db: &mut Conn, id: RuleId) -> Result<Option<Rule>> {
    Ok(on!(db, c => sqlx::query_as(select!("where id = $1")).bind(id).fetch_optional(c).await)?)
}

pub async fn update(tx: &mut Tx, rule: &Rule) -> Result<()> {
    on!(tx, c => sqlx::query(
            "update rules
             set name = $2,
                 equipment_id = $3,
                 equipment_type = $4,
                 metric = $5,
                 condition = $6,
                 threshold = $7,
                 deadband = $8,
                 on_delay = $9,
                 off_delay = $10,
                 severity = $11,
                 open_task = $12,
                 enabled = $13,
                 guidance = $14,
                 updated_at = $15,
                 revision = $16
             where id = $1",
        )
        .bind(rule.id)
        .bind(&rule.name)
        .bind(rule.equipment_id)
        .bind(&rule.equipment_type)
        .bind(&rule.metric)
        .bind(rule.condition)
        .bind(rule.threshold)
        .bind(rule.deadband)
        .bind(rule.on_delay.micros())
        .bind(rule.off_delay.micros())
        .bind(rule.severity)
        .bind(rule.open_task)
        .bind(rule.enabled)
        .bind(&rule.guidance)
        .bind(rule.updated_at)
        .bind(rule.revision)
        .execute(c).await.map(drop))?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, id: RuleId) -> Result<()> {
    on!(tx, c => sqlx::query("delete from rules where id = $1")
        .bind(id)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// By id, which is by age.
pub async fn list(db: &mut Conn, filter: &Filter, page: &Page<RuleId>) -> Result<Vec<Rule>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(equipment_id) = filter.equipment_id {
            query.push(" and equipment_id = ").push_bind(equipment_id);
        }
        if let Some(equipment_type) = &filter.equipment_type {
            query.push(" and equipment_type = ").push_bind(equipment_type);
        }
        if let Some(metric) = &filter.metric {
            query.push(" and metric = ").push_bind(metric);
        }
        if let Some(severity) = filter.severity {
            query.push(" and severity = ").push_bind(severity);
        }
        if let Some(enabled) = filter.enabled {
            query.push(" and enabled = ").push_bind(enabled);
        }
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The rules that are on, by id.
pub async fn enabled(db: &mut Conn) -> Result<Vec<Rule>> {
    Ok(on!(db, c => sqlx::query_as(select!("where enabled = $1 order by id"))
        .bind(true)
        .fetch_all(c).await)?)
}

/// The rules on silence that are on, by id.
pub async fn on_silence(db: &mut Conn) -> Result<Vec<Rule>> {
    Ok(on!(db, c => sqlx::query_as(select!("where enabled = $1 and condition = $2 order by id"))
        .bind(true)
        .bind(Condition::NoData)
        .fetch_all(c).await)?)
}

/// When rules last changed, in order.
pub async fn changes(tx: &mut Tx) -> Result<Vec<Timestamp>> {
    Ok(on!(tx, c => sqlx::query_scalar("select distinct updated_at from rules order by updated_at")
        .fetch_all(c).await)?)
}
