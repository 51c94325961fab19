use std::process::Output;

use flightline::Running;
use proto::telemetry::v1::{ListReadingsRequest, telemetry_service_client::TelemetryServiceClient};

use super::{PASSWORD, as_user, over_the_wire, register, run, suite, text, token};

fn import(suite: &Running, equipment_id: &str, more: &[&str], input: &str) -> Output {
    let server = suite.grpc_url().unwrap();
    let arguments = [
        "import",
        "-",
        "--equipment",
        equipment_id,
        "--metric",
        "temperature",
        "--server",
        &server,
    ];
    let all: Vec<_> = arguments.iter().chain(more).copied().collect();
    run(&all, &[("FLIGHTLINE_PASSWORD", PASSWORD)], input)
}

/// The id of new equipment.
async fn equipment(suite: &Running) -> String {
    let peer = over_the_wire(suite);
    let admin = token(peer.clone(), "admin", PASSWORD).await.unwrap();
    register(peer, &admin).await.unwrap().id
}

/// All values, by time.
async fn values(suite: &Running, equipment_id: &str) -> Vec<f64> {
    let peer = over_the_wire(suite);
    let admin = token(peer.clone(), "admin", PASSWORD).await.unwrap();
    let message = ListReadingsRequest {
        equipment_id: Some(equipment_id.to_owned()),
        page_size: 1000,
        ..Default::default()
    };
    let mut client = TelemetryServiceClient::new(peer);
    let page = client.list_readings(as_user(&admin, message)).await.unwrap().into_inner();
    page.readings.iter().map(|reading| reading.metrics["temperature"]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_in_whole_in_any_number_of_batches() {
    let (suite, _folder) = suite().await;
    let id = equipment(&suite).await;
    let lines: Vec<_> = (0..250).map(|line| format!("{line},{line}.5")).collect();
    let file = format!("timestamp,value\n{}\n", lines.join("\n"));

    let output = import(&suite, &id, &["--batch", "100"], &file);

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "250 readings accepted, 0 lines refused\n");
    let expected: Vec<_> = (0..250).map(|line| f64::from(line) + 0.5).collect();
    assert_eq!(values(&suite, &id).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_refused_here_or_there_are_named_and_the_rest_goes_in() {
    let (suite, _folder) = suite().await;
    let id = equipment(&suite).await;
    let file = "timestamp,value\n0,1\nsoon,2\n\n2999-01-01T00:00:00Z,3\n60,four\n120,5\n";

    let output = import(&suite, &id, &[], file);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "2 readings accepted, 3 lines refused\n");
    let named = text(&output.stderr);
    let begins: Vec<_> = named.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(begins, ["line 3, timestamp", "line 5, timestamp", "line 6, value"], "{named}");
    assert_eq!(values(&suite, &id).await, [1.0, 5.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_later_of_two_lines_with_one_time_counts() {
    let (suite, _folder) = suite().await;
    let id = equipment(&suite).await;

    let file = "timestamp,value\n0,1\n60,2\n0,3\n60,4\n60,5\n";
    for batch in ["1", "2", "10"] {
        let output = import(&suite, &id, &["--batch", batch], file);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(values(&suite, &id).await, [3.0, 5.0], "in batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_go_in_is_one_sentence_not_one_a_line() {
    let (suite, _folder) = suite().await;
    let id = equipment(&suite).await;
    let nowhere = "0190b0a4-0000-7000-8000-000000000000";

    for (output, part) in [
        (import(&suite, nowhere, &[], "timestamp,value\n0,1\n"), "no equipment"),
        (import(&suite, &id, &[], "time,value\n0,1\n"), "no column \"timestamp\""),
        (import(&suite, &id, &["--username", "nobody"], "timestamp,value\n0,1\n"), "can't log in"),
    ] {
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(part) && error.lines().count() == 1, "{error}");
    }
}
