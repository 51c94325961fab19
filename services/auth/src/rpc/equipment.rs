//! What the register says of equipment. A call, so it is made before a transaction begins, never inside one.

use kit::{Caller, Error, Result};
use proto::equipment::v1::{
    self as pb, equipment::Status, equipment_service_client::EquipmentServiceClient,
};
use tonic::Code;

use super::Service;
use crate::domain::equipment::EquipmentId;

/// Checks that all of the equipment, which came in as `field`, is there and may send data.
pub async fn check_in_service(
    service: &Service,
    caller: &Caller,
    field: &str,
    ids: &[EquipmentId],
) -> Result<()> {
    let mut register = EquipmentServiceClient::new(service.suite.peers.equipment.clone());
    for (index, id) in ids.iter().enumerate() {
        let refuse = |problem| Error::invalid(format!("{field}[{index}]"), problem);
        let request = caller.request(pb::GetEquipmentRequest { id: id.to_string() });
        match register.get_equipment(request).await.map(|answer| answer.into_inner().status()) {
            Ok(Status::Decommissioned) => return Err(refuse("is decommissioned")),
            Ok(_) => {}
            Err(status) if status.code() == Code::NotFound => {
                return Err(refuse("there is no such equipment"));
            }
            Err(status) => return Err(status.into()),
        }
    }
    Ok(())
}
