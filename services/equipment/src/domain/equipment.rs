//! Equipment and the rules that it lives by.

use std::collections::BTreeMap;

use kit::{Error, Result, Timestamp};

kit::id!(
    /// Names one piece of equipment, for ever.
    EquipmentId
);

kit::names! {
    /// Whether it can do its work (EN 13306 states).
    pub enum Status {
        /// Performing as required.
        Operational = "OPERATIONAL",
        /// Reduced but acceptable.
        Degraded = "DEGRADED",
        /// Not able to perform.
        Down = "DOWN",
        /// Down for planned work.
        Maintenance = "MAINTENANCE",
        /// Ready to take over.
        Standby = "STANDBY",
        /// Out of service for good.
        Decommissioned = "DECOMMISSIONED",
    }
}

kit::names! {
    /// Rank by severity and frequency of failure (EN 13306).
    pub enum Criticality {
        /// Can wait.
        Low = "LOW",
        /// The ordinary case.
        Medium = "MEDIUM",
        /// Cannot be without.
        High = "HIGH",
    }
}

/// An individually described thing that is maintained.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Equipment {
    pub id: EquipmentId,
    pub name: String,
    /// The family that shares failure modes and plans (ISO 14224 class).
    #[sqlx(rename = "type")]
    pub kind: String,
    pub model: String,
    pub manufacturer: String,
    /// The maker's number, unique in the register.
    pub serial_number: Option<String>,
    pub location: String,
    /// What it is part of.
    pub parent_id: Option<EquipmentId>,
    pub status: Status,
    pub criticality: Criticality,
    /// First day of use, `YYYY-MM-DD`.
    pub installation_date: Option<String>,
    pub notes: String,
    #[sqlx(try_from = "String")]
    pub attributes: Attributes,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub revision: i64,
}

impl Equipment {
    /// What people look for it by, a line each, so that nothing is found across two of them.
    pub fn searched(&self) -> String {
        let number = self.serial_number.as_deref().unwrap_or_default();
        [&self.name, number, &self.model, &self.location].join("\n")
    }
}

/// Free fields of a piece of equipment, kept as a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub BTreeMap<String, String>);

impl Attributes {
    /// As the database has it.
    pub fn to_json(&self) -> String {
        // Strings to strings: nothing in it can fail to be written.
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

/// Checks what new equipment is to be part of, as far as there is such equipment: it must be in service.
pub fn check_parent(parent: Option<&Equipment>) -> Result<()> {
    let refuse = |problem: &str| Err(Error::invalid("equipment.parent_id", problem));
    match parent {
        Some(parent) if parent.status == Status::Decommissioned => refuse("is decommissioned"),
        Some(_) => Ok(()),
        None => refuse("there is no such equipment"),
    }
}

impl TryFrom<String> for Attributes {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&json).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equipment(status: Status) -> Equipment {
        Equipment {
            id: EquipmentId::new(),
            name: "Plant".into(),
            kind: String::new(),
            model: String::new(),
            manufacturer: String::new(),
            serial_number: None,
            location: String::new(),
            parent_id: None,
            status,
            criticality: Criticality::Medium,
            installation_date: None,
            notes: String::new(),
            attributes: Attributes::default(),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            revision: 1,
        }
    }

    #[test]
    fn a_parent_is_in_service() {
        for status in Status::ALL {
            let may = *status != Status::Decommissioned;
            assert_eq!(check_parent(Some(&equipment(*status))).is_ok(), may, "{status:?}");
        }
        assert!(check_parent(None).is_err());
    }

    #[test]
    fn attributes_survive_the_database() {
        let attributes = [("colour \"'".to_owned(), "grey \u{1f6e0}\n".to_owned())];
        let attributes = Attributes(attributes.into());
        assert_eq!(Attributes::try_from(attributes.to_json()).unwrap(), attributes);
    }
}
