mod wire;

use kit::{Call, Caller, Error, Result, Timestamp, time::midnight};
use proto::{
    equipment::v1::{Equipment, ListStatusIntervalsRequest},
    maintenance::v1::{self as pb, service_life::AgeBasis},
};

use super::{Service, equipment, told};
use crate::{
    domain::{
        equipment::EquipmentId,
        service_life::{History, Interval, Span, State},
    },
    store,
};

pub async fn get(
    service: &Service,
    call: Call<pb::GetServiceLifeRequest>,
) -> Result<pb::ServiceLife> {
    let now = service.suite.clock.now();
    let id = EquipmentId::parse("equipment_id", &call.message.equipment_id)?;
    let asked = Asked::read(&call.message, now)?;

    let age = Age::read(&equipment::get(service, &call.caller, id).await?)?;
    let intervals = intervals(service, &call.caller, id, &asked).await?;
    let window = asked.window(&age, &intervals);
    let gone_at = intervals.iter().find(|it| it.state == State::Gone).map(|it| it.since);

    let mut db = service.db.read().await?;
    // Also of what was down as the window began: with what was done to it then, it may have failed before.
    let known = intervals.first().map_or(window.start, |first| first.since.min(window.start));
    let known = Span { start: known, ..window };
    let repairs = store::service_life::list_repairs(&mut db, id, known).await?;
    let answer = pb::ServiceLife {
        equipment_id: id.to_string(),
        age: wire::duration(gone_at.unwrap_or(now).since(age.since)),
        in_service_since: Some(age.since.into()),
        age_basis: age.basis.into(),
        open_tasks: wire::number(store::service_life::count_open_tasks(&mut db, id).await?),
        ..wire::write(&History { intervals, repairs }.reckon(window), window)
    };
    let work = asked.work(window);
    let counts = store::service_life::count(&mut db, id, work, window.start).await?;
    let last = store::service_life::find_last(&mut db, id, work).await?;
    Ok(pb::ServiceLife {
        work: Some(wire::count(&counts)),
        last_work: last.map(Into::into),
        ..answer
    })
}

/// What time the caller wants to know of.
struct Asked {
    start: Option<Timestamp>,
    end: Timestamp,
}

/// Since when equipment has served, as far as the register knows.
struct Age {
    since: Timestamp,
    basis: AgeBasis,
}

impl Asked {
    fn read(request: &pb::GetServiceLifeRequest, now: Timestamp) -> Result<Self> {
        let start = Timestamp::parse_optional("start_time", request.start_time.as_ref())?;
        let end = Timestamp::parse_optional("end_time", request.end_time.as_ref())?;
        let end = end.map_or(now, |end| end.min(now));
        if start.is_some_and(|start| end <= start) {
            return Err(Error::invalid("start_time", "must lie before end_time and before now"));
        }
        Ok(Self { start, end })
    }

    /// From the beginning that was asked for to the end; not from before the first use, which is the installation or, where
    /// nobody said when that was, the first known state.
    fn window(&self, age: &Age, intervals: &[Interval]) -> Span {
        let first_known = intervals.first().map_or(age.since, |first| first.since);
        let start = match age.basis {
            AgeBasis::InstallationDate => {
                self.start.map_or(age.since, |start| start.max(age.since))
            }
            _ => self.start.map_or(first_known, |start| start.max(first_known)),
        };
        Span { start: start.min(self.end), end: self.end }
    }

    /// Of which time work counts. That it was done before the first use, as far as anybody knows, makes it no less.
    fn work(&self, window: Span) -> Span {
        Span { start: self.start.unwrap_or(Timestamp::MIN), ..window }
    }
}

impl Age {
    fn read(equipment: &Equipment) -> Result<Self> {
        if let Some(since) = equipment.installation_date.as_deref().and_then(midnight) {
            return Ok(Self { since, basis: AgeBasis::InstallationDate });
        }
        let since = Timestamp::parse_optional("created_at", equipment.created_at.as_ref());
        Ok(Self { since: told("the registration", since)?, basis: AgeBasis::Registration })
    }
}

/// The states of the equipment, oldest first; those from before the beginning that was asked for, only as far as they last
/// into it, and tell whether planned work began with a failure.
async fn intervals(
    service: &Service,
    caller: &Caller,
    id: EquipmentId,
    asked: &Asked,
) -> Result<Vec<Interval>> {
    let (mut intervals, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListStatusIntervalsRequest {
            equipment_id: id.to_string(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = equipment::list_intervals(service, caller, request).await?;
        for interval in &page.intervals {
            intervals.push(wire::interval(interval)?);
        }
        page_token = page.next_page_token;
        let is_enough = |last: &Interval| {
            last.state != State::Planned && asked.start.is_some_and(|start| last.since < start)
        };
        if page_token.is_empty() || intervals.last().is_some_and(is_enough) {
            intervals.reverse();
            return Ok(intervals);
        }
    }
}
