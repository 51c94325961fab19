//! What an integrator does first: grpcurl with reflection and a token, and buf curl at the gateway.

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

/// Runs buf curl on `method` at the gateway, which has no reflection: the schema is our own.
fn buf_curl(url: &str, options: &[&str], method: &str) -> Result<String, String> {
    let output = Command::new("buf")
        .args(["curl", "--schema", concat!(env!("CARGO_MANIFEST_DIR"), "/../proto")])
        .args(options)
        .arg(format!("{url}/{method}"))
        .output()
        .expect("buf is installed by `make tools`; run tests through make");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

const LIST_USERS: &str = "/flightline.auth.v1.UserService/ListUsers";
/// A frame with a message that says nothing.
const NOTHING: [u8; 5] = [0; 5];

crate::everywhere! {
    async fn the_port_of_rest_takes_grpc_web_in_text(site: Site) {
        let answer = site.admin().await.call_in_text(LIST_USERS, &NOTHING).await;

        let said = String::from_utf8_lossy(&answer);
        assert!(said.contains("admin") && said.contains("grpc-status:0"), "{said}");
    }

    async fn the_port_of_rest_takes_grpc_and_grpc_web(site: Site) {
        let admin = site.admin().await;
        let bearer = format!("authorization: Bearer {}", admin.token());
        let url = site.http.as_str();
        let h2 = "--http2-prior-knowledge";
        for options in [&["--protocol", "grpcweb"][..], &["--protocol", "grpcweb", h2], &["--protocol", "grpc", h2]] {
            let call = |more: &[&str], method: &str| {
                buf_curl(url, &[options, more].concat(), method)
            };
            for (method, list) in [
                ("flightline.auth.v1.UserService/ListUsers", "users"),
                ("flightline.equipment.v1.EquipmentService/ListEquipment", ""),
                ("flightline.maintenance.v1.TaskService/ListTasks", ""),
                ("flightline.telemetry.v1.AlertService/ListAlerts", ""),
            ] {
                let answer = call(&["-H", &bearer], method).unwrap();
                assert!(answer.contains(list), "{options:?} {method}: {answer}");
                let refused = call(&[], method).unwrap_err();
                assert!(refused.contains("unauthenticated"), "{options:?} {method}: {refused}");
            }
            let create = "flightline.equipment.v1.EquipmentService/CreateEquipment";
            let wrong = call(&["-H", &bearer, "-d", r#"{"equipment": {}}"#], create).unwrap_err();
            assert!(wrong.contains("invalid_argument") && wrong.contains("equipment.name"), "{wrong}");
            let secret = call(&[], "flightline.auth.v1.AuthService/CreateServiceToken").unwrap_err();
            assert!(secret.contains("unimplemented"), "{secret}");
        }
        let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
        let file = "flightline/equipment/v1/equipment.proto";
        let options = ["-import-path", proto, "-proto", file, "-H", &bearer];
        let listed = grpcurl(url, &options, &["flightline.equipment.v1.EquipmentService/ListEquipment"]);
        assert!(serde_json::from_str::<Value>(&listed.unwrap()).is_ok());
    }
}

// A gateway tells nobody what there is.
crate::on_its_own! {
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
