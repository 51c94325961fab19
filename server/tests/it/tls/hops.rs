//! A test per hop: neither end of it has to do with plaintext, another authority, an expired certificate or a wrong name.

use flightline::Part::{self, Auth, Equipment, Gateway, Maintenance, Telemetry};
use kit::{
    peer::{Peer, Peers, Places},
    tls::{Files, Port, Visitors},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{Authority, ask, begin, grpc, is_refusal, peer, settings};

macro_rules! hops {
    ($($name:ident: $caller:ident => $called:ident,)+) => {
        const HOPS: &[(Part, Part)] = &[$(($caller, $called)),+];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                the_callee_refuses($caller, $called).await;
                the_caller_refuses($caller, $called).await;
            }
        )+
    };
}

hops! {
    auth_to_equipment: Auth => Equipment,
    equipment_to_auth: Equipment => Auth,
    gateway_to_auth: Gateway => Auth,
    gateway_to_equipment: Gateway => Equipment,
    gateway_to_maintenance: Gateway => Maintenance,
    gateway_to_telemetry: Gateway => Telemetry,
    maintenance_to_auth: Maintenance => Auth,
    maintenance_to_equipment: Maintenance => Equipment,
    maintenance_to_telemetry: Maintenance => Telemetry,
    telemetry_to_auth: Telemetry => Auth,
    telemetry_to_equipment: Telemetry => Equipment,
    telemetry_to_maintenance: Telemetry => Maintenance,
}

#[test]
fn every_hop_has_its_test() {
    let parts = [Auth, Equipment, Maintenance, Telemetry, Gateway];
    for caller in parts {
        for called in parts {
            let is_tested = HOPS.contains(&(caller, called));
            assert_eq!(caller.calls(called), is_tested, "{caller} calls {called}");
        }
    }
}

/// The addresses of all parts, all at `url`.
fn all_at(url: &str) -> Vec<String> {
    let parts = ["auth", "equipment", "maintenance", "telemetry"];
    parts.into_iter().flat_map(|part| [format!("--{part}-url"), url.to_owned()]).collect()
}

/// `service` at work, called by `caller` and by who only says so.
async fn the_callee_refuses(caller: Part, service: Part) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["stranger"]);
    let other = Authority::new(folder.path(), &[]);
    authority.make_expired(caller.name());
    let arguments = [grpc(&authority, service.name()), all_at("https://127.0.0.1:1")].concat();
    let running = begin(folder.path(), Some(service), &arguments).await;
    let url = running.grpc_url().unwrap();
    let by = async |own: Option<Files>| ask(&peer(&url, own, Some(service.name())).await).await;
    // Knows who is called, and is known to another authority.
    let of_other =
        Files { own: Some(other.own(caller.name())), authority: Some(authority.certificate()) };
    let without = Files { own: None, authority: Some(authority.certificate()) };

    by(Some(authority.files(caller.name()))).await.unwrap();
    for (what, files) in [
        ("plaintext", None),
        ("no certificate", Some(without)),
        ("another authority's", Some(of_other)),
        ("expired", Some(authority.files("expired"))),
        ("another name", Some(authority.files("stranger"))),
    ] {
        let refusal = by(files).await.unwrap_err();
        assert!(is_refusal(&refusal), "{what}: {refusal}");
    }
}

/// `caller`, who calls `service` and somebody who only says so.
async fn the_caller_refuses(caller: Part, service: Part) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["stranger"]);
    let other = Authority::new(folder.path(), &[]);
    authority.make_expired(service.name());
    let own = grpc(&authority, caller.name());
    let at = async |files: Option<Files>| {
        let arguments = [own.clone(), all_at(&impostor(files).await)].concat();
        let config = settings(folder.path(), &arguments);
        let peers = config.peers(Some(caller), &Places::default()).await.unwrap();
        ask(&of(&peers, service)).await
    };
    let of_other =
        Files { own: Some(other.own(service.name())), authority: Some(authority.certificate()) };

    at(Some(authority.files(service.name()))).await.unwrap();
    for (what, files) in [
        ("plaintext", None),
        ("another authority's", Some(of_other)),
        ("expired", Some(authority.files("expired"))),
        ("another name", Some(authority.files("stranger"))),
        ("the caller's own name", Some(authority.files(caller.name()))),
    ] {
        let refusal = at(files).await.unwrap_err();
        assert!(is_refusal(&refusal), "{what}: {refusal}");
    }
}

fn of(peers: &Peers, part: Part) -> Peer {
    match part {
        Auth => &peers.auth,
        Equipment => &peers.equipment,
        Maintenance => &peers.maintenance,
        Telemetry => &peers.telemetry,
        Gateway => panic!("nobody calls it"),
    }
    .clone()
}

/// Whoever shows what is in `files`, or speaks plaintext, and answers everybody. Answers where, as if all were well.
async fn impostor(files: Option<Files>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let port = match files {
        Some(files) => Some(Port::new(files, &[b"h2"], Visitors::All).await.unwrap()),
        None => None,
    };
    let (tell, connections) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = match &port {
                Some(port) => port.greet(stream).await,
                None => Ok(kit::tls::Stream::Plain(stream)),
            };
            if let Ok(stream) = stream {
                tell.send(Ok::<_, std::io::Error>(stream)).await.unwrap();
            }
        }
    });
    let (_, health) = tonic_health::server::health_reporter();
    let server = tonic::transport::Server::builder().add_service(health);
    tokio::spawn(server.serve_with_incoming(ReceiverStream::new(connections)));
    url
}
