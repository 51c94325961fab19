//! The wire: each method reads a request, asks `domain` and `store`, and writes an answer.

mod equipment;
mod status_interval;
mod watch;

use kit::{Db, Suite};
use proto::equipment::v1::{
    self as pb, equipment_service_server::EquipmentService as EquipmentRpc,
};
use tonic::{Request, Response, Status};

/// What every method has at hand.
pub struct Service {
    pub db: Db,
    pub suite: Suite,
}

/// The table of contents. Every line is the same, so that only the bodies need reading.
#[tonic::async_trait]
impl EquipmentRpc for Service {
    async fn create_equipment(
        &self,
        request: Request<pb::CreateEquipmentRequest>,
    ) -> Result<Response<pb::Equipment>, Status> {
        Ok(equipment::create(self, request.into()).await?)
    }

    async fn get_equipment(
        &self,
        request: Request<pb::GetEquipmentRequest>,
    ) -> Result<Response<pb::Equipment>, Status> {
        Ok(equipment::get(self, request.into()).await?.into())
    }

    async fn list_equipment(
        &self,
        request: Request<pb::ListEquipmentRequest>,
    ) -> Result<Response<pb::ListEquipmentResponse>, Status> {
        Ok(equipment::list(self, request.into()).await?.into())
    }

    async fn update_equipment(
        &self,
        request: Request<pb::UpdateEquipmentRequest>,
    ) -> Result<Response<pb::Equipment>, Status> {
        Ok(equipment::update(self, request.into()).await?.into())
    }

    async fn delete_equipment(
        &self,
        request: Request<pb::DeleteEquipmentRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(equipment::delete(self, request.into()).await?.into())
    }

    async fn list_status_intervals(
        &self,
        request: Request<pb::ListStatusIntervalsRequest>,
    ) -> Result<Response<pb::ListStatusIntervalsResponse>, Status> {
        Ok(status_interval::list(self, request.into()).await?.into())
    }

    type WatchEquipmentStream = watch::WatchStream;

    async fn watch_equipment(
        &self,
        request: Request<pb::WatchEquipmentRequest>,
    ) -> Result<Response<Self::WatchEquipmentStream>, Status> {
        Ok(watch::watch(self, request.into()).await?.into())
    }
}
