//! Those that know what happened. Each answers what comes next of its own, at least as much as a page needs, if there is so much.

use kit::{Caller, Result};
use proto::{
    equipment::v1::ListStatusIntervalsRequest,
    telemetry::v1::{ListAlertsRequest, alert_service_client::AlertServiceClient},
};

use super::{Entry, wire};
use crate::{
    domain::timeline::Filter,
    rpc::{Service, equipment},
    store,
};

pub async fn statuses(service: &Service, caller: &Caller, filter: &Filter) -> Result<Vec<Entry>> {
    let mut request = ListStatusIntervalsRequest {
        equipment_id: filter.equipment_id.to_string(),
        from: filter.from.map(Into::into),
        to: filter.before().map(Into::into),
        page_size: page_size(filter),
        page_token: String::new(),
    };
    let mut entries = Vec::new();
    loop {
        let page = equipment::list_intervals(service, caller, request.clone()).await?;
        for interval in page.intervals {
            entries.push(wire::status(interval)?);
        }
        if !goes_on(&mut entries, filter, &page.next_page_token) {
            return Ok(entries);
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn alerts(service: &Service, caller: &Caller, filter: &Filter) -> Result<Vec<Entry>> {
    let mut client = AlertServiceClient::new(service.suite.peers.telemetry.clone());
    let mut request = ListAlertsRequest {
        equipment_id: Some(filter.equipment_id.to_string()),
        from: filter.from.map(Into::into),
        to: filter.before().map(Into::into),
        order_by: "raised_at desc".into(),
        page_size: page_size(filter),
        ..Default::default()
    };
    let mut entries = Vec::new();
    loop {
        let page = client.list_alerts(caller.request(request.clone())).await?.into_inner();
        for alert in page.alerts {
            entries.push(wire::alert(alert)?);
        }
        if !goes_on(&mut entries, filter, &page.next_page_token) {
            return Ok(entries);
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn tasks(service: &Service, filter: &Filter) -> Result<Vec<Entry>> {
    let mut db = service.db.read().await?;
    let events = store::task_event::list_of_equipment(&mut db, filter).await?;
    Ok(events.into_iter().map(wire::task).collect())
}

pub async fn records(service: &Service, filter: &Filter) -> Result<Vec<Entry>> {
    let mut db = service.db.read().await?;
    let records = store::maintenance::list_of_equipment(&mut db, filter).await?;
    Ok(records.into_iter().map(wire::record).collect())
}

/// As much as is needed at once, and one more: what the page before ended with comes along. What is more than a page may hold is
/// asked for in several.
fn page_size(filter: &Filter) -> i32 {
    i32::try_from(filter.limit + 1).unwrap_or(i32::MAX)
}

/// Drops what earlier pages have shown, and says whether the next page of the source is needed.
fn goes_on(entries: &mut Vec<Entry>, filter: &Filter, next_page_token: &str) -> bool {
    entries.retain(|entry| filter.is_after(entry.place));
    !filter.is_met(entries.len()) && !next_page_token.is_empty()
}
