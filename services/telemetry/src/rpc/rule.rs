pub mod test;

use std::time::Duration;

use kit::{Call, Error, Result, Timestamp, changes, db::Tx, mask::Mask, once::Once};
use proto::telemetry::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    change,
    domain::{
        alert::Severity,
        journal::{self, Marks},
        reading::EquipmentId,
        rule::{Condition, Delay, Rule, RuleId},
    },
    observe::Event,
    store,
};

/// What an update of a rule can change, and what it can't but may name.
const MUTABLE: [&str; 13] = [
    "name",
    "equipment_id",
    "equipment_type",
    "metric",
    "condition",
    "threshold",
    "deadband",
    "on_delay",
    "off_delay",
    "severity",
    "open_task",
    "enabled",
    "guidance",
];
const GIVEN: [&str; 4] = ["id", "created_at", "updated_at", "etag"];

pub async fn create(
    service: &Service,
    call: Call<pb::CreateRuleRequest>,
) -> Result<Response<pb::Rule>> {
    let once = Once::new(&call, &call.message.request_id);
    let rule = read(call.message.rule.unwrap_or_default())?;
    // Asked before the transaction; it counts only if this is the first call with its key.
    let known = check_equipment(service, rule.equipment_id).await;

    let mut tx = service.db.begin("create rule").await?;
    store::journal::take_turn(&mut tx).await?;
    let now = service.suite.clock.now();
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    known?;
    let made_at = after_all_written(&mut tx, now).await?;
    let rule = Rule { created_at: made_at, updated_at: made_at, ..rule };
    store::rule::insert(&mut tx, &rule).await?;
    mark(&mut tx, rule.id, made_at).await?;
    let answer = tell(&mut tx, change::RULE, rule, now).await?;
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
    let page = kit::page!(service.db, request)?;
    let filter = store::rule::Filter {
        equipment_id: EquipmentId::parse_optional("equipment_id", request.equipment_id.as_deref())?,
        severity: Severity::from_name(request.severity().as_str_name()),
        equipment_type: Some(request.equipment_type).filter(|name| !name.is_empty()),
        metric: Some(request.metric).filter(|metric| !metric.is_empty()),
        enabled: request.enabled,
    };

    let rows = store::rule::list(&mut service.db.read().await?, &filter, &page).await?;
    let (rules, next_page_token) = page.cut(rows, |rule| rule.id, pb::Rule::from)?;
    Ok(pb::ListRulesResponse { rules, next_page_token })
}

pub async fn update(service: &Service, call: Call<pb::UpdateRuleRequest>) -> Result<pb::Rule> {
    let wire = call.message.rule.unwrap_or_default();
    let id = RuleId::parse("rule.id", &wire.id)?;
    let mask = Mask::parse("rule", call.message.update_mask, &MUTABLE, &GIVEN)?;
    let equipment_id =
        EquipmentId::parse_optional("rule.equipment_id", wire.equipment_id.as_deref())?;
    // Asked before the transaction; it counts only if the rule shall look elsewhere.
    let known = check_equipment(service, equipment_id).await;

    let mut tx = service.db.begin("update rule").await?;
    let before = writable(&mut tx, id, &wire.etag).await?;
    let Rule { created_at, updated_at, revision, .. } = before;
    let after = read(merge(before.clone().into(), wire, &mask))?;
    let mut after = Rule { id, created_at, updated_at, revision, ..after };
    if after == before {
        return Ok(before.into());
    }
    if after.equipment_id != before.equipment_id {
        known?;
    }
    let now = service.suite.clock.now();
    after.touch(after_all_written(&mut tx, now).await?);
    store::rule::update(&mut tx, &after).await?;
    mark(&mut tx, id, after.updated_at).await?;
    let why = if before.enabled && !after.enabled { "disabled" } else { "changed" };
    clear_alerts(&mut tx, id, why, now).await?;
    let answer = tell(&mut tx, change::RULE, after, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteRuleRequest>) -> Result<()> {
    let id = RuleId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("delete rule").await?;
    let rule = writable(&mut tx, id, &call.message.etag).await?;
    let now = service.suite.clock.now();
    clear_alerts(&mut tx, id, "deleted", now).await?;
    store::rule::delete(&mut tx, id).await?;
    mark(&mut tx, id, now).await?;
    tell(&mut tx, change::RULE_DELETED, rule, now).await?;
    tx.commit().await
}

/// The rule `id`; until `tx` ends, nobody else changes it or holds readings against it.
async fn writable(tx: &mut Tx, id: RuleId, etag: &str) -> Result<Rule> {
    store::journal::take_turn(tx).await?;
    let rule = store::rule::find(tx, id).await?.ok_or_else(|| Error::not_found("rule", id))?;
    if !etag.is_empty() && etag != rule.revision.to_string() {
        return Err(Error::Stale("the rule was changed meanwhile"));
    }
    Ok(rule)
}

/// `now`, or later than everything that was written: that is not for the rule to see, whatever the clocks of replicas say.
async fn after_all_written(tx: &mut Tx, now: Timestamp) -> Result<Timestamp> {
    let last = store::journal::last_written_at(tx).await?;
    Ok(last.map_or(now, |last| now.max(last.plus(Duration::from_micros(1)))))
}

/// Tells whoever holds readings against the rule `id` that it is another now.
async fn mark(tx: &mut Tx, id: RuleId, now: Timestamp) -> Result<()> {
    let marks = Marks { rules: vec![id], ..Marks::default() };
    store::journal::append(tx, &journal::encode_marks(&marks), now).await.map(drop)
}

/// Clears the open alerts of a rule, which is not what raised them any more.
async fn clear_alerts(tx: &mut Tx, id: RuleId, why: &str, now: Timestamp) -> Result<()> {
    for mut alert in store::alert::lock_open(tx, id).await? {
        alert.clear(now, &format!("Cleared because its rule was {why}."));
        Event::Cleared.note(tx, 1);
        store::alert::update(tx, &alert).await?;
        changes::append(tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert)).await?;
    }
    Ok(())
}

/// Writes a rule to the change log.
async fn tell(tx: &mut Tx, kind: &'static str, rule: Rule, now: Timestamp) -> Result<pb::Rule> {
    let id = rule.id.uuid();
    let wire = pb::Rule::from(rule);
    changes::append(tx, now, kind, id, &wire).await?;
    Ok(wire)
}

/// The rule that an update asks for: what `mask` names is as in `wire`, the rest as it was.
fn merge(before: pb::Rule, wire: pb::Rule, mask: &Mask) -> pb::Rule {
    pb::Rule {
        name: mask.take("name", wire.name).unwrap_or(before.name),
        equipment_id: mask.take("equipment_id", wire.equipment_id).unwrap_or(before.equipment_id),
        equipment_type: mask
            .take("equipment_type", wire.equipment_type)
            .unwrap_or(before.equipment_type),
        metric: mask.take("metric", wire.metric).unwrap_or(before.metric),
        condition: mask.take("condition", wire.condition).unwrap_or(before.condition),
        threshold: mask.take("threshold", wire.threshold).unwrap_or(before.threshold),
        deadband: mask.take("deadband", wire.deadband).unwrap_or(before.deadband),
        on_delay: mask.take("on_delay", wire.on_delay).unwrap_or(before.on_delay),
        off_delay: mask.take("off_delay", wire.off_delay).unwrap_or(before.off_delay),
        severity: mask.take("severity", wire.severity).unwrap_or(before.severity),
        open_task: mask.take("open_task", wire.open_task).unwrap_or(before.open_task),
        enabled: mask.take("enabled", wire.enabled).unwrap_or(before.enabled),
        guidance: mask.take("guidance", wire.guidance).unwrap_or(before.guidance),
        ..wire
    }
}

/// A rule from what the caller may say of it.
fn read(wire: pb::Rule) -> Result<Rule> {
    let rule = Rule {
        id: RuleId::new(),
        equipment_id: EquipmentId::parse_optional(
            "rule.equipment_id",
            wire.equipment_id.as_deref(),
        )?,
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
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        revision: 1,
    };
    rule.check()?;
    Ok(rule)
}

fn delay(field: &str, wire: Option<prost_types::Duration>) -> Result<Delay> {
    let duration = Duration::try_from(wire.unwrap_or_default());
    Ok(Delay(duration.map_err(|_| Error::invalid(field, "must not be negative"))?))
}

async fn check_equipment(service: &Service, id: Option<EquipmentId>) -> Result<()> {
    match id {
        Some(id) => service.register.check("rule.equipment_id", id).await,
        None => Ok(()),
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
