//! A refresh token is for one use.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    rest::{Answer, Rest, text},
    site::{PASSWORD, Site},
    storm::{READ, Storm},
};

/// A new session of a new technician.
async fn session(site: &Site) -> (Rest, Value) {
    site.technician("ana").await;
    let rest = Rest::new(&site.http);
    let login = json!({ "username": site.name("ana"), "password": PASSWORD });
    let pair = rest.post("/api/token", &login).await.ok();
    (rest, pair)
}

async fn refresh(rest: &Rest, pair: &Value) -> Answer {
    rest.post("/api/token/refresh", &json!({ "refresh": pair["refresh"] })).await
}

crate::everywhere! {
    async fn sixty_four_refreshes_at_once_leave_one_live_token(site: Site) {
        let (rest, pair) = session(&site).await;

        let mut refreshes = JoinSet::new();
        for _ in 0..64 {
            let (rest, pair) = (rest.clone(), pair.clone());
            refreshes.spawn(async move { refresh(&rest, &pair).await });
        }
        let mut successors = HashSet::new();
        for answer in refreshes.join_all().await {
            // They wait for one another, and on a busy machine some wait too long.
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                successors.insert(text(&answer.ok(), "refresh"));
            }
        }

        let [successor] = &Vec::from_iter(successors)[..] else { panic!("not one successor") };
        refresh(&rest, &json!({ "refresh": successor })).await.ok();
    }

    async fn a_token_from_further_back_ends_its_session_everywhere(site: Site) {
        let (rest, first) = session(&site).await;
        let second = refresh(&rest, &first).await.ok();
        let third = refresh(&rest, &second).await.ok();
        let ana = rest.with_token(&text(&third, "access"));
        let storm = Storm::begin("whose token was stolen", &site, &ana, &READ).await;

        let reused = refresh(&rest, &first).await;
        let ended = Instant::now();

        reused.with(StatusCode::UNAUTHORIZED);
        storm.assert_dead(ended, site.grace(), 100, StatusCode::UNAUTHORIZED).await;
        storm.end().await;
        for pair in [&first, &second, &third] {
            refresh(&rest, pair).await.with(StatusCode::UNAUTHORIZED);
        }
    }
}
