//! Whether a database counts as lost.

use std::time::Duration;

use kit::db::Lost;
use testkit::{Engine, Link, World};

/// Each way: a question is answered in time, but not the eight that a connection takes.
const FAR: Duration = Duration::from_millis(80);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_far_away_is_found_and_found_again() {
    let world = World::new(Engine::Postgres).await;
    let link = Link::to_database(world.db.server().unwrap()).await;
    let mut config = world.db.clone();
    config.database_url = Some(link.url.clone());
    let db = crate::open(&config).await;
    link.delay(FAR);
    let mut pulse = db.pulse();

    for _ in 0..3 {
        pulse.beats().await.unwrap();
    }

    link.lose();
    assert!(matches!(pulse.beats().await, Err(Lost::Silent(_))));
    while pulse.beats().await.is_err() {}

    link.cut();
    assert!(matches!(pulse.beats().await, Err(Lost::Failed(_))));
    link.delay(FAR);
    while pulse.beats().await.is_err() {}
}
