use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};
use tokio::time::sleep;

use super::*;

/// Writes a certificate that signs itself, and its key.
fn write(folder: &Path) -> Files {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["auth".to_owned()]).unwrap();
    let (certificate_file, key_file) = (folder.join("auth.pem"), folder.join("auth-key.pem"));
    fs::write(&certificate_file, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    Files { authority: Some(certificate_file.clone()), own: Some((certificate_file, key_file)) }
}

#[tokio::test(start_paused = true)]
async fn files_that_are_no_good_leave_what_was_made_of_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path());
    let (certificate, key) = files.own.clone().unwrap();
    let made = made_of(files, Pem::own).await.unwrap();
    let first = Arc::clone(&made.borrow());
    let is_first = || Arc::ptr_eq(&first, &made.borrow());

    for (file, text) in [(&certificate, ""), (&key, "nonsense")] {
        fs::write(file, text).unwrap();
        sleep(2 * EVERY).await;
        assert!(is_first());
    }
    fs::remove_file(&key).unwrap();
    sleep(2 * EVERY).await;
    assert!(is_first());

    write(folder.path());
    sleep(2 * EVERY).await;
    assert!(!is_first());
}

#[tokio::test]
async fn a_file_that_is_no_good_to_begin_with_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path());
    let (certificate, key) = files.own.clone().unwrap();
    let error = async || {
        let port = Port::new(files.clone(), &[], Visitors::All).await;
        port.err().map(|error| format!("{error:#}")).unwrap_or_default()
    };
    assert_eq!(error().await, "");

    // The key of another certificate.
    fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(error().await.contains("auth-key.pem"), "{}", error().await);

    fs::write(&certificate, "no certificate").unwrap();
    assert!(error().await.contains("there is no certificate"), "{}", error().await);

    fs::remove_file(&certificate).unwrap();
    assert!(error().await.contains("can't read"), "{}", error().await);
}
