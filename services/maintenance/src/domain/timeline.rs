//! What happened to a piece of equipment, in one order: newest first, and what happened at once by id. Ids of the whole suite are
//! UUIDs of version 7, so that order is total, whatever service an entry comes from.

use std::time::Duration;

use kit::Timestamp;

use super::equipment::EquipmentId;

kit::id!(
    /// Names whatever an entry shows: an interval, an event, a record, an alert.
    EntryId
);

/// Where an entry stands.
pub type Place = (Timestamp, EntryId);

/// Which entries are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    pub equipment_id: EquipmentId,
    /// At this time or after it.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only what comes after this place.
    pub after: Option<Place>,
    /// So many are enough.
    pub limit: i64,
}

impl Filter {
    /// Before which time everything lies that is asked for: sources that know no places are asked for that, and what they
    /// answer is held against the place.
    pub fn before(&self) -> Option<Timestamp> {
        let after = self.after.map(|(at, _)| at.plus(Duration::from_micros(1)));
        match (self.to, after) {
            (Some(to), Some(after)) => Some(to.min(after)),
            (to, after) => to.or(after),
        }
    }

    /// Whether what stands at `place` comes after the place.
    pub fn is_after(&self, place: Place) -> bool {
        self.after.is_none_or(|after| place < after)
    }

    /// Whether `count` entries are enough.
    pub fn is_met(&self, count: usize) -> bool {
        i64::try_from(count).is_ok_and(|count| self.limit <= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn what_happened_at_the_last_time_of_a_page_is_looked_at_again() {
        let [earlier, last, later] = [EntryId::new(), EntryId::new(), EntryId::new()];
        for (to, before) in [(None, 8), (Some(at(9)), 8), (Some(at(8)), 8), (Some(at(3)), 3)] {
            let equipment_id = EquipmentId::new();
            let after = Some((at(7), last));
            let filter = Filter { equipment_id, from: None, to, after, limit: 2 };

            assert_eq!(filter.before(), Some(at(before)));
            for (place, expected) in [
                ((at(6), later), true),
                ((at(7), earlier), true),
                ((at(7), last), false),
                ((at(7), later), false),
                ((at(8), earlier), false),
            ] {
                assert_eq!(filter.is_after(place), expected, "{place:?}");
            }
        }
    }
}
