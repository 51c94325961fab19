//! Settings.

use crate::Secret;

/// Who may come, and who comes first.
#[derive(Clone, Debug, clap::Args)]
// Every part's settings are called `Config`; clap would take the name for one and the same group.
#[group(skip)]
pub struct Config {
    /// Username of the first admin, who is made when there is nobody yet.
    #[arg(long, env = "FLIGHTLINE_ADMIN_USERNAME", default_value = "admin")]
    pub admin_username: String,

    /// Password of the first admin. None: one is made and printed once.
    #[arg(long, env = "FLIGHTLINE_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<Secret>,

    /// Whether people may register themselves.
    #[arg(long, env = "FLIGHTLINE_REGISTRATION", value_enum, default_value_t = Registration::Open)]
    pub registration: Registration,

    /// Days for which a key signs access tokens before the next one does; nobody is logged out by that.
    #[arg(
        long,
        env = "FLIGHTLINE_SIGNING_KEY_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=3650),
    )]
    pub signing_key_days: u32,

    /// Days for which the audit trail is kept.
    #[arg(
        long,
        env = "FLIGHTLINE_AUDIT_DAYS",
        default_value_t = 365,
        value_parser = clap::value_parser!(u32).range(1..=36_500),
    )]
    pub audit_days: u32,
}

impl Config {
    /// The password that was set for the first admin; a variable that is set to nothing is not set.
    pub fn first_password(&self) -> Option<Secret> {
        self.admin_password.clone().filter(|password| !password.reveal().is_empty())
    }
}

/// Whether people may register themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Registration {
    /// Anybody becomes a technician.
    Open,
    /// An admin makes the accounts.
    Closed,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        auth: Config,
        #[command(flatten)]
        _db: kit::db::Config,
    }

    #[test]
    fn the_settings_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn anybody_may_register_unless_told_otherwise() {
        let auth = Cli::try_parse_from(["flightline"]).unwrap().auth;
        assert_eq!(
            (auth.admin_username.as_str(), auth.registration),
            ("admin", Registration::Open)
        );
        assert!(auth.admin_password.is_none());

        let closed = Cli::try_parse_from(["flightline", "--registration", "closed"]).unwrap();
        assert_eq!(closed.auth.registration, Registration::Closed);
    }

    #[test]
    fn a_configured_password_is_not_shown() {
        let arguments = ["flightline", "--admin-password", "correct horse battery"];
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert_eq!(cli.auth.admin_password.as_ref().unwrap().reveal(), "correct horse battery");
        assert!(!format!("{cli:?}").contains("horse"));
        assert!(cli.auth.first_password().is_some());

        let empty = Cli::try_parse_from(["flightline", "--admin-password", ""]).unwrap();
        assert!(empty.auth.first_password().is_none());
    }
}
