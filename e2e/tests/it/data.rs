//! Readings over REST.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::rest::{Rest, text};

async fn machine(admin: &Rest) -> String {
    text(&admin.post("/api/equipment", &json!({ "name": "Pump 7" })).await.created(), "id")
}

/// The next event that tells of a reading.
async fn event(stream: &mut Response) -> Value {
    let mut told = String::new();
    loop {
        let chunk = stream.chunk().await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(&chunk).unwrap());
        let lines = told.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut events = lines.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let tells = |event: &Value| event["readings"].as_array().is_some_and(|it| !it.is_empty());
        if let Some(event) = events.find(tells) {
            return event;
        }
    }
}

crate::everywhere! {
    async fn an_item_that_cannot_be_read_is_refused_alone(site: Site) {
        let admin = site.admin().await;
        let id = machine(&admin).await;
        let readings = json!({ "readings": [
            { "equipment_id": id, "recorded_at": "2026-01-01T00:00:00Z", "metrics": { "a": 1 } },
            { "equipment_id": id, "recorded_at": "bogus", "metrics": { "a": 2 } },
            { "equipment_id": id, "recorded_at": "2026-01-01T00:00:01Z", "metrics": { "a": "x" } },
            { "equipment_id": "x", "metrics": { "a": 3 } },
            { "equipment_id": id, "recorded_at": "2026-01-01T00:00:02Z", "metrics": { "a": 4 } },
        ] });

        let answer = admin.post("/api/data/batch", &readings).await.ok();

        assert_eq!(answer["accepted"], 2);
        let refused = answer["refused"].as_array().unwrap();
        let refused: Vec<_> =
            refused.iter().map(|item| (item["index"].as_i64().unwrap(), &item["field"])).collect();
        assert_eq!(
            refused,
            [(1, &json!("recorded_at")), (2, &json!("metrics[\"a\"]")), (3, &json!("equipment_id"))]
        );
        let listed = admin.get(&format!("/api/data?equipment_id={id}")).await.ok();
        assert_eq!(listed["readings"].as_array().unwrap().len(), 2);
    }

    async fn a_reading_is_changed_and_deleted(site: Site) {
        let admin = site.admin().await;
        let id = machine(&admin).await;
        let sent = json!({ "equipment_id": id, "metrics": { "a": 1, "b": 2 } });
        let mut reading = admin.post("/api/data", &sent).await.created();
        let path = format!("/api/data/{}", text(&reading, "id"));

        let change = json!({ "metrics": { "b": 3 } });
        let patched = admin.send(Method::PATCH, &path, Some(&change), &[]).await.ok();
        assert_eq!(patched["metrics"], json!({ "a": 1.0, "b": 3.0 }));

        reading["metrics"] = json!({ "c": 4 });
        let put = admin.send(Method::PUT, &path, Some(&reading), &[]).await.ok();
        assert_eq!(put["metrics"], json!({ "c": 4.0 }));

        reading["recorded_at"] = json!("2026-01-01T00:00:00Z");
        let moved = admin.send(Method::PUT, &path, Some(&reading), &[]).await;
        let problem = moved.with(StatusCode::BAD_REQUEST);
        assert_eq!(problem["errors"][0]["field"], "recorded_at");

        let deleted = admin.send(Method::DELETE, &path, None, &[]).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        assert_eq!(admin.get(&path).await.status, StatusCode::NOT_FOUND);
    }

    async fn the_latest_and_the_series_of_machines_are_asked_for_in_one_call(site: Site) {
        let admin = site.admin().await;
        let (one, two) = (machine(&admin).await, machine(&admin).await);
        let readings: Vec<Value> = (0..60)
            .map(|second| json!({
                "equipment_id": if second % 2 == 0 { &one } else { &two },
                "recorded_at": format!("2026-01-01T00:00:{second:02}Z"),
                "metrics": { "a": second },
            }))
            .collect();
        admin.post("/api/data/batch", &json!({ "readings": readings })).await.ok();

        let both = format!("equipment_ids={one}&equipment_ids={two}");
        let latest = admin.get(&format!("/api/data/latest?{both}")).await.ok();
        let mut last: Vec<_> = latest["readings"].as_array().unwrap().iter()
            .map(|reading| reading["metrics"]["a"].as_f64().unwrap())
            .collect();
        last.sort_by(f64::total_cmp);
        assert_eq!(last, [58.0, 59.0]);

        let span = "start_time=2026-01-01T00:00:00Z&end_time=2026-01-01T00:01:00Z&interval=30s";
        let series = admin.get(&format!("/api/data/series?{both}&metrics=a&{span}")).await.ok();
        let series = series["series"].as_array().unwrap();
        assert_eq!(series.len(), 2);
        for series in series {
            assert_eq!(series["interval"], "30s");
            let first = &series["buckets"][0];
            assert_eq!(first["start_time"], "2026-01-01T00:00:00Z");
            assert_eq!((first["count"].as_i64(), series["buckets"][1]["count"].as_i64()), (Some(15), Some(15)));
        }
        let endless = admin.get(&format!("/api/data/series?{both}&{span}&max_points=3")).await;
        assert_eq!(endless.with(StatusCode::BAD_REQUEST)["errors"][0]["field"], "max_points");
    }

    async fn readings_are_watched_as_events(site: Site) {
        let admin = site.admin().await;
        let id = machine(&admin).await;
        let url = format!("{}/api/data/watch?equipment_ids={id}", site.http);
        let watch = Client::new().get(url).bearer_auth(admin.token());
        let mut stream = watch.header("accept", "text/event-stream").send().await.unwrap();

        let sent = json!({ "equipment_id": id, "metrics": { "a": 1 } });
        let reading = admin.post("/api/data", &sent).await.created();

        assert_eq!(event(&mut stream).await["readings"], json!([reading]));
    }
}
