//! What ended is dead everywhere: at once in one process, within a second in several.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    rest::{Rest, text},
    site::PASSWORD,
    storm::{READ, SEND, Storm, Target},
};

/// Calls with an old credential beyond the grace.
const CALLS: usize = 100;

/// What an admin alone may read.
const KEYS: [Target; 1] = [Target::Get("/api/keys")];

crate::everywhere! {
    async fn a_logged_out_session_is_dead_everywhere_and_stays_so(site: Site) {
        let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
        let old = Storm::begin("who logs out", &site, &ana, &READ).await;

        let out = ana.send(Method::POST, "/api/logout", None, &[]).await;
        let ended = Instant::now();
        out.with(StatusCode::NO_CONTENT);
        old.assert_dead(ended, site.grace(), CALLS, StatusCode::UNAUTHORIZED).await;

        let again = ana.login(&site.name("ana"), PASSWORD).await;
        let logged_in = Instant::now();
        for (name, who) in [("who is back", &again), ("who stayed", &ben)] {
            let storm = Storm::begin(name, &site, who, &READ).await;
            storm.assert_alive();
            storm.end().await;
        }
        old.assert_dead(logged_in, site.grace(), CALLS, StatusCode::UNAUTHORIZED).await;
        old.end().await;
    }

    async fn a_demoted_admin_is_none_at_once(site: Site) {
        let chief = site.admin().await;
        let ana = site.technician("ana").await;
        let id = text(&ana.get("/api/users/me").await.ok(), "id");
        let path = format!("/api/users/{id}");
        let role = |role: &str| json!({ "role": role });
        chief.send(Method::PATCH, &path, Some(&role("ADMIN")), &[]).await.ok();
        let name = site.name("ana");
        let ana = ana.login(&name, PASSWORD).await;
        let storm = Storm::begin("who is demoted", &site, &ana, &KEYS).await;

        let demoted = chief.send(Method::PATCH, &path, Some(&role("VIEWER")), &[]).await;
        let ended = Instant::now();
        let demoted = demoted.ok();
        storm.assert_dead(ended, site.grace(), CALLS, StatusCode::FORBIDDEN).await;
        storm.end().await;

        assert_eq!((&demoted["role"], &demoted["username"]), (&json!("VIEWER"), &json!(name)));
        let task = json!({ "title": "Look" });
        ana.post("/api/tasks", &task).await.with(StatusCode::FORBIDDEN);
        ana.get("/api/tasks").await.ok();
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
        let storm = Storm::begin("whose key is deleted", &site, &sensor, &SEND).await;

        let path = format!("/api/keys/{}", text(&key, "id"));
        let deleted = chief.send(Method::DELETE, &path, None, &[]).await;
        let ended = Instant::now();
        deleted.with(StatusCode::NO_CONTENT);
        storm.assert_dead(ended, site.grace(), CALLS, StatusCode::UNAUTHORIZED).await;
        storm.end().await;
    }
}
