//! The calls that one line takes.

use kit::peer::Peer;
use prost_types::FieldMask;
use proto::{
    equipment::v1::{
        Equipment, GetEquipmentRequest, equipment, equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        CompleteTaskRequest, CreateTaskRequest, GetMaintenanceRequest, GetTaskRequest,
        SetTaskStatusRequest, Task, UpdateTaskRequest,
        maintenance_service_client::MaintenanceServiceClient, task,
        task_service_client::TaskServiceClient,
    },
};
use tonic::{Code, Response, Status};

use super::draft::{Request, steps};
use crate::{
    session::{Pass, patiently},
    sheet::Noun,
};

/// What a line made.
pub struct Made {
    pub id: String,
    /// It was made before, by the same line.
    pub was_there: bool,
}

#[derive(Clone)]
pub struct Clients {
    equipment: EquipmentServiceClient<Peer>,
    tasks: TaskServiceClient<Peer>,
    records: MaintenanceServiceClient<Peer>,
}

impl Clients {
    pub fn new(server: &Peer) -> Self {
        Self {
            equipment: EquipmentServiceClient::new(server.clone()),
            tasks: TaskServiceClient::new(server.clone()),
            records: MaintenanceServiceClient::new(server.clone()),
        }
    }

    /// Writes one line, or tries it. What the same line made before and somebody has removed since is made anew.
    pub async fn write(&self, pass: &Pass, mut request: Request) -> Result<Made, Status> {
        let key = request.key().clone();
        let mut count = 1;
        loop {
            let made = self.create(pass, &request).await?;
            if !made.was_there || self.is_left(pass, &request, &made.id).await? {
                return self.take_steps(pass, &request, made).await;
            }
            count += 1;
            *request.key() = format!("{key}-{count}");
        }
    }

    async fn create(&self, pass: &Pass, request: &Request) -> Result<Made, Status> {
        let mut clients = self.clone();
        match request {
            Request::Equipment(message) => {
                let answer = patiently(async || {
                    clients.equipment.create_equipment(pass.request((**message).clone())).await
                });
                Ok(made(answer.await?, |equipment| equipment.id))
            }
            Request::Record(message) => {
                let answer = patiently(async || {
                    clients.records.record_maintenance(pass.request((**message).clone())).await
                });
                Ok(made(answer.await?, |record| record.id))
            }
            Request::Task(message) => {
                let message = without_record(message);
                let answer = patiently(async || {
                    clients.tasks.create_task(pass.request(message.clone())).await
                });
                Ok(made(answer.await?, |task| task.id))
            }
        }
    }

    /// Whether what a line made is there still. What was decommissioned is, for a line that asks for just that.
    async fn is_left(&self, pass: &Pass, request: &Request, id: &str) -> Result<bool, Status> {
        match request {
            Request::Equipment(message) => {
                let is_over =
                    |equipment: &Equipment| equipment.status() == equipment::Status::Decommissioned;
                let asked = message.equipment.as_ref().is_some_and(is_over);
                let found = self.equipment(pass, id).await?;
                Ok(found.is_some_and(|found| asked || !is_over(&found)))
            }
            Request::Record(_) => self.has(pass, Noun::Maintenance, id).await,
            Request::Task(_) => self.has(pass, Noun::Tasks, id).await,
        }
    }

    /// Whether the suite has one with that id.
    pub async fn has(&self, pass: &Pass, noun: Noun, id: &str) -> Result<bool, Status> {
        let (mut clients, id) = (self.clone(), id.to_owned());
        match noun {
            Noun::Equipment => Ok(self.equipment(pass, &id).await?.is_some()),
            Noun::Tasks => {
                let get = GetTaskRequest { id };
                let answer =
                    patiently(async || clients.tasks.get_task(pass.request(get.clone())).await);
                Ok(found(answer.await)?.is_some())
            }
            Noun::Maintenance => {
                let get = GetMaintenanceRequest { id };
                let answer = patiently(async || {
                    clients.records.get_maintenance(pass.request(get.clone())).await
                });
                Ok(found(answer.await)?.is_some())
            }
        }
    }

    async fn equipment(&self, pass: &Pass, id: &str) -> Result<Option<Equipment>, Status> {
        let (mut client, get) = (self.equipment.clone(), GetEquipmentRequest { id: id.to_owned() });
        let answer =
            patiently(async || client.get_equipment(pass.request(get.clone())).await).await;
        found(answer)
    }

    /// Brings a new task to the status that its line asks for; nothing else has steps.
    async fn take_steps(
        &self,
        pass: &Pass,
        request: &Request,
        mut made: Made,
    ) -> Result<Made, Status> {
        let Request::Task(message) = request else { return Ok(made) };
        if !message.validate_only {
            let status = message.task.as_ref().map(Task::status).unwrap_or_default();
            for status in steps(status) {
                made.was_there &=
                    self.clone().step(pass, &made.id, *status, &message.request_id).await?;
            }
            let equipment_id = message.task.as_ref().and_then(|task| task.equipment_id.clone());
            if status == task::Status::Completed && equipment_id.is_some() {
                self.name_equipment(pass, &made.id, equipment_id).await?;
            }
        }
        Ok(made)
    }

    /// Says what a completed task was for, unless that is said.
    async fn name_equipment(
        &self,
        pass: &Pass,
        id: &str,
        equipment_id: Option<String>,
    ) -> Result<(), Status> {
        let (mut clients, id) = (self.clone(), id.to_owned());
        let get = GetTaskRequest { id: id.clone() };
        let found = patiently(async || clients.tasks.get_task(pass.request(get.clone())).await);
        if found.await?.get_ref().equipment_id.is_some() {
            return Ok(());
        }
        let update = UpdateTaskRequest {
            task: Some(Task { id, equipment_id, ..Default::default() }),
            update_mask: Some(FieldMask { paths: vec!["equipment_id".to_owned()] }),
        };
        let answer =
            patiently(async || clients.tasks.update_task(pass.request(update.clone())).await);
        answer.await.map(drop)
    }

    /// Takes a new task a step further; answers whether it was taken before.
    async fn step(
        &mut self,
        pass: &Pass,
        id: &str,
        status: task::Status,
        key: &str,
    ) -> Result<bool, Status> {
        let (id, request_id) = (id.to_owned(), format!("{key}-{}", status.as_str_name()));
        let answer = if status == task::Status::Completed {
            // What is with nobody is completed by this method alone.
            let message = CompleteTaskRequest { id, request_id, ..Default::default() };
            patiently(async || self.tasks.complete_task(pass.request(message.clone())).await).await
        } else {
            let status = status.into();
            let message = SetTaskStatusRequest { id, status, request_id, ..Default::default() };
            patiently(async || self.tasks.set_task_status(pass.request(message.clone())).await)
                .await
        };
        Ok(was_there(&answer?))
    }
}

/// As a task is created. The completion of one with equipment would write a record of its own, of now and by whoever imports, beside
/// the true one: so it is told its equipment when it is completed.
fn without_record(message: &CreateTaskRequest) -> CreateTaskRequest {
    let mut message = message.clone();
    if let Some(task) =
        message.task.as_mut().filter(|task| task.status() == task::Status::Completed)
    {
        task.equipment_id = None;
    }
    message
}

/// What was answered; nothing, if there is no such thing.
fn found<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Err(status) if status.code() == Code::NotFound => Ok(None),
        answer => answer.map(|answer| Some(answer.into_inner())),
    }
}

fn made<T>(answer: Response<T>, id: impl FnOnce(T) -> String) -> Made {
    let was_there = was_there(&answer);
    Made { id: id(answer.into_inner()), was_there }
}

/// Whether the same was asked for, and answered, before.
fn was_there<T>(answer: &Response<T>) -> bool {
    answer.metadata().contains_key(kit::once::REPLAYED)
}

/// Whether another line may fare better.
pub fn is_of_line(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
    )
}
