//! Where a caller is: the gateway's word counts, and nobody else's.

use proto::auth::v1::{CreateTokenRequest, auth_service_client::AuthServiceClient};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Request, transport::Channel};

use crate::{
    rest::{Rest, text},
    site::PASSWORD,
};

/// Where the session that `access` is of was begun.
async fn begun_at(rest: &Rest, access: &str) -> Value {
    let sessions = rest.with_token(access).get("/api/users/me/sessions").await.ok();
    let sessions = sessions["sessions"].as_array().unwrap().clone();
    let own = sessions.iter().find(|session| session["current"] == true).unwrap();
    own["address"].clone()
}

crate::on_its_own! {
    async fn a_caller_is_where_the_gateway_says_and_not_where_they_say(site: Site) {
        site.technician("ana").await;
        let rest = Rest::new(&site.http);

        // Over the gateway, behind the proxy that it trusts.
        let login = json!({ "username": "ana", "password": PASSWORD });
        let told = [("x-forwarded-for", "203.0.113.9")];
        let pair = rest.send(Method::POST, "/api/token", Some(&login), &told).await.ok();
        // At the port of gRPC, where anybody may call.
        let channel = Channel::from_shared(site.grpc[0].clone()).unwrap().connect().await.unwrap();
        let login = CreateTokenRequest { username: "ana".into(), password: PASSWORD.into() };
        let mut request = Request::new(login);
        for (name, value) in [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proof", "AAAA")] {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let forged = AuthServiceClient::new(channel).create_token(request).await.unwrap();

        assert_eq!(begun_at(&rest, &text(&pair, "access")).await, "203.0.113.9");
        assert_eq!(begun_at(&rest, &forged.into_inner().access).await, "127.0.0.1");
    }
}
