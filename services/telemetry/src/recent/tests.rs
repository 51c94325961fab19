//! What several tasks of a process, and several processes, make of one journal.

use std::time::Duration;

use kit::Db;

use super::*;
use crate::{
    SCHEMA,
    domain::{
        journal::{encode, encode_seals},
        reading::EquipmentId,
    },
    ingest::Sealer,
    tidy,
};

const ALL: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);
const LIMITS: Limits = Limits { chunk: 1, held: 64, behind: 64, age: Duration::from_hours(1) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Another process commits a value of `series_id`. Answers its place in the journal.
async fn write(db: &Db, series_id: i64, second: i64) -> i64 {
    let writes = [Write { series_id, at: at(second), value: Some(1.0) }];
    commit(db, &encode(&writes, at(0)), 0).await
}

/// Another process moves what `series_id` has until `second` into a chunk: all before `sealed` is.
async fn seal(db: &Db, series_id: i64, second: i64, sealed: i64) -> i64 {
    commit(db, &encode_seals(&[Seal { series_id, through: at(second) }]), sealed).await
}

async fn commit(db: &Db, data: &[u8], sealed: i64) -> i64 {
    let mut tx = db.begin("another process").await.unwrap();
    store::journal::take_turn(&mut tx).await.unwrap();
    let sequence = store::journal::append(&mut tx, data, at(0)).await.unwrap();
    store::journal::set_sealed(&mut tx, sealed).await.unwrap();
    tx.commit().await.unwrap();
    sequence
}

/// Another process drops of the journal all that is sealed.
async fn trim(db: &Db) {
    let mut tx = db.begin("trim").await.unwrap();
    store::journal::take_turn(&mut tx).await.unwrap();
    assert_ne!(store::journal::forget(&mut tx, Timestamp::MAX, 0, 100).await.unwrap(), 0);
    tx.commit().await.unwrap();
}

async fn catch_up(recent: &Recent, db: &Db) -> i64 {
    recent.catch_up(&mut db.read().await.unwrap()).await.unwrap()
}

/// What the journal has after `position`.
async fn look(db: &Db, position: i64) -> Option<Vec<Entry>> {
    store::journal::after(&mut db.read().await.unwrap(), position, 100).await.unwrap()
}

/// The seconds of what is held of a series.
fn held(recent: &Recent, series_id: i64) -> Vec<i64> {
    recent.rows(series_id, ALL).iter().map(|row| row.at.micros() / 1_000_000).collect()
}

testkit::both! {
    async fn who_slept_for_longer_than_the_journal_is_kept_holds_what_others_hold(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let mut tx = db.begin("machine").await.unwrap();
        let new = [(EquipmentId::new(), "a".to_owned())];
        let one = store::reading::insert_series(&mut tx, &new).await.unwrap()[0].id;
        tx.commit().await.unwrap();
        let (awake, asleep) = (Recent::new(LIMITS), Recent::new(LIMITS));
        write(&db, one, 1).await;
        write(&db, one, 2).await;
        catch_up(&asleep, &db).await;

        catch_up(&awake, &db).await;
        assert!(Sealer::new(&db, &world.suite.clock).step(&awake).await.unwrap());
        tidy::trim_to(&db, Timestamp::MAX, 0, &awake).await.unwrap();
        write(&db, one, 3).await;

        assert_eq!(catch_up(&asleep, &db).await, catch_up(&awake, &db).await);
        assert_eq!((held(&awake, one), held(&asleep, one)), (vec![3], vec![3]));
        let mut conn = db.read().await.unwrap();
        let kept = store::reading::range(&mut conn, &asleep, one, ALL, 10).await.unwrap();
        assert_eq!(kept.len(), 3);
    }

    async fn who_finds_the_journal_dropped_late_drops_nothing_that_others_took_in(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let recent = Recent::new(LIMITS);
        let position = write(&db, 1, 1).await;
        catch_up(&recent, &db).await;
        let sealed = write(&db, 1, 2).await;
        seal(&db, 1, 2, sealed).await;
        trim(&db).await;

        let found = look(&db, position).await;
        write(&db, 2, 3).await;
        let end = catch_up(&recent, &db).await;
        assert!(found.is_none() && !recent.follow(position, found).unwrap());

        assert_eq!(held(&recent, 2), [3], "of no chunk, and already in here");
        assert_eq!(recent.read().position, Some(end));
    }

    async fn entries_before_which_some_are_missing_are_not_taken_in(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let recent = Recent::new(LIMITS);
        let first = write(&db, 1, 1).await;
        write(&db, 2, 2).await;

        let found = look(&db, first).await;
        assert!(!recent.follow(first, found).unwrap());
        assert!(recent.sealed() < first, "nobody may drop the first one");
        catch_up(&recent, &db).await;

        assert_eq!((held(&recent, 1), held(&recent, 2)), (vec![1], vec![2]));
    }

    async fn what_is_committed_while_somebody_begins_anew_comes_from_the_journal(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let mut recent = Recent::new(LIMITS);
        let first = write(&db, 1, 1).await;
        for has_begun in [false, true] {
            let before = catch_up(&recent, &db).await;
            recent.propose(&[Write { series_id: 2, at: at(2), value: Some(1.0) }], at(0));
            let sequence = write(&db, 2, 2).await;
            recent.write().reset(before);
            if has_begun {
                recent.begin(first - 1);
            }

            recent.keep((before, sequence), at(0));
            assert!(recent.sealed() < first, "nobody may drop the first one");
            catch_up(&recent, &db).await;

            assert_eq!((held(&recent, 1), held(&recent, 2)), (vec![1], vec![2]));
        }
    }

    async fn what_is_sealed_while_somebody_begins_anew_comes_from_the_journal(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let recent = Recent::new(LIMITS);
        let first = write(&db, 1, 1).await;
        write(&db, 2, 2).await;
        let before = catch_up(&recent, &db).await;
        let seals = vec![Seal { series_id: 2, through: at(2) }];
        let sequence = seal(&db, 2, 2, 0).await;
        recent.write().reset(before);

        recent.release((before, sequence), seals);
        assert!(recent.sealed() < first, "nobody may drop the first one");
        catch_up(&recent, &db).await;

        assert_eq!((held(&recent, 1), held(&recent, 2)), (vec![1], vec![]));
    }

    async fn what_another_replica_sealed_is_not_sealed_again(world: World) {
        let db = SCHEMA.open(&world.db).await.unwrap();
        let recent = Recent::new(LIMITS);
        let sequence = write(&db, 1, 1).await;
        catch_up(&recent, &db).await;
        assert_eq!(recent.ripe(None), Some(1));
        let end = seal(&db, 1, 1, sequence).await;

        assert!(!Sealer::new(&db, &world.suite.clock).step(&recent).await.unwrap());

        assert_eq!(recent.ripe(None), None);
        assert_eq!(store::journal::end(&mut db.read().await.unwrap()).await.unwrap(), end);
    }
}

#[test]
fn a_last_value_is_known_where_no_chunk_may_be_later() {
    let mut recent = Recent::new(LIMITS);
    recent.begin(0);
    let next = |recent: &Recent| {
        let position = recent.read().position.unwrap();
        (position, position + 1)
    };
    let write = |recent: &mut Recent, second, value| {
        recent.propose(&[Write { series_id: 7, at: at(second), value }], at(0));
        recent.keep(next(recent), at(0));
    };
    let newest = |recent: &Recent| recent.newest(7).map(|sample| sample.at);

    write(&mut recent, 5, Some(1.0));
    assert_eq!(newest(&recent), None, "nobody has looked at its chunks");
    recent.note_ends([(7, Timestamp::MIN)]);
    assert_eq!(newest(&recent), Some(at(5)));

    recent.release(next(&recent), vec![Seal { series_id: 7, through: at(9) }]);
    write(&mut recent, 8, Some(1.0));
    // As if somebody had looked before that was sealed, and came late to say so.
    recent.note_ends([(7, at(3))]);
    assert_eq!(newest(&recent), None, "what is sealed is later");
    write(&mut recent, 10, Some(1.0));
    assert_eq!(newest(&recent), Some(at(10)));
    write(&mut recent, 10, None);
    assert_eq!(newest(&recent), None, "it was deleted");

    write(&mut recent, 11, Some(1.0));
    let (position, _) = next(&recent);
    recent.write().reset(position);
    assert_eq!(newest(&recent), None, "nobody knows what was sealed meanwhile");
}
