use std::time::Duration;

use kit::{Call, Error, Result, Timestamp, changes, once::Once};
use proto::telemetry::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    change,
    domain::{
        alert::Severity,
        reading::EquipmentId,
        rule::{Condition, Delay, Rule, RuleId},
    },
    store,
};

pub async fn create(
    service: &Service,
    call: Call<pb::CreateRuleRequest>,
) -> Result<Response<pb::Rule>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let rule = read(call.message.rule.unwrap_or_default(), now)?;
    // Asked before the transaction; it counts only if this is the first call with its key.
    let known = check_equipment(service, &rule).await;

    let mut tx = service.db.begin("create rule").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    known?;
    store::rule::insert(&mut tx, &rule).await?;
    let id = rule.id.uuid();
    let answer = pb::Rule::from(rule);
    changes::append(&mut tx, now, change::RULE, id, &answer).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn get(service: &Service, call: Call<pb::GetRuleRequest>) -> Result<pb::Rule> {
    let id = RuleId::parse("id", &call.message.id)?;

    let rule = store::rule::find(&mut service.db.read().await?, id).await?;
    Ok(rule.ok_or_else(|| Error::not_found("rule", id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListRulesRequest>,
) -> Result<pb::ListRulesResponse> {
    let mut request = call.message;
    let page = kit::page!(request)?;

    let rows = store::rule::list(&mut service.db.read().await?, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |rule| rule.id)?;
    Ok(pb::ListRulesResponse {
        rules: rows.into_iter().map(pb::Rule::from).collect(),
        next_page_token,
    })
}

/// A new rule from what the caller may say of it.
fn read(wire: pb::Rule, now: Timestamp) -> Result<Rule> {
    let equipment_id = wire.equipment_id.as_deref();
    if wire.equipment_id.is_some() == wire.equipment_type.is_some() {
        let problem = "give either equipment_id or equipment_type";
        return Err(Error::invalid("rule.equipment_id", problem));
    }
    Ok(Rule {
        id: RuleId::new(),
        equipment_id: equipment_id
            .map(|id| EquipmentId::parse("rule.equipment_id", id))
            .transpose()?,
        condition: Condition::from_name(wire.condition().as_str_name())
            .ok_or_else(|| Error::invalid("rule.condition", "is required"))?,
        severity: Severity::from_name(wire.severity().as_str_name()).unwrap_or(Severity::Warning),
        on_delay: delay("rule.on_delay", wire.on_delay)?,
        off_delay: delay("rule.off_delay", wire.off_delay)?,
        name: wire.name,
        equipment_type: wire.equipment_type,
        metric: wire.metric,
        threshold: wire.threshold,
        deadband: wire.deadband,
        open_task: wire.open_task,
        enabled: wire.enabled.unwrap_or(true),
        guidance: wire.guidance,
        created_at: now,
        updated_at: now,
        revision: 1,
    })
}

fn delay(field: &str, wire: Option<prost_types::Duration>) -> Result<Delay> {
    let duration = Duration::try_from(wire.unwrap_or_default());
    Ok(Delay(duration.map_err(|_| Error::invalid(field, "must not be negative"))?))
}

async fn check_equipment(service: &Service, rule: &Rule) -> Result<()> {
    let Some(id) = rule.equipment_id else { return Ok(()) };
    match service.register.find(id).await? {
        Some(entry) if entry.in_service => Ok(()),
        Some(_) => Err(Error::invalid("rule.equipment_id", "is decommissioned")),
        None => Err(Error::invalid("rule.equipment_id", "there is no such equipment")),
    }
}

impl From<Rule> for pb::Rule {
    fn from(rule: Rule) -> Self {
        let condition = pb::rule::Condition::from_str_name(rule.condition.name());
        let severity = pb::alert::Severity::from_str_name(rule.severity.name());
        Self {
            id: rule.id.to_string(),
            name: rule.name,
            equipment_id: rule.equipment_id.map(|id| id.to_string()),
            equipment_type: rule.equipment_type,
            metric: rule.metric,
            condition: condition.unwrap_or_default().into(),
            threshold: rule.threshold,
            deadband: rule.deadband,
            on_delay: rule.on_delay.0.try_into().ok(),
            off_delay: rule.off_delay.0.try_into().ok(),
            severity: severity.unwrap_or_default().into(),
            open_task: rule.open_task,
            enabled: Some(rule.enabled),
            guidance: rule.guidance,
            created_at: Some(rule.created_at.into()),
            updated_at: Some(rule.updated_at.into()),
            etag: rule.revision.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for condition in Condition::ALL {
            assert!(pb::rule::Condition::from_str_name(condition.name()).is_some());
        }
    }
}
