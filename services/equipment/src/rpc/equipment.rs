use kit::{Call, Error, Result, Timestamp, changes, db::Tx, once::Once, time::parse_date};
use proto::equipment::v1 as pb;
use tonic::Response;

use super::Service;
use crate::{
    domain::equipment::{Attributes, Criticality, Equipment, EquipmentId, Status, check_parent},
    store,
};

/// The kind of this noun's entries in the change log.
pub const CHANGE: &str = "equipment";

pub async fn create(
    service: &Service,
    call: Call<pb::CreateEquipmentRequest>,
) -> Result<Response<pb::Equipment>> {
    let now = service.suite.clock.now();
    let once = Once::new(&call, &call.message.request_id);
    let equipment = read(call.message.equipment.unwrap_or_default(), now)?;

    let mut tx = service.db.begin("create equipment").await?;
    if let Some(answer) = once.recall(&mut tx, now).await? {
        return Ok(answer);
    }
    if let Some(parent_id) = equipment.parent_id {
        check_parent(store::equipment::find(&mut tx, parent_id).await?.as_ref())?;
    }
    store::equipment::insert(&mut tx, &equipment).await?;
    let answer = tell(&mut tx, &equipment, now).await?;
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
    let page = kit::page!(request)?;
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
    let (rows, next_page_token) = page.cut(rows, |equipment| equipment.id)?;
    Ok(pb::ListEquipmentResponse {
        equipment: rows.into_iter().map(pb::Equipment::from).collect(),
        next_page_token,
    })
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
