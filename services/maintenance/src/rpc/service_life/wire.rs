//! Service life as the wire has it.

use std::time::Duration;

use kit::{Result, Timestamp};
use proto::{
    equipment::v1::{StatusInterval, equipment::Status},
    maintenance::v1 as pb,
};

use super::super::told;
use crate::{
    domain::{
        maintenance::Kind,
        service_life::{Interval, ServiceLife, Span, State},
    },
    store::service_life::{Count, Work},
};

const NO_FAILURES: &str = "not enough failures";
const NO_OPERATING_TIME: &str = "no operating time";
const NO_RESTORATIONS: &str = "not enough restorations";
const NO_REQUIRED_TIME: &str = "no required time";

/// An interval as the register has it.
pub fn interval(wire: &StatusInterval) -> Result<Interval> {
    let since = Timestamp::parse_optional("since", wire.since.as_ref());
    let until = Timestamp::parse_optional("until", wire.until.as_ref()).map(Some);
    Ok(Interval {
        state: state(wire.status()),
        since: told("the beginning of a status", since)?,
        until: told("the end of a status", until)?,
    })
}

fn state(status: Status) -> State {
    match status {
        // A state that a newer register knows, and this service does not, is no failure.
        Status::Operational | Status::Degraded | Status::Unspecified => State::Up,
        Status::Down => State::Down,
        Status::Maintenance => State::Planned,
        Status::Standby => State::Standby,
        Status::Decommissioned => State::Gone,
    }
}

/// What was reckoned of the time of `window`.
pub fn write(life: &ServiceLife, window: Span) -> pb::ServiceLife {
    let [waiting, repair, return_to_service] = match life.parts {
        Some(parts) => [parts.waiting, parts.repair, parts.return_to_service].map(Some),
        None => [None; 3],
    };
    let no_mtbf = if life.failures == 0 { NO_FAILURES } else { NO_OPERATING_TIME };
    let part = |part| Some(mean(part, life.recorded, NO_RESTORATIONS));
    pb::ServiceLife {
        start_time: Some(window.start.into()),
        end_time: Some(window.end.into()),
        operating_time: duration(life.operating),
        assumed_time: duration(life.assumed),
        not_required_time: duration(life.not_required),
        unplanned_downtime: Some(downtime(life.unplanned, life.unplanned_events)),
        planned_downtime: Some(downtime(life.planned, life.planned_events)),
        mtbf: Some(mean(life.mtbf, life.failures, no_mtbf)),
        mttr: Some(mean(life.mttr, life.restorations, NO_RESTORATIONS)),
        mttr_parts: Some(pb::RestorationParts {
            waiting: part(waiting),
            repair: part(repair),
            return_to_service: part(return_to_service),
        }),
        availability: Some(pb::Availability {
            ratio: life.availability,
            events: number(life.unplanned_events.saturating_add(life.planned_events)),
            note: life.availability.is_none().then(|| NO_REQUIRED_TIME.into()),
        }),
        down_since: life.down_since.map(Into::into),
        ..Default::default()
    }
}

pub fn count(counts: &[Count]) -> pb::WorkCounts {
    let of = |kind| counts.iter().find(|count| count.kind == kind);
    let records = |kind| of(kind).map_or(0, |count| number(count.records));
    pb::WorkCounts {
        corrective: records(Kind::Corrective),
        preventive: records(Kind::Preventive),
        inspection: records(Kind::Inspection),
        corrective_without_times: of(Kind::Corrective)
            .map_or(0, |count| number(count.records - count.timed)),
        corrective_before_start: of(Kind::Corrective).map_or(0, |count| number(count.earlier)),
    }
}

impl From<Work> for pb::LastWork {
    fn from(work: Work) -> Self {
        Self { at: Some(work.done_at.into()), record_id: work.id.to_string() }
    }
}

fn downtime(time: Duration, events: u32) -> pb::Downtime {
    pb::Downtime { time: duration(time), events: number(events) }
}

fn mean(mean: Option<Duration>, events: u32, otherwise: &str) -> pb::MeanTime {
    pb::MeanTime {
        mean: mean.and_then(duration),
        events: number(events),
        note: mean.is_none().then(|| otherwise.into()),
    }
}

pub fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

pub fn number(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
