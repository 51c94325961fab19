//! What is told of a piece of equipment by all that know of it: its timeline and its service life.

use serde_json::{Value, json};

use crate::rest::{Rest, text};

/// All pages of a timeline, two entries each.
async fn timeline(rest: &Rest, equipment_id: &str) -> Vec<Value> {
    let (mut entries, mut token) = (Vec::new(), String::new());
    loop {
        let path =
            format!("/api/equipment/{equipment_id}/timeline/?page_size=2&page_token={token}");
        let page = rest.get(&path).await.ok();
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        token = text(&page, "next_page_token");
        if token.is_empty() {
            return entries;
        }
    }
}

crate::everywhere! {
    async fn what_happened_is_told_in_one_order_and_reckoned(site: Site) {
        let admin = site.admin().await;
        let ana = site.technician("ana").await;
        let pump = json!({ "name": "Pump 7", "type": "pump", "installation_date": "2020-01-01" });
        let pump = text(&admin.post("/api/equipment", &pump).await.created(), "id");
        let alert = json!({ "equipment_id": pump, "message": "It smells." });
        let alert = ana.post("/api/alerts", &alert).await.created();
        let task = json!({ "title": "Look at it", "equipment_id": pump });
        let task = text(&ana.post("/api/tasks", &task).await.created(), "id");
        let work = json!({
            "work_done": "Greased the bearing.",
            "started_at": "2020-02-01T10:00:00Z",
            "finished_at": "2020-02-01T13:00:00Z",
        });
        ana.post(&format!("/api/tasks/{task}/complete"), &work).await.ok();

        let entries = timeline(&ana, &pump).await;

        let kinds: Vec<_> = entries.iter().map(|entry| text(entry, "kind")).collect();
        assert_eq!(kinds, ["TASK", "TASK", "ALERT", "STATUS", "MAINTENANCE"]);
        assert_eq!(entries[0]["task_event"]["kind"], "COMPLETED");
        assert_eq!(entries[0]["task_title"], "Look at it");
        assert_eq!(entries[1]["task_event"]["kind"], "CREATED");
        assert_eq!(entries[2]["alert"], alert);
        assert_eq!(entries[3]["status"]["status"], "OPERATIONAL");
        assert_eq!(entries[4]["record"]["downtime"], "10800s");
        assert_eq!(entries[4]["at"], "2020-02-01T13:00:00Z");
        let of_alerts = format!("/api/equipment/{pump}/timeline?kinds=ALERT&kinds=STATUS");
        let of_alerts = ana.get(&of_alerts).await.ok();
        assert_eq!(of_alerts["entries"], json!(entries[2..4]));

        let day = "start_time=2020-02-01T00:00:00Z&end_time=2020-02-02T00:00:00Z";
        let life = ana.get(&format!("/api/equipment/{pump}/service-life?{day}")).await.ok();
        let expected = json!({
            "equipment_id": pump,
            "start_time": "2020-02-01T00:00:00Z",
            "end_time": "2020-02-02T00:00:00Z",
            "age": life["age"],
            "in_service_since": "2020-01-01T00:00:00Z",
            "age_basis": "INSTALLATION_DATE",
            "work": { "corrective": 1, "preventive": 0, "inspection": 0, "corrective_without_times": 0,
                "corrective_before_start": 0 },
            "last_work": { "at": "2020-02-01T13:00:00Z", "record_id": entries[4]["id"] },
            "open_tasks": 0,
            "operating_time": "75600s",
            "assumed_time": "75600s",
            "not_required_time": "0s",
            "unplanned_downtime": { "time": "10800s", "events": 1 },
            "planned_downtime": { "time": "0s", "events": 0 },
            "mtbf": { "mean": "75600s", "events": 1 },
            "mttr": { "mean": "10800s", "events": 1 },
            "mttr_parts": {
                "waiting": { "mean": "0s", "events": 1 },
                "repair": { "mean": "10800s", "events": 1 },
                "return_to_service": { "mean": "0s", "events": 1 },
            },
            "availability": { "ratio": 0.875, "events": 1 },
        });
        assert_eq!(life, expected);
        let today = ana.get(&format!("/api/equipment/{pump}/service-life?start_time=2026-01-01T00:00:00Z")).await.ok();
        assert_eq!(today["mtbf"], json!({ "events": 0, "note": "not enough failures" }));
    }
}
