//! The ports that clients of the suite come to.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use kit::tls::Files;
use testkit::{canary, eventually};
use tonic::Code;

use super::{Authority, ask, begin, grpc, http, is_refusal, peer};
use crate::text;

/// Gets `url` as a client that knows servers by `authority`.
async fn curl(authority: &Authority, url: String, more: Vec<String>) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]);
    command.arg(authority.certificate()).args(more).arg(url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What curl says when a server's certificate is not to be trusted.
const NOT_TRUSTED: i32 = 60;

/// Both ports of the whole suite, with certificates of `authority`.
fn both(authority: &Authority, name: &str) -> Vec<String> {
    [http(authority, name), grpc(authority, name)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_rest_port_is_served_in_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let suite = begin(folder.path(), None, &both(&authority, "flightline")).await;
    let url = format!("{}/readyz", suite.http_url().unwrap());

    let answer =
        curl(&authority, url.clone(), vec!["--write-out".into(), "%{http_version}".into()]).await;
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    assert!(text(&answer.stdout).ends_with('2'), "HTTP/2 by ALPN: {}", text(&answer.stdout));

    let plaintext = curl(&authority, url.replace("https://", "http://"), Vec::new()).await;
    assert!(!plaintext.status.success(), "{}", text(&plaintext.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_of_either_port_which_connections_were_refused() {
    canary::record("info");
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let suite = begin(folder.path(), None, &both(&authority, "flightline")).await;

    for url in [suite.http_url().unwrap(), suite.grpc_url().unwrap()] {
        curl(&authority, url.replace("https://", "http://"), Vec::new()).await;
    }

    for part in ["gateway::", "kit::"] {
        eventually(part, || async {
            let log = text(&canary::recorded());
            let is_told = |line: &str| {
                line.contains(part)
                    && line.contains("a connection was refused address=127.0.0.1 error=")
            };
            log.lines().any(is_told).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_rest_port_can_tell_it_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &[]);
    let other = Authority::new(folder.path(), &[]);
    authority.make_expired("gateway");
    let mut expired = http(&authority, "expired");
    let mut good = http(&authority, "gateway");
    for part in ["auth", "equipment", "maintenance", "telemetry"] {
        for arguments in [&mut expired, &mut good] {
            arguments.extend([format!("--{part}-url"), "http://127.0.0.1:1".to_owned()]);
        }
    }
    let part = Some(flightline::Part::Gateway);
    let good = begin(folder.path(), part, &good).await;
    let expired = begin(folder.path(), part, &expired).await;
    let (good, expired) = (good.http_url().unwrap(), expired.http_url().unwrap());
    let (_, number) = good.rsplit_once(':').unwrap();
    let resolve = vec!["--resolve".into(), format!("plant.example:{number}:127.0.0.1")];
    let elsewhere = format!("https://plant.example:{number}");

    let answer = curl(&authority, good.clone(), Vec::new()).await;
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    for (what, answer) in [
        ("wrong authority", curl(&other, good.clone(), Vec::new()).await),
        ("expired", curl(&authority, expired, Vec::new()).await),
        ("wrong name", curl(&authority, elsewhere, resolve).await),
    ] {
        assert_eq!(answer.status.code(), Some(NOT_TRUSTED), "{what}: {}", text(&answer.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_grpc_port_needs_a_certificate_with_an_expected_name() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["historian", "stranger"]);
    let other = Authority::new(folder.path(), &["historian"]);
    authority.make_expired("historian");
    let mut arguments = both(&authority, "flightline");
    arguments.extend(["--grpc-tls-clients", "historian"].map(str::to_owned));
    let suite = begin(folder.path(), None, &arguments).await;
    let url = suite.grpc_url().unwrap();
    let by = async |files: Option<Files>| ask(&peer(&url, files, None).await).await;
    let of_other =
        Files { own: Some(other.own("historian")), authority: Some(authority.certificate()) };
    let without = Files { own: None, authority: Some(authority.certificate()) };

    by(Some(authority.files("historian"))).await.unwrap();
    for (what, files) in [
        ("plaintext", None),
        ("no certificate", Some(without)),
        ("another authority's", Some(of_other)),
        ("expired", Some(authority.files("expired"))),
        ("another name", Some(authority.files("stranger"))),
        ("a server of another authority", Some(other.files("historian"))),
    ] {
        let refusal = by(files).await.unwrap_err();
        assert!(is_refusal(&refusal), "{what}: {refusal}");
    }
    let wrong_name = peer(&url, Some(authority.files("historian")), Some("plant.example")).await;
    assert_eq!(ask(&wrong_name).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_grpc_port_finds_out_that_its_certificate_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), &["historian"]);
    authority.make_expired("localhost");
    let suite = begin(folder.path(), None, &grpc(&authority, "expired")).await;
    let url = suite.grpc_url().unwrap();

    let answer = ask(&peer(&url, Some(authority.files("historian")), None).await).await;

    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_authorities_that_change_are_taken_up_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, next] =
        ["now", "next"].map(|name| Authority::at(folder.path().join(name), &["historian"]));
    let suite = begin(folder.path(), None, &both(&authority, "flightline")).await;
    let (rest, url) = (suite.http_url().unwrap(), suite.grpc_url().unwrap());
    // As it knows itself from now on, whatever lies in the files.
    let before = Authority::at(copied(authority.folder(), &folder.path().join("before")), &[]);
    let both_answer = async |authority: &Authority| {
        let rest = curl(authority, format!("{rest}/readyz"), Vec::new()).await;
        let grpc = ask(&peer(&url, Some(authority.files("historian")), None).await).await;
        (rest.status.success(), grpc.is_ok())
    };
    assert_eq!(both_answer(&before).await, (true, true));
    assert_eq!(both_answer(&next).await, (false, false));

    copied(next.folder(), authority.folder());

    eventually("the next certificates are taken up", || async {
        (both_answer(&next).await == (true, true)).then_some(())
    })
    .await;
    assert_eq!(both_answer(&before).await, (false, false));
}

/// Copies the files of a folder.
fn copied(from: &Path, to: &Path) -> std::path::PathBuf {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    to.to_owned()
}
