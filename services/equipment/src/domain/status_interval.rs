//! The history of a status: what service life is computed from.

use std::time::Duration;

use kit::Timestamp;

use super::equipment::{Equipment, EquipmentId, Status};

kit::id!(
    /// Names one interval, for ever.
    IntervalId
);

/// A time in which a piece of equipment was in one state.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StatusInterval {
    pub id: IntervalId,
    pub equipment_id: EquipmentId,
    pub status: Status,
    pub since: Timestamp,
    /// Absent while it lasts.
    pub until: Option<Timestamp>,
    /// Who set the status; absent where nobody knows any more.
    pub changed_by: Option<String>,
}

impl StatusInterval {
    /// The first of new equipment.
    pub fn first(equipment: &Equipment, changed_by: String) -> Self {
        Self {
            id: IntervalId::new(),
            equipment_id: equipment.id,
            status: equipment.status,
            since: equipment.created_at,
            until: None,
            changed_by: Some(changed_by),
        }
    }

    /// Ends it, and begins the next one where it ends. A clock that was set back, or goes behind another's, makes it short, not
    /// negative.
    pub fn end(&mut self, status: Status, changed_by: String, now: Timestamp) -> Self {
        let id = IntervalId::new();
        // What begins at one time is ordered by its ids: where that clock makes an earlier one, the times tell them apart.
        let least = if self.id < id { self.since } else { self.since.plus(TICK) };
        let until = now.max(least);
        self.until = Some(until);
        Self {
            id,
            equipment_id: self.equipment_id,
            status,
            since: until,
            until: None,
            changed_by: Some(changed_by),
        }
    }
}

/// What times are told apart by.
const TICK: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_after_the_other_whoever_made_their_ids() {
        for id in ["00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"] {
            let mut first = StatusInterval {
                id: IntervalId::parse("id", id).unwrap(),
                equipment_id: EquipmentId::new(),
                status: Status::Down,
                since: Timestamp::from_micros(10),
                until: None,
                changed_by: None,
            };

            let next = first.end(Status::Maintenance, "ana".into(), Timestamp::from_micros(7));

            assert!((first.since, first.id) < (next.since, next.id), "{id}");
            assert_eq!(first.until, Some(next.since));
        }
    }

    #[test]
    fn intervals_join_whatever_the_clock_says() {
        for (now, boundary) in [(12, 12), (10, 10), (7, 10)] {
            let mut first = StatusInterval {
                id: IntervalId::new(),
                equipment_id: EquipmentId::new(),
                status: Status::Operational,
                since: Timestamp::from_micros(10),
                until: None,
                changed_by: None,
            };

            let next = first.end(Status::Down, "ana".into(), Timestamp::from_micros(now));

            let boundary = Timestamp::from_micros(boundary);
            assert_eq!((first.until, next.since, next.until), (Some(boundary), boundary, None));
            assert_eq!((next.status, next.equipment_id), (Status::Down, first.equipment_id));
        }
    }
}
