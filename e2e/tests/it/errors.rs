//! What a client is told when it errs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use crate::{rest::Rest, site::PASSWORD};

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
}

crate::everywhere! {
    async fn bad_input_is_named_by_field(site: Site) {
        let admin = site.admin().await;
        let nobody = "018f0000-0000-7000-8000-000000000000";
        for (path, body, field) in [
            ("/api/equipment", json!({ "name": "" }), "name"),
            ("/api/equipment", json!({ "name": "P", "nmae": "x" }), "nmae"),
            ("/api/equipment", json!({ "name": 7 }), "name"),
            ("/api/equipment", json!({ "name": "P\u{0}" }), "name"),
            ("/api/equipment", json!({ "name": "P", "status": "SLEEPING" }), "status"),
            ("/api/equipment", json!({ "name": "P", "parent_id": nobody }), "parent_id"),
            ("/api/tasks", json!({ "title": "T", "equipment_id": nobody }), "equipment_id"),
            ("/api/tasks", json!({ "title": "T", "due_date": "2023-02-30" }), "due_date"),
            ("/api/data", json!({ "equipment_id": nobody, "metrics": { "a": 1 } }), "equipment_id"),
            ("/api/maintenance", json!({ "task_id": nobody }), "task_id"),
            ("/api/register", json!({ "username": "x", "email": "x", "password": PASSWORD }), "email"),
        ] {
            let answer = admin.post(path, &body).await;
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            let problem = answer.with(StatusCode::BAD_REQUEST);
            assert_eq!(fields(&problem), [field], "{body}");
            assert!(problem["request_id"].is_string());
        }
    }

    async fn who_may_not_is_told_so(site: Site) {
        let nobody = Rest::new(&site.http);
        let answer = nobody.get("/api/tasks").await;
        assert!(answer.headers.contains_key("www-authenticate"));
        answer.with(StatusCode::UNAUTHORIZED);

        let ana = site.technician("ana").await;
        let machine = json!({ "name": "Pump" });
        ana.post("/api/equipment", &machine).await.with(StatusCode::FORBIDDEN);
    }

    async fn a_wrong_password_and_an_unknown_name_are_answered_alike(site: Site) {
        let nobody = Rest::new(&site.http);
        let login = |name: &str| json!({ "username": name, "password": "not the password" });
        let wrong = nobody.post("/api/token", &login("admin")).await.with(StatusCode::UNAUTHORIZED);
        let unknown = nobody.post("/api/login/", &login("nobody")).await.with(StatusCode::UNAUTHORIZED);
        assert_eq!(wrong["detail"], unknown["detail"]);
    }

    async fn a_repeated_request_has_one_effect(site: Site) {
        let admin = site.admin().await;
        let title = site.name("Once");
        let task = json!({ "title": title });
        let key = site.name("42");
        let key = [("idempotency-key", key.as_str())];

        let first = admin.send(Method::POST, "/api/tasks", Some(&task), &key).await.created();
        let again = admin.send(Method::POST, "/api/tasks", Some(&task), &key).await.ok();
        let other = json!({ "title": format!("{title} more") });
        admin.send(Method::POST, "/api/tasks", Some(&other), &key).await.with(StatusCode::CONFLICT);

        assert_eq!(first, again);
        let tasks = admin.get(&format!("/api/tasks?title={title}")).await.ok();
        assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1);
    }

    async fn a_time_is_answered_in_utc(site: Site) {
        let admin = site.admin().await;
        let machine = admin.post("/api/equipment", &json!({ "name": "Pump" })).await.created();
        let reading = json!({
            "equipment_id": machine["id"],
            "recorded_at": "2014-01-29T15:40:00.5+01:00",
            "metrics": { "temperature": 1 },
        });
        let kept = admin.post("/api/data", &reading).await.created();
        assert_eq!(kept["recorded_at"], "2014-01-29T14:40:00.500Z");
    }

    async fn bytes_that_are_no_message_are_the_senders_fault_at_every_method(site: Site) {
        let admin = site.admin().await;
        // A frame of gRPC with two bytes that begin no field.
        let frame = [0, 0, 0, 0, 2, 0xff, 0xff];
        let mut told = 0;
        for method in proto::METHODS {
            let status = admin.call(method.path, &frame).await;
            // What is between the services is none of the gateway's methods, and some are for others than an admin.
            if matches!(status.code(), Code::Unimplemented | Code::PermissionDenied) {
                continue;
            }
            assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", method.path);
            assert_eq!(status.get_details_error_info().unwrap().reason, "UNREADABLE");
            told += 1;
        }
        assert!(70 < told, "{told}");
    }
}
