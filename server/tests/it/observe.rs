//! What operators see.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use flightline::Part;
use kit::observe::Config;
use proto::{
    auth::v1::{
        CreateTokenRequest, LogoutRequest, RefreshTokenRequest,
        auth_service_client::AuthServiceClient,
    },
    telemetry::v1::{
        BatchCreateReadingsRequest, Reading, telemetry_service_client::TelemetryServiceClient,
    },
};
use testkit::{Engine, SERVICE_SECRET, World, eventually};

use super::{
    PASSWORD, as_user, config, fleet::Fleet, over_the_wire, register, run, serve::get, start,
    suite, text, token,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_readings_alerts_and_their_tasks() {
    let world = World::new(Engine::Sqlite).await;
    let fleet = Fleet::start(&world.db).await;
    let machine = fleet.machine().await;

    fleet.send(&machine, 1_700_000_000, 99.0).await;
    fleet.send(&machine, 1_700_000_001, 20.0).await;
    fleet.send(&machine, 1_700_000_002, 98.0).await;
    fleet.alerts(&machine, 2).await;

    let url = fleet.running.metrics_url();
    let page = eventually("the gauges are read again", || async {
        let page = get(&url, "/metrics").await;
        page.contains(r#"flightline_alerts_open{severity="WARNING"} 1"#).then_some(page)
    })
    .await;
    for line in [
        r#"flightline_ingest_values_total{outcome="kept"} 3"#,
        r#"flightline_ingest_values_total{outcome="failed"} 0"#,
        r#"flightline_ingest_waiting_values{kind="calls"} 0"#,
        r#"flightline_ingest_group_values_bucket{le="1"} 3"#,
        r#"flightline_alerts_total{event="raised"} 2"#,
        r#"flightline_alerts_total{event="cleared"} 1"#,
        r#"flightline_alerts_open{severity="CRITICAL"} 0"#,
        r#"flightline_alert_tasks_total{outcome="opened"} 2"#,
        r#"flightline_consumer_lag_seconds{database="telemetry",consumer="dispatch"} 0"#,
        "flightline_session_beat_timestamp_seconds 1",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_sessions_and_what_ended_them() {
    let (suite, _folder) = suite().await;
    let mut auth = AuthServiceClient::new(over_the_wire(&suite));
    let login = || CreateTokenRequest { username: "admin".into(), password: PASSWORD.into() };
    let pair = auth.create_token(login()).await.unwrap().into_inner();
    auth.create_token(login()).await.unwrap();
    let refresh = RefreshTokenRequest { refresh: pair.refresh };
    let pair = auth.refresh_token(refresh).await.unwrap().into_inner();
    auth.logout(as_user(&pair.access, LogoutRequest {})).await.unwrap();
    auth.create_token(CreateTokenRequest { password: "another".into(), ..login() })
        .await
        .unwrap_err();

    let page = get(&suite.metrics_url(), "/metrics").await;
    for line in [
        r#"flightline_sessions_total{event="begun"} 2"#,
        r#"flightline_sessions_total{event="refreshed"} 1"#,
        r#"flightline_sessions_total{event="logged_out"} 1"#,
        r#"flightline_sessions_total{event="password_changed"} 0"#,
        r#"flightline_sessions_total{event="expired"} 0"#,
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_never_hears_auth_shows_since_when_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = ["--auth-url", "http://127.0.0.1:1", "--service-secret", SERVICE_SECRET];
    let equipment = start(config(folder.path(), &nowhere), Some(Part::Equipment)).await;

    let page = get(&equipment.metrics_url(), "/metrics").await;

    assert!(page.contains("\nflightline_session_beat_timestamp_seconds 1"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_calls_requests_transactions_and_databases() {
    let (suite, _folder) = suite().await;
    let admin = token(over_the_wire(&suite), "admin", PASSWORD).await.unwrap();
    let pump = register(over_the_wire(&suite), &admin).await.unwrap().id;
    let reading = Reading {
        equipment_id: pump,
        metrics: [("temperature".to_owned(), 20.0)].into(),
        ..Reading::default()
    };
    let batch = BatchCreateReadingsRequest { readings: vec![reading], ..Default::default() };
    let mut telemetry = TelemetryServiceClient::new(over_the_wire(&suite));
    telemetry.batch_create_readings(as_user(&admin, batch)).await.unwrap();
    register(over_the_wire(&suite), "no token").await.unwrap_err();
    get(&suite.http_url().unwrap(), "/api/tasks/").await;
    get(&suite.http_url().unwrap(), "/no/such/path").await;

    let url = suite.metrics_url();
    let page = eventually("all metrics are there", || async {
        let page = get(&url, "/metrics").await;
        let is_there = |(name, _)| page.contains(&format!("# HELP {name} "));
        kit::observe::names().all(is_there).then_some(page)
    })
    .await;

    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert_eq!(promtool(body.to_owned()).await, "");
    let create = "/flightline.equipment.v1.EquipmentService/CreateEquipment";
    for line in [
        format!(r#"flightline_grpc_calls_total{{method="{create}",code="OK"}} 1"#),
        format!(r#"flightline_grpc_calls_total{{method="{create}",code="UNAUTHENTICATED"}} 1"#),
        format!(r#"flightline_grpc_call_seconds_count{{method="{create}"}} 2"#),
        r#"flightline_http_requests_total{method="GET",route="/api/tasks",status="401"} 1"#.into(),
        r#"flightline_http_requests_total{method="GET",route="-",status="404"} 1"#.into(),
        r#"flightline_database_up{database="equipment"} 1"#.into(),
        r#"transaction="create equipment",outcome="committed"} 1"#.into(),
    ] {
        assert!(page.contains(&line), "{line} in\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_port_tells_whether_this_process_is_ready() {
    let (suite, _folder) = suite().await;

    for path in ["/healthz", "/readyz", "/readyz/"] {
        let answer = get(&suite.metrics_url(), path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert!(get(&suite.metrics_url(), "/api/tasks").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containers_health_check_tells_by_its_exit_code() {
    let (suite, _folder) = suite().await;
    let url = suite.metrics_url();
    let address = url.trim_start_matches("http://");
    let check = || run(&["health"], &[("FLIGHTLINE_METRICS_LISTEN", address)], "");

    assert!(check().status.success());

    suite.stop().await.unwrap();
    let refused = check();
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains(address), "{}", text(&refused.stderr));
}

#[test]
fn alert_rules_and_dashboards_ask_for_metrics_that_there_are() {
    let names: Vec<&str> = kit::observe::names().map(|(name, _)| name).collect();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';

    for (file, text) in [
        ("alerts.yml", include_str!("../../../deploy/alerts.yml")),
        ("plant.json", include_str!("../../../deploy/grafana/dashboards/plant.json")),
        ("service.json", include_str!("../../../deploy/grafana/dashboards/service.json")),
    ] {
        let asked = text.split(|c| !is_name(c)).filter(|word| word.starts_with("flightline_"));
        let mut count = 0;
        for word in asked {
            let name = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
            assert!(names.contains(&name.unwrap_or(word)), "{word} in {file}");
            count += 1;
        }
        assert_ne!(count, 0, "{file}");
    }
}

/// What `promtool check metrics` says of a page; nothing, if it finds nothing amiss.
async fn promtool(page: String) -> String {
    let check = move || {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("`make tools` installs it");
        child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() { String::new() } else { text(&output.stderr) }
    };
    tokio::task::spawn_blocking(check).await.unwrap()
}

#[tokio::test]
async fn two_processes_on_one_machine_find_a_port_each() {
    let config = Config { metrics_listen: None };

    let (one, other) = (config.listen().await.unwrap(), config.listen().await.unwrap());

    assert_ne!(one.local_addr().unwrap(), other.local_addr().unwrap());
    let config = Config { metrics_listen: Some(one.local_addr().unwrap()) };
    assert!(config.listen().await.is_err(), "what was set by hand is not changed");
}
