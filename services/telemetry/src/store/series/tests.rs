//! What a chart has to look at.

use std::{collections::BTreeMap, time::Duration};

use kit::Db;

use super::*;
use crate::{
    SCHEMA,
    domain::{journal::Write, reading::EquipmentId},
    recent::Limits,
    store,
};

/// Of values a second apart, so many make a chunk, of which there are so many.
const VALUES: i64 = 100;
const SEALED: i64 = 100;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis * 1000)
}

/// A series of whose values all are sealed, each the number of its second.
async fn seal(db: &Db) -> i64 {
    let mut tx = db.begin("seal").await.unwrap();
    let new = [(EquipmentId::new(), "a".to_owned())];
    let series_id = store::reading::insert_series(&mut tx, &new).await.unwrap()[0].id;
    let chunk = |number: i64| {
        let seconds = number * VALUES..(number + 1) * VALUES;
        let row = |second: i64| Row::new(at(second * 1000), Some(value(second)), at(0));
        let chunk = Chunk::seal(&seconds.map(row).collect::<Vec<_>>()).unwrap().unwrap();
        (series_id, chunk)
    };
    store::chunk::insert(&mut tx, &(0..SEALED).map(chunk).collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    series_id
}

fn value(second: i64) -> f64 {
    f64::from(i32::try_from(second % 1000).unwrap())
}

testkit::both! {
    async fn of_sealed_values_only_those_next_to_a_recent_one_are_unpacked(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let series_id = seal(&db).await;
        // In the fourth chunk one that is new, one that is changed and one that is deleted; between the fifth and the sixth
        // one more; and one of now.
        let late = [
            (350_500, Some(-1.0)),
            (351_000, Some(-2.0)),
            (352_000, None),
            (499_500, Some(-3.0)),
            (VALUES * SEALED * 1000, Some(5.0)),
        ];
        let write = |(millis, value)| Write { series_id, at: at(millis), value };
        let mut recent = Recent::new(Limits::default());
        recent.propose(&late.map(write), at(0));
        let span = (at(0), at(20_000_000));
        let grid = Grid::new(span, Some(Duration::from_secs(1000)), 0).unwrap();

        let mut budget = Budget::new(220);
        let mut conn = db.read().await.unwrap();
        let buckets = buckets(&mut conn, &recent, series_id, &grid, span.0, &mut budget).await;

        let mut values: BTreeMap<i64, f64> =
            (0..VALUES * SEALED).map(|second| (second * 1000, value(second))).collect();
        for (millis, value) in late {
            values.remove(&millis);
            values.extend(value.map(|value| (millis, value)));
        }
        let mut expected = Buckets::new(&grid);
        for (millis, value) in values {
            expected.push(crate::domain::reading::Sample { at: at(millis), value });
        }
        assert_eq!(buckets.unwrap(), expected.filled());
    }
}
