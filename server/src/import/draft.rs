//! The lines of a file, as far as each stands for itself.

use csv::ByteRecord;
use prost::{DecodeError, Message};
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage, Value};
use proto::{
    equipment::v1::{CreateEquipmentRequest, Equipment, equipment::Status},
    maintenance::v1::{CreateTaskRequest, MaintenanceRecord, RecordMaintenanceRequest, Task, task},
    validate::validate,
};
use tonic::Status as Refusal;
use tonic_types::StatusExt;

use super::{problem::Problem, table::Column};
use crate::sheet::{Noun, Reference, cell, names::Names};

/// What is wrong with a cell that nobody can read.
const NO_TEXT: &str = "is not text in UTF-8";
/// What is wrong with the id of a line that was exported from the very suite that it is sent to: an import only adds.
pub const IS_THERE: &str = "is there already";
const NO_USER: &str = "there is no such user";

/// What one line asks for.
#[derive(Clone, Debug)]
pub struct Draft {
    pub line: u64,
    pub message: DynamicMessage,
    /// What the file calls it: other lines may refer to it so.
    pub id: String,
    /// Equipment that the register doesn't know; maybe another line does.
    pub parent: Option<String>,
    /// What of the line doesn't go in, though the line does.
    pub notes: Vec<Problem>,
}

/// What a draft is sent as.
pub enum Request {
    Equipment(Box<CreateEquipmentRequest>),
    Task(Box<CreateTaskRequest>),
    Record(Box<RecordMaintenanceRequest>),
}

impl Request {
    /// As bytes that are the same whenever the line is: those of a message whose type is known at run time alone aren't, where
    /// it has a map.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Equipment(request) => request.encode_to_vec(),
            Self::Task(request) => request.encode_to_vec(),
            Self::Record(request) => request.encode_to_vec(),
        }
    }

    /// With that idempotency key, and only tried if `is_trial`.
    pub fn keyed(mut self, key: String, is_trial: bool) -> Self {
        *self.key() = key;
        let validate_only = match &mut self {
            Self::Equipment(request) => &mut request.validate_only,
            Self::Task(request) => &mut request.validate_only,
            Self::Record(request) => &mut request.validate_only,
        };
        *validate_only = is_trial;
        self
    }

    /// Its idempotency key.
    pub fn key(&mut self) -> &mut String {
        match self {
            Self::Equipment(request) => &mut request.request_id,
            Self::Task(request) => &mut request.request_id,
            Self::Record(request) => &mut request.request_id,
        }
    }
}

impl Draft {
    /// Says nothing yet.
    pub fn new(noun: Noun, line: u64) -> Self {
        Self { line, message: noun.message(), id: String::new(), parent: None, notes: Vec::new() }
    }

    /// The request for it, without an idempotency key.
    pub fn request(&self, noun: Noun) -> Result<Request, DecodeError> {
        Ok(match noun {
            Noun::Equipment => Request::Equipment(Box::new(CreateEquipmentRequest {
                equipment: Some(self.message.transcode_to::<Equipment>()?),
                ..Default::default()
            })),
            Noun::Tasks => Request::Task(Box::new(CreateTaskRequest {
                task: Some(self.message.transcode_to::<Task>()?),
                ..Default::default()
            })),
            Noun::Maintenance => Request::Record(Box::new(RecordMaintenanceRequest {
                record: Some(self.message.transcode_to::<MaintenanceRecord>()?),
                ..Default::default()
            })),
        })
    }

    /// Makes it a part of the equipment `id`.
    pub fn set_parent(&mut self, id: &str) {
        self.message.set_field_by_name("parent_id", Value::String(id.to_owned()));
        self.parent = None;
    }

    /// Whether there is anything in a column; `None` for what is none.
    pub fn says(&self, column: &str) -> Option<bool> {
        let (name, key) = column.split_once('.').unwrap_or((column, ""));
        let field = self.message.descriptor().get_field_by_name(name)?;
        let value = self.message.get_field(&field);
        let map = value.as_map();
        Some(map.map_or(self.message.has_field(&field), |map| {
            map.contains_key(&MapKey::String(key.to_owned()))
        }))
    }

    /// Leaves out what a column says, so that the others can be looked at; a name can't be left out, and says nothing in
    /// particular.
    pub fn leave_out(&mut self, column: &str) {
        let (name, key) = column.split_once('.').unwrap_or((column, ""));
        let Some(field) = self.message.descriptor().get_field_by_name(name) else { return };
        if let Some(map) = self.message.get_field_mut(&field).as_map_mut() {
            map.remove(&MapKey::String(key.to_owned()));
            return;
        }
        self.message.clear_field(&field);
        if ["name", "title"].contains(&name) {
            self.message.set_field(&field, Value::String("?".to_owned()));
        }
    }

    /// The text of a field.
    pub fn text(&self, column: &str) -> String {
        let field = self.message.descriptor().get_field_by_name(column);
        field.map(|field| cell::write(&self.message, &field, None)).unwrap_or_default()
    }

    pub fn problem(&self, column: &str, reason: impl Into<String>) -> Problem {
        Problem { line: self.line, column: column.to_owned(), reason: reason.into() }
    }

    /// What is wrong with it, as far as the contract's rules say.
    fn check(&self, noun: Noun) -> Vec<Problem> {
        let checked = match self.request(noun) {
            Ok(Request::Equipment(request)) => validate(&*request),
            Ok(Request::Task(request)) => validate(&*request),
            Ok(Request::Record(request)) => validate(&*request),
            Err(error) => Err(Refusal::invalid_argument(error.to_string())),
        };
        let mut problems = checked.err().map(|status| self.problems(&status)).unwrap_or_default();
        for column in ["due_date", "installation_date"] {
            let text = self.text(column);
            let is_named = problems.iter().any(|problem| problem.column == column);
            if !text.is_empty() && !is_named && kit::time::parse_date(column, &text).is_err() {
                problems.push(self.problem(column, "must be a day of the calendar, YYYY-MM-DD"));
            }
        }
        let is_begun = ["IN_PROGRESS", "ON_HOLD"].contains(&self.text("status").as_str());
        if noun == Noun::Tasks && is_begun && self.text("assignee_id").is_empty() {
            problems.push(self.problem("assignee_id", "is required: somebody has begun the work"));
        }
        problems
    }

    /// Why the service refused it, by column.
    pub fn problems(&self, status: &Refusal) -> Vec<Problem> {
        let fields = status.get_details_bad_request().map(|details| details.field_violations);
        let fields = fields.unwrap_or_default();
        if fields.is_empty() {
            let column = self.refused_column(status);
            return vec![self.problem(column.as_deref().unwrap_or("the line"), status.message())];
        }
        let problem = |field: &str, reason: &str| {
            let column = field.split_once('.').map_or(field, |(_, column)| column);
            // A key of a map is a column of its own.
            self.problem(&column.replace("[\"", ".").replace("\"]", ""), reason)
        };
        fields.iter().map(|violation| problem(&violation.field, &violation.description)).collect()
    }

    /// The column that a refusal is about which names no field of the request: the state of things is against it.
    fn refused_column(&self, status: &Refusal) -> Option<String> {
        let details = status.get_details_error_info()?;
        let has = |column: &str| self.message.descriptor().get_field_by_name(column).is_some();
        if let Some(field) = details.metadata.get("field") {
            return Some(field.clone()).filter(|field| has(field));
        }
        // Of a record, the task that it completes; of a task, the step to the status that it asks for.
        let is_of_task = details.reason.starts_with("TASK_");
        let column = ["task_id", "status"].into_iter().find(|column| is_of_task && has(column))?;
        Some(column.to_owned())
    }
}

/// Puts what a line says into the draft; answers what is wrong with it.
pub fn fill(
    noun: Noun,
    draft: &mut Draft,
    columns: &[Column],
    record: &ByteRecord,
    names: &Names,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (column, bytes) in columns.iter().zip(record) {
        let text = std::str::from_utf8(bytes);
        match (column, text) {
            (Column::Given, _) => {}
            (_, Ok(text)) if text.trim().is_empty() => {}
            (Column::Id, Ok(text)) => text.trim().clone_into(&mut draft.id),
            (Column::Field { field, key, name }, Ok(text)) => {
                let put = put(noun, draft, field, key.as_deref(), text, names);
                problems.extend(put.err().map(|reason| draft.problem(name, reason)));
            }
            (Column::Field { name, .. }, Err(_)) => {
                problems.push(draft.problem(name, NO_TEXT));
            }
            (Column::Id, Err(_)) => problems.push(draft.problem("id", NO_TEXT)),
        }
    }
    leave_out_who_left(noun, draft, &mut problems);
    let is_named = |column: &str| problems.iter().any(|problem: &Problem| problem.column == column);
    let broken = draft.check(noun).into_iter().filter(|problem| !is_named(&problem.column));
    let broken: Vec<_> = broken.collect();
    problems.extend(broken);
    problems
}

/// Work that is over needs nobody to do it: whom it was with may be no user any more, or of another suite.
fn leave_out_who_left(noun: Noun, draft: &mut Draft, problems: &mut Vec<Problem>) {
    let is_over = ["COMPLETED", "CANCELLED"].contains(&draft.text("status").as_str());
    if noun == Noun::Tasks && is_over {
        let unknown = problems.extract_if(.., |problem| problem.reason == NO_USER);
        for problem in unknown.collect::<Vec<_>>() {
            draft.notes.push(draft.problem(&problem.column, format!("left out: {NO_USER}")));
        }
    }
}

/// Puts what a cell says into the draft.
fn put(
    noun: Noun,
    draft: &mut Draft,
    field: &FieldDescriptor,
    key: Option<&str>,
    text: &str,
    names: &Names,
) -> Result<(), String> {
    let text = match noun.reference(field.name()) {
        None => return cell::read(&mut draft.message, field, key, text),
        Some(_) => text.trim(),
    };
    let id = match noun.reference(field.name()) {
        Some(Reference::Person) => names.person(text).map(str::to_owned).ok_or(NO_USER)?,
        _ => match names.equipment(text) {
            Some(known) if known.status() == Status::Decommissioned && noun == Noun::Tasks => {
                return Err("is decommissioned".to_owned());
            }
            Some(known) => known.id.clone(),
            None if noun == Noun::Equipment => {
                draft.parent = Some(text.to_owned());
                return Ok(());
            }
            None => return Err("there is no such equipment".to_owned()),
        },
    };
    draft.message.set_field(field, Value::String(id));
    Ok(())
}

/// The steps by which a new task comes to a status.
pub fn steps(status: task::Status) -> &'static [task::Status] {
    use task::Status::{Cancelled, Completed, InProgress, OnHold, Pending, Unspecified};
    match status {
        Unspecified | Pending => &[],
        InProgress => &[InProgress],
        OnHold => &[InProgress, OnHold],
        Completed => &[Completed],
        Cancelled => &[Cancelled],
    }
}

#[cfg(test)]
mod tests {
    use kit::Error;

    use super::*;

    fn problems(noun: Noun, error: Error) -> Vec<String> {
        let draft = Draft::new(noun, 2);
        draft.problems(&error.into()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_state_of_things_forbids_is_told_by_its_column() {
        let taken = |field| Error::Taken { field, message: "is taken" };
        let held = || Error::refused("TASK_HELD", "somebody else holds the task");
        for (noun, error, told) in [
            (Noun::Equipment, taken("serial_number"), "line 2, serial_number: is taken"),
            (Noun::Equipment, taken("colour"), "line 2, the line: is taken"),
            (Noun::Maintenance, held(), "line 2, task_id: somebody else holds the task"),
            (Noun::Tasks, held(), "line 2, status: somebody else holds the task"),
            (
                Noun::Tasks,
                Error::refused("IDEMPOTENCY_KEY_REUSED", "used"),
                "line 2, the line: used",
            ),
        ] {
            assert_eq!(problems(noun, error), [told]);
        }
    }
}
