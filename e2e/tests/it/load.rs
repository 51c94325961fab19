//! What ended is dead everywhere while everybody calls: at once in one process, within a second in several.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    rest::{Answer, Rest, text},
    site::{PASSWORD, Site},
    storm::{READ, SEND, Storm, WRITE},
};

/// Calls with each of the five old credentials beyond the grace: a thousand in all.
const CALLS: usize = 200;
/// And after the next log-in.
const CALLS_LATER: usize = 50;

/// When `answer` came, which must be good.
fn ended(answer: &Answer) -> Instant {
    let now = Instant::now();
    assert!(answer.status.is_success(), "{}", answer.body);
    now
}

async fn id(rest: &Rest) -> String {
    text(&rest.get("/api/users/me").await.ok(), "id")
}

/// A new admin, who was a technician.
async fn promoted(site: &Site, chief: &Rest, name: &str) -> (Rest, String) {
    let path = format!("/api/users/{}", id(&site.technician(name).await).await);
    chief.send(Method::PATCH, &path, Some(&json!({ "role": "ADMIN" })), &[]).await.ok();
    (chief.login(&site.name(name), PASSWORD).await, path)
}

/// A machine, and the path of its key.
async fn machine(chief: &Rest) -> (Rest, String) {
    let equipment = chief.post("/api/equipment", &json!({ "name": "Pump" })).await.created();
    let key = json!({ "name": "Pump's sensor", "equipment_ids": [equipment["id"]] });
    let key = chief.post("/api/keys", &key).await.with(StatusCode::CREATED);
    (chief.with_token(&text(&key, "secret")), format!("/api/keys/{}", text(&key, "id")))
}

crate::everywhere! {
    async fn what_ended_is_accepted_nowhere_while_everybody_calls(site: Site) {
        let chief = site.admin().await;
        let ben = site.technician("ben").await;
        let leaver = site.technician("leaver").await;
        let deleted = site.technician("deleted").await;
        let deleted_path = format!("/api/users/{}", id(&deleted).await);
        let owner = site.technician("changer").await;
        let elsewhere = owner.login(&site.name("changer"), PASSWORD).await;
        let (demoted, demoted_path) = promoted(&site, &chief, "demoted").await;
        let (sensor, key_path) = machine(&chief).await;

        let bystander = Storm::begin("who stays", &site, &ben, &READ).await;
        let left = Storm::begin("who logs out", &site, &leaver, &READ).await;
        let gone = Storm::begin("who is deleted", &site, &deleted, &READ).await;
        let changed = Storm::begin("whose password changes", &site, &elsewhere, &READ).await;
        let fallen = Storm::begin("who is demoted", &site, &demoted, &WRITE).await;
        let keyless = Storm::begin("whose key is deleted", &site, &sensor, &SEND).await;

        let out = leaver.send(Method::POST, "/api/logout", None, &[]).await;
        let left_at = ended(&out);
        let gone_at = ended(&chief.send(Method::DELETE, &deleted_path, None, &[]).await);
        let new = "another horse, another battery";
        let change = json!({ "current_password": PASSWORD, "new_password": new });
        let changed_at = ended(&owner.post("/api/users/me/password", &change).await);
        let viewer = json!({ "role": "VIEWER" });
        let demotion = chief.send(Method::PATCH, &demoted_path, Some(&viewer), &[]).await;
        let fallen_at = ended(&demotion);
        let keyless_at = ended(&chief.send(Method::DELETE, &key_path, None, &[]).await);

        let grace = site.grace();
        for (storm, at, refusal) in [
            (&gone, gone_at, StatusCode::UNAUTHORIZED),
            (&fallen, fallen_at, StatusCode::FORBIDDEN),
            (&keyless, keyless_at, StatusCode::UNAUTHORIZED),
            (&left, left_at, StatusCode::UNAUTHORIZED),
            (&changed, changed_at, StatusCode::UNAUTHORIZED),
        ] {
            storm.assert_dead(at, grace, CALLS, refusal).await;
        }

        leaver.login(&site.name("leaver"), PASSWORD).await;
        owner.login(&site.name("changer"), new).await;
        let again = Instant::now();
        for storm in [&left, &changed] {
            storm.assert_dead(again, grace, CALLS_LATER, StatusCode::UNAUTHORIZED).await;
        }
        owner.get("/api/tasks").await.ok();
        bystander.assert_alive();
        for storm in [bystander, left, gone, changed, fallen, keyless] {
            storm.end().await;
        }
    }
}
