//! `flightline certificates`: an authority of one's own, to try TLS with.

mod found;

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Datelike};
use kit::{Clock, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::Part;

/// The names of whoever calls itself, beside its own.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Who signs them all.
const AUTHORITY: &str = "Flightline authority";
/// What the whole suite in one process shows.
const SUITE: &str = "flightline";
/// Days for which the authority is good.
const AUTHORITY_DAYS: u32 = 3650;

/// Make a private authority, and certificates for the suite and each of its parts, to try TLS with
///
/// Run again, it makes new certificates by the same authority, also of clients that have one, with the names that they had and
/// those that are new; processes that use them take them up by themselves.
#[derive(clap::Args)]
pub struct Certificates {
    /// Where to write them: `authority.pem`, and `NAME.pem` and `NAME-key.pem` for each
    folder: PathBuf,

    /// Another name or address by which clients call the suite; `localhost` is among them. Repeat it for several
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,

    /// A client of the gRPC port that needs a certificate, too. Repeat it for several
    #[arg(long = "client", value_name = "NAME", value_parser = client)]
    clients: Vec<String>,

    /// Days for which they are good
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=AUTHORITY_DAYS.into()))]
    days: u32,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Errors
    ///
    /// A file can't be written, or a host has no name that a certificate can bear.
    #[expect(clippy::print_stdout, reason = "for the person who wanted them")]
    pub fn run(self) -> anyhow::Result<()> {
        let folder = &self.folder;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("can't make {}", folder.display()))?;
        let now = Clock::system().now();
        let authority = authority(folder, now)?;
        let parts = Part::SERVICES.iter().chain([&Part::Gateway]).map(|part| part.name());
        let hosts = || HERE.into_iter().chain(self.hosts.iter().map(String::as_str));
        for part in parts {
            let names = [part].into_iter().chain(hosts()).map(str::to_owned);
            self.make(part, names.collect(), &authority, now)?;
        }
        self.make(SUITE, hosts().map(str::to_owned).collect(), &authority, now)?;
        let mut clients = found::clients(folder, AUTHORITY, |name| client(name).is_ok())?;
        clients.extend(self.clients.iter().cloned());
        for client in clients {
            self.make(&client, vec![client.clone()], &authority, now)?;
        }
        println!("{}", folder.display());
        Ok(())
    }

    /// Makes the certificate of `name`, which bears `names` and those that it had, and its key.
    fn make(
        &self,
        name: &str,
        names: Vec<String>,
        authority: &Issuer<'_, KeyPair>,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let file = self.folder.join(format!("{name}.pem"));
        let mut known = BTreeSet::new();
        let names = names.into_iter().chain(found::names(&file)?);
        let names: Vec<_> = names.filter(|name| known.insert(name.clone())).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = called(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, self.days);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        write(&self.folder.join(format!("{name}-key.pem")), &key.serialize_pem())?;
        write(&file, &certificate.pem())
    }
}

/// The authority in `folder`, or a new one.
fn authority(folder: &Path, now: Timestamp) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let (certificate, key) = (folder.join("authority.pem"), folder.join("authority-key.pem"));
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = called(AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_life(&mut params, now, AUTHORITY_DAYS);
    if certificate.exists() {
        let pem = fs::read_to_string(&key);
        let pem =
            pem.with_context(|| format!("can't read the authority's key, {}", key.display()))?;
        let key =
            KeyPair::from_pem(&pem).with_context(|| format!("can't use {}", key.display()))?;
        return Ok(Issuer::new(params, key));
    }
    let pair = KeyPair::generate()?;
    write(&key, &pair.serialize_pem())?;
    write(&certificate, &params.self_signed(&pair)?.pem())?;
    Ok(Issuer::new(params, pair))
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From the day before, since clocks differ, until the end of so many days.
fn set_life(params: &mut CertificateParams, now: Timestamp, days: u32) {
    let day = |time: Timestamp| {
        let date = DateTime::from_timestamp_micros(time.micros()).unwrap_or_default();
        let [month, day] = [date.month(), date.day()].map(|part| u8::try_from(part).unwrap_or(1));
        rcgen::date_time_ymd(date.year(), month, day)
    };
    params.not_before = day(now.minus(Duration::from_hours(24)));
    params.not_after = day(now.plus(Duration::from_hours(24 * (u64::from(days) + 1))));
}

/// Writes a file that its owner alone may read, all of it or nothing.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("partial");
    let written = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    written().with_context(|| format!("can't write {}", path.display()))
}

fn client(name: &str) -> Result<String, &'static str> {
    let is_taken = ["authority", SUITE].contains(&name)
        || name.ends_with("-key")
        || Part::SERVICES.iter().chain([&Part::Gateway]).any(|part| part.name() == name);
    if is_taken {
        return Err("is a name of the suite's own");
    }
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = (1..=63).contains(&name.len()) && name.chars().all(is_plain);
    let is_name = is_name && !name.starts_with('-') && !name.ends_with('-');
    is_name.then(|| name.to_owned()).ok_or("must be of a-z, 0-9 and - in between")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_name_of_its_own() {
        for good in ["historian", "line-2"] {
            assert!(client(good).is_ok(), "{good}");
        }
        for bad in ["", "auth", "auth-key", "authority", "flightline", "../x", "-a", "A", "a.b"] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }
}
