use std::collections::BTreeSet;

use kit::{
    Page, Result,
    db::{Conn, Tx},
    on,
};
use sqlx::QueryBuilder;

use crate::domain::rule::{Rule, RuleId};

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

/// By id, which is by age.
pub async fn list(db: &mut Conn, page: &Page<RuleId>) -> Result<Vec<Rule>> {
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where true"));
        if let Some(after) = page.after {
            query.push(" and id > ").push_bind(after);
        }
        query.push(" order by id limit ").push_bind(page.limit());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The rules that look at one of `metrics`.
pub async fn looking(db: &mut Conn, metrics: impl Iterator<Item = &str>) -> Result<Vec<Rule>> {
    let metrics: BTreeSet<&str> = metrics.collect();
    if metrics.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(db, c => {
        let mut query = QueryBuilder::new(select!("where enabled = "));
        query.push_bind(true).push(" and metric in (");
        let mut names = query.separated(", ");
        for metric in &metrics {
            names.push_bind(*metric);
        }
        query.push(") order by id");
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}
