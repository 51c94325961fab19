//! A reading becomes an alert, a task, a maintenance record.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::eventually;

use crate::rest::{Rest, text};

async fn machine(admin: &Rest) -> String {
    text(
        &admin.post("/api/equipment", &json!({ "name": "Pump 7", "type": "pump" })).await.created(),
        "id",
    )
}

/// A rule that raises above 90 on `equipment_id`.
async fn rule(admin: &Rest, equipment_id: &str) -> String {
    let rule = json!({
        "name": "Bearing too hot",
        "equipment_id": equipment_id,
        "metric": "temperature",
        "condition": "ABOVE",
        "threshold": 90,
        "deadband": 5,
        "open_task": true,
    });
    text(&admin.post("/api/rules", &rule).await.created(), "id")
}

async fn send(rest: &Rest, equipment_id: &str, temperature: f64) -> Value {
    let reading =
        json!({ "equipment_id": equipment_id, "metrics": { "temperature": temperature } });
    rest.post("/api/data", &reading).await.created()
}

/// The alert of the equipment, and the task that it opens.
async fn task_of_the_alert(rest: &Rest, equipment_id: &str) -> (Value, Value) {
    let alert = eventually("the alert names its task", async || {
        let alerts = rest.get(&format!("/api/alerts?equipment_id={equipment_id}")).await.ok();
        alerts["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|alert| !alert["task_id"].is_null())
            .cloned()
    })
    .await;
    let task = rest.get(&format!("/api/tasks/{}", text(&alert, "task_id"))).await.ok();
    (alert, task)
}

crate::everywhere! {
    async fn a_reading_becomes_an_alert_a_task_and_a_record(site: Site) {
        let admin = site.admin().await;
        let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
        let equipment_id = machine(&admin).await;
        let rule_id = rule(&admin, &equipment_id).await;

        send(&ana, &equipment_id, 71.5).await;
        send(&ana, &equipment_id, 95.5).await;
        let (alert, task) = task_of_the_alert(&ana, &equipment_id).await;

        assert_eq!(alert["rule_id"], rule_id.as_str());
        assert_eq!(alert["state"], "ACTIVE");
        assert_eq!(task["alert_id"], alert["id"]);
        assert_eq!(task["equipment_id"], equipment_id.as_str());
        assert_eq!((&task["status"], &task["source"]), (&json!("PENDING"), &json!("ALERT")));

        let path = format!("/api/tasks/{}", text(&task, "id"));
        let claimed = ana.post(&format!("{path}/claim"), &json!({})).await.ok();
        let holder = text(&claimed, "assignee_id");
        let lost = ben.post(&format!("{path}/claim/"), &json!({})).await.with(StatusCode::CONFLICT);
        assert_eq!(lost["metadata"]["holder_id"], holder.as_str());

        let record = json!({ "task_id": task["id"], "work_done": "Greased the bearing." });
        ben.post("/api/maintenance", &record).await.with(StatusCode::CONFLICT);
        let kept = ana.post("/api/maintenance", &record).await.created();
        assert_eq!(kept["equipment_id"], equipment_id.as_str());
        assert_eq!(kept["technician_id"], holder.as_str());
        ana.post("/api/maintenance", &record).await.with(StatusCode::CONFLICT);
        admin.post(&format!("{path}/complete"), &json!({})).await.with(StatusCode::CONFLICT);

        let records = format!("/api/maintenance?equipment_id={equipment_id}");
        let records = admin.get(&records).await.ok();
        assert_eq!(records["records"], json!([kept]));
        assert_eq!(admin.get(&path).await.ok()["status"], "COMPLETED");

        send(&ana, &equipment_id, 70.0).await;
        let alert = admin.get(&format!("/api/alerts/{}", text(&alert, "id"))).await.ok();
        assert_eq!(alert["state"], "CLEARED");
    }

    async fn a_hundred_parallel_claims_have_one_winner(site: Site) {
        let admin = site.admin().await;
        let mut technicians = Vec::new();
        for number in 0..10 {
            technicians.push(site.technician(&format!("technician{number}")).await);
        }
        let task = admin.post("/api/tasks", &json!({ "title": "Look at it" })).await.created();
        let path = format!("/api/tasks/{}/claim", text(&task, "id"));

        let claims: Vec<_> = (0..100)
            .map(|number| {
                let (rest, path) = (technicians[number % 10].clone(), path.clone());
                tokio::spawn(async move { rest.post(&path, &json!({})).await })
            })
            .collect();
        let (mut holders, mut winners) = (BTreeSet::new(), 0);
        for claim in claims {
            let answer = claim.await.unwrap();
            if answer.status == StatusCode::OK {
                winners += 1;
                holders.insert(text(&answer.body, "assignee_id"));
            } else {
                let body = answer.with(StatusCode::CONFLICT);
                holders.insert(text(&body["metadata"], "holder_id"));
            }
        }

        // The holder's own ten claims are one claim.
        assert_eq!((holders.len(), winners), (1, 10));
    }

    async fn a_rule_and_a_reading_are_taken_right_after_their_equipment(site: Site) {
        let admin = site.admin().await;
        for _ in 0..20 {
            let equipment_id = machine(&admin).await;
            rule(&admin, &equipment_id).await;
            send(&admin, &equipment_id, 1.0).await;
            let task = json!({ "title": "Look", "equipment_id": equipment_id });
            admin.post("/api/tasks", &task).await.created();
        }
    }
}
