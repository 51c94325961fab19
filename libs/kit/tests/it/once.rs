use std::time::Duration;

use kit::{Call, Clock, Db, Error, Timestamp, once::Once};
use tonic::Request;

/// What a handler does: answers the first caller with the next number.
async fn count(db: &Db, clock: &Clock, request_id: &str, message: &str) -> kit::Result<String> {
    let call: Call<String> = Request::new(message.to_owned()).into();
    let once = Once::new(&call, request_id);
    let mut tx = db.begin("count").await?;
    if let Some(answer) = once.recall::<String>(&mut tx, clock.now()).await? {
        return Ok(answer.into_inner());
    }
    let answer = kit::uuid::Uuid::now_v7().to_string();
    once.remember(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

testkit::both! {
    async fn a_key_has_one_effect_for_a_day(world: World) {
        let (db, clock) = (crate::open(&world.db).await, world.clock.clock());
        let first = count(&db, &clock, "key", "a").await.unwrap();
        world.clock.advance(Duration::from_hours(24));
        let again = count(&db, &clock, "key", "a").await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        let later = count(&db, &clock, "key", "a").await.unwrap();

        assert_eq!(first, again);
        assert_ne!(first, later);
    }

    async fn a_key_serves_one_request_only(world: World) {
        let (db, clock) = (crate::open(&world.db).await, world.clock.clock());
        count(&db, &clock, "key", "a").await.unwrap();
        let error = count(&db, &clock, "key", "b").await.unwrap_err();
        assert!(matches!(error, Error::Refused { reason: "IDEMPOTENCY_KEY_REUSED", .. }));
    }

    async fn without_a_key_every_call_counts(world: World) {
        let (db, clock) = (crate::open(&world.db).await, world.clock.clock());
        let first = count(&db, &clock, "", "a").await.unwrap();
        assert_ne!(first, count(&db, &clock, "", "a").await.unwrap());
    }

    async fn parallel_calls_with_one_key_have_one_answer(world: World) {
        let db = crate::open(&world.db).await;
        let clock = Clock::new(|| Timestamp::from_micros(0));
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let (db, clock) = (db.clone(), clock.clone());
                tokio::spawn(async move { count(&db, &clock, "key", "a").await.unwrap() })
            })
            .collect();
        let mut answers = std::collections::HashSet::new();
        for call in calls {
            answers.insert(call.await.unwrap());
        }
        assert_eq!(answers.len(), 1);
    }
}
