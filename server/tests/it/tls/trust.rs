//! What a certificate is believed, beside who calls.

use flightline::Part;
use proto::auth::v1::{
    CreateServiceTokenRequest, CreateTokenRequest, ListSessionsRequest,
    auth_service_client::AuthServiceClient,
};
use tonic::{Code, Request};

use super::{Authority, begin, grpc, peer};
use crate::{PASSWORD, as_user};

/// Where auth, which lets in a client beside the parts, takes a log-in to come from that `caller` says is from elsewhere.
async fn begun_at(caller: &'static str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["historian"]);
    let running = begin(folder.path(), Some(Part::Auth), &auth(&authority)).await;
    let url = running.grpc_url().unwrap();
    let peer = peer(&url, Some(authority.files(caller)), Some("auth")).await;
    let mut client = AuthServiceClient::new(peer.clone());

    let login = CreateTokenRequest { username: "admin".into(), password: PASSWORD.into() };
    let mut request = Request::new(login);
    request.metadata_mut().insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    let access = client.create_token(request).await.unwrap().into_inner().access;
    let request = as_user(&access, ListSessionsRequest::default());
    let sessions = client.list_sessions(request).await.unwrap().into_inner().sessions;
    sessions[0].address.clone()
}

/// The arguments of auth, alone, with a client of its own.
fn auth(authority: &Authority) -> Vec<String> {
    let rest = ["--grpc-tls-clients", "historian", "--equipment-url", "https://127.0.0.1:1"];
    [grpc(authority, "auth"), rest.map(str::to_owned).to_vec()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_certificate_is_believed_where_a_caller_is_and_no_other() {
    assert_eq!(begun_at("gateway").await, "203.0.113.9");
    for other in ["telemetry", "historian"] {
        assert_eq!(begun_at(other).await, "127.0.0.1", "{other}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_let_in_is_no_service() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["historian"]);
    let running = begin(folder.path(), Some(Part::Auth), &auth(&authority)).await;
    let url = running.grpc_url().unwrap();
    let code = async |caller: &'static str, service: &str| {
        let peer = peer(&url, Some(authority.files(caller)), Some("auth")).await;
        let (service, secret) = (service.to_owned(), "none".to_owned());
        let request = CreateServiceTokenRequest { service, secret };
        let answer = AuthServiceClient::new(peer).create_service_token(request).await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    };

    assert_eq!(code("telemetry", "telemetry").await, Code::Ok);
    assert_eq!(code("historian", "historian").await, Code::InvalidArgument);
    assert_eq!(code("historian", "telemetry").await, Code::Unauthenticated);
    assert_eq!(code("telemetry", "gateway").await, Code::Unauthenticated);
}
