//! Equipment, tasks and maintenance records as the rows of a CSV file: a column a field of the API, by its name. What is
//! exported can be imported, here or elsewhere: a reference to other equipment or to a person is written by what people know
//! it by, and read by that or by its id.

pub mod cell;
pub mod names;

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor};

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the contract is part of the program")]
    DescriptorPool::decode(proto::DESCRIPTORS).expect("the contract can be read")
});

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    Equipment,
    Tasks,
    Maintenance,
}

/// What a column refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By its id or serial number.
    Equipment,
    /// By their id or username.
    Person,
}

impl Noun {
    /// As people say it of several.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equipment => "equipment",
            Self::Tasks => "tasks",
            Self::Maintenance => "maintenance records",
        }
    }

    /// An empty one.
    pub fn message(self) -> DynamicMessage {
        DynamicMessage::new(self.descriptor())
    }

    /// Its columns, in the contract's order. A map of text has a column for each of its keys: `attributes.KEY`.
    pub fn fields(self) -> Vec<FieldDescriptor> {
        self.descriptor().fields().collect()
    }

    fn descriptor(self) -> MessageDescriptor {
        let name = match self {
            Self::Equipment => "flightline.equipment.v1.Equipment",
            Self::Tasks => "flightline.maintenance.v1.Task",
            Self::Maintenance => "flightline.maintenance.v1.MaintenanceRecord",
        };
        #[expect(clippy::expect_used, reason = "a test asks for each")]
        CONTRACT.get_message_by_name(name).expect("the contract has it")
    }

    /// Whether `column` is the service's to give: an import reads over it.
    pub fn is_given(self, column: &str) -> bool {
        let own: &[&str] = match self {
            Self::Equipment => &[],
            Self::Tasks => &["created_by", "source", "alert_id", "completed_at", "completed_by"],
            Self::Maintenance => &["technician_id", "downtime"],
        };
        ["id", "created_at", "updated_at", "etag"].contains(&column) || own.contains(&column)
    }

    pub fn reference(self, column: &str) -> Option<Reference> {
        match (self, column) {
            (Self::Equipment, "parent_id") | (_, "equipment_id") => Some(Reference::Equipment),
            (_, "assignee_id" | "technician_id" | "created_by" | "completed_by") => {
                Some(Reference::Person)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_has_every_noun_and_what_is_given_of_it() {
        for noun in [Noun::Equipment, Noun::Tasks, Noun::Maintenance] {
            let fields = noun.fields();
            let given = fields.iter().filter(|field| noun.is_given(field.name())).count();
            assert!(given >= 4 && given < fields.len(), "{noun:?}");
        }
    }
}
