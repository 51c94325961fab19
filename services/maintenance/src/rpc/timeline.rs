//! The timeline is kept nowhere: every page asks those that know, each for what comes next, and takes the newest.

mod source;
mod wire;

use std::pin::Pin;

use kit::{Call, Result, Timestamp};
use proto::maintenance::v1::{self as pb, timeline_entry::Kind};

use super::{Service, equipment};
use crate::domain::{
    equipment::EquipmentId,
    timeline::{Filter, Place},
};

/// An entry, and where it stands.
#[derive(Clone)]
struct Entry {
    place: Place,
    wire: pb::TimelineEntry,
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListTimelineRequest>,
) -> Result<pb::ListTimelineResponse> {
    let (mut request, caller) = (call.message, &call.caller);
    let page = kit::page!(service.db, request)?;
    let filter = Filter {
        equipment_id: EquipmentId::parse("equipment_id", &request.equipment_id)?,
        from: Timestamp::parse_optional("from", request.from.as_ref())?,
        to: Timestamp::parse_optional("to", request.to.as_ref())?,
        after: page.after,
        limit: page.limit(),
    };
    let wants = |kind| request.kinds.is_empty() || request.kinds().any(|wanted| wanted == kind);

    let (_, statuses, alerts, tasks, records) = tokio::try_join!(
        // The only source that says that there is no such equipment.
        equipment::get(service, caller, filter.equipment_id),
        ask(wants(Kind::Status), source::statuses(service, caller, &filter)),
        ask(wants(Kind::Alert), source::alerts(service, caller, &filter)),
        ask(wants(Kind::Task), source::tasks(service, &filter)),
        ask(wants(Kind::Maintenance), source::records(service, &filter)),
    )?;
    let mut entries = [statuses, alerts, tasks, records].concat();
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.place));
    let (entries, next_page_token) = page.cut(entries, |entry| entry.place, |entry| entry.wire)?;
    Ok(pb::ListTimelineResponse { entries, next_page_token })
}

/// What a source answers; nothing, and no call to it, if it isn't wanted. Boxed: all together are large.
fn ask<'a>(
    is_wanted: bool,
    source: impl Future<Output = Result<Vec<Entry>>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<Vec<Entry>>> + Send + 'a>> {
    Box::pin(async move { if is_wanted { source.await } else { Ok(Vec::new()) } })
}
