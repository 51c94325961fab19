//! Keeps what a replay found, and asks for tasks.

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
        alert::{Alert, Severity},
        replay::Outcome,
        rule::Rule,
    },
    observe::Event,
    store,
};

/// Keeps what has to change. Alerts clear before others open: only one per rule and equipment may be open.
pub async fn keep(tx: &mut Tx, rule: &Rule, outcome: Outcome, now: Timestamp) -> Result<()> {
    let Outcome { removed, mut changed, cleared, raised, .. } = outcome;
    Event::Cleared.note(tx, cleared);
    for alert in removed {
        remove(tx, &alert).await?;
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
        changes::append(tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert)).await?;
    }
    for mut alert in raised {
        request_task(tx, rule, &mut alert, now).await?;
        Event::Raised.note(tx, 1);
        Event::Cleared.note(tx, u64::from(alert.cleared_at.is_some()));
        let Alert { equipment_id, raised_at, .. } = alert;
        let before = store::alert::occurrences_before(tx, rule.id, equipment_id, raised_at).await?;
        alert.occurrences = before + 1;
        count(tx, &alert, 1).await?;
        store::alert::insert(tx, &alert).await?;
        changes::append(tx, now, change::ALERT, alert.id.uuid(), &pb::Alert::from(alert)).await?;
    }
    Ok(())
}

/// Removes an alert, which counts no longer for those that the same rule raised later.
pub async fn remove(tx: &mut Tx, alert: &Alert) -> Result<()> {
    store::alert::delete(tx, alert.id).await?;
    Event::Removed.note(tx, 1);
    count(tx, alert, -1).await
}

/// Counts an alert, or one less, for those that the same rule raised later.
async fn count(tx: &mut Tx, alert: &Alert, more: i64) -> Result<()> {
    let Some(rule_id) = alert.rule_id else { return Ok(()) };
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
