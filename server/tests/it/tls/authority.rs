use std::{
    fs,
    path::{Path, PathBuf},
};

use kit::tls::Files;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair, date_time_ymd};

use crate::{run, text};

/// An authority as `flightline certificates` makes it, with certificates of every part and of clients.
pub struct Authority(PathBuf);

impl Authority {
    /// One in a folder of its own below `folder`.
    pub fn new(folder: &Path, clients: &[&str]) -> Self {
        let name = format!("authority-{}", uuid::Uuid::now_v7());
        Self::at(folder.join(name), clients)
    }

    /// The one at `folder`, which is made if it isn't there, with new certificates.
    pub fn at(folder: PathBuf, clients: &[&str]) -> Self {
        let folder_name = folder.display().to_string();
        let clients = clients.iter().flat_map(|client| ["--client", client]);
        let arguments: Vec<_> = ["certificates", &folder_name].into_iter().chain(clients).collect();
        let made = run(&arguments, &[], "");
        assert!(made.status.success(), "{}", text(&made.stderr));
        Self(folder)
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn certificate(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// The certificate of `name` and its key.
    pub fn own(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.0.join(format!("{name}.pem")), self.0.join(format!("{name}-key.pem")))
    }

    /// What `name` proves itself with, and knows others by.
    pub fn files(&self, name: &str) -> Files {
        Files { own: Some(self.own(name)), authority: Some(self.certificate()) }
    }

    /// Makes a certificate for `name`, called `expired`, that was good until yesteryear.
    pub fn make_expired(&self, name: &str) {
        let names = [name, "localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        let (certificate_file, key_file) = self.own("expired");
        fs::write(certificate_file, certificate.pem()).unwrap();
        fs::write(key_file, key.serialize_pem()).unwrap();
    }

    fn issuer(&self) -> Issuer<'static, KeyPair> {
        let key = fs::read_to_string(self.0.join("authority-key.pem")).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Flightline authority");
        Issuer::new(params, KeyPair::from_pem(&key).unwrap())
    }
}
