//! What is to be written of a file, in which order.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

use prost_reflect::DynamicMessage;

use super::{
    draft::{Column, Draft, Sheet, read},
    rows::Problem,
};
use crate::sheet::{Noun, cell, names::Names};

/// The lines that are to be written, those first that others are part of.
pub struct Plan {
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
}

impl Plan {
    /// Reads a whole file and looks up what it refers to.
    ///
    /// # Errors
    ///
    /// The file can't be read, or has a column that there isn't.
    pub fn of(noun: Noun, input: impl Read, names: &Names) -> anyhow::Result<Self> {
        let sheet = read(noun, input, names)?;
        let mut plan = match noun {
            Noun::Equipment => of_equipment(sheet, names),
            Noun::Tasks => Self::side_by_side(sheet.drafts, sheet.problems),
            Noun::Maintenance => of_records(sheet),
        };
        plan.problems.sort_by_key(|problem| problem.line);
        Ok(plan)
    }

    /// Lines that don't wait for each other.
    fn side_by_side(drafts: Vec<Draft>, problems: Vec<Problem>) -> Self {
        let steps = drafts.into_iter().map(|draft| Step { draft, parent: None, wave: 0 });
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
fn of_records(sheet: Sheet) -> Plan {
    let Sheet { drafts, mut problems, .. } = sheet;
    let mut lines = HashMap::new();
    let mut new = Vec::new();
    for draft in drafts {
        let task_id = draft.text("task_id").to_lowercase();
        if let Some(line) = lines.get(&task_id) {
            problems.push(draft.problem("task_id", format!("is on line {line}, too")));
            continue;
        }
        if !task_id.is_empty() {
            lines.insert(task_id, draft.line);
        }
        new.push(draft);
    }
    Plan::side_by_side(new, problems)
}

/// Equipment may be part of other equipment of the file, and is known by its serial number.
fn of_equipment(sheet: Sheet, names: &Names) -> Plan {
    let Sheet { columns, drafts, mut problems } = sheet;
    let mut there = 0;
    let mut lines = HashMap::new();
    let mut new = Vec::new();
    // The ids of what is there, by what the file calls it.
    let mut ids = HashMap::new();
    for draft in drafts {
        let number = draft.text("serial_number");
        let registered = names.equipment_numbered(&number).filter(|_| !number.is_empty());
        if let Some(line) = lines.insert(number.clone(), draft.line).filter(|_| !number.is_empty())
        {
            let reason = format!("is on line {line}, too");
            problems.push(draft.problem("serial_number", reason));
        } else if let Some(registered) = registered {
            let mut known = Noun::Equipment.message();
            let is_read = known.transcode_from(registered).is_ok();
            if is_read && is_alike(&columns, &draft, &known) {
                there += 1;
                ids.insert(draft.id, registered.id.clone());
            } else {
                problems.push(
                    draft.problem("serial_number", "is taken by equipment that is not as here"),
                );
            }
        } else {
            new.push(draft);
        }
    }
    for draft in &mut new {
        if let Some(id) = draft.parent.as_ref().and_then(|name| ids.get(name)) {
            draft.set_parent(id);
        }
    }
    let mut tree = Tree::new(new);
    for index in 0..tree.drafts.len() {
        tree.place(index, &mut problems);
    }
    Plan { steps: tree.steps(), problems, there }
}

/// Whether `known` is what a line asks for, as far as the file has columns for it. What it is part of may be on a line, and is
/// known there by a name of the file's own.
fn is_alike(columns: &[Column], draft: &Draft, known: &DynamicMessage) -> bool {
    columns.iter().all(|column| match column {
        Column::Field { name, .. } if name == "parent_id" && draft.parent.is_some() => {
            known.has_field_by_name(name)
        }
        Column::Field { field, key, .. } => {
            let asked = cell::write(&draft.message, field, key.as_deref());
            let is_left = asked.is_empty() && field.kind().as_enum().is_some();
            is_left || asked == cell::write(known, field, key.as_deref())
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
    fn new(drafts: Vec<Draft>) -> Self {
        let mut known = HashMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            let numbers = [draft.text("serial_number"), draft.id.clone()];
            known.extend(
                numbers.into_iter().filter(|name| !name.is_empty()).map(|name| (name, index)),
            );
        }
        let places = vec![Place::Unknown; drafts.len()];
        Self { drafts, places, known }
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
            self.places[index] = if refused.is_some() { Place::Refused } else { Place::Wave(wave) };
            above = Some(self.places[index]);
        }
    }

    /// Whether it is in service as a part of what the same file decommissions.
    fn outlives_parent(&self, index: usize) -> bool {
        let is_over = |index: usize| self.drafts[index].text("status") == "DECOMMISSIONED";
        !is_over(index) && self.parent(index).is_some_and(is_over)
    }

    /// What was placed, wave by wave.
    fn steps(self) -> Vec<Step> {
        let wave = |index: &usize| match self.places[*index] {
            Place::Wave(wave) => Some(wave),
            _ => None,
        };
        let mut order: Vec<usize> =
            (0..self.drafts.len()).filter(|index| wave(index).is_some()).collect();
        order.sort_by_key(|index| (wave(index), *index));
        let steps: HashMap<usize, usize> =
            order.iter().enumerate().map(|(step, index)| (*index, step)).collect();
        let step = |index: &usize| Step {
            draft: self.drafts[*index].clone(),
            parent: self.parent(*index).and_then(|parent| steps.get(&parent)).copied(),
            wave: wave(index).unwrap_or_default(),
        };
        order.iter().map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and wave of each step, and the problems.
    fn plan(noun: Noun, file: &str) -> (Vec<(u64, usize)>, Vec<String>) {
        let plan = Plan::of(noun, file.as_bytes(), &Names::default()).unwrap();
        let steps = plan.steps.iter().map(|step| (step.draft.line, step.wave)).collect();
        (steps, plan.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn parts_come_after_what_they_are_part_of_wherever_it_stands() {
        let file = "id,name,serial_number,parent_id\n,Bolt,,P-1\n,Pump,P-1,hall\nhall,Hall,,\n";
        let (steps, problems) = plan(Noun::Equipment, file);
        assert_eq!(steps, [(4, 0), (3, 1), (2, 2)]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn what_is_part_of_itself_or_of_nothing_is_refused() {
        let file = "id,name,parent_id\na,A,c\nb,B,a\nc,C,b\nd,D,x\ne,E,d\nf,F,\n";
        let (steps, problems) = plan(Noun::Equipment, file);
        assert_eq!(steps, [(7, 0)]);
        assert_eq!(
            problems,
            [
                "line 2, parent_id: is refused itself",
                "line 3, parent_id: is a part of this one",
                "line 4, parent_id: is refused itself",
                "line 5, parent_id: there is no such equipment",
                "line 6, parent_id: is refused itself",
            ]
        );
    }

    #[test]
    fn every_problem_is_named_by_line_and_column() {
        let file = "name,status,installation_date,serial_number,attributes.oil\n\
                    ,down,2026-02-30,S,x\nPump,DOWN,,S,\nFan,,soon,,\nshort\nFan,,,S,\n";
        let (steps, problems) = plan(Noun::Equipment, file);
        assert_eq!(steps, [(3, 0)]);
        let begins: Vec<_> =
            problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
        assert_eq!(
            begins,
            [
                "line 2, status",
                "line 2, name",
                "line 2, installation_date",
                "line 4, installation_date",
                "line 5, the line",
                "line 6, serial_number",
            ],
            "{problems:?}"
        );
    }

    #[test]
    fn a_column_that_there_is_not_is_named_with_those_that_there_are() {
        let error =
            Plan::of(Noun::Tasks, "title,colour\n".as_bytes(), &Names::default()).err().unwrap();
        let error = error.to_string();
        assert!(
            error.starts_with("there is no column \"colour\" of tasks; there are id, title,"),
            "{error}"
        );
        let twice = Plan::of(Noun::Tasks, "title,title\n".as_bytes(), &Names::default());
        assert!(twice.is_err());
    }

    #[test]
    fn a_task_is_completed_by_one_record() {
        let id = "0190b0a4-0000-7000-8000-00000000000a";
        let file =
            format!("work_done,task_id\nOne,{id}\nTwo,\nThree,{}\nFour,\n", id.to_uppercase());
        let (steps, problems) = plan(Noun::Maintenance, &file);
        assert_eq!(steps, [(2, 0), (3, 0), (5, 0)]);
        assert_eq!(problems, ["line 4, task_id: is on line 2, too"]);
    }

    #[test]
    fn what_is_left_keeps_what_it_is_part_of() {
        let file = "id,name,parent_id\na,A,\nb,B,a\nc,C,\nd,D,c\n";
        let plan = Plan::of(Noun::Equipment, file.as_bytes(), &Names::default()).unwrap();
        let refused =
            |line, column: &str| Problem { line, column: column.into(), reason: String::new() };
        let left = without(plan.steps, &[refused(2, "name"), refused(3, "parent_id")]);
        let parents: Vec<_> = left.iter().map(|step| (step.draft.line, step.parent)).collect();
        assert_eq!(parents, [(4, None), (5, Some(0))]);
    }

    #[test]
    fn work_that_was_begun_is_with_somebody() {
        let (steps, problems) = plan(Noun::Tasks, "title,status\nOne,IN_PROGRESS\nTwo,COMPLETED\n");
        assert_eq!(steps, [(3, 0)]);
        assert!(problems[0].starts_with("line 2, assignee_id: is required"), "{problems:?}");
    }
}
