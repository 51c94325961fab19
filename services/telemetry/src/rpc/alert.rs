pub mod watch;

use kit::{Call, Error, Result, Timestamp, changes, db::Tx, mask::Mask, once::Once};
use proto::telemetry::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    change,
    domain::{
        alert::{Alert, AlertId, Severity, State},
        reading::EquipmentId,
        rule::RuleId,
    },
    ingest,
    observe::Event,
    store,
};

/// What an update of an alert can change, and what it can't but may name.
const MUTABLE: [&str; 3] = ["severity", "message", "comment"];
const GIVEN: [&str; 16] = [
    "id",
    "equipment_id",
    "rule_id",
    "metric",
    "value",
    "threshold",
    "state",
    "raised_at",
    "cleared_at",
    "cleared_by",
    "acknowledged_at",
    "acknowledged_by",
    "task_id",
    "created_by",
    "occurrences",
    "etag",
];

pub async fn create(
    service: &Service,
    call: Call<pb::CreateAlertRequest>,
) -> Result<Response<pb::Alert>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let alert = read(call.message.alert.unwrap_or_default(), call.caller.id, now)?;
    // Asked before the transaction; it counts only if this is the first call with its key.
    let known = service.register.check("alert.equipment_id", alert.equipment_id).await;

    let mut tx = service.db.begin("create alert").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    known?;
    store::alert::insert(&mut tx, &alert).await?;
    Event::Raised.note(&mut tx, 1);
    let answer = tell(&mut tx, change::ALERT, alert, now).await?;
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn get(service: &Service, call: Call<pb::GetAlertRequest>) -> Result<pb::Alert> {
    let id = AlertId::parse("id", &call.message.id)?;

    let alert = store::alert::find(&mut service.db.read().await?, id).await?;
    Ok(alert.ok_or_else(|| Error::not_found("alert", id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListAlertsRequest>,
) -> Result<pb::ListAlertsResponse> {
    let mut request = call.message;
    if request.order_by.is_empty() {
        "raised_at".clone_into(&mut request.order_by);
    }
    let page = kit::ordered_page!(service.db, request, store::alert::ORDERS)?;
    let filter = filter(&request)?;

    let rows = store::alert::list(&mut service.db.read().await?, &filter, &page).await?;
    let (alerts, next_page_token) = page.cut(rows, |alert| alert.id, pb::Alert::from)?;
    Ok(pb::ListAlertsResponse { alerts, next_page_token })
}

pub async fn acknowledge(
    service: &Service,
    call: Call<pb::AcknowledgeAlertRequest>,
) -> Result<pb::Alert> {
    let id = AlertId::parse("id", &call.message.id)?;
    let now = service.suite.clock.now();

    let mut tx = service.db.begin("acknowledge alert").await?;
    let mut alert = lock(&mut tx, id, "").await?;
    if !alert.acknowledge(&call.caller.id, now, &call.message.comment) {
        return Ok(alert.into());
    }
    store::alert::update(&mut tx, &alert).await?;
    let answer = tell(&mut tx, change::ALERT, alert, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn clear(service: &Service, call: Call<pb::ClearAlertRequest>) -> Result<pb::Alert> {
    let id = AlertId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("clear alert").await?;
    // No reading comes in between: what is there was seen by whoever clears it, and what comes later raises anew.
    store::journal::take_turn(&mut tx).await?;
    let mut alert = lock(&mut tx, id, "").await?;
    let last = ingest::last_seen(&mut tx, &service.recent, &alert).await?;
    let now = service.suite.clock.now();
    if !alert.clear_by_hand(&call.caller.id, now, last, &call.message.comment) {
        return Ok(alert.into());
    }
    store::alert::update(&mut tx, &alert).await?;
    Event::Cleared.note(&mut tx, 1);
    ingest::mark(&mut tx, &alert, now).await?;
    let answer = tell(&mut tx, change::ALERT, alert, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn update(service: &Service, call: Call<pb::UpdateAlertRequest>) -> Result<pb::Alert> {
    let wire = call.message.alert.unwrap_or_default();
    let id = AlertId::parse("alert.id", &wire.id)?;
    let mask = Mask::parse("alert", call.message.update_mask, &MUTABLE, &GIVEN)?;
    let severity = severity(&wire);
    let now = service.suite.clock.now();

    let mut tx = service.db.begin("update alert").await?;
    let before = lock(&mut tx, id, &wire.etag).await?;
    check_same(&before, &wire)?;
    let mut alert = before.clone();
    alert.severity = mask.take("severity", severity).unwrap_or(alert.severity);
    alert.message = mask.take("message", wire.message).unwrap_or(alert.message);
    alert.comment = mask.take("comment", wire.comment).unwrap_or(alert.comment);
    if alert == before {
        return Ok(before.into());
    }
    alert.revision += 1;
    store::alert::update(&mut tx, &alert).await?;
    let answer = tell(&mut tx, change::ALERT, alert, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteAlertRequest>) -> Result<()> {
    let id = AlertId::parse("id", &call.message.id)?;
    let now = service.suite.clock.now();

    let mut tx = service.db.begin("delete alert").await?;
    // Nobody holds readings against its rule meanwhile.
    store::journal::take_turn(&mut tx).await?;
    let alert = lock(&mut tx, id, &call.message.etag).await?;
    ingest::mark(&mut tx, &alert, now).await?;
    tell(&mut tx, change::ALERT_REMOVED, alert.clone(), now).await?;
    ingest::remove(&mut tx, &alert, now).await?;
    tx.commit().await
}

/// The alert `id`; until `tx` ends, nobody else changes it.
async fn lock(tx: &mut Tx, id: AlertId, etag: &str) -> Result<Alert> {
    let alert = store::alert::lock(tx, id).await?.ok_or_else(|| Error::not_found("alert", id))?;
    if !etag.is_empty() && etag != alert.revision.to_string() {
        return Err(Error::Stale("the alert was changed meanwhile"));
    }
    Ok(alert)
}

/// Refuses that an alert becomes another's, or tells of another value or time. What is left out stays.
fn check_same(alert: &Alert, wire: &pb::Alert) -> Result<()> {
    let equipment_id = Some(wire.equipment_id.as_str()).filter(|id| !id.is_empty());
    let equipment_id = EquipmentId::parse_optional("alert.equipment_id", equipment_id)?;
    let raised_at = Timestamp::parse_optional("alert.raised_at", wire.raised_at.as_ref())?;
    let differs = |given: Option<f64>, own| given.is_some() && given != own;
    for (field, is_another) in [
        ("equipment_id", equipment_id.is_some_and(|id| id != alert.equipment_id)),
        ("metric", !wire.metric.is_empty() && wire.metric != alert.metric),
        ("value", differs(wire.value, alert.value)),
        ("threshold", differs(wire.threshold, alert.threshold)),
        ("raised_at", raised_at.is_some_and(|at| at != alert.raised_at)),
    ] {
        if is_another {
            return Err(Error::invalid(format!("alert.{field}"), "can't change"));
        }
    }
    Ok(())
}

/// Writes an alert to the change log.
async fn tell(tx: &mut Tx, kind: &'static str, alert: Alert, now: Timestamp) -> Result<pb::Alert> {
    let id = alert.id.uuid();
    let wire = pb::Alert::from(alert);
    changes::append(tx, now, kind, id, &wire).await?;
    Ok(wire)
}

/// An alert that `creator` makes by hand.
fn read(wire: pb::Alert, creator: String, now: Timestamp) -> Result<Alert> {
    let raised_at = wire.raised_at.as_ref();
    let raised_at = raised_at.map(|at| Timestamp::parse("alert.raised_at", at)).transpose()?;
    let alert = Alert {
        id: AlertId::new(),
        equipment_id: EquipmentId::parse("alert.equipment_id", &wire.equipment_id)?,
        severity: severity(&wire),
        rule_id: None,
        metric: wire.metric,
        message: wire.message,
        value: wire.value,
        threshold: wire.threshold,
        raised_at: raised_at.unwrap_or(now),
        cleared_at: None,
        cleared_by: None,
        cleared_after: None,
        acknowledged_at: None,
        acknowledged_by: None,
        comment: wire.comment,
        task_id: None,
        task_requested: false,
        created_by: Some(creator),
        occurrences: 1,
        judged_since: None,
        revision: 1,
    };
    alert.check(now)?;
    Ok(alert)
}

fn severity(wire: &pb::Alert) -> Severity {
    Severity::from_name(wire.severity().as_str_name()).unwrap_or(Severity::Warning)
}

fn filter(request: &pb::ListAlertsRequest) -> Result<store::alert::Filter> {
    let time =
        |field, at: &Option<_>| at.as_ref().map(|at| Timestamp::parse(field, at)).transpose();
    Ok(store::alert::Filter {
        open: false,
        state: State::from_name(request.state().as_str_name()),
        severity: Severity::from_name(request.severity().as_str_name()),
        equipment_id: request
            .equipment_id
            .as_deref()
            .map(|id| EquipmentId::parse("equipment_id", id))
            .transpose()?,
        rule_id: request.rule_id.as_deref().map(|id| RuleId::parse("rule_id", id)).transpose()?,
        from: time("from", &request.from)?,
        to: time("to", &request.to)?,
    })
}

impl From<Alert> for pb::Alert {
    fn from(alert: Alert) -> Self {
        use pb::alert::{Severity, State};
        let severity = Severity::from_str_name(alert.severity.name()).unwrap_or_default();
        let state = State::from_str_name(alert.state().name()).unwrap_or_default();
        Self {
            id: alert.id.to_string(),
            equipment_id: alert.equipment_id.to_string(),
            rule_id: alert.rule_id.map(|id| id.to_string()).unwrap_or_default(),
            metric: alert.metric,
            severity: severity.into(),
            message: alert.message,
            value: alert.value,
            threshold: alert.threshold,
            state: state.into(),
            raised_at: Some(alert.raised_at.into()),
            cleared_at: alert.cleared_at.map(Into::into),
            acknowledged_at: alert.acknowledged_at.map(Into::into),
            acknowledged_by: alert.acknowledged_by,
            comment: alert.comment,
            task_id: alert.task_id,
            etag: alert.revision.to_string(),
            occurrences: i32::try_from(alert.occurrences).unwrap_or(i32::MAX),
            created_by: alert.created_by,
            cleared_by: alert.cleared_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for severity in Severity::ALL {
            assert!(pb::alert::Severity::from_str_name(severity.name()).is_some());
        }
        for state in State::ALL {
            assert!(pb::alert::State::from_str_name(state.name()).is_some());
        }
    }
}
