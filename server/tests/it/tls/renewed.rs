//! What becomes of certificates when they are made again.

use std::fs;

use super::Authority;
use crate::{run, text};

#[tokio::test]
async fn certificates_that_are_renewed_keep_their_names_and_clients_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("tls").display().to_string();
    let certificates = |more: &[&str]| {
        let arguments: Vec<_> = ["certificates", &name].iter().chain(more).copied().collect();
        let made = run(&arguments, &[], "");
        assert!(made.status.success(), "{}", text(&made.stderr));
    };
    certificates(&["--host=plant.example", "--host=192.0.2.7", "--client=historian"]);
    let authority = Authority::at(folder.path().join("tls"), &[]);
    let pem = |name: &str| fs::read_to_string(authority.own(name).0).unwrap();
    let before = ["auth", "flightline", "historian"].map(pem);
    // Somebody else's, which happens to lie there.
    let other = rcgen::generate_simple_self_signed(["scada".to_owned()]).unwrap();
    let (certificate, key) = authority.own("scada");
    fs::write(&certificate, other.cert.pem()).unwrap();
    fs::write(&key, "").unwrap();

    certificates(&["--host=other.example"]);

    assert_eq!(
        (pem("scada"), fs::read_to_string(&key).unwrap()),
        (other.cert.pem(), String::new())
    );
    for (name, before) in ["auth", "flightline", "historian"].into_iter().zip(before) {
        assert_ne!(pem(name), before, "{name}");
    }
    for name in ["auth", "flightline"] {
        for host in ["plant.example", "192.0.2.7", "other.example", "localhost", "::1"] {
            assert!(authority.files(name).bear(host).await.unwrap(), "{name}: {host}");
        }
    }
    assert!(authority.files("auth").bear("auth").await.unwrap());
    assert!(authority.files("historian").bear("historian").await.unwrap());
    assert!(!authority.files("historian").bear("plant.example").await.unwrap());
}
