//! Has the service look at every line before the first is written.

use std::collections::HashSet;

use anyhow::anyhow;
use futures_util::future::join_all;
use tonic::Status;
use uuid::Uuid;

use super::{
    clients::{Clients, is_of_line},
    draft::{Draft, IS_THERE},
    plan::{Step, faults},
    problem::Problem,
    write::{Writer, end_of_batch, progress},
};
use crate::{session::Pass, sheet::Noun};

impl Writer {
    /// Adds to `problems` why the service would refuse lines, and says of each step whether it is there already. Writes nothing.
    ///
    /// # Errors
    ///
    /// The service was away too long, or takes nothing from this person.
    pub async fn check(
        &mut self,
        steps: &mut [Step],
        problems: &mut Vec<Problem>,
    ) -> anyhow::Result<()> {
        self.asked.clear();
        let bar = progress(steps.len());
        // Of what is there already: what is only tried is there for nobody.
        let mut ids: Vec<Option<String>> = vec![None; steps.len()];
        let mut all_faults = faults(problems);
        let mut from = 0;
        while from < steps.len() {
            let to = end_of_batch(steps, from);
            let mut trials = Vec::new();
            for step in &mut steps[from..to] {
                let parent = step.parent.map(|parent| ids[parent].clone());
                if let Some(Some(id)) = &parent {
                    step.draft.set_parent(id);
                }
                let faults = all_faults.remove(&step.draft.line).unwrap_or_default();
                let is_whole = faults.is_empty() && parent != Some(None);
                let key = if is_whole { self.key(&step.draft)? } else { String::new() };
                trials.push(Trial { draft: step.draft.clone(), key, faults });
            }
            let pass = self.pass().await?;
            let runs = trials.into_iter().map(|trial| trial.run(self.noun, &self.clients, &pass));
            for (index, outcome) in (from..to).zip(join_all(runs).await) {
                let line = steps[index].draft.line;
                let outcome = outcome
                    .map_err(|status| anyhow!("stopped at line {line}: {}", status.message()))?;
                problems.extend(outcome.problems);
                steps[index].is_there = outcome.id.is_some();
                ids[index] = outcome.id;
            }
            from = to;
            bar.set_position(u64::try_from(from).unwrap_or_default());
        }
        bar.finish_and_clear();
        refuse_parts(steps, problems);
        Ok(())
    }
}

/// What is part of something that is refused can't be written either.
fn refuse_parts(steps: &[Step], problems: &mut Vec<Problem>) {
    let mut bad: HashSet<u64> = problems.iter().map(|problem| problem.line).collect();
    for step in steps {
        let parent = step.parent.map(|parent| steps[parent].draft.line);
        if parent.is_some_and(|line| bad.contains(&line)) {
            problems.push(step.draft.problem("parent_id", "is refused itself"));
            bad.insert(step.draft.line);
        }
    }
}

/// One line, as it is tried.
struct Trial {
    draft: Draft,
    /// Empty for what can't be there already.
    key: String,
    /// The columns with which something is wrong; they are left out, so that the others can be looked at.
    faults: Vec<String>,
}

#[derive(Default)]
struct Outcome {
    problems: Vec<Problem>,
    /// Of what is there already.
    id: Option<String>,
}

impl Trial {
    /// Asks until the service has nothing more against the line: it may name one column at a time.
    async fn run(mut self, noun: Noun, clients: &Clients, pass: &Pass) -> Result<Outcome, Status> {
        let mut outcome = Outcome::default();
        if self.is_there(noun, clients, pass).await? {
            outcome.problems.push(self.draft.problem("id", IS_THERE));
        }
        for column in &self.faults {
            self.draft.leave_out(column);
        }
        loop {
            let request = self.draft.request(noun);
            let request = request.map_err(|error| Status::internal(error.to_string()))?;
            let key = if self.faults.is_empty() { self.key.clone() } else { String::new() };
            let status = match clients.write(pass, request.keyed(key, true)).await {
                Ok(made) => {
                    outcome.id = made.was_there.then_some(made.id);
                    return Ok(outcome);
                }
                Err(status) if is_of_line(&status) => status,
                Err(status) => return Err(status),
            };
            let problems = self.draft.problems(&status).into_iter();
            let new: Vec<_> = problems.filter(|problem| self.is_own(&problem.column)).collect();
            let is_other = new.iter().any(|problem| self.draft.says(&problem.column).is_some());
            for problem in &new {
                self.draft.leave_out(&problem.column);
                self.faults.push(problem.column.clone());
            }
            outcome.problems.extend(new);
            if !is_other {
                return Ok(outcome);
            }
        }
    }

    /// Whether it was exported from this very suite. The register's own were looked up before; what isn't an id of a suite is a
    /// name of the file's own.
    async fn is_there(&self, noun: Noun, clients: &Clients, pass: &Pass) -> Result<bool, Status> {
        if noun == Noun::Equipment {
            return Ok(false);
        }
        match Uuid::try_parse(&self.draft.id) {
            Ok(id) => clients.has(pass, noun, &id.to_string()).await,
            Err(_) => Ok(false),
        }
    }

    /// Whether a problem in that column is the line's, and told for the first time: what is missing may be so for something
    /// that was left out.
    fn is_own(&self, column: &str) -> bool {
        let is_missing = !self.faults.is_empty() && self.draft.says(column) == Some(false);
        !is_missing && !self.faults.iter().any(|fault| fault == column)
    }
}
