//! Who imports, and where to.

use anyhow::{Context, anyhow, bail};
use console::Term;
use kit::peer::{self, Peer, Secure};

use crate::{
    session::{Credentials, Session},
    tls::Known,
};

/// A running suite, and who calls it.
#[derive(clap::Args)]
pub struct Client {
    /// Where the suite's gRPC port is
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL")]
    server: String,

    #[command(flatten)]
    known: Known,

    #[command(flatten)]
    login: Login,
}

impl Client {
    /// Logs in. A terminal is asked for what was not set, unless standard input is taken.
    ///
    /// # Errors
    ///
    /// The suite can't be reached or refuses.
    pub async fn log_in(self, input_is_taken: bool) -> anyhow::Result<(Session, Peer)> {
        let client = self.known.client(&self.server).await?;
        let secure = client.map(|client| Secure { client, name: None });
        let server = peer::remote(&self.server, secure.as_ref()).context("--server is no URL")?;
        let credentials = self.login.credentials(input_is_taken)?;
        let session = Session::log_in(server.clone(), credentials).await;
        let session = session
            .map_err(|status| anyhow!("can't log in at {}: {}", self.server, status.message()))?;
        Ok((session, server))
    }
}

/// Whose name it is done in.
#[derive(clap::Args)]
#[group(id = "login")]
pub struct Login {
    /// Who does it [default: the first admin]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// Their password. Other users of this machine can see arguments, so set the variable; without it, a terminal is
    /// asked
    #[arg(long, env = "FLIGHTLINE_PASSWORD", hide_env_values = true)]
    password: Option<String>,

    #[arg(long, env = "FLIGHTLINE_ADMIN_USERNAME", default_value = "admin", hide = true)]
    admin_username: String,

    #[arg(long, env = "FLIGHTLINE_ADMIN_PASSWORD", hide = true)]
    admin_password: Option<String>,
}

impl Login {
    /// What to log in with; asks the terminal for a password that was not set, unless standard input is taken.
    ///
    /// # Errors
    ///
    /// There is no password and nobody to ask.
    pub fn credentials(self, input_is_taken: bool) -> anyhow::Result<Credentials> {
        let is_admin = self.username.as_ref().is_none_or(|name| *name == self.admin_username);
        let username = self.username.unwrap_or(self.admin_username);
        let known = self.password.or(self.admin_password.filter(|_| is_admin));
        let password = match known {
            Some(password) => password,
            None => ask(&username, input_is_taken)?,
        };
        Ok(Credentials { username, password })
    }
}

fn ask(username: &str, input_is_taken: bool) -> anyhow::Result<String> {
    let terminal = Term::stderr();
    if input_is_taken || !terminal.is_term() {
        bail!("no password for {username}: set FLIGHTLINE_PASSWORD");
    }
    terminal.write_str(&format!("Password of {username}: "))?;
    terminal.read_secure_line().context("can't read the password")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: Option<&str>, password: Option<&str>) -> Login {
        Login {
            username: username.map(str::to_owned),
            password: password.map(str::to_owned),
            admin_username: "chief".into(),
            admin_password: Some("the chief's".into()),
        }
    }

    #[test]
    fn the_first_admin_is_the_default() {
        let credentials = login(None, None).credentials(true).unwrap();
        assert_eq!((&*credentials.username, &*credentials.password), ("chief", "the chief's"));
    }

    #[test]
    fn the_admins_password_is_sent_for_nobody_else() {
        assert!(login(Some("ana"), None).credentials(true).is_err());
        let credentials = login(Some("ana"), Some("ana's")).credentials(true).unwrap();
        assert_eq!((&*credentials.username, &*credentials.password), ("ana", "ana's"));
    }
}
