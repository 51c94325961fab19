use kit::{
    Call, Caller, Error, Result, Timestamp, changes,
    db::Tx,
    etag,
    mask::Mask,
    once::{Once, tried},
    time::parse_date,
};
use proto::equipment::v1 as pb;
use tonic::Response;

use super::{Service, status_interval};
use crate::{
    domain::{
        equipment::{
            Attributes, Criticality, Equipment, EquipmentId, MUTABLE, Status, check_parent,
            check_parts,
        },
        status_interval::StatusInterval,
    },
    store,
};

/// The kind of this noun's entries in the change log.
pub const CHANGE: &str = "equipment";

/// What an update may name because a client has read it, and can't change.
const GIVEN: [&str; 4] = ["id", "created_at", "updated_at", "etag"];

pub async fn create(
    service: &Service,
    mut call: Call<pb::CreateEquipmentRequest>,
) -> Result<Response<pb::Equipment>> {
    let now = service.suite.clock.now();
    let is_trial = std::mem::take(&mut call.message.validate_only);
    let once = Once::new(&call, &call.message.request_id);
    let equipment = read(call.message.equipment.unwrap_or_default(), now)?;

    let mut tx = service.db.begin("create equipment").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    if equipment.parent_id.is_some() {
        store::equipment::lock_tree(&mut tx).await?;
        check_place(&mut tx, &equipment).await?;
    }
    store::equipment::insert(&mut tx, &equipment).await?;
    let interval = StatusInterval::first(&equipment, call.caller.id);
    store::status_interval::insert(&mut tx, &interval).await?;
    let answer = tell(&mut tx, &equipment, now).await?;
    if is_trial {
        // The transaction is dropped, and the equipment with it.
        return Ok(tried(answer));
    }
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;

    Ok(answer.into())
}

pub async fn get(service: &Service, call: Call<pb::GetEquipmentRequest>) -> Result<pb::Equipment> {
    let id = EquipmentId::parse("id", &call.message.id)?;

    let equipment = store::equipment::find(&mut service.db.read().await?, id).await?;
    Ok(equipment.ok_or_else(|| Error::not_found("equipment", id))?.into())
}

pub async fn list(
    service: &Service,
    call: Call<pb::ListEquipmentRequest>,
) -> Result<pb::ListEquipmentResponse> {
    let mut request = call.message;
    let page = kit::ordered_page!(service.db, request, store::equipment::ORDERS)?;
    let status = Status::from_name(request.status().as_str_name());
    let filter = store::equipment::Filter {
        status,
        in_service: !request.show_deleted && status.is_none(),
        q: Some(request.q).filter(|q| !q.is_empty()),
        kind: Some(request.r#type).filter(|kind| !kind.is_empty()),
        location: Some(request.location).filter(|location| !location.is_empty()),
        parent_id: EquipmentId::parse_optional("parent_id", request.parent_id.as_deref())?,
    };

    let rows = store::equipment::list(&mut service.db.read().await?, &filter, &page).await?;
    let (equipment, next_page_token) =
        page.cut(rows, |equipment| equipment.id, pb::Equipment::from)?;
    Ok(pb::ListEquipmentResponse { equipment, next_page_token })
}

pub async fn update(
    service: &Service,
    call: Call<pb::UpdateEquipmentRequest>,
) -> Result<pb::Equipment> {
    let now = service.suite.clock.now();
    let mask = Mask::parse("piece of equipment", call.message.update_mask, &MUTABLE, &GIVEN)?;
    let wire = call.message.equipment.unwrap_or_default();
    let id = EquipmentId::parse("equipment.id", &wire.id)?;
    let (status, etag) = (Status::from_name(wire.status().as_str_name()), wire.etag.clone());
    let wished = read(only_named(wire, &mask), now)?;

    let is_end = mask.names("status") && status == Some(Status::Decommissioned);

    let mut tx = service.db.begin("update equipment").await?;
    let found = store::equipment::find(&mut tx, id).await?;
    let parent_id = found.and_then(|found| found.parent_id);
    let is_move = mask.names("parent_id") && wished.parent_id != parent_id;
    if is_move || is_end {
        store::equipment::lock_tree(&mut tx).await?;
    }
    let before = lock(&mut tx, id).await?;
    check_etag(&before, &etag)?;
    if mask.names("parent_id") && !is_move && before.parent_id != parent_id {
        // Moving it back takes the lock that this one went without.
        return Err(Error::Stale("the equipment was moved meanwhile"));
    }
    let mut equipment = before.clone();
    equipment.change(Equipment { status: status.unwrap_or(before.status), ..wished }, &mask)?;
    if equipment == before {
        return Ok(before.into());
    }
    let answer = keep(&mut tx, &before, equipment, call.caller, now).await?;
    tx.commit().await?;

    Ok(answer)
}

pub async fn delete(service: &Service, call: Call<pb::DeleteEquipmentRequest>) -> Result<()> {
    let now = service.suite.clock.now();
    let id = EquipmentId::parse("id", &call.message.id)?;

    let mut tx = service.db.begin("delete equipment").await?;
    store::equipment::lock_tree(&mut tx).await?;
    let before = lock(&mut tx, id).await?;
    if before.status == Status::Decommissioned {
        return Ok(());
    }
    check_etag(&before, &call.message.etag)?;
    let equipment = Equipment { status: Status::Decommissioned, ..before.clone() };
    keep(&mut tx, &before, equipment, call.caller, now).await?;
    tx.commit().await
}

/// The equipment `id`, which nobody else changes until `tx` ends.
async fn lock(tx: &mut Tx, id: EquipmentId) -> Result<Equipment> {
    let equipment = store::equipment::lock(tx, id).await?;
    equipment.ok_or_else(|| Error::not_found("equipment", id))
}

fn check_etag(equipment: &Equipment, etag: &str) -> Result<()> {
    etag::check(etag, equipment.revision, "the equipment was changed meanwhile")
}

/// Checks what `equipment` is to be part of.
async fn check_place(tx: &mut Tx, equipment: &Equipment) -> Result<()> {
    let Some(parent_id) = equipment.parent_id else { return Ok(()) };
    let parent = store::equipment::find(tx, parent_id).await?;
    let is_below = store::equipment::is_at_or_above(tx, equipment.id, parent_id).await?;
    check_parent(parent.as_ref(), is_below, equipment.status)
}

/// Keeps `equipment`, which `before` has become, as far as its place allows; answers what it told.
async fn keep(
    tx: &mut Tx,
    before: &Equipment,
    mut equipment: Equipment,
    caller: Caller,
    now: Timestamp,
) -> Result<pb::Equipment> {
    if equipment.parent_id != before.parent_id {
        check_place(tx, &equipment).await?;
    }
    if equipment.status == Status::Decommissioned {
        check_parts(store::equipment::any_part_in_service(tx, equipment.id).await?)?;
    }
    equipment.touch(now);
    store::equipment::update(tx, &equipment).await?;
    if equipment.status != before.status {
        status_interval::change(tx, &equipment, caller.id, now).await?;
    }
    tell(tx, &equipment, now).await
}

/// `wire` without what an update does not name, and so does not read either.
fn only_named(mut wire: pb::Equipment, mask: &Mask) -> pb::Equipment {
    wire.parent_id.take_if(|_| !mask.names("parent_id"));
    wire.installation_date.take_if(|_| !mask.names("installation_date"));
    wire
}

/// New equipment from what the caller may say of it.
fn read(wire: pb::Equipment, now: Timestamp) -> Result<Equipment> {
    let date = wire.installation_date.as_deref();
    Ok(Equipment {
        id: EquipmentId::new(),
        status: Status::from_name(wire.status().as_str_name()).unwrap_or(Status::Operational),
        criticality: Criticality::from_name(wire.criticality().as_str_name())
            .unwrap_or(Criticality::Medium),
        installation_date: date
            .map(|date| parse_date("equipment.installation_date", date))
            .transpose()?,
        parent_id: EquipmentId::parse_optional("equipment.parent_id", wire.parent_id.as_deref())?,
        name: wire.name,
        kind: wire.r#type,
        model: wire.model,
        manufacturer: wire.manufacturer,
        serial_number: Some(wire.serial_number).filter(|number| !number.is_empty()),
        location: wire.location,
        notes: wire.notes,
        attributes: Attributes(wire.attributes),
        created_at: now,
        updated_at: now,
        revision: 1,
    })
}

/// Tells the change log of `equipment`; answers what it told.
async fn tell(tx: &mut Tx, equipment: &Equipment, now: Timestamp) -> Result<pb::Equipment> {
    let wire = pb::Equipment::from(equipment.clone());
    changes::append(tx, now, CHANGE, equipment.id.uuid(), &wire).await?;
    Ok(wire)
}

impl From<Equipment> for pb::Equipment {
    fn from(equipment: Equipment) -> Self {
        use pb::equipment::{Criticality, Status};
        let status = Status::from_str_name(equipment.status.name()).unwrap_or_default();
        let criticality = Criticality::from_str_name(equipment.criticality.name());
        Self {
            id: equipment.id.to_string(),
            name: equipment.name,
            r#type: equipment.kind,
            model: equipment.model,
            manufacturer: equipment.manufacturer,
            serial_number: equipment.serial_number.unwrap_or_default(),
            location: equipment.location,
            parent_id: equipment.parent_id.map(|id| id.to_string()),
            status: status.into(),
            criticality: criticality.unwrap_or_default().into(),
            installation_date: equipment.installation_date,
            notes: equipment.notes,
            attributes: equipment.attributes.0,
            created_at: Some(equipment.created_at.into()),
            updated_at: Some(equipment.updated_at.into()),
            etag: equipment.revision.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_to_the_wire() {
        for status in Status::ALL {
            assert!(pb::equipment::Status::from_str_name(status.name()).is_some());
        }
        for criticality in Criticality::ALL {
            assert!(pb::equipment::Criticality::from_str_name(criticality.name()).is_some());
        }
    }
}
