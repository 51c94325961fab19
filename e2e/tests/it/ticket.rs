//! How a browser's event source is let in: by a ticket in its address, to one stream, for as long as its session lives.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    rest::{Rest, text},
    site::{PASSWORD, Site},
};

const STREAM: &str = "/api/data/watch";

/// What an event source asks for.
async fn open(site: &Site, path: &str, ticket: &str, more: &str) -> Response {
    let url = format!("{}{path}?ticket={ticket}{more}", site.http);
    Client::new().get(url).header("accept", "text/event-stream").send().await.unwrap()
}

async fn ticket(rest: &Rest) -> String {
    let answer = rest.post("/api/stream/ticket", &json!({ "path": STREAM })).await.ok();
    assert_eq!(answer["expires_in"], 30);
    text(&answer, "ticket")
}

/// Reads on until an event tells of `what`.
async fn event(stream: &mut Response, what: &str) -> String {
    let mut read = String::new();
    while !read.split_terminator("\n\n").any(|event| event.contains(what)) {
        let chunk = timeout(Duration::from_secs(30), stream.chunk()).await;
        let chunk = chunk.expect("an event in time").unwrap();
        read += std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap();
    }
    read
}

/// Somebody with `role`.
async fn person(site: &Site, role: &str) -> Rest {
    let name = site.name(&format!("a-{role}"));
    let body = json!({
        "username": name, "email": format!("{name}@example.org"), "password": PASSWORD, "role": role,
    });
    site.admin().await.post("/api/users", &body).await.created();
    Rest::new(&site.http).login(&name, PASSWORD).await
}

async fn pump(admin: &Rest) -> String {
    let pump = json!({ "name": "Pump 7", "type": "pump" });
    text(&admin.post("/api/equipment", &pump).await.created(), "id")
}

async fn send(admin: &Rest, pump: &str, value: f64) {
    let reading: Value = json!({ "equipment_id": pump, "metrics": { "pressure": value } });
    admin.post("/api/data", &reading).await.created();
}

crate::everywhere! {
    async fn every_reader_opens_a_stream_by_ticket_and_goes_on_by_another(site: Site) {
        let admin = site.admin().await;
        let pump = pump(&admin).await;
        let of_pump = format!("&equipment_ids={pump}");
        for role in ["ADMIN", "TECHNICIAN", "VIEWER"] {
            let reader = person(&site, role).await;
            let mut stream = open(&site, STREAM, &ticket(&reader).await, &of_pump).await;
            assert_eq!(stream.status(), StatusCode::OK, "{role}");
            send(&admin, &pump, 1.5).await;
            let first = event(&mut stream, "1.5").await;
            let id = first.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
            drop(stream);
            send(&admin, &pump, 2.5).await;

            let more = format!("{of_pump}&resume_token={id}");
            let mut stream = open(&site, STREAM, &ticket(&reader).await, &more).await;
            event(&mut stream, "2.5").await;
        }
    }

    async fn a_ticket_opens_nothing_else_and_no_token_is_one(site: Site) {
        let ana = site.technician("ana").await;
        let ticket = ticket(&ana).await;
        for path in ["/api/tasks", "/api/users/me", "/api/equipment", STREAM, "/api/stream/ticket"] {
            let answer = ana.with_token(&ticket).get(path).await;
            let is_none = [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED];
            assert!(is_none.contains(&answer.status), "{path}: {}", answer.status);
        }
        let scheme = format!("Ticket {ticket}");
        for path in ["/api/tasks", "/api/users/me", "/api/equipment", "/api/data"] {
            let headers = [("authorization", scheme.as_str())];
            let answer = Rest::new(&site.http).send(Method::GET, path, None, &headers).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        }
        for wrong in [ana.token(), "nonsense", "", "fl_1", &ticket[..ticket.len() - 4]] {
            let stream = open(&site, STREAM, wrong, "").await;
            assert_eq!(stream.status(), StatusCode::UNAUTHORIZED, "{wrong}");
            assert_eq!(stream.headers()["content-type"], "application/problem+json");
        }
    }

    async fn a_stream_and_its_ticket_end_with_the_session(site: Site) {
        let (ana, ben) = (site.technician("ana").await, site.technician("ben").await);
        let (anas, bens) = (ticket(&ana).await, ticket(&ben).await);
        let mut theirs = open(&site, STREAM, &anas, "").await;
        let admin = site.admin().await;
        let pump = pump(&admin).await;
        let of_pump = format!("&equipment_ids={pump}");
        let mut others = open(&site, STREAM, &bens, &of_pump).await;
        let bearer = format!("Bearer {}", ana.token());
        let url = format!("{}{STREAM}", site.http);
        let lines = Client::new().get(url).header("authorization", bearer).send().await.unwrap();
        assert_eq!(lines.status(), StatusCode::OK);

        ana.send(Method::POST, "/api/logout", None, &[]).await.with(StatusCode::NO_CONTENT);

        let last = event(&mut theirs, "event: error").await;
        assert!(last.contains("\"status\":401"), "{last}");
        assert!(theirs.chunk().await.unwrap().is_none(), "it is over");
        let lines = timeout(Duration::from_secs(30), lines.text()).await.expect("it ends").unwrap();
        assert!(lines.contains("{\"error\":{") && lines.contains("\"status\":401"), "{lines}");
        assert_eq!(open(&site, STREAM, &anas, "").await.status(), StatusCode::UNAUTHORIZED);

        send(&admin, &pump, 3.5).await;
        event(&mut others, "3.5").await;
    }
}
