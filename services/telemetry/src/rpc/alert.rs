use kit::{Call, Error, Result, Timestamp, changes};
use proto::telemetry::v1 as pb;

use super::Service;
use crate::{
    change,
    domain::{
        alert::{Alert, AlertId, Severity, State},
        reading::EquipmentId,
        rule::RuleId,
    },
    store,
};

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
    let page = kit::page!(request)?;
    let filter = filter(&request)?;

    let rows = store::alert::list(&mut service.db.read().await?, &filter, &page).await?;
    let (rows, next_page_token) = page.cut(rows, |alert| (alert.raised_at, alert.id))?;
    Ok(pb::ListAlertsResponse {
        alerts: rows.into_iter().map(pb::Alert::from).collect(),
        next_page_token,
    })
}

pub async fn acknowledge(
    service: &Service,
    call: Call<pb::AcknowledgeAlertRequest>,
) -> Result<pb::Alert> {
    let id = AlertId::parse("id", &call.message.id)?;
    let now = service.suite.clock.now();

    let mut tx = service.db.begin("acknowledge alert").await?;
    let alert = store::alert::lock(&mut tx, id).await?;
    let mut alert = alert.ok_or_else(|| Error::not_found("alert", id))?;
    if !alert.acknowledge(&call.caller.id, now, &call.message.comment) {
        return Ok(alert.into());
    }
    store::alert::update(&mut tx, &alert).await?;
    let answer = pb::Alert::from(alert);
    changes::append(&mut tx, now, change::ALERT, id.uuid(), &answer).await?;
    tx.commit().await?;

    Ok(answer)
}

fn filter(request: &pb::ListAlertsRequest) -> Result<store::alert::Filter> {
    let time =
        |field, at: &Option<_>| at.as_ref().map(|at| Timestamp::parse(field, at)).transpose();
    Ok(store::alert::Filter {
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
