use kit::{Call, Error, Result, Timestamp, db::Tx};
use proto::equipment::v1 as pb;

use super::Service;
use crate::{
    domain::{
        equipment::{Equipment, EquipmentId},
        status_interval::StatusInterval,
    },
    store,
};

pub async fn list(
    service: &Service,
    call: Call<pb::ListStatusIntervalsRequest>,
) -> Result<pb::ListStatusIntervalsResponse> {
    let mut request = call.message;
    let page = kit::page!(service.db, request)?;
    let id = EquipmentId::parse("equipment_id", &request.equipment_id)?;
    let filter = store::status_interval::Filter {
        equipment_id: id,
        from: Timestamp::parse_optional("from", request.from.as_ref())?,
        to: Timestamp::parse_optional("to", request.to.as_ref())?,
    };

    let mut db = service.db.read().await?;
    let rows = store::status_interval::list(&mut db, &filter, &page).await?;
    if rows.is_empty() && store::equipment::find(&mut db, id).await?.is_none() {
        return Err(Error::not_found("equipment", id));
    }
    let (intervals, next_page_token) =
        page.cut(rows, |interval| (interval.since, interval.id), pb::StatusInterval::from)?;
    Ok(pb::ListStatusIntervalsResponse { intervals, next_page_token })
}

/// Ends the interval that lasts, and begins one with the status that `equipment` has now.
pub async fn change(
    tx: &mut Tx,
    equipment: &Equipment,
    changed_by: String,
    now: Timestamp,
) -> Result<()> {
    let mut last = store::status_interval::find_open(tx, equipment.id).await?;
    let next = last.end(equipment.status, changed_by, now);
    store::status_interval::end(tx, last.id, last.until).await?;
    store::status_interval::insert(tx, &next).await
}

impl From<StatusInterval> for pb::StatusInterval {
    fn from(interval: StatusInterval) -> Self {
        let status = pb::equipment::Status::from_str_name(interval.status.name());
        Self {
            id: interval.id.to_string(),
            equipment_id: interval.equipment_id.to_string(),
            status: status.unwrap_or_default().into(),
            since: Some(interval.since.into()),
            until: interval.until.map(Into::into),
            changed_by: interval.changed_by,
        }
    }
}
