//! What rules have seen last of many series.

use super::*;
use crate::{
    SCHEMA,
    domain::{chunk::Chunk, journal::Write, reading::EquipmentId},
    recent::Limits,
    store,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Rows of a chunk, each with when it was measured and when it arrived.
type Rows = &'static [(i64, i64)];
/// What is recent of a series, each value with when it was measured.
type Writes = &'static [(i64, Option<f64>)];

testkit::both! {
    async fn the_last_samples_of_many_series_are_those_of_each_alone(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        // Of each series: its chunks, and what of it is recent, which arrives at 50.
        let all: [(&[Rows], Writes); 9] = [
            (&[], &[]),
            (&[], &[(7, Some(1.0)), (9, None)]),
            (&[&[(1, 1), (2, 2)], &[(3, 3), (4, 40)]], &[]),
            (&[&[(1, 40), (2, 40)], &[(3, 3), (4, 4)]], &[]),
            (&[&[(1, 1), (2, 2)]], &[(2, None)]),
            (&[&[(1, 40), (2, 2)], &[(5, 40)]], &[(5, None)]),
            (&[&[(1, 1), (8, 40)]], &[(4, Some(1.0))]),
            (&[&[(1, 1), (2, 40)]], &[(4, Some(1.0))]),
            (&[&[(1, 1), (2, 40)]], &[(2, Some(1.0)), (3, None)]),
        ];
        let mut tx = db.begin("fill").await.unwrap();
        let (mut recent, mut chunks, mut ids) = (Recent::new(Limits::default()), Vec::new(), Vec::new());
        for (sealed, writes) in all {
            let new = [(EquipmentId::new(), "a".to_owned())];
            let series_id = store::reading::insert_series(&mut tx, &new).await.unwrap()[0].id;
            for rows in sealed {
                let row = |(second, arrived): &(i64, i64)| Row::new(at(*second), Some(1.0), at(*arrived));
                let chunk = Chunk::seal(&rows.iter().map(row).collect::<Vec<_>>());
                chunks.push((series_id, chunk.unwrap().unwrap()));
            }
            let write = |(second, value): &(i64, Option<f64>)| Write { series_id, at: at(*second), value: *value };
            recent.propose(&writes.iter().map(write).collect::<Vec<_>>(), at(50));
            ids.push(series_id);
        }
        store::chunk::insert(&mut tx, &chunks).await.unwrap();
        tx.commit().await.unwrap();

        let times = [Timestamp::MIN, at(2), at(3), at(30), at(45), at(60)];
        let wanted: Vec<_> =
            ids.iter().flat_map(|id| times.map(|since| (*id, since))).collect();
        let mut conn = db.read().await.unwrap();
        let seen = last_seen(&mut conn, &recent, &wanted).await.unwrap();

        for (series_id, since) in wanted {
            let alone = last_before(&mut conn, &recent, series_id, since, Timestamp::MAX).await.unwrap();
            let together = seen.get(&(series_id, since)).copied();
            assert_eq!(together, alone, "series {series_id} since {since}");
        }
        let ever = |place: usize| seen.get(&(ids[place], Timestamp::MIN)).map(|at| at.micros() / 1_000_000);
        let expected = [None, Some(7), Some(4), Some(4), Some(1), Some(2), Some(8), Some(4), Some(2)];
        assert_eq!((0..9).map(ever).collect::<Vec<_>>(), expected);
    }
}
