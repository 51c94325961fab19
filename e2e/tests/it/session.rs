//! What ended is dead everywhere: at once in one process, within a second in several.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    rest::{Rest, text},
    site::{PASSWORD, Site},
};

/// One method of every service that any person may call.
const EVERYWHERE: [&str; 4] = ["/api/users/me", "/api/equipment", "/api/tasks", "/api/alerts"];

/// Calls on and on, beyond the grace, and checks that nothing is accepted after it.
async fn assert_dead(
    site: &Site,
    rest: &Rest,
    ended: Instant,
    refusal: StatusCode,
    paths: &[&str],
) {
    let grace = site.grace();
    let mut calls = 0;
    while ended.elapsed() < grace + Duration::from_millis(300) || calls < 100 {
        for path in paths {
            let begun = ended.elapsed();
            let status = rest.get(path).await.status;
            assert!(status == refusal || begun < grace, "{path} {begun:?} after: {status}");
            calls += 1;
        }
    }
}

crate::everywhere! {
    async fn a_logged_out_session_is_dead_everywhere_and_stays_so(site: Site) {
        let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
        for path in EVERYWHERE {
            ana.get(path).await.ok();
        }

        let out = ana.send(Method::POST, "/api/logout", None, &[]).await;
        let ended = Instant::now();
        out.with(StatusCode::NO_CONTENT);
        assert_dead(&site, &ana, ended, StatusCode::UNAUTHORIZED, &EVERYWHERE).await;

        let again = ana.login("ana", PASSWORD).await;
        for path in EVERYWHERE {
            again.get(path).await.ok();
            ben.get(path).await.ok();
            ana.get(path).await.with(StatusCode::UNAUTHORIZED);
        }
    }

    async fn a_demoted_admin_is_none_at_once(site: Site) {
        let chief = site.admin().await;
        site.technician("ana").await;
        let ana = Rest::new(&site.http).login("ana", PASSWORD).await;
        let id = text(&ana.get("/api/users/me").await.ok(), "id");
        let path = format!("/api/users/{id}");
        let role = |role: &str| json!({ "role": role });
        chief.send(Method::PATCH, &path, Some(&role("ADMIN")), &[]).await.ok();
        let ana = ana.login("ana", PASSWORD).await;
        ana.get("/api/keys").await.ok();

        let demoted = chief.send(Method::PATCH, &path, Some(&role("VIEWER")), &[]).await;
        let ended = Instant::now();
        let demoted = demoted.ok();
        assert_dead(&site, &ana, ended, StatusCode::FORBIDDEN, &["/api/keys"]).await;

        assert_eq!((&demoted["role"], &demoted["username"]), (&json!("VIEWER"), &json!("ana")));
        let task = json!({ "title": "Look" });
        ana.post("/api/tasks", &task).await.with(StatusCode::FORBIDDEN);
        ana.get("/api/tasks").await.ok();
    }

    async fn a_deleted_user_is_nobody(site: Site) {
        let chief = site.admin().await;
        let ana = site.technician("ana").await;
        let id = text(&ana.get("/api/users/me").await.ok(), "id");

        let path = format!("/api/users/{id}");
        let deleted = chief.send(Method::DELETE, &path, None, &[]).await;
        let ended = Instant::now();
        deleted.with(StatusCode::NO_CONTENT);
        assert_dead(&site, &ana, ended, StatusCode::UNAUTHORIZED, &EVERYWHERE).await;
    }

    async fn a_machines_key_sends_of_its_equipment_until_it_is_deleted(site: Site) {
        let chief = site.admin().await;
        let machine = json!({ "name": "Pump" });
        let own = text(&chief.post("/api/equipment", &machine).await.created(), "id");
        let other = text(&chief.post("/api/equipment", &machine).await.created(), "id");
        let key = json!({ "name": "Pump's sensor", "equipment_ids": [own] });
        let key = chief.post("/api/keys", &key).await.with(StatusCode::CREATED);
        let sensor = Rest::new(&site.http).with_token(&text(&key, "secret"));
        let reading = |id: &str| json!({ "equipment_id": id, "metrics": { "temperature": 1 } });

        sensor.post("/api/data", &reading(&own)).await.created();
        sensor.post("/api/data", &reading(&other)).await.with(StatusCode::FORBIDDEN);
        sensor.get("/api/data").await.with(StatusCode::FORBIDDEN);

        let path = format!("/api/keys/{}", text(&key, "id"));
        let deleted = chief.send(Method::DELETE, &path, None, &[]).await;
        let ended = Instant::now();
        deleted.with(StatusCode::NO_CONTENT);
        assert_dead(&site, &sensor, ended, StatusCode::UNAUTHORIZED, &["/api/data"]).await;
    }
}
