//! What operators see.

use kit::observe::Config;
use testkit::eventually;

use super::{PASSWORD, over_the_wire, register, run, serve::get, suite, text, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_calls_requests_transactions_and_databases() {
    let (suite, _folder) = suite().await;
    let admin = token(over_the_wire(&suite), "admin", PASSWORD).await.unwrap();
    register(over_the_wire(&suite), &admin).await.unwrap();
    register(over_the_wire(&suite), "no token").await.unwrap_err();
    get(&suite.http_url().unwrap(), "/api/tasks/").await;
    get(&suite.http_url().unwrap(), "/no/such/path").await;

    let url = suite.metrics_url();
    let page = eventually("all metrics are there", || async {
        let page = get(&url, "/metrics").await;
        page.contains("flightline_database_up").then_some(page)
    })
    .await;

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
    for (name, _) in kit::observe::names() {
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
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
fn alert_rules_ask_for_metrics_that_there_are() {
    let rules = include_str!("../../../deploy/alerts.yml");
    let names: Vec<&str> = kit::observe::names().map(|(name, _)| name).collect();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let asked = rules.split(|c| !is_name(c)).filter(|word| word.starts_with("flightline_"));

    let mut count = 0;
    for word in asked {
        let name = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
        assert!(names.contains(&name.unwrap_or(word)), "{word}");
        count += 1;
    }
    assert_ne!(count, 0);
}

#[tokio::test]
async fn two_processes_on_one_machine_find_a_port_each() {
    let config = Config { metrics_listen: None };

    let (one, other) = (config.listen().await.unwrap(), config.listen().await.unwrap());

    assert_ne!(one.local_addr().unwrap(), other.local_addr().unwrap());
    let config = Config { metrics_listen: Some(one.local_addr().unwrap()) };
    assert!(config.listen().await.is_err(), "what was set by hand is not changed");
}
