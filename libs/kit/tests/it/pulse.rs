//! Whether a database counts as lost.

use std::time::Duration;

use kit::db::Lost;
use testkit::{Engine, Link, World, canary};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_why_a_database_does_not_answer() {
    canary::record("info");
    let world = World::new(Engine::Postgres).await;
    let link = Link::to_database(world.db.server().unwrap()).await;
    let mut config = world.db.clone();
    config.database_url = Some(link.url.clone());
    let db = crate::open(&config).await;
    let databases = world.suite.databases.clone();
    databases.add(&db);
    let mut states = databases.states();
    tokio::spawn(databases.watch(db));

    link.cut();
    states.wait_for(|states| !states["kit"]).await.unwrap();

    let log = String::from_utf8(canary::recorded()).unwrap();
    let told = log.lines().find(|told| told.contains("does not answer")).unwrap();
    assert!(told.contains("cause=error communicating with database"), "{told}");
}
