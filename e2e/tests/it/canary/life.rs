//! The whole life of secrets: made, used, mistyped, put where they don't belong, replaced, spent and ended.

use base64::{Engine, prelude::BASE64_STANDARD};
use kit::forwarded;
use proto::{
    auth::v1::{
        ChangePasswordRequest, CreateServiceTokenRequest, CreateTokenRequest, LogoutRequest,
        RefreshTokenRequest, RegisterRequest, ResetPasswordRequest,
        auth_service_client::AuthServiceClient, user_service_client::UserServiceClient,
    },
    equipment::v1::{ListEquipmentRequest, equipment_service_client::EquipmentServiceClient},
};
use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use testkit::{PASSWORD, SERVICE_SECRET};
use tonic::transport::{Channel, Endpoint};

use super::witness::{Witness, request};
use crate::{rest::text, site::Site};

/// Who has the secrets.
pub const NAME: &str = "kanarienvogel";
/// Characters that are written otherwise in JSON, in URLs and in Rust.
const CHOSEN: &str = "gelber \"Kanari\" & Käfig + 7";
const CHANGED: &str = "blauer <Kanari> im Käfig = 8";
const RESET: &str = "grüner 'Kanari' ohne Käfig? 9";
const WRONG: &str = "roter Kanari, weit fort 10";
const SHORT: &str = "Kanari/11";

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Everything that happens, through REST and gRPC.
pub async fn live(site: &Site, witness: &Witness<'_>) -> String {
    for (name, password) in [
        ("the admin's password, and all others' that bear the mark", PASSWORD),
        ("the services' secret", SERVICE_SECRET),
        ("the password that was chosen", CHOSEN),
        ("the password after it", CHANGED),
        ("the password that a reset set", RESET),
        ("a wrong password", WRONG),
        ("a password that is too short", SHORT),
    ] {
        witness.secret(name, password);
    }
    let mut told =
        HeaderMap::from_iter([(forwarded::FOR.parse().unwrap(), "127.0.0.1".parse().unwrap())]);
    forwarded::Witness::new(SERVICE_SECRET).vouch(&mut told);
    witness.secret("the gateway's proof", told[forwarded::PROOF].to_str().unwrap());
    let chief = log_in(witness, "admin", PASSWORD).await;
    let ana = register(witness).await;
    misplaced(witness, &chief).await;
    let ana = refresh(witness, &ana).await;
    credentials(site, witness, &ana).await;
    tickets(witness, &ana).await;
    machine(witness, &chief).await;
    passwords(witness, &chief, &ana).await;
    over_grpc(site, witness).await;
    chief
}

async fn log_in(witness: &Witness<'_>, username: &str, password: &str) -> String {
    let body = json!({ "username": username, "password": password });
    let pair = witness.post("/api/token", "", &body).await;
    witness.told(&format!("the refresh token of {username}"), &pair, "refresh");
    bearer(&witness.told(&format!("the access token of {username}"), &pair, "access"))
}

/// Makes an account and logs in; answers the refresh token.
async fn register(witness: &Witness<'_>) -> String {
    let email = format!("{NAME}@example.org");
    let account =
        |password: &str| json!({ "username": NAME, "email": email, "password": password });
    witness.rest(Method::POST, "/api/register", "", &account(SHORT).to_string()).await;
    witness.post("/api/register", "", &account(CHOSEN)).await;
    witness.rest(Method::POST, "/api/register", "", &account(CHOSEN).to_string()).await;
    for (name, password) in
        [(NAME, WRONG), ("nobody", CHOSEN), (CHOSEN, NAME), (email.as_str(), SHORT)]
    {
        let body = json!({ "username": name, "password": password }).to_string();
        witness.rest(Method::POST, "/api/login/", "", &body).await;
    }
    let body = json!({ "username": email, "password": CHOSEN });
    let pair = witness.post("/api/token", "", &body).await;
    witness.told("the first access token", &pair, "access");
    witness.told("the first refresh token", &pair, "refresh")
}

/// Refreshes until a spent token ends the session; answers the access token of another one.
async fn refresh(witness: &Witness<'_>, first: &str) -> String {
    let body = |token: &str| json!({ "refresh": token });
    let second = witness.post("/api/token/refresh", "", &body(first)).await;
    witness.told("the second access token", &second, "access");
    let second = witness.told("the second refresh token", &second, "refresh");
    let third = witness.post("/api/token/refresh", "", &body(&second)).await;
    witness.told("the third access token", &third, "access");
    let third = witness.told("the third refresh token", &third, "refresh");
    for spent in [first, &third, WRONG] {
        let body = body(spent).to_string();
        witness.rest(Method::POST, "/api/token/refresh", "", &body).await;
    }
    log_in(witness, NAME, CHOSEN).await
}

/// Secrets where none belong: in other fields, in other types, in what is no JSON, in paths and in questions.
async fn misplaced(witness: &Witness<'_>, chief: &str) {
    let fields = [
        ("/api/register", json!({ "username": CHOSEN, "email": "a@b", "password": CHOSEN })),
        ("/api/register", json!({ "username": "b", "email": CHOSEN, "password": CHOSEN })),
        ("/api/register", json!({ "username": "b", "email": "a@b", "password": [CHOSEN] })),
        ("/api/register", json!({ "username": "b", "email": "a@b", "password": { "is": CHOSEN } })),
        ("/api/register", json!({ "username": [CHOSEN], "password": 7 })),
        ("/api/register", json!({ "pasword": CHOSEN })),
        ("/api/token", json!([CHOSEN])),
        ("/api/token", json!(CHOSEN)),
        ("/api/token/refresh", json!({ "refresh": { "token": CHOSEN } })),
        ("/api/users", json!({ "username": "b", "email": "a@b", "password": SHORT })),
        (
            "/api/users",
            json!({ "username": "b", "email": "a@b", "password": CHOSEN, "role": CHOSEN }),
        ),
        ("/api/users", json!({ "username": "b", "email": "a@b", "created_at": CHOSEN })),
        ("/api/users", json!({ "username": "b", "email": "a@b", "id": CHOSEN })),
        ("/api/keys", json!({ "name": "b", "equipment_ids": [CHOSEN] })),
        ("/api/keys", json!({ "name": "b", "equipment_ids": CHOSEN, "expires_at": CHOSEN })),
        (
            "/api/users/me/password",
            json!({ "current_password": [CHOSEN], "new_password": CHANGED }),
        ),
        ("/api/password/reset", json!({ "token": CHOSEN, "new_password": CHANGED })),
        ("/api/equipment", json!({ "name": "P", "status": CHOSEN })),
        ("/api/data", json!({ "equipment_id": CHOSEN, "metrics": { "a": 1 } })),
    ];
    for (path, body) in fields {
        witness.rest(Method::POST, path, chief, &body.to_string()).await;
    }
    for text in [format!("{{\"password\": \"{WRONG}"), format!("{{{WRONG}}}"), WRONG.to_owned()] {
        witness.rest(Method::POST, "/api/token", "", &text).await;
    }
    let change = json!({ "password": CHANGED }).to_string();
    witness.rest(Method::PATCH, "/api/users/me", chief, &change).await;
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let query: String = CHOSEN.bytes().map(escape).collect();
    for path in [
        format!("/{query}"),
        format!("/api/users/{query}"),
        format!("/api/users?q={query}"),
        format!("/api/users?page_token={query}"),
        format!("/api/audit?kind={query}"),
        format!("/api/audit?from={query}"),
        format!("/api/tasks?access_token={query}"),
    ] {
        witness.rest(Method::GET, &path, chief, "").await;
    }
    // A retry is answered from what was kept of the first answer.
    let user = json!({ "username": "another", "email": "another@example.org", "password": WRONG });
    for _ in 0..2 {
        witness.post("/api/users", chief, &user).await;
    }
}

/// Credentials in every wrong form, at the gateway and at a service.
async fn credentials(site: &Site, witness: &Witness<'_>, ana: &str) {
    let token = ana.trim_start_matches("Bearer ").to_owned();
    let basic = BASE64_STANDARD.encode(format!("{NAME}:{CHOSEN}"));
    let mut service = EquipmentServiceClient::new(channel(site, 1));
    for authorization in [
        format!("Basic {basic}"),
        token.clone(),
        format!("Bearer{token}"),
        format!("Token {token}"),
        bearer(&token[..token.len() - 5]),
        bearer(&token.replace('.', ",")),
        format!("Bearer {token}, Bearer {token}"),
        bearer(WRONG),
        bearer(&format!("fl_{token}")),
    ] {
        witness.rest(Method::GET, "/api/tasks", &authorization, "").await;
        let request = request(&authorization, ListEquipmentRequest::default());
        let refused = witness.grpc("list", service.list_equipment(request)).await;
        assert!(refused.is_err(), "{authorization}");
    }
    let list = request(ana, ListEquipmentRequest::default());
    witness.grpc("list", service.list_equipment(list)).await.unwrap();
}

/// Tickets where they don't belong, and broken ones where they do.
async fn tickets(witness: &Witness<'_>, ana: &str) {
    let body = json!({ "path": "/api/data/watch" });
    let ticket = witness.post("/api/stream/ticket", ana, &body).await;
    let ticket = witness.told("the ticket", &ticket, "ticket");
    for (path, authorization) in [
        (format!("/api/tasks?ticket={ticket}"), ana),
        (format!("/api/tasks?ticket={ticket}"), ""),
        (format!("/api/data/watch?ticket={}", &ticket[..ticket.len() - 5]), ""),
        (format!("/api/data/watch?ticket={ticket}&resume_token={ticket}"), ""),
        (format!("/api/data/watch/{ticket}"), ""),
    ] {
        witness.rest(Method::GET, &path, authorization, "").await;
    }
    for authorization in [format!("Ticket {ticket}"), bearer(&ticket)] {
        witness.rest(Method::GET, "/api/tasks", &authorization, "").await;
    }
}

/// A machine's key: made, used for its own and for another's equipment, and deleted.
async fn machine(witness: &Witness<'_>, chief: &str) {
    let pump = json!({ "name": "Pump" });
    let [own, other] = [
        text(&witness.post("/api/equipment", chief, &pump).await, "id"),
        // The same idempotency key is the same request.
        "018f0000-0000-7000-8000-000000000000".to_owned(),
    ];
    let key = json!({ "name": "Pump's sensor", "equipment_ids": [own] });
    let key = witness.post("/api/keys", chief, &key).await;
    let sensor = bearer(&witness.told("the sensor's key", &key, "secret"));
    let reading = |id: &str| json!({ "equipment_id": id, "metrics": { "temperature": 1 } });
    witness.post("/api/data", &sensor, &reading(&own)).await;
    witness.rest(Method::POST, "/api/data", &sensor, &reading(&other).to_string()).await;
    witness.rest(Method::GET, "/api/data", &sensor, "").await;
    let path = format!("/api/keys/{}", text(&key, "id"));
    witness.rest(Method::DELETE, &path, chief, "").await;
    witness.rest(Method::POST, "/api/data", &sensor, &reading(&own).to_string()).await;
}

/// Passwords changed and reset, after what is refused.
async fn passwords(witness: &Witness<'_>, chief: &str, ana: &str) {
    let path = "/api/users/me/password";
    for (current, new) in [(WRONG, CHANGED), (CHOSEN, SHORT), (CHOSEN, NAME)] {
        let body = json!({ "current_password": current, "new_password": new }).to_string();
        witness.rest(Method::POST, path, ana, &body).await;
    }
    let change = json!({ "current_password": CHOSEN, "new_password": CHANGED });
    let user = witness.post(path, ana, &change).await;

    let start = format!("/api/users/{}/password/reset", text(&user, "id"));
    let reset = witness.post(&start, chief, &json!({})).await;
    let token = witness.told("the reset token", &reset, "token");
    for (token, new) in [(WRONG, RESET), (&token, SHORT), (&token, RESET), (&token, CHANGED)] {
        let body = json!({ "token": token, "new_password": new }).to_string();
        witness.rest(Method::POST, "/api/password/reset", "", &body).await;
    }
    let again = log_in(witness, NAME, RESET).await;
    witness.rest(Method::POST, "/api/logout", &again, "").await;
    witness.rest(Method::GET, "/api/users/me", &again, "").await;
}

/// The same without the gateway.
async fn over_grpc(site: &Site, witness: &Witness<'_>) {
    let mut auth = AuthServiceClient::new(channel(site, 0));
    let account = |password: &str| RegisterRequest {
        username: CHOSEN.into(),
        email: CHOSEN.into(),
        password: password.into(),
        full_name: "\0".into(),
        request_id: String::new(),
    };
    for password in [CHOSEN, SHORT] {
        let register = auth.register(request("", account(password)));
        witness.grpc("register", register).await.unwrap_err();
    }
    for (username, password) in [(NAME, WRONG), (RESET, NAME), ("\0", RESET)] {
        let login = CreateTokenRequest { username: username.into(), password: password.into() };
        witness.grpc("log in", auth.create_token(request("", login))).await.unwrap_err();
    }
    let login = CreateTokenRequest { username: NAME.into(), password: RESET.into() };
    let pair = witness.grpc("log in", auth.create_token(request("", login))).await.unwrap();
    // No form of a message shows them.
    let access = bearer(&witness.secret("the access token over gRPC", pair.access));
    let refresh = witness.secret("the refresh token over gRPC", pair.refresh);
    let spend = RefreshTokenRequest { refresh };
    let pair = witness.grpc("refresh", auth.refresh_token(request("", spend))).await.unwrap();
    witness.secret("the second access token over gRPC", pair.access);
    witness.secret("the second refresh token over gRPC", pair.refresh);

    let mut users = UserServiceClient::new(channel(site, 0));
    let change = |current: &str, new: &str| ChangePasswordRequest {
        id: "me".into(),
        current_password: current.into(),
        new_password: new.into(),
    };
    for change in [change(WRONG, CHOSEN), change(RESET, SHORT)] {
        let change = users.change_password(request(&access, change));
        witness.grpc("change", change).await.unwrap_err();
    }
    let reset = ResetPasswordRequest { token: WRONG.into(), new_password: CHANGED.into() };
    witness.grpc("reset", auth.reset_password(request("", reset))).await.unwrap_err();
    service_token(witness, &mut auth).await;
    witness.grpc("log out", auth.logout(request(&access, LogoutRequest {}))).await.unwrap();
    witness.grpc("log out", auth.logout(request(&access, LogoutRequest {}))).await.unwrap_err();
}

async fn service_token(witness: &Witness<'_>, auth: &mut AuthServiceClient<Channel>) {
    let prove = |service: &str, secret: &str| CreateServiceTokenRequest {
        service: service.into(),
        secret: secret.into(),
    };
    for (service, secret) in [("telemetry", WRONG), ("Telemetry!", SERVICE_SECRET)] {
        let token = auth.create_service_token(request("", prove(service, secret)));
        witness.grpc("prove", token).await.unwrap_err();
    }
    let token = auth.create_service_token(request("", prove("telemetry", SERVICE_SECRET)));
    let token = witness.grpc("prove", token).await.unwrap();
    witness.secret("a service's token", token.access);
}

/// The service that is the `number`th, or all.
fn channel(site: &Site, number: usize) -> Channel {
    let url = site.grpc.get(number).unwrap_or(&site.grpc[0]);
    Endpoint::from_shared(url.clone()).unwrap().connect_lazy()
}
