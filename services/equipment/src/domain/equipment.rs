//! Equipment and the rules that it lives by.

use std::collections::BTreeMap;

use kit::Timestamp;

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
    /// Never reused.
    pub id: EquipmentId,
    /// For people.
    pub name: String,
    /// The family that shares failure modes and plans.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// The maker's name for its kind.
    pub model: String,
    /// The maker.
    pub manufacturer: String,
    /// The maker's number, unique in the register.
    pub serial_number: Option<String>,
    /// Where it stands.
    pub location: String,
    /// What it is part of.
    pub parent_id: Option<EquipmentId>,
    /// Whether it can do its work.
    pub status: Status,
    /// How much depends on it.
    pub criticality: Criticality,
    /// First day of use, `YYYY-MM-DD`.
    pub installation_date: Option<String>,
    /// For people.
    pub notes: String,
    /// Whatever else the site wants to keep.
    #[sqlx(try_from = "String")]
    pub attributes: Attributes,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub revision: i64,
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

impl TryFrom<String> for Attributes {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&json).map(Self)
    }
}
