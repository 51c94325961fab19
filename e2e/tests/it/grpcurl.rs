//! What an integrator does first: grpcurl, with reflection and a token.

use std::process::Command;

use serde_json::Value;

/// Runs grpcurl (`make tools` installs it) on the server at `url`; answers what it printed, or its complaint.
fn grpcurl(url: &str, options: &[&str], arguments: &[&str]) -> Result<String, String> {
    let address = url.trim_start_matches("http://");
    let output = Command::new("grpcurl")
        .arg("-plaintext")
        .args(options)
        .arg(address)
        .args(arguments)
        .output()
        .expect("grpcurl is installed by `make tools`; run tests through make");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

crate::everywhere! {
    async fn grpcurl_lists_and_calls_every_service(site: Site) {
        let admin = site.admin().await;
        let bearer = format!("authorization: Bearer {}", admin.token());
        let mut found = Vec::new();
        for url in &site.grpc {
            let listed = grpcurl(url, &[], &["list"]).unwrap();
            assert!(listed.contains("grpc.health.v1.Health"), "{listed}");
            let health = grpcurl(url, &[], &["grpc.health.v1.Health/Check"]).unwrap();
            assert!(health.contains("SERVING"), "{health}");
            for (service, call) in [
                ("flightline.auth.v1.UserService", "ListUsers"),
                ("flightline.equipment.v1.EquipmentService", "ListEquipment"),
                ("flightline.maintenance.v1.TaskService", "ListTasks"),
                ("flightline.telemetry.v1.AlertService", "ListAlerts"),
            ] {
                let method = format!("{service}/{call}");
                let answer = grpcurl(url, &["-H", &bearer], &[&method]);
                // Reflection lists what this process serves and nothing else.
                assert_eq!(listed.lines().any(|line| line == service), answer.is_ok(), "{listed}");
                let Ok(answer) = answer else { continue };
                assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
                let refused = grpcurl(url, &[], &[&method]).unwrap_err();
                assert!(refused.contains("Unauthenticated"), "{refused}");
                found.push(service);
            }
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }

    async fn grpcurl_shows_which_field_is_wrong(site: Site) {
        let admin = site.admin().await;
        let bearer = format!("authorization: Bearer {}", admin.token());
        let method = "flightline.equipment.v1.EquipmentService/CreateEquipment";
        let complaints: Vec<String> = site
            .grpc
            .iter()
            .filter_map(|url| {
                grpcurl(url, &["-H", &bearer, "-d", r#"{"equipment": {}}"#], &[method]).err()
            })
            .collect();
        let named = complaints.iter().any(|text| {
            text.contains("InvalidArgument") && text.contains("\"field\":\"equipment.name\"")
        });
        assert!(named, "{complaints:?}");
    }
}
