//! The worked example of the public interface, through `flightline import` and through REST.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use chrono::NaiveDateTime;
use clap::Parser;
use serde_json::{Value, json};

use crate::{
    rest::{Rest, text},
    site::Site,
};

/// Raised and cleared, for `BELOW 50` with a deadband of 5 and no delay.
const HISTORY: [(&str, &str); 6] = [
    ("2013-12-10T08:55:00Z", "2013-12-10T17:55:00Z"),
    ("2013-12-16T07:50:00Z", "2013-12-16T18:40:00Z"),
    ("2014-01-29T14:40:00Z", "2014-01-29T16:25:00Z"),
    ("2014-01-30T18:00:00Z", "2014-01-30T20:15:00Z"),
    ("2014-02-03T08:05:00Z", "2014-02-03T11:55:00Z"),
    ("2014-02-07T20:15:00Z", "2014-02-09T12:05:00Z"),
];

fn file() -> PathBuf {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/machine_temperature.csv");
    assert!(
        path.exists(),
        "no {}. It is the Numenta Anomaly Benchmark's realKnownCause/machine_temperature_system_failure.csv (MIT); see CONTRIBUTING.md",
        path.display()
    );
    path
}

/// A machine with the example's rule.
async fn machine(admin: &Rest) -> String {
    let machine = json!({ "name": "Press", "type": "press" });
    let id = text(&admin.post("/api/equipment", &machine).await.created(), "id");
    let rule = json!({
        "name": "Too cold",
        "equipment_id": id,
        "metric": "temperature",
        "condition": "BELOW",
        "threshold": 50,
        "deadband": 5,
    });
    admin.post("/api/rules", &rule).await.created();
    id
}

async fn history(admin: &Rest, equipment_id: &str) -> Vec<(String, String)> {
    let alerts = format!("/api/alerts?page_size=1000&equipment_id={equipment_id}");
    let alerts = admin.get(&alerts).await.ok();
    let alerts = alerts["alerts"].as_array().unwrap();
    alerts.iter().map(|alert| (text(alert, "raised_at"), text(alert, "cleared_at"))).collect()
}

fn expected() -> Vec<(String, String)> {
    HISTORY.map(|(raised, cleared)| (raised.to_owned(), cleared.to_owned())).into()
}

/// What `flightline import` does with the file.
async fn import(site: &Site, equipment_id: &str) {
    let (file, password) = (file(), format!("--password={}", site.password));
    let mut arguments = vec!["flightline", "import", file.to_str().unwrap()];
    arguments.extend(["--equipment", equipment_id, "--metric", "temperature"]);
    arguments.extend(["--server", &site.grpc[0], "--username", "admin", &password]);
    let cli = flightline::Cli::try_parse_from(arguments).unwrap();
    assert_eq!(flightline::run(cli).await.unwrap(), ExitCode::SUCCESS);
}

/// The file's lines as readings, in batches.
fn batches(equipment_id: &str) -> Vec<Value> {
    let mut file = csv::Reader::from_path(file()).unwrap();
    let readings: Vec<Value> = file
        .records()
        .map(|line| {
            let line = line.unwrap();
            let at = NaiveDateTime::parse_from_str(&line[0], "%Y-%m-%d %H:%M:%S").unwrap();
            json!({
                "equipment_id": equipment_id,
                "recorded_at": at.and_utc().to_rfc3339(),
                "metrics": { "temperature": line[1].parse::<f64>().unwrap() },
            })
        })
        .collect();
    readings.chunks(10_000).map(|batch| json!({ "readings": batch })).collect()
}

/// Twice, which changes nothing.
async fn an_import_makes_it(site: &Site) {
    let admin = site.admin().await;
    let id = machine(&admin).await;
    for _ in 0..2 {
        import(site, &id).await;
        assert_eq!(history(&admin, &id).await, expected());
    }
}

/// The last first.
async fn batches_make_it(site: &Site) {
    let admin = site.admin().await;
    let id = machine(&admin).await;
    for batch in batches(&id).iter().rev() {
        let answer = admin.post("/api/data/batch", batch).await.ok();
        assert_eq!(answer["accepted"], batch["readings"].as_array().unwrap().len());
        assert_eq!(answer["refused"], json!([]));
    }
    assert_eq!(history(&admin, &id).await, expected());
}

testkit::both! {
    async fn an_import_makes_the_worked_example(world: World) {
        an_import_makes_it(&Site::whole(world).await).await;
    }

    async fn batches_over_rest_in_any_order_make_it_too(world: World) {
        batches_make_it(&Site::parts(world).await).await;
    }
}

mod both_make_the_worked_example {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "wants a deployed suite: make compose-test"]
    async fn deployed() {
        let site = Site::deployed().await;
        an_import_makes_it(&site).await;
        batches_make_it(&site).await;
    }
}
