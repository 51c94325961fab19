//! Sends what a plan says, as often as it takes.

use std::collections::HashMap;

use anyhow::{Context, anyhow};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use kit::peer::Peer;
use proto::{
    equipment::v1::equipment_service_client::EquipmentServiceClient,
    maintenance::v1::{
        CompleteTaskRequest, SetTaskStatusRequest,
        maintenance_service_client::MaintenanceServiceClient, task,
        task_service_client::TaskServiceClient,
    },
};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};
use uuid::Uuid;

use super::{
    draft::{Request, steps},
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
    noun: Noun,
    session: Session,
    clients: Clients,
    /// How often the file has asked for the very same.
    asked: HashMap<Uuid, usize>,
}

#[derive(Clone)]
struct Clients {
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

    /// Has the service look at every line, and write none; answers why it would refuse some.
    ///
    /// # Errors
    ///
    /// The service was away too long, or takes nothing from this person.
    pub async fn check(&mut self, steps: &mut [Step]) -> anyhow::Result<Vec<Problem>> {
        self.send(steps, true).await
    }

    /// Writes what the service takes; answers why it refused the rest.
    ///
    /// # Errors
    ///
    /// The service was away too long, or takes nothing from this person.
    pub async fn write(&mut self, steps: &mut [Step]) -> anyhow::Result<Vec<Problem>> {
        self.send(steps, false).await
    }

    async fn send(&mut self, steps: &mut [Step], is_trial: bool) -> anyhow::Result<Vec<Problem>> {
        self.asked.clear();
        let bar = progress(steps.len());
        let mut ids: Vec<Option<String>> = vec![None; steps.len()];
        let mut problems = Vec::new();
        let mut from = 0;
        while from < steps.len() {
            let wave = steps[from].wave;
            let of_wave = steps[from..].iter().take(AT_ONCE).take_while(|step| step.wave == wave);
            let to = from + of_wave.count();
            let mut sent = Vec::new();
            for (index, step) in steps.iter_mut().enumerate().take(to).skip(from) {
                match step.parent.map(|parent| ids[parent].as_deref()) {
                    Some(None) => {
                        problems.push(step.draft.problem("parent_id", "was refused itself"));
                        continue;
                    }
                    // What was only tried is there for nobody.
                    Some(Some(id)) if !is_trial => step.draft.set_parent(id),
                    Some(Some(_)) | None => {}
                }
                sent.push((index, self.request(step, is_trial)?));
            }
            let pass = self.session.pass().await;
            let pass =
                pass.map_err(|status| anyhow!("can't log in again: {}", status.message()))?;
            let calls = sent.iter().map(|(_, request)| self.clients.write(&pass, request));
            for ((index, _), answer) in sent.iter().zip(join_all(calls).await) {
                let draft = &steps[*index].draft;
                match answer {
                    Ok(id) => ids[*index] = Some(id),
                    Err(status) if is_of_line(&status) => problems.extend(draft.problems(&status)),
                    Err(status) => {
                        let written = if is_trial { 0 } else { ids.iter().flatten().count() };
                        let (line, why) = (draft.line, status.message());
                        let stopped = format!("stopped at line {line}, {written} lines written");
                        return Err(anyhow!("{stopped}: {why}"));
                    }
                }
            }
            from = to;
            bar.set_position(u64::try_from(from).unwrap_or_default());
        }
        bar.finish_and_clear();
        Ok(problems)
    }

    /// The request for a step, with a key that follows from what it asks for: the same file has the same keys.
    fn request(&mut self, step: &Step, is_trial: bool) -> anyhow::Result<Request> {
        let request = step.draft.request(self.noun).context("a line can't be sent")?;
        let digest = Uuid::from_slice(&Sha256::digest(request.encode())[..16])?;
        let asked = self.asked.entry(digest).or_default();
        *asked += 1;
        Ok(request.keyed(format!("import-{}-{asked}", digest.simple()), is_trial))
    }
}

impl Clients {
    /// Writes one line; answers the id of what it made.
    async fn write(&self, pass: &Pass, request: &Request) -> Result<String, Status> {
        let mut clients = self.clone();
        match request {
            Request::Equipment(message) => {
                let answer = patiently(async || {
                    clients.equipment.create_equipment(pass.request((**message).clone())).await
                });
                Ok(answer.await?.into_inner().id)
            }
            Request::Record(message) => {
                let answer = patiently(async || {
                    clients.records.record_maintenance(pass.request((**message).clone())).await
                });
                Ok(answer.await?.into_inner().id)
            }
            Request::Task(message) => {
                let status = message
                    .task
                    .as_ref()
                    .map(proto::maintenance::v1::Task::status)
                    .unwrap_or_default();
                let answer = patiently(async || {
                    clients.tasks.create_task(pass.request((**message).clone())).await
                });
                let id = answer.await?.into_inner().id;
                let steps = if message.validate_only { &[] } else { steps(status) };
                for status in steps {
                    clients.step(pass, &id, *status, &message.request_id).await?;
                }
                Ok(id)
            }
        }
    }

    /// Takes a new task a step further.
    async fn step(
        &mut self,
        pass: &Pass,
        id: &str,
        status: task::Status,
        key: &str,
    ) -> Result<(), Status> {
        let (id, request_id) = (id.to_owned(), format!("{key}-{}", status.as_str_name()));
        if status == task::Status::Completed {
            // What is with nobody is completed by this method alone.
            let message = CompleteTaskRequest { id, request_id, ..Default::default() };
            patiently(async || self.tasks.complete_task(pass.request(message.clone())).await)
                .await?;
        } else {
            let status = status.into();
            let message = SetTaskStatusRequest { id, status, request_id, ..Default::default() };
            patiently(async || self.tasks.set_task_status(pass.request(message.clone())).await)
                .await?;
        }
        Ok(())
    }
}

/// Whether another line may fare better.
fn is_of_line(status: &Status) -> bool {
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
fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} lines {per_sec} {eta}");
    let bar = ProgressBar::new(u64::try_from(lines).unwrap_or_default());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
