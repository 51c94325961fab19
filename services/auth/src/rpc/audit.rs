use kit::{Call, Result, Timestamp};
use proto::auth::v1 as pb;

use super::Service;
use crate::{
    domain::audit::{Event, Kind},
    store,
};

pub async fn list(
    service: &Service,
    call: Call<pb::ListAuditEventsRequest>,
) -> Result<pb::ListAuditEventsResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let filter = store::audit::Filter {
        // Ids are written in small letters.
        actor: Some(request.actor.to_lowercase()).filter(|actor| !actor.is_empty()),
        // The contract lets no others through; none is all.
        kind: Kind::from_name(&request.kind),
        resource: Some(request.resource.to_lowercase()).filter(|resource| !resource.is_empty()),
        from: Timestamp::parse_optional("from", request.from.as_ref())?,
        to: Timestamp::parse_optional("to", request.to.as_ref())?,
    };

    let rows = store::audit::list(&mut service.db.read().await?, &filter, &page).await?;
    let (events, next_page_token) =
        page.cut(rows, |event| (event.at, event.id), pb::AuditEvent::from)?;
    Ok(pb::ListAuditEventsResponse { events, next_page_token })
}

impl From<Event> for pb::AuditEvent {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            at: Some(event.at.into()),
            actor: event.actor,
            kind: event.kind.name().to_owned(),
            resource: event.resource,
            address: event.address,
            details: event.details.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_names_every_kind_of_event() {
        for kind in Kind::ALL {
            let kind = kind.name().to_owned();
            let request = pb::ListAuditEventsRequest { kind, ..Default::default() };
            assert!(proto::validate::validate(&request).is_ok(), "{}", request.kind);
        }
    }
}
