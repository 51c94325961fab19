//! Sends what a plan says, as often as it takes.

use std::{collections::HashMap, ops::Range};

use anyhow::{Context, anyhow};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use kit::peer::Peer;
use sha2::{Digest, Sha256};
use tonic::Status;
use uuid::Uuid;

use super::{
    clients::{Clients, Made, is_of_line},
    counted,
    draft::{Draft, Request},
    plan::Step,
    problem::{Problem, tell},
};
use crate::{
    session::{Pass, Session},
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

impl Writer {
    pub fn new(noun: Noun, session: Session, server: &Peer) -> Self {
        Self { noun, session, clients: Clients::new(server), asked: HashMap::new() }
    }

    /// Writes what the service takes; answers why it refused the rest.
    ///
    /// # Errors
    ///
    /// The service was away too long, or takes nothing from this person.
    pub async fn write(&mut self, steps: &mut [Step]) -> anyhow::Result<Vec<Problem>> {
        self.asked.clear();
        let bar = progress(steps.len());
        let mut done = Done { ids: vec![None; steps.len()], problems: Vec::new() };
        let mut from = 0;
        while from < steps.len() {
            let to = end_of_batch(steps, from);
            let requests = self.requests(steps, from..to, &mut done)?;
            let mut end = None;
            for (index, answer) in self.send(requests).await? {
                // Those that were sent beside it may have been written.
                if let Err(status) = done.note(index, &mut steps[index], answer) {
                    end.get_or_insert((index, status));
                }
            }
            if let Some((index, status)) = end {
                tell(&done.problems);
                return Err(done.stopped(steps, index, &status));
            }
            from = to;
            bar.set_position(u64::try_from(from).unwrap_or_default());
        }
        bar.finish_and_clear();
        Ok(done.problems)
    }

    /// What some steps ask for, each with its place. What is part of something that was refused asks for nothing.
    fn requests(
        &mut self,
        steps: &mut [Step],
        places: Range<usize>,
        done: &mut Done,
    ) -> anyhow::Result<Vec<(usize, Request)>> {
        let mut requests = Vec::new();
        for index in places {
            let step = &mut steps[index];
            match step.parent.map(|parent| done.ids[parent].as_deref()) {
                Some(None) => {
                    done.problems.push(step.draft.problem("parent_id", "was refused itself"));
                    step.is_there = false;
                    continue;
                }
                Some(Some(id)) => step.draft.set_parent(id),
                None => {}
            }
            let key = self.key(&step.draft)?;
            requests.push((index, step.draft.request(self.noun)?.keyed(key, false)));
        }
        Ok(requests)
    }

    /// Sends requests side by side.
    async fn send(
        &mut self,
        requests: Vec<(usize, Request)>,
    ) -> anyhow::Result<Vec<(usize, Result<Made, Status>)>> {
        let (pass, clients) = (&self.pass().await?, &self.clients);
        let calls = requests
            .into_iter()
            .map(|(index, request)| async move { (index, clients.write(pass, request).await) });
        Ok(join_all(calls).await)
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

/// What has become of the steps so far.
struct Done {
    /// Of what each made, or made before.
    ids: Vec<Option<String>>,
    problems: Vec<Problem>,
}

impl Done {
    /// Notes what was answered to a step.
    ///
    /// # Errors
    ///
    /// No other will fare better.
    fn note(
        &mut self,
        index: usize,
        step: &mut Step,
        answer: Result<Made, Status>,
    ) -> Result<(), Status> {
        match answer {
            Ok(made) => (step.is_there, self.ids[index]) = (made.was_there, Some(made.id)),
            Err(status) if is_of_line(&status) => {
                self.problems.extend(step.draft.problems(&status));
                // Also if its beginning is: a step that the line asks for is not.
                step.is_there = false;
            }
            Err(status) => return Err(status),
        }
        Ok(())
    }

    /// How far it came.
    fn stopped(&self, steps: &[Step], index: usize, status: &Status) -> anyhow::Error {
        let is_new = |(step, id): &(&Step, &Option<String>)| id.is_some() && !step.is_there;
        let written = counted(steps.iter().zip(&self.ids).filter(is_new).count(), "line");
        let line = steps[index].draft.line;
        anyhow!("stopped at line {line}, {written} written: {}", status.message())
    }
}

/// Where the lines end that are sent at once with that one.
pub fn end_of_batch(steps: &[Step], from: usize) -> usize {
    let wave = steps[from].wave;
    let of_wave = steps[from..].iter().take(AT_ONCE).take_while(|step| step.wave == wave);
    from + of_wave.count()
}

/// Shown on standard error if that is a terminal.
pub fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} lines {per_sec} {eta}");
    let bar = ProgressBar::new(u64::try_from(lines).unwrap_or_default());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
