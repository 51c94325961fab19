use kit::{
    Db, Timestamp,
    changes::{self, Change, Position, Prompt, Reader},
    on,
    uuid::Uuid,
};

async fn append(db: &Db, at: i64, number: i64) {
    let mut tx = db.begin("append").await.unwrap();
    let at = Timestamp::from_micros(at);
    changes::append(&mut tx, at, "number", Uuid::now_v7(), &number).await.unwrap();
    tx.commit().await.unwrap();
}

/// The numbers after `position`.
async fn numbers(db: &Db, position: Position) -> Vec<i64> {
    let changes = changes::after(&mut db.read().await.unwrap(), position, 100).await.unwrap();
    decoded(&changes)
}

fn decoded(changes: &[Change]) -> Vec<i64> {
    changes.iter().map(|change| change.decode().unwrap()).collect()
}

/// What a prompt reader finds when it looks once.
async fn look(db: &Db, reader: &mut Prompt) -> Vec<i64> {
    decoded(&reader.look(&mut db.read().await.unwrap()).await.unwrap())
}

/// Waits until the numbers after `position` are these. On PostgreSQL a change shows when no older transaction runs,
/// and those of other tests on the same server count.
async fn expect(db: &Db, position: Position, expected: &[i64]) {
    testkit::eventually("the changes show", async || {
        (numbers(db, position).await == expected).then_some(())
    })
    .await;
}

testkit::both! {
    async fn changes_are_read_in_the_order_of_their_commits(world: World) {
        let db = crate::open(&world.db).await;
        for number in 0..3 {
            append(&db, 0, number).await;
        }
        expect(&db, Position::default(), &[0, 1, 2]).await;
    }

    async fn a_change_that_was_rolled_back_never_was(world: World) {
        let db = crate::open(&world.db).await;
        let mut tx = db.begin("append").await.unwrap();
        changes::append(&mut tx, Timestamp::from_micros(0), "number", Uuid::now_v7(), &1_i64).await.unwrap();
        drop(tx);
        append(&db, 0, 2).await;
        expect(&db, Position::default(), &[2]).await;
    }

    async fn the_end_of_the_log_lies_before_what_comes_next(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 0, 1).await;
        let end = changes::end(&mut db.read().await.unwrap()).await.unwrap();
        append(&db, 0, 2).await;
        // What was committed before may show again: a snapshot that was taken meanwhile holds it already.
        testkit::eventually("the change shows", async || {
            (numbers(&db, end).await.last() == Some(&2)).then_some(())
        })
        .await;
    }

    async fn a_reader_waits_for_the_next_change(world: World) {
        let db = crate::open(&world.db).await;
        let mut reader = Reader::new(&db, Position::default());
        let waiting = tokio::spawn(async move { reader.next().await.unwrap() });
        append(&db, 0, 7).await;
        assert_eq!(waiting.await.unwrap()[0].decode::<i64>().unwrap(), 7);
    }

    async fn old_changes_are_trimmed_and_a_reader_is_told(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 1, 1).await;
        expect(&db, Position::default(), &[1]).await;
        let first = changes::after(&mut db.read().await.unwrap(), Position::default(), 1).await.unwrap();
        append(&db, 1, 2).await;
        append(&db, 10, 3).await;

        let mut tx = db.begin("trim").await.unwrap();
        changes::trim(&mut tx, Timestamp::from_micros(5), 1000).await.unwrap();
        tx.commit().await.unwrap();

        expect(&db, Position::default(), &[3]).await;
        let mut read = db.read().await.unwrap();
        assert!(!changes::holds(&mut read, first[0].position).await.unwrap());
        let end = changes::end(&mut read).await.unwrap();
        assert!(changes::holds(&mut read, end).await.unwrap());
        let token = first[0].position.to_string();
        assert!(changes::resume(&mut read, "token", &token).await.unwrap().with_snapshot);
    }

    async fn a_watch_begins_with_a_snapshot_or_where_it_left_off(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 0, 1).await;
        expect(&db, Position::default(), &[1]).await;
        let mut read = db.read().await.unwrap();

        let anew = changes::resume(&mut read, "token", "").await.unwrap();
        let token = changes::after(&mut read, Position::default(), 1).await.unwrap()[0].position;
        let resumed = changes::resume(&mut read, "token", &token.to_string()).await.unwrap();
        let nonsense = changes::resume(&mut read, "token", "nonsense").await.unwrap_err();

        assert!(anew.with_snapshot);
        assert_eq!((resumed.position, resumed.with_snapshot), (token, false));
        assert_eq!(nonsense.to_string(), "token: is not a resume token");
    }

    async fn a_token_of_another_log_resumes_nothing(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 0, 1).await;
        expect(&db, Position::default(), &[1]).await;
        let mut tx = db.begin("become another log").await.unwrap();
        let token = changes::after(&mut tx, Position::default(), 1).await.unwrap()[0].position;
        on!(&mut tx, c => sqlx::query("update log set era = era + 1").execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();

        let mut read = db.read().await.unwrap();
        // The second is as tokens were before they said which log they are of.
        for token in [token.to_string(), "17.1".to_owned()] {
            assert!(changes::resume(&mut read, "token", &token).await.unwrap().with_snapshot);
        }
    }

    async fn a_token_ahead_of_the_log_resumes_nothing(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 0, 1).await;
        expect(&db, Position::default(), &[1]).await;
        let mut read = db.read().await.unwrap();
        let token = changes::after(&mut read, Position::default(), 1).await.unwrap()[0].position.to_string();
        let numbers: Vec<i64> = token.split('.').map(|number| number.parse().unwrap()).collect();

        // Numbers that transactions of other tests don't come to.
        let ahead = format!("{}.{}.{}", numbers[0], numbers[1] << 20, numbers[2] + 1);
        assert!(changes::resume(&mut read, "token", &ahead).await.unwrap().with_snapshot);
        assert!(!changes::resume(&mut read, "token", &token).await.unwrap().with_snapshot);
    }

    async fn a_prompt_reader_sees_each_change_at_the_next_look_and_once(world: World) {
        let db = crate::open(&world.db).await;
        let mut reader = Prompt::new(Position::default());

        for number in 0..3 {
            append(&db, 0, number).await;
            assert_eq!(look(&db, &mut reader).await, [number]);
        }
        for number in 0..1200 {
            append(&db, 0, number).await;
        }
        let mut seen = Vec::new();
        for has_more in [true, true, false] {
            seen.extend(look(&db, &mut reader).await);
            assert_eq!(reader.has_more(), has_more, "after {}", seen.len());
        }

        assert_eq!(seen, (0..1200).collect::<Vec<_>>());
        assert!(look(&db, &mut reader).await.is_empty());
    }

    async fn a_consumer_that_lags_keeps_the_log(world: World) {
        let db = crate::open(&world.db).await;
        append(&db, 1, 1).await;
        let mut tx = db.begin("trim").await.unwrap();
        changes::set_cursor(&mut tx, "consumer", Position::default()).await.unwrap();
        changes::trim(&mut tx, Timestamp::from_micros(5), 1000).await.unwrap();
        tx.commit().await.unwrap();
        expect(&db, Position::default(), &[1]).await;
    }
}

/// On PostgreSQL a transaction may take an earlier place in the log and commit later. SQLite has one writer.
mod a_late_commit_is_not_skipped {
    use super::*;
    use testkit::{Engine, World};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        let world = World::new(Engine::Postgres).await;
        let db = crate::open(&world.db).await;
        let mut slow = db.begin("slow").await.unwrap();
        changes::append(&mut slow, Timestamp::from_micros(0), "number", Uuid::now_v7(), &1_i64)
            .await
            .unwrap();
        append(&db, 0, 2).await;

        let early = numbers(&db, Position::default()).await;
        slow.commit().await.unwrap();
        let mut reader = Reader::new(&db, Position::default());
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let changes = reader.next().await.unwrap();
            seen.extend(changes.iter().map(|change| change.decode::<i64>().unwrap()));
        }

        assert_eq!((early, seen), (vec![], vec![1, 2]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn and_a_prompt_reader_waits_for_none() {
        let world = World::new(Engine::Postgres).await;
        let db = crate::open(&world.db).await;
        let mut reader = Prompt::new(Position::default());
        let mut slow = db.begin("slow").await.unwrap();
        changes::append(&mut slow, Timestamp::from_micros(0), "number", Uuid::now_v7(), &1_i64)
            .await
            .unwrap();
        append(&db, 0, 2).await;

        let early = [look(&db, &mut reader).await, look(&db, &mut reader).await];
        let token = reader.position();
        slow.commit().await.unwrap();
        let late = [look(&db, &mut reader).await, look(&db, &mut reader).await];

        assert_eq!((early, late), ([vec![2], vec![]], [vec![1], vec![]]));
        expect(&db, token, &[1, 2]).await;
    }
}
