//! A cancelled call never loses what another was acknowledged.

use std::{collections::HashSet, time::Duration};

use kit::{
    Db,
    changes::{self, Position},
};
use testkit::Engine;

/// Calls in all; a good part of them is cancelled.
const CALLS: u64 = 4000;
const CALLERS: u64 = 16;

/// One call: acknowledged, or an error.
async fn write(db: &Db, name: &str) -> kit::Result<()> {
    let mut tx = db.begin("write").await?;
    changes::set_cursor(&mut tx, name, Position::default()).await?;
    tx.commit().await
}

/// A write that commits by itself. Nothing in the product does that; here it shows whether the connection was handed out
/// with somebody's cancelled transaction still open, for then it is acknowledged and lost.
async fn write_alone(db: &Db, name: &str) -> kit::Result<()> {
    let mut conn = db.read().await?;
    kit::on!(&mut conn, c => kit::sqlx::query(
            "insert into cursors (name, transaction_id, sequence) values ($1, 0, 0)",
        )
        .bind(name)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Calls on and on, now with less patience than a call takes, now with more; answers what was acknowledged.
async fn caller(db: Db, engine: Engine, number: u64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    // About as long as a call takes: it grows with each that was cut and shrinks with each that was not, so that however
    // fast the disk is, about half of them are cut, at every stage.
    let mut usual = Duration::from_millis(1);
    for call in 0..CALLS / CALLERS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let percent = u32::try_from((state >> 33) % 200).unwrap();
        let patience = usual * percent / 100;
        let name = format!("{number}-{call}");
        match tokio::time::timeout(patience, write(&db, &name)).await {
            Ok(done) => {
                usual = usual * 2 / 3;
                acknowledged.extend(done.is_ok().then_some(name));
            }
            Err(_) => usual = usual * 3 / 2,
        }
        // SQLite's reading connections can't write at all.
        let name = format!("{number}-{call}-alone");
        if engine == Engine::Postgres && write_alone(&db, &name).await.is_ok() {
            acknowledged.push(name);
        }
    }
    acknowledged
}

testkit::both! {
    async fn what_was_acknowledged_is_there(world: World) {
        let db = crate::open(&world.db).await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| tokio::spawn(caller(db.clone(), world.engine, number)))
            .collect();
        let mut acknowledged = HashSet::new();
        for caller in callers {
            acknowledged.extend(caller.await.unwrap());
        }
        // A call that nobody cancels goes through afterwards: no connection is stuck in a transaction.
        for last in 0..20 {
            write(&db, &format!("last-{last}")).await.unwrap();
        }
        db.close().await;

        let within = acknowledged.iter().filter(|name| !name.ends_with("alone")).count();
        let cancelled = usize::try_from(CALLS).unwrap() - within;
        assert!(100 < within && 100 < cancelled, "{cancelled} were cancelled");
        let db = crate::open(&world.db).await;
        let mut read = db.read().await.unwrap();
        let mut lost = Vec::new();
        for name in acknowledged {
            if changes::cursor(&mut read, &name).await.unwrap().is_none() {
                lost.push(name);
            }
        }
        assert_eq!(lost, [""; 0]);
    }
}
