//! The gateway's settings.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use clap::builder::RangedU64ValueParser;

use crate::{Origins, Proxies};

/// What an operator may change about the public port. The flags and variables carry `http`, because one process may
/// serve gRPC as well.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[group(id = "gateway")]
pub struct Config {
    /// Address of the REST surface [default: 0.0.0.0:8000].
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_LISTEN",
        value_name = "ADDRESS",
        value_parser = kit::process::address
    )]
    pub http_listen: Option<SocketAddr>,

    /// Port of the REST surface on all addresses, unless the address is given: what hosting platforms set.
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub http_port: Option<u16>,

    /// Connections served at a time; more wait in the listener's queue.
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_MAX_CONNECTIONS",
        default_value_t = MAX_CONNECTIONS,
        value_parser = connections()
    )]
    pub http_max_connections: usize,

    /// Connections that one address may hold [default: any number]. All of a site may come from one address.
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "NUMBER",
        value_parser = connections()
    )]
    pub http_max_connections_per_address: Option<usize>,

    /// Seconds a connection may live, give or take a tenth; its requests under way then have the time to drain.
    #[arg(long, env = "FLIGHTLINE_HTTP_MAX_AGE_SECONDS", default_value = "3600", value_parser = seconds)]
    pub http_max_age_seconds: Duration,

    /// Seconds a client may take for the head of a request, and a connection may lie idle.
    #[arg(long, env = "FLIGHTLINE_HTTP_HEADER_SECONDS", default_value = "10", value_parser = seconds)]
    pub http_header_seconds: Duration,

    /// Seconds in which the body of a request must end or come on by 16 KiB.
    #[arg(long, env = "FLIGHTLINE_HTTP_BODY_IDLE_SECONDS", default_value = "10", value_parser = seconds)]
    pub http_body_idle_seconds: Duration,

    /// Seconds a client may take no byte of its answer.
    #[arg(long, env = "FLIGHTLINE_HTTP_WRITE_IDLE_SECONDS", default_value = "20", value_parser = seconds)]
    pub http_write_idle_seconds: Duration,

    /// Bytes of a request body, where the method doesn't allow more.
    #[arg(long, env = "FLIGHTLINE_HTTP_MAX_BODY_BYTES", default_value_t = MAX_BODY_BYTES)]
    pub http_max_body_bytes: usize,

    /// Bytes of all request bodies held at a time; whoever sends more is asked to come again.
    #[arg(long, env = "FLIGHTLINE_HTTP_BODY_MEMORY_BYTES", default_value_t = BODY_MEMORY_BYTES)]
    pub http_body_memory_bytes: usize,

    /// Seconds a service may take to answer.
    #[arg(long, env = "FLIGHTLINE_HTTP_DEADLINE_SECONDS", default_value = "10", value_parser = seconds)]
    pub http_deadline_seconds: Duration,

    /// Seconds between the comments or empty lines that keep a quiet stream open.
    #[arg(long, env = "FLIGHTLINE_HTTP_KEEP_ALIVE_SECONDS", default_value = "15", value_parser = seconds)]
    pub http_keep_alive_seconds: Duration,

    /// Web origins whose pages may call, separated by commas, or `*` for all: `https://maintenance.example.org`. None by
    /// default; pages from this very port need no leave.
    #[arg(
        long,
        env = "FLIGHTLINE_HTTP_CORS_ORIGINS",
        value_name = "ORIGINS",
        default_value = "",
        hide_default_value = true
    )]
    pub http_cors_origins: Origins,

    /// Networks and addresses of the proxies in front of this port, separated by commas: `10.0.0.0/8,192.0.2.7`. A caller who
    /// comes through them is counted by the address that they add to `x-forwarded-for`; nobody else's header is believed.
    #[arg(
        long,
        env = "FLIGHTLINE_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        default_value = "",
        hide_default_value = true
    )]
    pub trusted_proxies: Proxies,

    /// Seconds that requests under way may take to finish when the process stops.
    #[arg(long, env = "FLIGHTLINE_HTTP_DRAIN_SECONDS", default_value = "25", value_parser = seconds)]
    pub http_drain_seconds: Duration,
}

const PORT: u16 = 8000;
const MAX_CONNECTIONS: usize = 1024;
const MAX_BODY_BYTES: usize = 1 << 20;
const BODY_MEMORY_BYTES: usize = 256 << 20;

impl Config {
    /// Where to listen: the address that was given, or all addresses on `PORT`.
    pub fn listen_addr(&self) -> SocketAddr {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        self.http_listen.unwrap_or(SocketAddr::new(everywhere, self.http_port.unwrap_or(PORT)))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http_listen: None,
            http_port: None,
            http_max_connections: MAX_CONNECTIONS,
            http_max_connections_per_address: None,
            http_max_age_seconds: Duration::from_hours(1),
            http_header_seconds: Duration::from_secs(10),
            http_body_idle_seconds: Duration::from_secs(10),
            http_write_idle_seconds: Duration::from_secs(20),
            http_max_body_bytes: MAX_BODY_BYTES,
            http_body_memory_bytes: BODY_MEMORY_BYTES,
            http_deadline_seconds: Duration::from_secs(10),
            http_keep_alive_seconds: Duration::from_secs(15),
            http_cors_origins: Origins::default(),
            trusted_proxies: Proxies::default(),
            http_drain_seconds: Duration::from_secs(25),
        }
    }
}

/// Reads how many connections there may be; with none, every call would wait for ever.
fn connections() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Reads `10` or `0.5`; zero would mean never, which none of these settings can keep.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Config {
        // The variables of whoever runs the tests are none of the test's business.
        let command: Command = Program::command().mut_args(|argument| argument.env(None::<&str>));
        let all = std::iter::once("program").chain(arguments.iter().copied());
        Program::from_arg_matches(&command.get_matches_from(all)).unwrap().config
    }

    #[test]
    fn the_settings_are_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn the_defaults_in_code_are_those_of_the_command_line() {
        assert_eq!(parse(&[]), Config::default());
    }

    #[test]
    fn the_port_alone_moves_the_default_address() {
        assert_eq!(parse(&[]).listen_addr().to_string(), "0.0.0.0:8000");
        assert_eq!(parse(&["--http-port", "8080"]).listen_addr().to_string(), "0.0.0.0:8080");
    }

    #[test]
    fn the_address_beats_the_port() {
        let config = parse(&["--http-port", "8080", "--http-listen", "127.0.0.1:9000"]);

        assert_eq!(config.listen_addr().to_string(), "127.0.0.1:9000");
    }

    #[test]
    fn a_setting_of_no_seconds_is_refused() {
        assert!(seconds("0").is_err());
        assert!(seconds("-1").is_err());
        assert!(seconds("NaN").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
