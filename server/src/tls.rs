//! Who hears what is said on the ports, and who may speak there.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, ensure};
use kit::tls::{Client, Files, Port, Protocols, Visitors};

use crate::{Neighbours, Part};

/// What is spoken on the gRPC port in TLS.
const GRPC: Protocols = &[b"h2"];

/// TLS of the ports and between the parts, and what production asks for.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Tls {
    /// Certificate that the REST port shows, and those between it and its authority, as PEM. Without it, that port speaks
    /// plaintext. A file that changes is read again.
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "http_tls_key"
    )]
    pub http_tls_certificate: Option<PathBuf>,

    /// Private key of that certificate.
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_TLS_KEY",
        value_name = "FILE",
        requires = "http_tls_certificate"
    )]
    pub http_tls_key: Option<PathBuf>,

    /// The same for the gRPC port. A part shows it to the parts that it calls, too; then the part's name must be among its
    /// DNS names.
    #[arg(
        long,
        env = "FLIGHTLINE_GRPC_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "grpc_tls_key"
    )]
    pub grpc_tls_certificate: Option<PathBuf>,

    /// Private key of that certificate.
    #[arg(
        long,
        env = "FLIGHTLINE_GRPC_TLS_KEY",
        value_name = "FILE",
        requires = "grpc_tls_certificate"
    )]
    pub grpc_tls_key: Option<PathBuf>,

    /// Certificates of those who sign the parts' certificates. With it, TLS between the parts is mutual: whoever calls the gRPC
    /// port must have a certificate, and `https://` must be the beginning of every part's address.
    #[arg(
        long,
        env = "FLIGHTLINE_GRPC_TLS_AUTHORITY",
        value_name = "FILE",
        requires = "grpc_tls_certificate"
    )]
    pub grpc_tls_authority: Option<PathBuf>,

    /// DNS names in the certificates of clients that may call the gRPC port, besides the parts that do, separated by commas.
    /// [default: none, and on the port of the whole suite, all that the authority signed]
    #[arg(
        long,
        env = "FLIGHTLINE_GRPC_TLS_CLIENTS",
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "grpc_tls_authority"
    )]
    pub grpc_tls_clients: Vec<String>,

    /// `production` refuses to start with a port or a neighbour in plaintext, or with a database server elsewhere that does not
    /// prove itself, and tells nobody on the gRPC port which methods there are.
    #[arg(long, env = "FLIGHTLINE_PROFILE", value_enum, default_value = "development")]
    pub profile: Profile,
}

/// What the suite is run for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// To try it, or behind what protects it.
    #[default]
    Development,
    /// Where it protects itself.
    Production,
}

impl Tls {
    /// TLS of the REST port.
    pub(crate) async fn http(&self) -> anyhow::Result<Option<Port>> {
        let own = self.http_tls_certificate.clone().zip(self.http_tls_key.clone());
        let Some(own) = own else { return Ok(None) };
        let files = Files { own: Some(own), authority: None };
        Ok(Some(Port::new(files, gateway::PROTOCOLS, Visitors::All).await?))
    }

    /// TLS of the gRPC port of `part`, or of them all.
    pub(crate) async fn grpc(&self, part: Option<Part>) -> anyhow::Result<Option<Port>> {
        let files = self.files();
        if files.own.is_none() {
            return Ok(None);
        }
        Ok(Some(Port::new(files, GRPC, self.visitors(part)).await?))
    }

    /// What a part calls the others with.
    pub(crate) async fn client(&self) -> anyhow::Result<Option<Client>> {
        if !self.is_mutual() {
            return Ok(None);
        }
        Ok(Some(Client::new(self.files()).await?))
    }

    /// Whether the parts prove themselves to each other by certificates.
    pub(crate) fn is_mutual(&self) -> bool {
        self.grpc_tls_authority.is_some()
    }

    /// Whether tools are told which methods there are.
    pub(crate) fn reflects(&self) -> bool {
        self.profile != Profile::Production
    }

    /// Makes sure that `part`, or everything, says nothing in plaintext, and nothing to a database server that may be
    /// another's, if that is what is wanted.
    ///
    /// # Errors
    ///
    /// It would.
    pub(crate) fn check(
        &self,
        part: Option<Part>,
        neighbours: &Neighbours,
        db: &kit::db::Config,
    ) -> anyhow::Result<()> {
        if self.profile != Profile::Production {
            return Ok(());
        }
        let serves_http = matches!(part, None | Some(Part::Gateway));
        ensure!(
            !serves_http || self.http_tls_certificate.is_some(),
            "the production profile refuses plaintext: the REST port needs FLIGHTLINE_HTTP_TLS_CERTIFICATE and FLIGHTLINE_HTTP_TLS_KEY"
        );
        let serves_grpc = part != Some(Part::Gateway);
        ensure!(
            !serves_grpc || self.grpc_tls_certificate.is_some(),
            "the production profile refuses plaintext: the gRPC port needs FLIGHTLINE_GRPC_TLS_CERTIFICATE and FLIGHTLINE_GRPC_TLS_KEY"
        );
        ensure!(
            !serves_grpc || db.is_sure_of_server()?,
            "the production profile refuses a database server that does not prove itself: DATABASE_URL needs sslmode=verify-full"
        );
        // With an authority, addresses in plaintext are refused in any profile.
        let Some(part) = part else { return Ok(()) };
        ensure!(
            self.is_mutual() || !neighbours.has_any(part),
            "the production profile refuses plaintext: {part} calls other parts and needs FLIGHTLINE_GRPC_TLS_AUTHORITY"
        );
        Ok(())
    }

    /// Makes sure that the others know `part`, where they know each other by their certificates.
    ///
    /// # Errors
    ///
    /// They would take it for another, or for nobody.
    pub(crate) async fn check_name(&self, part: Option<Part>) -> anyhow::Result<()> {
        let Some(part) = part.filter(|_| self.is_mutual()) else { return Ok(()) };
        let files = self.files();
        ensure!(
            files.bear(part.name()).await?,
            "{part} is known to the other parts by the DNS name {part}, which its certificate does not bear ({files}): set FLIGHTLINE_GRPC_TLS_CERTIFICATE to its own"
        );
        Ok(())
    }

    fn files(&self) -> Files {
        let own = self.grpc_tls_certificate.clone().zip(self.grpc_tls_key.clone());
        Files { own, authority: self.grpc_tls_authority.clone() }
    }

    fn visitors(&self, part: Option<Part>) -> Visitors {
        let parts = Part::SERVICES.into_iter().chain([Part::Gateway]);
        let calls = |other: &Part| part.is_some_and(|part| other.calls(part));
        let parts = parts.filter(calls).map(|part| part.name().to_owned());
        let names: Arc<[String]> = parts.chain(self.grpc_tls_clients.iter().cloned()).collect();
        if names.is_empty() { Visitors::All } else { Visitors::Named(names) }
    }
}

/// The authority that a client outside the suite knows it by.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Known {
    /// Certificates of those who sign the suite's, as PEM, where its address begins with `https://`
    #[arg(long, env = "FLIGHTLINE_GRPC_TLS_AUTHORITY", value_name = "FILE")]
    authority: Option<PathBuf>,

    /// Certificate to show the suite, if it asks for one
    #[arg(long, env = "FLIGHTLINE_GRPC_TLS_CERTIFICATE", value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, env = "FLIGHTLINE_GRPC_TLS_KEY", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl Known {
    /// What to call `url` with.
    ///
    /// # Errors
    ///
    /// A file is missing or can't be used.
    pub async fn client(self, url: &str) -> anyhow::Result<Option<Client>> {
        if !url.starts_with("https://") {
            return Ok(None);
        }
        let authority = self.authority.context("https:// needs --authority")?;
        let files = Files { own: self.certificate.zip(self.key), authority: Some(authority) };
        Ok(Some(Client::new(files).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn names(part: Option<Part>, clients: &[&str]) -> Option<Vec<String>> {
        let clients = clients.iter().map(ToString::to_string).collect();
        let tls = Tls { grpc_tls_clients: clients, ..Tls::default() };
        match tls.visitors(part) {
            Visitors::All => None,
            Visitors::Named(names) => Some(names.to_vec()),
        }
    }

    #[test]
    fn a_part_lets_in_those_that_call_it_and_who_is_named() {
        let expected = Some(["telemetry", "gateway"].map(str::to_owned).to_vec());
        assert_eq!(names(Some(Part::Maintenance), &[]), expected);
        let named = names(Some(Part::Telemetry), &["historian"]).unwrap();
        assert_eq!(named, ["maintenance", "gateway", "historian"]);
        assert_eq!(names(None, &[]), None);
        assert_eq!(names(None, &["historian"]), Some(vec!["historian".to_owned()]));
    }

    fn refusal(part: Option<Part>, arguments: &[&str]) -> Option<String> {
        let arguments = arguments.iter().chain(&["--profile", "production"]);
        let config = Config::from_arguments(arguments).unwrap();
        let checked = config.tls.check(part, &config.neighbours, &config.db);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn production_refuses_plaintext_by_the_name_of_what_is_missing() {
        let http = ["--http-tls-certificate", "a", "--http-tls-key", "b"];
        let grpc = ["--grpc-tls-certificate", "a", "--grpc-tls-key", "b"];
        let both = [http, grpc].concat();
        let urls = [&["--auth-url", "http://auth:1"][..], &grpc].concat();
        let mutual = [&["--grpc-tls-authority", "c"][..], &urls].concat();

        for (part, arguments, missing) in [
            (None, &[][..], "FLIGHTLINE_HTTP_TLS_CERTIFICATE"),
            (None, &http, "FLIGHTLINE_GRPC_TLS_CERTIFICATE"),
            (Some(Part::Gateway), &grpc, "FLIGHTLINE_HTTP_TLS_CERTIFICATE"),
            (Some(Part::Telemetry), &[], "FLIGHTLINE_GRPC_TLS_CERTIFICATE"),
            (Some(Part::Telemetry), &urls, "FLIGHTLINE_GRPC_TLS_AUTHORITY"),
        ] {
            let refusal = refusal(part, arguments).unwrap();
            assert!(refusal.contains(missing), "{part:?} {arguments:?}: {refusal}");
        }
        assert_eq!(refusal(None, &both), None);
        assert_eq!(refusal(Some(Part::Telemetry), &mutual), None);
    }

    #[test]
    fn production_refuses_a_database_server_that_may_be_anybody() {
        let http = ["--http-tls-certificate", "a", "--http-tls-key", "b"];
        let grpc = ["--grpc-tls-certificate", "a", "--grpc-tls-key", "b"];
        let both = [http, grpc].concat();

        for (url, is_sure) in [
            ("postgres://u@db.example/flightline", false),
            ("postgres://u@db.example/flightline?sslmode=disable", false),
            ("postgres://u@db.example/flightline?sslmode=require", false),
            ("postgres://u@192.0.2.1/flightline?host=db.example", false),
            ("postgres://u@db.example/flightline?sslmode=verify-ca", true),
            ("postgres://u@db.example/flightline?sslmode=verify-full", true),
            ("postgres://u@localhost/flightline", true),
            ("postgres://u@127.0.0.1:5433/flightline", true),
            ("postgres://u@[::1]/flightline", true),
            ("postgres:///flightline?host=/run/postgresql", true),
            ("postgres://u@%2Frun%2Fpostgresql/flightline", true),
        ] {
            let arguments = [&["--database-url", url][..], &both].concat();
            let refusal = refusal(None, &arguments);
            assert_eq!(refusal.is_none(), is_sure, "{url}: {refusal:?}");
            assert!(refusal.is_none_or(|why| why.contains("sslmode=verify-full")), "{url}");
        }
        // The gateway has no database.
        let elsewhere = ["--database-url", "postgres://u@db.example/flightline"];
        assert_eq!(refusal(Some(Part::Gateway), &[&http[..], &elsewhere].concat()), None);
    }

    #[test]
    fn half_a_certificate_is_refused() {
        for half in ["--http-tls-certificate", "--http-tls-key", "--grpc-tls-authority"] {
            assert!(Config::from_arguments([half, "file"]).is_err(), "{half}");
        }
    }
}
