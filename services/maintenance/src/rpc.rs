//! The wire: each method reads a request, asks `domain` and `store`, and writes an answer.

mod comment;
mod equipment;
mod maintenance;
mod service_life;
mod task;
mod task_event;
mod timeline;
mod user;

use anyhow::anyhow;
use kit::{Db, Suite};
use proto::maintenance::v1::{
    self as pb, maintenance_service_server::MaintenanceService as MaintenanceRpc,
    task_service_server::TaskService as TaskRpc,
};
use tonic::{Request, Response, Status};

/// What every method has at hand.
pub struct Service {
    pub db: Db,
    pub suite: Suite,
}

/// What another service answered, `what` of it. What can't be read is no fault of the caller's, who would be told of a field.
fn told<T>(what: &str, read: kit::Result<Option<T>>) -> kit::Result<T> {
    match read {
        Ok(Some(told)) => Ok(told),
        Ok(None) => Err(anyhow!("a service left out {what}").into()),
        Err(error) => Err(anyhow!("a service answered with {what}: {error}").into()),
    }
}

/// The table of contents. Every line is the same, so that only the bodies need reading.
#[tonic::async_trait]
impl TaskRpc for Service {
    async fn create_task(
        &self,
        request: Request<pb::CreateTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::create(self, request.into()).await?)
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::get(self, request.into()).await?.into())
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        Ok(task::list(self, request.into()).await?.into())
    }

    async fn list_completed_tasks(
        &self,
        request: Request<pb::ListCompletedTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        Ok(task::list_completed(self, request.into()).await?.into())
    }

    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::update(self, request.into()).await?.into())
    }

    async fn delete_task(
        &self,
        request: Request<pb::DeleteTaskRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(task::delete(self, request.into()).await?.into())
    }

    async fn claim_task(
        &self,
        request: Request<pb::ClaimTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::claim(self, request.into()).await?)
    }

    async fn release_task(
        &self,
        request: Request<pb::ReleaseTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::release(self, request.into()).await?)
    }

    async fn assign_task(
        &self,
        request: Request<pb::AssignTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::assign(self, request.into()).await?)
    }

    async fn complete_task(
        &self,
        request: Request<pb::CompleteTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::complete(self, request.into()).await?)
    }

    async fn reopen_task(
        &self,
        request: Request<pb::ReopenTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::reopen(self, request.into()).await?)
    }

    async fn set_task_status(
        &self,
        request: Request<pb::SetTaskStatusRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        Ok(task::step::set_status(self, request.into()).await?)
    }

    async fn list_task_events(
        &self,
        request: Request<pb::ListTaskEventsRequest>,
    ) -> Result<Response<pb::ListTaskEventsResponse>, Status> {
        Ok(task_event::list(self, request.into()).await?.into())
    }

    async fn create_comment(
        &self,
        request: Request<pb::CreateCommentRequest>,
    ) -> Result<Response<pb::Comment>, Status> {
        Ok(comment::create(self, request.into()).await?)
    }

    async fn list_comments(
        &self,
        request: Request<pb::ListCommentsRequest>,
    ) -> Result<Response<pb::ListCommentsResponse>, Status> {
        Ok(comment::list(self, request.into()).await?.into())
    }
}

#[tonic::async_trait]
impl MaintenanceRpc for Service {
    async fn record_maintenance(
        &self,
        request: Request<pb::RecordMaintenanceRequest>,
    ) -> Result<Response<pb::MaintenanceRecord>, Status> {
        Ok(maintenance::record(self, request.into()).await?)
    }

    async fn get_maintenance(
        &self,
        request: Request<pb::GetMaintenanceRequest>,
    ) -> Result<Response<pb::MaintenanceRecord>, Status> {
        Ok(maintenance::get(self, request.into()).await?.into())
    }

    async fn update_maintenance(
        &self,
        request: Request<pb::UpdateMaintenanceRequest>,
    ) -> Result<Response<pb::MaintenanceRecord>, Status> {
        Ok(maintenance::update(self, request.into()).await?.into())
    }

    async fn delete_maintenance(
        &self,
        request: Request<pb::DeleteMaintenanceRequest>,
    ) -> Result<Response<()>, Status> {
        Ok(maintenance::delete(self, request.into()).await?.into())
    }

    async fn list_maintenance(
        &self,
        request: Request<pb::ListMaintenanceRequest>,
    ) -> Result<Response<pb::ListMaintenanceResponse>, Status> {
        Ok(maintenance::list(self, request.into()).await?.into())
    }

    async fn get_service_life(
        &self,
        request: Request<pb::GetServiceLifeRequest>,
    ) -> Result<Response<pb::ServiceLife>, Status> {
        Ok(service_life::get(self, request.into()).await?.into())
    }

    async fn list_timeline(
        &self,
        request: Request<pb::ListTimelineRequest>,
    ) -> Result<Response<pb::ListTimelineResponse>, Status> {
        Ok(timeline::list(self, request.into()).await?.into())
    }
}
