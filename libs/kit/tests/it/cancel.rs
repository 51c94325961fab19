//! A cancelled call never loses what another was acknowledged.

use std::{collections::HashSet, time::Duration};

use kit::{
    Db,
    changes::{self, Position},
};

/// Calls in all; a good part of them is cancelled.
const CALLS: u64 = 4000;
const CALLERS: u64 = 16;

/// One call: acknowledged, or an error.
async fn write(db: &Db, name: &str) -> kit::Result<()> {
    let mut tx = db.begin("write").await?;
    changes::set_cursor(&mut tx, name, Position::default()).await?;
    tx.commit().await
}

/// Calls on and on, each with a patience between a microsecond and an eighth of a second, so that calls are cut at every
/// stage however busy the machine is; answers what was acknowledged.
async fn caller(db: Db, number: u64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for call in 0..CALLS / CALLERS {
        let name = format!("{number}-{call}");
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let patience = Duration::from_micros((1 << ((state >> 33) % 18)) + (state >> 40) % 100);
        if let Ok(Ok(())) = tokio::time::timeout(patience, write(&db, &name)).await {
            acknowledged.push(name);
        }
    }
    acknowledged
}

testkit::both! {
    async fn what_was_acknowledged_is_there(world: World) {
        let db = crate::open(&world).await;
        let callers: Vec<_> = (0..CALLERS).map(|number| tokio::spawn(caller(db.clone(), number))).collect();
        let mut acknowledged = HashSet::new();
        for caller in callers {
            acknowledged.extend(caller.await.unwrap());
        }
        // A call that nobody cancels goes through afterwards: no connection is stuck in a transaction.
        for last in 0..20 {
            write(&db, &format!("last-{last}")).await.unwrap();
        }

        let cancelled = usize::try_from(CALLS).unwrap() - acknowledged.len();
        assert!(100 < acknowledged.len() && 100 < cancelled, "{cancelled} were cancelled");
        let mut read = db.read().await.unwrap();
        for name in acknowledged {
            assert!(changes::cursor(&mut read, &name).await.unwrap().is_some(), "{name} is lost");
        }
    }
}
