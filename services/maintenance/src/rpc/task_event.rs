use kit::{Call, Error, Result};
use proto::maintenance::v1 as pb;

use super::Service;
use crate::{
    domain::{task::TaskId, task_event::TaskEvent},
    store,
};

pub async fn list(
    service: &Service,
    call: Call<pb::ListTaskEventsRequest>,
) -> Result<pb::ListTaskEventsResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let task_id = TaskId::parse("task_id", &request.task_id)?;

    let mut db = service.db.read().await?;
    let task = store::task::find(&mut db, task_id).await?;
    task.ok_or_else(|| Error::not_found("task", task_id))?;
    let rows = store::task_event::list(&mut db, task_id, &page).await?;
    let (events, next_page_token) = page.cut(rows, |event| event.id, pb::TaskEvent::from)?;
    Ok(pb::ListTaskEventsResponse { events, next_page_token })
}

impl From<TaskEvent> for pb::TaskEvent {
    fn from(event: TaskEvent) -> Self {
        let kind = pb::task_event::Kind::from_str_name(event.kind.name()).unwrap_or_default();
        Self {
            id: event.id.to_string(),
            task_id: event.task_id.to_string(),
            equipment_id: event.equipment_id.map(|id| id.to_string()),
            kind: kind.into(),
            actor_id: event.actor_id,
            at: Some(event.at.into()),
            detail: event.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task_event::Kind;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for kind in Kind::ALL {
            assert!(pb::task_event::Kind::from_str_name(kind.name()).is_some());
        }
    }
}
