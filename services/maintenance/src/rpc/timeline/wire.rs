//! Entries as the wire has them.

use kit::{Result, Timestamp};
use proto::{
    equipment::v1::StatusInterval,
    maintenance::v1::{self as pb, timeline_entry::Kind},
    telemetry::v1::Alert,
};

use super::{super::told, Entry};
use crate::{
    domain::{
        maintenance::Maintenance,
        timeline::{EntryId, Place},
    },
    store::task_event::Titled,
};

pub fn status(interval: StatusInterval) -> Result<Entry> {
    let place = place(&interval.id, interval.since)?;
    let own = pb::TimelineEntry { status: Some(interval), ..Default::default() };
    Ok(entry(place, Kind::Status, own))
}

pub fn alert(alert: Alert) -> Result<Entry> {
    let place = place(&alert.id, alert.raised_at)?;
    let own = pb::TimelineEntry { alert: Some(alert), ..Default::default() };
    Ok(entry(place, Kind::Alert, own))
}

pub fn task(Titled { event, title }: Titled) -> Entry {
    let place = (event.at, EntryId::from(event.id.uuid()));
    let own = pb::TimelineEntry {
        task_event: Some(event.into()),
        task_title: Some(title),
        ..Default::default()
    };
    entry(place, Kind::Task, own)
}

pub fn record(record: Maintenance) -> Entry {
    let place = (record.done_at(), EntryId::from(record.id.uuid()));
    let own = pb::TimelineEntry { record: Some(record.into()), ..Default::default() };
    entry(place, Kind::Maintenance, own)
}

/// Where stands what another service says happened.
fn place(id: &str, at: Option<prost_types::Timestamp>) -> Result<Place> {
    let at = told("the time of an entry", Timestamp::parse_optional("at", at.as_ref()))?;
    Ok((at, told("the id of an entry", EntryId::parse("id", id).map(Some))?))
}

fn entry((at, id): Place, kind: Kind, own: pb::TimelineEntry) -> Entry {
    let kind = kind.into();
    Entry {
        place: (at, id),
        wire: pb::TimelineEntry { id: id.to_string(), kind, at: Some(at.into()), ..own },
    }
}
