//! Sends what a plan says, as often as it takes.

use std::collections::HashMap;

use anyhow::{Context, anyhow};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use kit::peer::Peer;
use proto::{
    equipment::v1::{
        Equipment, GetEquipmentRequest, equipment, equipment_service_client::EquipmentServiceClient,
    },
    maintenance::v1::{
        CompleteTaskRequest, GetMaintenanceRequest, GetTaskRequest, SetTaskStatusRequest, Task,
        maintenance_service_client::MaintenanceServiceClient, task,
        task_service_client::TaskServiceClient,
    },
};
use sha2::{Digest, Sha256};
use tonic::{Code, Response, Status};
use uuid::Uuid;

use super::{
    counted,
    draft::{Draft, Request, steps},
    plan::Step,
    rows::Problem,
};
use crate::{
    session::{Pass, Session, patiently},
    sheet::Noun,
};

/// Lines that are under way at once.
const AT_ONCE: usize = 16;

/// Writes steps in somebody's name.
pub struct Writer {
    pub(super) noun: Noun,
    session: Session,
    pub(super) clients: Clients,
    /// How often the file has asked for the very same.
    pub(super) asked: HashMap<Uuid, usize>,
}

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

impl Writer {
    pub fn new(noun: Noun, session: Session, server: &Peer) -> Self {
        let clients = Clients {
            equipment: EquipmentServiceClient::new(server.clone()),
            tasks: TaskServiceClient::new(server.clone()),
            records: MaintenanceServiceClient::new(server.clone()),
        };
        Self { noun, session, clients, asked: HashMap::new() }
    }

    /// Writes what the service takes; answers why it refused the rest.
    ///
    /// # Errors
    ///
    /// The service was away too long, or takes nothing from this person.
    pub async fn write(&mut self, steps: &mut [Step]) -> anyhow::Result<Vec<Problem>> {
        self.asked.clear();
        let bar = progress(steps.len());
        let mut ids: Vec<Option<String>> = vec![None; steps.len()];
        let mut problems = Vec::new();
        let mut from = 0;
        while from < steps.len() {
            let to = end_of_batch(steps, from);
            let (mut sent, mut requests) = (Vec::new(), Vec::new());
            for (index, step) in steps.iter_mut().enumerate().take(to).skip(from) {
                match step.parent.map(|parent| ids[parent].as_deref()) {
                    Some(None) => {
                        problems.push(step.draft.problem("parent_id", "was refused itself"));
                        step.is_there = false;
                        continue;
                    }
                    Some(Some(id)) => step.draft.set_parent(id),
                    None => {}
                }
                let key = self.key(&step.draft)?;
                sent.push(index);
                requests.push(step.draft.request(self.noun)?.keyed(key, false));
            }
            let pass = self.pass().await?;
            let calls = requests.into_iter().map(|request| self.clients.write(&pass, request));
            for (index, answer) in sent.into_iter().zip(join_all(calls).await) {
                let step = &mut steps[index];
                match answer {
                    Ok(made) => {
                        (step.is_there, ids[index]) = (made.was_there, Some(made.id));
                    }
                    Err(status) if is_of_line(&status) => {
                        problems.extend(step.draft.problems(&status));
                        // Also if its beginning is: a step that the line asks for is not.
                        step.is_there = false;
                    }
                    Err(status) => {
                        let line = step.draft.line;
                        let is_new =
                            |(step, id): &(&Step, &Option<String>)| id.is_some() && !step.is_there;
                        let written = steps.iter().zip(&ids).filter(is_new).count();
                        let (written, why) = (counted(written, "line"), status.message());
                        return Err(anyhow!("stopped at line {line}, {written} written: {why}"));
                    }
                }
            }
            from = to;
            bar.set_position(u64::try_from(from).unwrap_or_default());
        }
        bar.finish_and_clear();
        Ok(problems)
    }

    /// A token for some calls.
    pub(super) async fn pass(&mut self) -> anyhow::Result<Pass> {
        let pass = self.session.pass().await;
        pass.map_err(|status| anyhow!("can't log in again: {}", status.message()))
    }

    /// An idempotency key that follows from what a line asks for: the same file has the same keys.
    pub(super) fn key(&mut self, draft: &Draft) -> anyhow::Result<String> {
        let request = draft.request(self.noun).context("a line can't be sent")?;
        let digest = Uuid::from_slice(&Sha256::digest(request.encode())[..16])?;
        let asked = self.asked.entry(digest).or_default();
        *asked += 1;
        Ok(format!("import-{}-{asked}", digest.simple()))
    }
}

/// Where the lines end that are sent at once with that one.
pub fn end_of_batch(steps: &[Step], from: usize) -> usize {
    let wave = steps[from].wave;
    let of_wave = steps[from..].iter().take(AT_ONCE).take_while(|step| step.wave == wave);
    from + of_wave.count()
}

impl Clients {
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
                let answer = patiently(async || {
                    clients.tasks.create_task(pass.request((**message).clone())).await
                });
                Ok(made(answer.await?, |task| task.id))
            }
        }
    }

    /// Whether what a line made is there still. What was decommissioned is, for a line that asks for just that.
    async fn is_left(&self, pass: &Pass, request: &Request, id: &str) -> Result<bool, Status> {
        let (mut clients, id) = (self.clone(), id.to_owned());
        let found = match request {
            Request::Equipment(message) => {
                let get = GetEquipmentRequest { id };
                let answer = patiently(async || {
                    clients.equipment.get_equipment(pass.request(get.clone())).await
                });
                let is_over =
                    |equipment: &Equipment| equipment.status() == equipment::Status::Decommissioned;
                let asked = message.equipment.as_ref().is_some_and(is_over);
                answer.await.map(|found| asked || !is_over(found.get_ref()))
            }
            Request::Record(_) => {
                let get = GetMaintenanceRequest { id };
                let answer = patiently(async || {
                    clients.records.get_maintenance(pass.request(get.clone())).await
                });
                answer.await.map(|_| true)
            }
            Request::Task(_) => {
                let get = GetTaskRequest { id };
                let answer =
                    patiently(async || clients.tasks.get_task(pass.request(get.clone())).await);
                answer.await.map(|_| true)
            }
        };
        match found {
            Err(status) if status.code() == Code::NotFound => Ok(false),
            found => found,
        }
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
        }
        Ok(made)
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

/// Shown on standard error if that is a terminal.
pub fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} lines {per_sec} {eta}");
    let bar = ProgressBar::new(u64::try_from(lines).unwrap_or_default());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
