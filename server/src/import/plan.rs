//! What is to be written of a file, in which order.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

use proto::equipment::v1::{Equipment, equipment};

use super::{
    draft::{Draft, IS_THERE},
    problem::Problem,
    table::{Column, Table, read},
};
use crate::sheet::{Noun, cell, names::Names};

/// The lines that are to be written, those first that others are part of.
pub struct Plan {
    /// Also those of lines with problems, for the service to look at.
    pub steps: Vec<Step>,
    pub problems: Vec<Problem>,
    /// How many lines ask for what is there already.
    pub there: usize,
}

pub struct Step {
    pub draft: Draft,
    /// The step, of an earlier wave, that makes what this one is part of.
    pub parent: Option<usize>,
    /// Steps of one wave don't wait for each other.
    pub wave: usize,
    /// The same line was written before.
    pub is_there: bool,
}

impl Plan {
    /// Reads a whole file without the columns that are `left_out`, and looks up what it refers to.
    ///
    /// # Errors
    ///
    /// The file can't be read, has no header, or has a column that there isn't.
    pub fn of(
        noun: Noun,
        input: impl Read,
        names: &Names,
        left_out: &[&str],
    ) -> anyhow::Result<Self> {
        let table = read(noun, input, names, left_out)?;
        let mut plan = match noun {
            Noun::Equipment => of_equipment(table, names),
            Noun::Tasks => Self::side_by_side(table.drafts, table.problems),
            Noun::Maintenance => of_records(table),
        };
        plan.problems.sort_by_key(|problem| problem.line);
        Ok(plan)
    }

    /// Lines that don't wait for each other.
    fn side_by_side(drafts: Vec<Draft>, problems: Vec<Problem>) -> Self {
        let steps =
            drafts.into_iter().map(|draft| Step { draft, parent: None, wave: 0, is_there: false });
        Self { steps: steps.collect(), problems, there: 0 }
    }
}

/// What is left of `steps` without the lines that have problems. What is part of such a line has one, too.
pub fn without(steps: Vec<Step>, problems: &[Problem]) -> Vec<Step> {
    let bad: HashSet<u64> = problems.iter().map(|problem| problem.line).collect();
    let (mut left, mut places) = (Vec::new(), HashMap::new());
    for (index, mut step) in steps.into_iter().enumerate() {
        if !bad.contains(&step.draft.line) {
            step.parent = step.parent.and_then(|parent| places.get(&parent).copied());
            places.insert(index, left.len());
            left.push(step);
        }
    }
    left
}

/// A record completes its task, which is done once.
fn of_records(table: Table) -> Plan {
    let Table { drafts, mut problems, .. } = table;
    let mut lines = HashMap::new();
    for draft in &drafts {
        let task_id = draft.text("task_id").to_lowercase();
        if task_id.is_empty() {
            continue;
        }
        if let Some(line) = lines.get(&task_id) {
            problems.push(draft.problem("task_id", format!("is on line {line}, too")));
        } else {
            lines.insert(task_id, draft.line);
        }
    }
    Plan::side_by_side(drafts, problems)
}

/// Equipment may be part of other equipment of the file, and is known by its serial number.
fn of_equipment(table: Table, names: &Names) -> Plan {
    let Table { columns, drafts, mut problems } = table;
    let mut there = 0;
    let mut lines = HashMap::new();
    let mut new = Vec::new();
    let registered = registered(&drafts, names);
    // The ids of what is there as the file has it, by what the file calls it.
    let mut ids = HashMap::new();
    let mut all_faults = faults(&problems);
    for draft in drafts {
        let number = draft.text("serial_number");
        let known = names.equipment_numbered(&number).filter(|_| !number.is_empty());
        let line = lines.get(&number).copied().filter(|_| !number.is_empty());
        lines.entry(number).or_insert(draft.line);
        if let Some(line) = line {
            problems.push(draft.problem("serial_number", format!("is on line {line}, too")));
            new.push(draft);
        } else if let Some(known) = known.filter(|known| is_over(known, &draft)) {
            let message = format!("is of {}, which is decommissioned", known.name);
            problems.push(draft.problem("serial_number", message));
        } else if let Some(known) = known {
            let faults = all_faults.remove(&draft.line).unwrap_or_default();
            let parent = draft.parent.as_ref().and_then(|name| registered.get(name));
            if is_alike(&columns, &draft, known, parent, &faults) {
                there += usize::from(faults.is_empty());
                ids.insert(draft.id, known.id.clone());
            } else {
                problems.push(
                    draft.problem("serial_number", "is taken by equipment that is not as here"),
                );
            }
        } else {
            if names.is_registered(&draft.id) {
                problems.push(draft.problem("id", IS_THERE));
            }
            new.push(draft);
        }
    }
    for draft in &mut new {
        if let Some(id) = draft.parent.as_ref().and_then(|name| ids.get(name)) {
            draft.set_parent(id);
        }
    }
    let mut tree = Tree::new(new, &problems);
    for index in 0..tree.drafts.len() {
        tree.place(index, &mut problems);
    }
    Plan { steps: tree.steps(), problems, there }
}

/// The columns with which something is wrong, by line.
pub fn faults(problems: &[Problem]) -> HashMap<u64, Vec<String>> {
    let mut faults: HashMap<u64, Vec<String>> = HashMap::new();
    for problem in problems {
        faults.entry(problem.line).or_default().push(problem.column.clone());
    }
    faults
}

/// The ids of what is there under the serial numbers of lines, by what the file calls it.
fn registered(drafts: &[Draft], names: &Names) -> HashMap<String, String> {
    let id = |draft: &Draft| {
        let known = names.equipment_numbered(&draft.text("serial_number"))?;
        Some((draft.id.clone(), known.id.clone()))
    };
    drafts.iter().filter(|draft| !draft.id.is_empty()).filter_map(id).collect()
}

/// Whether `known` was given up, and a line asks for it as if it were in use: nothing brings it back.
fn is_over(known: &Equipment, draft: &Draft) -> bool {
    let is_over = known.status() == equipment::Status::Decommissioned;
    is_over && draft.text("status") != known.status().as_str_name()
}

/// Whether `known` is what a line asks for, as far as the file has columns for it, without `faults`. What it is part of may be on
/// a line, and is known there by a name of the file's own: that is the `parent`, if it is registered.
fn is_alike(
    columns: &[Column],
    draft: &Draft,
    known: &Equipment,
    parent: Option<&String>,
    faults: &[String],
) -> bool {
    let mut message = Noun::Equipment.message();
    message.transcode_from(known).is_ok()
        && columns.iter().all(|column| match column {
            Column::Field { name, .. } if faults.contains(name) => true,
            Column::Field { name, .. } if name == "parent_id" && draft.parent.is_some() => {
                known.parent_id.is_some()
                    && parent.is_none_or(|parent| known.parent_id.as_ref() == Some(parent))
            }
            Column::Field { field, key, .. } => {
                let asked = cell::write(&draft.message, field, key.as_deref());
                let is_left = asked.is_empty() && field.kind().as_enum().is_some();
                is_left || asked == cell::write(&message, field, key.as_deref())
            }
            Column::Id | Column::Given => true,
        })
}

/// New equipment, and what of it is part of what.
struct Tree {
    drafts: Vec<Draft>,
    places: Vec<Place>,
    /// By what the file calls it, and by serial number.
    known: HashMap<String, usize>,
    /// Lines that have problems beside their places.
    bad: HashSet<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Unknown,
    /// On the way to the top; whoever comes here again goes in a circle.
    Looking,
    Wave(usize),
    Refused,
}

impl Tree {
    fn new(drafts: Vec<Draft>, problems: &[Problem]) -> Self {
        let mut known = HashMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            let names = [draft.text("serial_number"), draft.id.clone()];
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                known.entry(name).or_insert(index);
            }
        }
        let bad = problems.iter().map(|problem| problem.line).collect();
        let places = vec![Place::Unknown; drafts.len()];
        Self { drafts, places, known, bad }
    }

    fn parent(&self, index: usize) -> Option<usize> {
        self.drafts[index].parent.as_ref().and_then(|name| self.known.get(name)).copied()
    }

    /// Finds the waves of a line and of all that it is part of.
    fn place(&mut self, index: usize, problems: &mut Vec<Problem>) {
        let mut way = Vec::new();
        let mut next = Some(index);
        let mut above = None;
        while let Some(index) = next {
            if self.places[index] != Place::Unknown {
                above = Some(self.places[index]);
                break;
            }
            self.places[index] = Place::Looking;
            way.push(index);
            next = self.parent(index);
        }
        for index in way.into_iter().rev() {
            let refused = match (&self.drafts[index].parent, above) {
                (Some(_), Some(Place::Wave(_))) if self.outlives_parent(index) => {
                    Some("is decommissioned")
                }
                (None, _) | (Some(_), Some(Place::Wave(_))) => None,
                (Some(_), None) => Some("there is no such equipment"),
                (Some(_), Some(Place::Looking | Place::Unknown)) => Some("is a part of this one"),
                (Some(_), Some(Place::Refused)) => Some("is refused itself"),
            };
            let wave = match above {
                Some(Place::Wave(wave)) => wave + 1,
                _ => 0,
            };
            problems.extend(refused.map(|why| self.drafts[index].problem("parent_id", why)));
            let is_bad = refused.is_some() || self.bad.contains(&self.drafts[index].line);
            self.places[index] = if is_bad { Place::Refused } else { Place::Wave(wave) };
            above = Some(self.places[index]);
        }
    }

    /// Whether it is in service as a part of what the same file decommissions.
    fn outlives_parent(&self, index: usize) -> bool {
        let is_over = |index: usize| self.drafts[index].text("status") == "DECOMMISSIONED";
        !is_over(index) && self.parent(index).is_some_and(is_over)
    }

    /// Wave by wave. What is refused waits for nothing: it is only looked at.
    fn steps(self) -> Vec<Step> {
        let wave = |index: usize| match self.places[index] {
            Place::Wave(wave) => wave,
            _ => 0,
        };
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|index| (wave(*index), *index));
        let steps: HashMap<usize, usize> =
            order.iter().enumerate().map(|(step, index)| (*index, step)).collect();
        let step = |index: &usize| Step {
            draft: self.drafts[*index].clone(),
            parent: self
                .parent(*index)
                .filter(|_| self.places[*index] != Place::Refused)
                .and_then(|parent| steps.get(&parent))
                .copied(),
            wave: wave(*index),
            is_there: false,
        };
        order.iter().map(step).collect()
    }
}

#[cfg(test)]
mod tests;
