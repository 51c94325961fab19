//! Keeps what a replay found, and asks for tasks.

use std::collections::BTreeMap;

use kit::{Result, Timestamp, changes, db::Tx};
use proto::{
    maintenance::v1::{
        CreateTaskRequest, Task,
        task::{Priority, Source},
    },
    telemetry::v1 as pb,
};

use crate::{
    change,
    domain::{
        alert::{Alert, AlertId, Severity},
        replay::Outcome,
        rule::Rule,
    },
    observe::Event,
    store,
};

/// Keeps what has to change. Alerts clear before others open: only one per rule and equipment may be open. What the change log
/// says of an alert is how it is when all is done.
pub async fn keep(tx: &mut Tx, rule: &Rule, outcome: Outcome, now: Timestamp) -> Result<()> {
    let Outcome { removed, mut changed, cleared, raised, .. } = outcome;
    Event::Cleared.note(tx, cleared);
    let (mut told, mut counted) = (Vec::new(), BTreeMap::new());
    for alert in removed {
        counted.remove(&alert.id);
        add(&mut counted, delete(tx, &alert).await?);
        let id = alert.id.uuid();
        if alert.task_requested {
            let request = task(rule, &alert);
            changes::append(tx, now, change::TASK_UNWARRANTED, id, &request).await?;
        }
        changes::append(tx, now, change::ALERT_REMOVED, id, &pb::Alert::from(alert)).await?;
    }
    changed.sort_by_key(|alert| alert.cleared_at.is_none());
    for mut alert in changed {
        request_task(tx, rule, &mut alert, now).await?;
        store::alert::update(tx, &alert).await?;
        told.push(alert);
    }
    for mut alert in raised {
        request_task(tx, rule, &mut alert, now).await?;
        Event::Raised.note(tx, 1);
        Event::Cleared.note(tx, u64::from(alert.cleared_at.is_some()));
        let Alert { equipment_id, raised_at, .. } = alert;
        let before = store::alert::occurrences_before(tx, rule.id, equipment_id, raised_at).await?;
        alert.occurrences = before + 1;
        add(&mut counted, count(tx, &alert, 1).await?);
        store::alert::insert(tx, &alert).await?;
        told.push(alert);
    }
    for mut alert in told {
        if counted.remove(&alert.id).is_some()
            && let Some(as_kept) = store::alert::find(tx, alert.id).await?
        {
            alert = as_kept;
        }
        tell(tx, alert, now).await?;
    }
    let mut counted: Vec<_> = counted.into_values().collect();
    counted.sort_by_key(|alert| alert.raised_at);
    for alert in counted {
        tell(tx, alert, now).await?;
    }
    Ok(())
}

fn add(counted: &mut BTreeMap<AlertId, Alert>, more: Vec<Alert>) {
    counted.extend(more.into_iter().map(|alert| (alert.id, alert)));
}

/// Removes an alert, and tells of those that the same rule raised later, for which it counts no longer.
pub async fn remove(tx: &mut Tx, alert: &Alert, now: Timestamp) -> Result<()> {
    for counted in delete(tx, alert).await? {
        tell(tx, counted, now).await?;
    }
    Ok(())
}

async fn delete(tx: &mut Tx, alert: &Alert) -> Result<Vec<Alert>> {
    store::alert::delete(tx, alert.id).await?;
    Event::Removed.note(tx, 1);
    count(tx, alert, -1).await
}

async fn tell(tx: &mut Tx, alert: Alert, now: Timestamp) -> Result<()> {
    changes::append(tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert)).await
}

/// Counts an alert, or one less, for those that the same rule raised later. Answers them.
async fn count(tx: &mut Tx, alert: &Alert, more: i64) -> Result<Vec<Alert>> {
    let Some(rule_id) = alert.rule_id else { return Ok(Vec::new()) };
    store::alert::count_occurrences(tx, rule_id, alert.equipment_id, alert.raised_at, more).await
}

/// Asks for a task, once in the alert's life, if the alert is still open after its readings were looked at: what is over
/// when it is first seen needs nobody.
async fn request_task(tx: &mut Tx, rule: &Rule, alert: &mut Alert, now: Timestamp) -> Result<()> {
    if !rule.open_task || alert.task_requested || alert.cleared_at.is_some() {
        return Ok(());
    }
    alert.task_requested = true;
    changes::append(tx, now, change::TASK_WANTED, alert.id.uuid(), &task(rule, alert)).await
}

fn task(rule: &Rule, alert: &Alert) -> CreateTaskRequest {
    // INFO is good to know, WARNING needs somebody soon, CRITICAL now.
    let priority = match alert.severity {
        Severity::Info => Priority::Low,
        Severity::Warning => Priority::High,
        Severity::Critical => Priority::Critical,
    };
    let mut description = format!("{} at {}.", alert.message, alert.raised_at);
    if !rule.guidance.is_empty() {
        description.push_str("\n\n");
        description.push_str(&rule.guidance);
    }
    let task = Task {
        id: alert.task_id.clone().unwrap_or_default(),
        // A rule's name may be as long as a title; the reading comes in the description.
        title: rule.name.clone(),
        description: description.chars().take(10_000).collect(),
        equipment_id: Some(alert.equipment_id.to_string()),
        priority: priority.into(),
        source: Source::Alert.into(),
        alert_id: Some(alert.id.to_string()),
        ..Task::default()
    };
    CreateTaskRequest { task: Some(task), request_id: alert.id.to_string(), ..Default::default() }
}
