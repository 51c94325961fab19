//! What the register says of equipment. A call, so it is made before a transaction begins, never inside one. Whoever
//! repeats a request asks again, and still gets the first answer: handlers look at what the register said only after
//! the recall, which keeps the recall and the work in one transaction.

use kit::{Caller, Error, Result, peer::Peer};
use proto::equipment::v1::{
    self as pb, equipment::Status, equipment_service_client::EquipmentServiceClient,
};
use tonic::Code;

use super::Service;
use crate::domain::equipment::EquipmentId;

/// Checks that the equipment, which came in as `field`, may be given new work.
pub async fn check_in_service(
    service: &Service,
    caller: &Caller,
    field: &str,
    id: Option<EquipmentId>,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    match find(service, caller, field, id).await?.status() {
        Status::Decommissioned => Err(Error::invalid(field, "is decommissioned")),
        _ => Ok(()),
    }
}

/// Checks that the equipment, which came in as `field`, is or was in the register: work is recorded afterwards.
pub async fn check_exists(
    service: &Service,
    caller: &Caller,
    field: &str,
    id: Option<EquipmentId>,
) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    find(service, caller, field, id).await.map(drop)
}

/// The equipment that is asked about; what is not in the register is not found.
pub async fn get(service: &Service, caller: &Caller, id: EquipmentId) -> Result<pb::Equipment> {
    let request = caller.request(pb::GetEquipmentRequest { id: id.to_string() });
    Ok(register(service).get_equipment(request).await?.into_inner())
}

/// In which states the equipment was, and when: a page of them, the present one first.
pub async fn list_intervals(
    service: &Service,
    caller: &Caller,
    request: pb::ListStatusIntervalsRequest,
) -> Result<pb::ListStatusIntervalsResponse> {
    let answer = register(service).list_status_intervals(caller.request(request)).await?;
    Ok(answer.into_inner())
}

async fn find(
    service: &Service,
    caller: &Caller,
    field: &str,
    id: EquipmentId,
) -> Result<pb::Equipment> {
    match get(service, caller, id).await {
        Err(Error::Upstream(status)) if status.code() == Code::NotFound => {
            Err(Error::invalid(field, "there is no such equipment"))
        }
        found => found,
    }
}

fn register(service: &Service) -> EquipmentServiceClient<Peer> {
    EquipmentServiceClient::new(service.suite.peers.equipment.clone())
}
