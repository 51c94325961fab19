//! Which of many readings are there.

use std::collections::HashSet;

use kit::{Result, db::Tx};

use super::{chunk, find};
use crate::{domain::reading::Key, recent::Recent};

/// Readings that one statement asks of.
const KEYS: usize = 250;

/// Those of these readings that are there. All are asked of at once, but for the few that lie among sealed values. The
/// transaction has its [turn](crate::store::journal::take_turn): nothing is sealed meanwhile.
pub async fn present(tx: &mut Tx, recent: &Recent, keys: &HashSet<Key>) -> Result<HashSet<Key>> {
    let (mut present, mut sealed) = (HashSet::new(), HashSet::new());
    let keys: Vec<Key> = keys.iter().copied().collect();
    for keys in keys.chunks(KEYS) {
        for around in chunk::around(tx, keys).await? {
            let key = around.key();
            let row = recent.row(around.series_id, key.recorded_at);
            if row.is_some_and(|row| row.value().is_some()) {
                present.insert(key);
            } else if row.is_none() && around.may_be_sealed() {
                sealed.insert(key);
            }
        }
    }
    for key in sealed {
        if !present.contains(&key) && !find(tx, recent, key).await?.is_empty() {
            present.insert(key);
        }
    }
    Ok(present)
}

#[cfg(test)]
mod tests {
    use kit::Timestamp;

    use super::*;
    use crate::{
        SCHEMA,
        domain::{
            chunk::{Chunk, Row},
            journal::Write,
            reading::EquipmentId,
        },
        recent::Limits,
        store,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    testkit::both! {
        async fn a_reading_is_there_if_it_has_a_value_recent_or_sealed(world: World) {
            let db = SCHEMA.open(&world.db).await.unwrap();
            let (one, two, never) = (EquipmentId::new(), EquipmentId::new(), EquipmentId::new());
            let mut tx = db.begin("fill").await.unwrap();
            let mut recent = Recent::new(Limits::default());
            let mut chunks = Vec::new();
            for (id, sealed) in [(one, [2, 4, 6]), (two, [12, 14, 16])] {
                let new = ["a", "b"].map(|metric| (id, metric.to_owned()));
                let series = store::reading::insert_series(&mut tx, &new).await.unwrap();
                let a = series.iter().find(|series| series.metric == "a").unwrap().id;
                let rows = sealed.map(|second| Row::new(at(second), Some(1.0), at(0)));
                chunks.push((a, Chunk::seal(&rows).unwrap().unwrap()));
                // Among the sealed ones one is new and one is deleted; later ones are recent.
                let b = series.iter().find(|series| series.metric == "b").unwrap().id;
                let first = sealed[0];
                let mut writes = vec![
                    (a, first, None),
                    (a, first + 1, Some(1.0)),
                    (b, first + 30, Some(1.0)),
                    (b, first + 31, None),
                ];
                writes.sort_by_key(|(series_id, ..)| *series_id);
                let write = |(series_id, second, value)| Write { series_id, at: at(second), value };
                let writes: Vec<_> = writes.into_iter().map(write).collect();
                recent.propose(&writes, at(0));
            }
            store::chunk::insert(&mut tx, &chunks).await.unwrap();

            let of = |id: EquipmentId| (0..50).map(move |second| Key { equipment_id: id, recorded_at: at(second) });
            let keys = of(one).chain(of(two)).chain(of(never)).collect();
            let present = present(&mut tx, &recent, &keys).await.unwrap();

            for (id, expected) in [(one, vec![3, 4, 6, 32]), (two, vec![13, 14, 16, 42]), (never, vec![])] {
                let seconds: Vec<_> = (0..50)
                    .filter(|second| present.contains(&Key { equipment_id: id, recorded_at: at(*second) }))
                    .collect();
                assert_eq!(seconds, expected);
            }
        }
    }
}
