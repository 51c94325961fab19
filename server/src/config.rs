//! Settings.

use std::ffi::OsString;

use anyhow::Context;
use auth::Secret;
use clap::{Args, Command, FromArgMatches};
use kit::{
    peer::{self, Peer, Peers, Places},
    tls,
};

use crate::{Part, tls::Tls};

/// The shortest secret that is not to be guessed.
const SECRET_LENGTH: usize = 16;

/// What the suite, or one part of it, is started with.
#[derive(Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// The REST port.
    #[command(flatten)]
    pub gateway: gateway::Config,
    /// The gRPC port.
    #[command(flatten)]
    pub grpc: kit::process::Config,
    /// The operators' port.
    #[command(flatten)]
    pub observe: kit::observe::Config,
    /// Where traces go.
    #[command(flatten)]
    pub traces: kit::trace::Config,
    /// The databases.
    #[command(flatten)]
    pub db: kit::db::Config,
    /// Who may come.
    #[command(flatten)]
    pub auth: auth::Config,
    /// What is kept.
    #[command(flatten)]
    pub telemetry: telemetry::Config,
    /// Who hears and who may speak.
    #[command(flatten)]
    pub tls: Tls,
    /// The other parts.
    #[command(flatten)]
    pub neighbours: Neighbours,
}

/// Where a part that runs alone finds the others, and how it proves itself to them.
#[derive(Clone, Default, clap::Args)]
#[group(skip)]
pub struct Neighbours {
    /// Where a part that runs alone finds auth.
    #[arg(long, env = "FLIGHTLINE_AUTH_URL", value_name = "URL", value_parser = url)]
    pub auth_url: Option<String>,

    /// Where a part that runs alone finds equipment.
    #[arg(long, env = "FLIGHTLINE_EQUIPMENT_URL", value_name = "URL", value_parser = url)]
    pub equipment_url: Option<String>,

    /// Where a part that runs alone finds maintenance.
    #[arg(long, env = "FLIGHTLINE_MAINTENANCE_URL", value_name = "URL", value_parser = url)]
    pub maintenance_url: Option<String>,

    /// Where a part that runs alone finds telemetry.
    #[arg(long, env = "FLIGHTLINE_TELEMETRY_URL", value_name = "URL", value_parser = url)]
    pub telemetry_url: Option<String>,

    /// Secret by which parts that run alone prove themselves to each other. Other users of this machine can see
    /// arguments, so set the variable.
    #[arg(
        long,
        env = "FLIGHTLINE_SERVICE_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        value_parser = secret
    )]
    pub service_secret: Option<Secret>,
}

impl Config {
    /// Settings as on the command line (`["--data-dir", "/srv/flightline"]`), whatever the environment says: for tests
    /// and tools that start a suite of their own.
    ///
    /// # Errors
    ///
    /// The command line would refuse them, too.
    pub fn from_arguments<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let command = Self::augment_args(Command::new("flightline")).no_binary_name(true);
        let command = command.mut_args(|argument| argument.env(None::<&str>));
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    /// The parts around `part`, which runs alone and itself fills its place, or around all.
    ///
    /// # Errors
    ///
    /// The address of one that it calls is missing, or a file with a certificate is no good.
    pub async fn peers(&self, part: Option<Part>, places: &Places) -> anyhow::Result<Peers> {
        let Some(part) = part else {
            let unused = self.neighbours.unused();
            if !unused.is_empty() {
                tracing::warn!(?unused, "not looked at: every part runs in this process");
            }
            return Ok(places.peers());
        };
        self.neighbours.peers(part, places, self.tls.client().await?.as_ref())
    }
}

impl Neighbours {
    /// The parts around `part`, which runs alone and calls them with what it has for TLS.
    ///
    /// # Errors
    ///
    /// The address of one that it calls is missing.
    fn peers(
        &self,
        part: Part,
        places: &Places,
        tls: Option<&tls::Client>,
    ) -> anyhow::Result<Peers> {
        let of = |other| self.peer(part, other, places, tls);
        Ok(Peers {
            auth: of(Part::Auth)?,
            equipment: of(Part::Equipment)?,
            maintenance: of(Part::Maintenance)?,
            telemetry: of(Part::Telemetry)?,
        })
    }

    fn peer(
        &self,
        part: Part,
        other: Part,
        places: &Places,
        tls: Option<&tls::Client>,
    ) -> anyhow::Result<Peer> {
        let (url, variable) = self.url(other);
        match url {
            // Another would let it in by no certificate, and log each attempt.
            Some(url) if part.calls(other) => {
                let needs = "https:// needs FLIGHTLINE_GRPC_TLS_AUTHORITY, and http:// none";
                peer::part(other.name(), url, tls).context(needs).context(variable)
            }
            None if part.calls(other) => {
                anyhow::bail!("{part} needs {other}: set {variable}, as in http://{other}:50051")
            }
            // Itself, or one that it doesn't call.
            _ => Ok(other.place(places).cloned().unwrap_or_default().peer()),
        }
    }

    /// The address of a part, and the variable that sets it.
    fn url(&self, part: Part) -> (Option<&str>, &'static str) {
        let (url, variable) = match part {
            Part::Auth => (&self.auth_url, "FLIGHTLINE_AUTH_URL"),
            Part::Equipment => (&self.equipment_url, "FLIGHTLINE_EQUIPMENT_URL"),
            Part::Maintenance => (&self.maintenance_url, "FLIGHTLINE_MAINTENANCE_URL"),
            Part::Telemetry => (&self.telemetry_url, "FLIGHTLINE_TELEMETRY_URL"),
            Part::Gateway => (&None, ""),
        };
        (url.as_deref(), variable)
    }

    /// Whether it is said where `part` finds one that it calls.
    pub(crate) fn has_any(&self, part: Part) -> bool {
        let is_called = |other: &Part| part.calls(*other) && self.url(*other).0.is_some();
        Part::SERVICES.iter().any(is_called)
    }

    /// Variables that name another process while everything runs in this one.
    fn unused(&self) -> Vec<&'static str> {
        let urls = Part::SERVICES.map(|part| self.url(part));
        urls.into_iter().filter_map(|(url, variable)| url.map(|_| variable)).collect()
    }

    /// What proves the services of this process: one of its own if it runs them all, or if they are proved by certificates.
    ///
    /// # Errors
    ///
    /// A service that runs alone has none.
    pub(crate) fn secret(&self, part: Option<Part>, is_proved: bool) -> anyhow::Result<Secret> {
        match (&self.service_secret, part) {
            (Some(secret), _) => Ok(secret.clone()),
            (None, None) => Ok(Secret::random()?),
            // Its certificate is asked for.
            (None, Some(_)) if is_proved => Ok(Secret::random()?),
            (None, Some(Part::Gateway)) => {
                tracing::warn!(
                    "FLIGHTLINE_SERVICE_SECRET is not set: the services take this gateway's address for that of all its callers"
                );
                Ok(Secret::random()?)
            }
            (None, Some(part)) => anyhow::bail!(
                "{part} must prove itself to the other parts: set FLIGHTLINE_SERVICE_SECRET to the same secret for all, or give each a certificate (FLIGHTLINE_GRPC_TLS_AUTHORITY)"
            ),
        }
    }
}

fn url(text: &str) -> Result<String, &'static str> {
    let are_addresses = |scheme: &str| {
        let host = |url: &str| {
            url.trim().strip_prefix(scheme).is_some_and(|host| {
                let host = host.strip_suffix('/').unwrap_or(host);
                // A path, a query or a user would be passed over in silence.
                !host.is_empty() && !host.contains(['/', '?', '#', '@'])
            })
        };
        text.split(',').all(host)
    };
    if are_addresses("http://") || are_addresses("https://") {
        Ok(text.to_owned())
    } else {
        Err("must be an address, as in http://127.0.0.1:50051, or several, separated by commas")
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.chars().count() < SECRET_LENGTH {
        return Err(format!("must have at least {SECRET_LENGTH} characters"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tonic::Code;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;

    fn neighbours() -> Neighbours {
        let at = |port| Some(format!("http://127.0.0.1:{port}"));
        Neighbours {
            auth_url: at(1),
            equipment_url: at(2),
            maintenance_url: at(3),
            telemetry_url: at(4),
            service_secret: None,
        }
    }

    #[tokio::test]
    async fn a_part_that_runs_alone_names_the_address_that_it_lacks() {
        let without = Neighbours { maintenance_url: None, ..neighbours() };
        let error = without.peers(Part::Telemetry, &Places::default(), None).err().unwrap();
        assert_eq!(
            error.to_string(),
            "telemetry needs maintenance: set FLIGHTLINE_MAINTENANCE_URL, as in http://maintenance:50051"
        );
        assert!(without.peers(Part::Gateway, &Places::default(), None).is_err());
        assert!(neighbours().peers(Part::Gateway, &Places::default(), None).is_ok());
    }

    #[tokio::test]
    async fn a_part_needs_no_address_of_its_own_nor_of_those_it_does_not_call() {
        let alone = Neighbours::default();
        let with_auth = Neighbours { auth_url: neighbours().auth_url, ..alone.clone() };
        assert!(with_auth.peers(Part::Equipment, &Places::default(), None).is_ok());
        let with_equipment = Neighbours { equipment_url: neighbours().equipment_url, ..alone };
        assert!(with_equipment.peers(Part::Auth, &Places::default(), None).is_ok());
    }

    #[tokio::test]
    async fn a_part_connects_to_none_that_it_does_not_call() {
        let telemetry = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Some(format!("http://{}", telemetry.local_addr().unwrap()));
        let neighbours = Neighbours { telemetry_url: url, ..neighbours() };

        let peers = neighbours.peers(Part::Equipment, &Places::default(), None).unwrap();
        let mut client = HealthClient::new(peers.telemetry);
        let refusal = tokio::select! {
            answer = client.check(HealthCheckRequest::default()) => answer.unwrap_err(),
            _ = telemetry.accept() => panic!("it was called"),
        };

        assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    }

    #[test]
    fn a_service_that_runs_alone_needs_the_secret() {
        let error = neighbours().secret(Some(Part::Telemetry), false).unwrap_err();
        assert!(error.to_string().contains("FLIGHTLINE_SERVICE_SECRET"), "{error}");
        assert!(neighbours().secret(Some(Part::Gateway), false).is_ok());
    }

    #[test]
    fn every_start_of_the_whole_suite_has_a_secret_of_its_own() {
        let [one, other] = [(); 2].map(|()| neighbours().secret(None, false).unwrap());
        assert_ne!(one.reveal(), other.reveal());
    }

    #[test]
    fn an_address_is_one_or_several_separated_by_commas() {
        for good in ["http://equipment:50051", "http://a:1,http://b:1", "https://a:1, https://b:1/"]
        {
            assert!(url(good).is_ok(), "{good}");
        }
        for nonsense in [
            "",
            "equipment:50051",
            "ftp://a",
            "https://",
            "http://a:1/flightline",
            "http://a:1?b",
            "http://a:1,b:1",
            "http://a:1,https://b:1",
        ] {
            assert!(url(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        assert!(secret("secret").is_err());
        assert!(secret("correct horse battery").is_ok());
    }
}
