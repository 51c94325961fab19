//! Steps over what an older version or a bad disk left.

use kit::on;

use super::*;
use crate::{
    SCHEMA,
    domain::{
        journal::{Write, encode},
        reading::{EquipmentId, Sample},
    },
    recent::Limits,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

async fn new_series(tx: &mut Tx) -> i64 {
    let new = [(EquipmentId::new(), "a".to_owned())];
    store::reading::insert_series(tx, &new).await.unwrap()[0].id
}

testkit::both! {
    async fn what_an_older_version_kept_a_row_a_value_is_packed(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let mut samples = Vec::new();
        for number in 0..50_i32 {
            let at = Timestamp::from_micros(i64::from(number) * 7);
            samples.push(Sample { at, value: f64::from(number) });
        }
        let mut tx = db.begin("an older version").await.unwrap();
        let id = new_series(&mut tx).await;
        for Sample { at, value } in &samples {
            on!(&mut tx, c => sqlx::query(
                    "insert into samples (series_id, at, value, arrived_at)
                     values ($1, $2, $3, $4)",
                )
                .bind(id)
                .bind(at)
                .bind(value)
                .bind(7_i64)
                .execute(c).await.map(drop)).unwrap();
        }
        tx.commit().await.unwrap();

        pack_samples(&db, 4).await.unwrap();

        let recent = Recent::new(Limits::default());
        let mut db = db.read().await.unwrap();
        let read = store::reading::range(&mut db, &recent, id, ALL, 100).await.unwrap();
        assert_eq!(read, samples);
        let parts = store::chunk::list(&mut db, id, ALL, ALL.0, 100).await.unwrap();
        assert!(10 < parts.len(), "{}", parts.len());
        assert!(left(&mut db).await.is_empty());
    }

    async fn a_damaged_chunk_keeps_nothing_else_from_being_sealed_or_judged(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let mut tx = db.begin("fill").await.unwrap();
        let [inside, after, other] = [new_series(&mut tx).await, new_series(&mut tx).await, new_series(&mut tx).await];
        let rows: Vec<Row> = (10..14).map(|second| Row::new(at(second), Some(1.0), at(20))).collect();
        for series_id in [inside, after] {
            let chunk = Chunk { data: vec![0], ..Chunk::seal(&rows).unwrap().unwrap() };
            store::chunk::insert(&mut tx, &[(series_id, chunk)]).await.unwrap();
        }
        let write = |series_id, second| Write { series_id, at: at(second), value: Some(2.0) };
        let writes = [write(inside, 11), write(after, 15), write(other, 11)];
        store::journal::append(&mut tx, &encode(&writes, at(20)), at(20)).await.unwrap();
        tx.commit().await.unwrap();
        let recent = Recent::new(Limits { age: Duration::ZERO, ..Limits::default() });
        let mut conn = db.read().await.unwrap();
        recent.catch_up(&mut conn).await.unwrap();
        recent.ripen(at(30));

        let mut sealer = Sealer::new(&db, &world.clock.clock());
        while sealer.step(&recent).await.unwrap() {}

        let unsealed = [inside, after, other].map(|id| recent.rows(id, ALL).len());
        assert_eq!(unsealed, [1, 0, 0], "what lies in the damaged chunk waits");
        assert_eq!(recent.sealed(), 0, "and is read again after a start");
        let read = store::reading::range(&mut conn, &recent, after, ALL, 9).await;
        assert!(matches!(read, Err(Error::Internal(_))), "who asks for it is told: {read:?}");
        let last = store::reading::last_before(&mut conn, &recent, after, ALL.0, at(15)).await.unwrap();
        assert_eq!(last, Some(at(13)), "the summary knows");
        let start = crate::domain::replay::Start::At(at(12));
        let seen = store::reading::seen(&mut conn, &recent, after, ALL.0, start, 9).await.unwrap();
        let times: Vec<_> = seen.iter().map(|sample| sample.at).collect();
        assert_eq!(times, [at(13), at(15)]);
        let tails = store::reading::tails(&mut conn, &recent, &[inside, after]).await.unwrap();
        assert_eq!(tails.len(), 2);
    }
}

async fn left(db: &mut kit::db::Conn) -> Vec<i64> {
    on!(db, c => sqlx::query_scalar("select series_id from samples").fetch_all(c).await).unwrap()
}
