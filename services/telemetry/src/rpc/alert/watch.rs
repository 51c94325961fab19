//! Tells of alerts as they change, whichever replica changed them: from the change log.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use kit::{
    Call, Db, Result,
    changes::{self, Change, Position, Prompt, Start},
    order::OrderedPage,
    uuid::Uuid,
};
use proto::telemetry::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{
    change,
    domain::{
        alert::{Severity, State},
        reading::EquipmentId,
        rule::RuleId,
    },
    rpc::Service,
    store,
};

/// How long to sleep when nothing in this process wakes: other replicas write too.
const POLL: Duration = Duration::from_millis(250);

/// Messages on their way to the watcher.
pub type WatchStream = ReceiverStream<Result<pb::WatchAlertsResponse, Status>>;

pub async fn watch(service: &Service, call: Call<pb::WatchAlertsRequest>) -> Result<WatchStream> {
    let filter = filter(&call.message)?;
    let token = &call.message.resume_token;
    let start = changes::resume(&mut service.db.read().await?, "resume_token", token).await?;

    let (sender, receiver) = mpsc::channel(16);
    let watcher = Watcher {
        db: service.db.clone(),
        equipment_id: call.message.equipment_id.unwrap_or_default(),
        rule_id: call.message.rule_id.unwrap_or_default(),
        filter,
        sender,
    };
    service.suite.spawn(async move {
        if let Err(error) = watcher.run(start).await {
            // The watcher may have gone; it resumes from the last token that it kept.
            let _ = watcher.sender.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

fn filter(request: &pb::WatchAlertsRequest) -> Result<store::alert::Filter> {
    let equipment_id = request.equipment_id.as_deref();
    Ok(store::alert::Filter {
        open: true,
        state: State::from_name(request.state().as_str_name()),
        severity: Severity::from_name(request.severity().as_str_name()),
        equipment_id: EquipmentId::parse_optional("equipment_id", equipment_id)?,
        rule_id: RuleId::parse_optional("rule_id", request.rule_id.as_deref())?,
        ..store::alert::Filter::default()
    })
}

struct Watcher {
    db: Db,
    /// As in the filter, and as alerts have it on the wire; empty for all.
    equipment_id: String,
    rule_id: String,
    filter: store::alert::Filter,
    sender: mpsc::Sender<Result<pb::WatchAlertsResponse, Status>>,
}

impl Watcher {
    /// Tells of every change until the watcher goes.
    async fn run(&self, start: Start) -> Result<()> {
        // Not the ordinary reader: an alert may not wait until some older transaction is over.
        let mut log = Prompt::new(start.position);
        if start.with_snapshot {
            // What is in the snapshot is not told again, as it was before.
            while !log.look(&mut self.db.read().await?).await?.is_empty() {}
            if !self.send_open(log.position()).await? {
                return Ok(());
            }
        }
        let mut commits = self.db.commits();
        loop {
            commits.mark_unchanged();
            let before = log.position();
            let changes = log.look(&mut self.db.read().await?).await?;
            let is_empty = changes.is_empty();
            if !self.send(in_order(changes), before, log.position()).await? {
                return Ok(());
            }
            if is_empty {
                tokio::select! {
                    // A closed channel means that the process is going down; the poll's pace is then right, too.
                    _ = tokio::time::timeout(POLL, commits.changed()) => {}
                    () = self.sender.closed() => return Ok(()),
                }
            }
        }
    }

    /// Sends the open alerts, and a message without one that says so. Answers whether the watcher is still there.
    async fn send_open(&self, start: Position) -> Result<bool> {
        let page_after = |token: &str| {
            OrderedPage::parse(self.db.seal(), store::alert::ORDERS, "raised_at", 1000, token, &())
        };
        let mut page = page_after("")?;
        loop {
            let rows = store::alert::list(&mut self.db.read().await?, &self.filter, &page).await?;
            let (alerts, next) = page.cut(rows, |alert| alert.id, pb::Alert::from)?;
            for alert in alerts {
                let message = pb::WatchAlertsResponse {
                    alert: Some(alert),
                    snapshot: true,
                    ..Default::default()
                };
                if self.sender.send(Ok(message)).await.is_err() {
                    return Ok(false);
                }
            }
            if next.is_empty() {
                break;
            }
            page = page_after(&next)?;
        }
        let resume_token = start.to_string();
        let end = pb::WatchAlertsResponse { snapshot: true, resume_token, ..Default::default() };
        Ok(self.sender.send(Ok(end)).await.is_ok())
    }

    /// Sends what was found `before` that and up to `position`. Answers whether the watcher is still there.
    async fn send(
        &self,
        changes: Vec<Change>,
        before: Position,
        position: Position,
    ) -> Result<bool> {
        let mut messages = Vec::new();
        for change in changes {
            messages.extend(self.message(&change)?);
        }
        let count = messages.len();
        for (place, mut message) in messages.into_iter().enumerate() {
            // Who resumes in the middle is told of all of it again.
            let position = if place + 1 == count { position } else { before };
            message.resume_token = position.to_string();
            if self.sender.send(Ok(message)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn message(&self, change: &Change) -> Result<Option<pb::WatchAlertsResponse>> {
        let alert: pb::Alert = change.decode()?;
        let is_other = |asked: &str, id: &str| !asked.is_empty() && asked != id;
        if is_other(&self.equipment_id, &alert.equipment_id)
            || is_other(&self.rule_id, &alert.rule_id)
        {
            return Ok(None);
        }
        let removed = change.kind == change::ALERT_REMOVED || !self.takes(&alert);
        Ok(Some(pb::WatchAlertsResponse { alert: Some(alert), removed, ..Default::default() }))
    }

    /// Whether the alert, as it is now, is among those asked for.
    fn takes(&self, alert: &pb::Alert) -> bool {
        let state =
            self.filter.state.is_none_or(|state| state.name() == alert.state().as_str_name());
        let severity = self.filter.severity;
        state && severity.is_none_or(|it| it.name() == alert.severity().as_str_name())
    }
}

/// The changes of alerts, without those that an older transaction made of an alert that is told already as it was later.
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    let mut newest = HashMap::<Uuid, u64>::new();
    let mut removed = HashSet::new();
    changes.retain(|change| {
        if change.kind == change::ALERT_REMOVED {
            removed.insert(change.id);
            return true;
        }
        if change.kind != change::ALERT || removed.contains(&change.id) {
            return false;
        }
        let revision = change.decode::<pb::Alert>().ok().and_then(|alert| alert.etag.parse().ok());
        let newest = newest.entry(change.id).or_default();
        let is_newer = revision.is_none_or(|revision| *newest <= revision);
        *newest = (*newest).max(revision.unwrap_or_default());
        is_newer
    });
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: Uuid, kind: &str, revision: u64) -> Change {
        let alert = pb::Alert { etag: revision.to_string(), ..Default::default() };
        let payload = prost::Message::encode_to_vec(&alert);
        Change { position: Position::default(), kind: kind.into(), id, payload }
    }

    #[test]
    fn what_one_look_finds_never_goes_back() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let told = in_order(vec![
            change(one, change::ALERT, 1),
            change(one, change::ALERT, 3),
            change(two, change::ALERT, 1),
            change(one, change::ALERT, 2),
            change(one, change::TASK_WANTED, 4),
            change(one, change::ALERT, 4),
            change(two, change::ALERT_REMOVED, 1),
            change(two, change::ALERT, 2),
        ]);
        let told: Vec<_> = told
            .iter()
            .map(|change| (change.id, change.decode::<pb::Alert>().unwrap().etag))
            .collect();
        let told: Vec<_> = told.iter().map(|(id, etag)| (*id, etag.as_str())).collect();
        assert_eq!(told, [(one, "1"), (one, "3"), (two, "1"), (one, "4"), (two, "1")]);
    }
}
