//! Equipment and the rules that it lives by.

use std::collections::BTreeMap;

use kit::{Error, Result, Timestamp, mask::Mask};

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

impl Criticality {
    /// Its place among the others, the least first.
    pub fn rank(self) -> i64 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 3,
        }
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

/// What an update can change.
pub const MUTABLE: [&str; 12] = [
    "name",
    "type",
    "model",
    "manufacturer",
    "serial_number",
    "location",
    "parent_id",
    "status",
    "criticality",
    "installation_date",
    "notes",
    "attributes",
];

impl Equipment {
    /// Takes from `wished` what `mask` names.
    ///
    /// # Errors
    ///
    /// It is decommissioned: its entry is history.
    pub fn change(&mut self, wished: Self, mask: &Mask) -> Result<()> {
        if self.status == Status::Decommissioned {
            let message = "the equipment is decommissioned and does not change any more";
            return Err(Error::refused("DECOMMISSIONED", message));
        }
        mask.put("name", &mut self.name, wished.name);
        mask.put("type", &mut self.kind, wished.kind);
        mask.put("model", &mut self.model, wished.model);
        mask.put("manufacturer", &mut self.manufacturer, wished.manufacturer);
        mask.put("serial_number", &mut self.serial_number, wished.serial_number);
        mask.put("location", &mut self.location, wished.location);
        mask.put("parent_id", &mut self.parent_id, wished.parent_id);
        mask.put("status", &mut self.status, wished.status);
        mask.put("criticality", &mut self.criticality, wished.criticality);
        mask.put("installation_date", &mut self.installation_date, wished.installation_date);
        mask.put("notes", &mut self.notes, wished.notes);
        mask.put("attributes", &mut self.attributes, wished.attributes);
        Ok(())
    }

    /// Notes that it was changed.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at);
        self.revision += 1;
    }

    /// What it has in the order of installation dates: without one, what comes before all of them.
    pub fn installation_day(&self) -> &str {
        self.installation_date.as_deref().unwrap_or_default()
    }

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

/// Checks what equipment with a `status` is to be part of, as far as there is such equipment: what is in service is part of what is
/// in service. `is_below` says that it is the equipment itself or a part of it.
pub fn check_parent(parent: Option<&Equipment>, is_below: bool, status: Status) -> Result<()> {
    let is_gone = |status: Status| status == Status::Decommissioned;
    let refuse = |problem: &str| Err(Error::invalid("equipment.parent_id", problem));
    match parent {
        Some(_) if is_below => refuse("is the equipment itself, or a part of it"),
        Some(parent) if is_gone(parent.status) && !is_gone(status) => refuse("is decommissioned"),
        Some(_) => Ok(()),
        None => refuse("there is no such equipment"),
    }
}

/// Refuses to take equipment out of service before its parts.
pub fn check_parts(any_in_service: bool) -> Result<()> {
    if any_in_service {
        let message = "parts of it are in service: decommission them or move them before";
        return Err(Error::refused("PARTS_IN_SERVICE", message));
    }
    Ok(())
}

impl TryFrom<String> for Attributes {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&json).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

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
    fn a_parent_of_what_is_in_service_is_so_too() {
        let gone = Status::Decommissioned;
        let pairs =
            Status::ALL.iter().flat_map(|it| Status::ALL.iter().map(move |own| (*it, *own)));
        for (status, own) in pairs {
            let parent = equipment(status);
            let may = status != gone || own == gone;
            assert_eq!(
                check_parent(Some(&parent), false, own).is_ok(),
                may,
                "{own:?} of {status:?}"
            );
            assert!(check_parent(Some(&parent), true, own).is_err(), "{own:?} of {status:?}");
        }
        assert!(check_parent(None, false, Status::Operational).is_err());
    }

    #[test]
    fn a_change_takes_what_it_names_and_nothing_else() {
        let paths = |paths: &[&str]| {
            Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
        };
        let wished = Equipment {
            name: "Pump".into(),
            kind: "pump".into(),
            model: "P".into(),
            manufacturer: "Acme".into(),
            serial_number: Some("1".into()),
            location: "Hangar".into(),
            parent_id: Some(EquipmentId::new()),
            status: Status::Down,
            criticality: Criticality::High,
            installation_date: Some("2024-02-29".into()),
            notes: "loud".into(),
            attributes: Attributes([("a".into(), "b".into())].into()),
            created_at: Timestamp::from_micros(7),
            revision: 7,
            ..equipment(Status::Operational)
        };
        let before = equipment(Status::Operational);

        let mut changed = before.clone();
        changed
            .change(wished.clone(), &Mask::parse("", paths(&[]), &MUTABLE, &[]).unwrap())
            .unwrap();
        let kept = |from: &Equipment| (from.id, from.created_at, from.revision);
        assert_eq!(kept(&changed), kept(&before));
        let given = Equipment {
            id: before.id,
            created_at: before.created_at,
            revision: 1,
            ..wished.clone()
        };
        assert_eq!(changed, given);

        for field in MUTABLE {
            let mut changed = before.clone();
            changed
                .change(wished.clone(), &Mask::parse("", paths(&[field]), &MUTABLE, &[]).unwrap())
                .unwrap();
            assert_ne!(changed, before, "{field}");
            let others: Vec<&str> = MUTABLE.into_iter().filter(|other| *other != field).collect();
            changed
                .change(before.clone(), &Mask::parse("", paths(&others), &MUTABLE, &[]).unwrap())
                .unwrap();
            assert_ne!(changed, before, "{field} is one field");
        }
    }

    #[test]
    fn what_is_decommissioned_does_not_change() {
        let mask = Mask::parse("", None, &MUTABLE, &[]).unwrap();
        let mut gone = equipment(Status::Decommissioned);
        assert!(gone.change(equipment(Status::Operational), &mask).is_err());
        assert_eq!(gone.status, Status::Decommissioned);
    }

    #[test]
    fn attributes_survive_the_database() {
        let attributes = [("colour \"'".to_owned(), "grey \u{1f6e0}\n".to_owned())];
        let attributes = Attributes(attributes.into());
        assert_eq!(Attributes::try_from(attributes.to_json()).unwrap(), attributes);
    }
}
