//! Sends what a plan says, as often as it takes.

use std::collections::HashMap;

use anyhow::{Context, anyhow};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use kit::peer::Peer;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    clients::{Clients, is_of_line},
    counted,
    draft::Draft,
    plan::Step,
    rows::Problem,
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

/// Shown on standard error if that is a terminal.
pub fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} lines {per_sec} {eta}");
    let bar = ProgressBar::new(u64::try_from(lines).unwrap_or_default());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
