//! When auth is out of earshot, nobody is let in whose session may have ended: a second after the last word, everybody is
//! refused until it is heard again.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use testkit::{Engine, Link, World, eventually};
use tokio::time::Instant;

use crate::{
    site::Site,
    storm::{READ_ELSEWHERE, Storm},
};

/// Calls beyond the grace; out of earshot each waits for an answer of auth in vain.
const CALLS: usize = 30;
/// For how long after the last word of auth a service may take it for the state of things.
const GRACE: Duration = Duration::from_secs(1);

/// Logs Ana out while the link does what `fail` has it do: the services take her token no longer than a second, then nor
/// ever, and Ben's only when they hear auth again, after `mend` if there is one.
async fn log_out_out_of_earshot(fail: fn(&Link), mend: Option<fn(&Link)>) {
    let (site, link) = Site::behind_link(World::new(Engine::Sqlite).await).await;
    let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
    let anas = Storm::begin("who logs out", &site, &ana, &READ_ELSEWHERE).await;
    let bens = Storm::begin("who stays", &site, &ben, &READ_ELSEWHERE).await;

    fail(&link);
    let out = ana.send(Method::POST, "/api/logout", None, &[]).await;
    let ended = Instant::now();
    out.with(StatusCode::NO_CONTENT);
    if let Some(mend) = mend {
        anas.assert_dead(ended, GRACE, CALLS, StatusCode::SERVICE_UNAVAILABLE).await;
        let answer = ben.get("/api/tasks").await;
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        answer.with(StatusCode::SERVICE_UNAVAILABLE);
        mend(&link);
    }

    eventually("Ben is served again", async || {
        (ben.get("/api/tasks").await.status == StatusCode::OK).then_some(())
    })
    .await;
    anas.assert_dead(ended, GRACE, 2 * CALLS, StatusCode::UNAUTHORIZED).await;
    bens.assert_alive();
    anas.end().await;
    bens.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_to_auth_let_no_ended_session_in() {
    log_out_out_of_earshot(Link::hold, Some(Link::mend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_auth_is_away_nobody_is_let_in() {
    log_out_out_of_earshot(Link::cut, Some(Link::mend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_without_a_word_are_made_anew() {
    log_out_out_of_earshot(Link::lose, None).await;
}
