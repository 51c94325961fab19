//! `flightline admin`: accounts, without a running suite.

use std::io;

use anyhow::Context;
use auth::{NewAdmin, Secret};
use clap::Subcommand;
use kit::Clock;

/// Looks after the accounts.
#[derive(Subcommand)]
pub enum Admin {
    /// Make another admin, in the database itself; the suite may run meanwhile. The password is generated and printed
    /// once, unless it comes on standard input
    Create {
        /// Name to log in with
        #[arg(long, value_name = "NAME")]
        username: String,

        /// E-mail address [default: the name, at localhost]
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,

        /// How people write the name
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        full_name: String,

        /// Take the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,

        #[command(flatten)]
        db: kit::db::Config,
    },
}

impl Admin {
    /// Does it.
    ///
    /// # Errors
    ///
    /// There is no suite's data, the name or address is taken, a field breaks a rule, or the database can't be reached.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Create { username, email, full_name, password_stdin, db } = self;
        let password = password_stdin.then(first_line).transpose()?;
        let email = email.unwrap_or_else(|| format!("{username}@localhost"));
        let who = format!("{username} <{email}>");
        let new = NewAdmin { username: username.clone(), email: Some(email), full_name, password };

        let generated = auth::create_admin(&db, &Clock::system(), new)
            .await
            .with_context(|| format!("can't make the admin {who}"))?;
        tell(&username, generated.as_ref());
        Ok(())
    }
}

fn first_line() -> anyhow::Result<Secret> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("can't read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

#[expect(clippy::print_stdout, reason = "for the person who made the admin")]
fn tell(username: &str, generated: Option<&Secret>) {
    match generated {
        None => println!("{username} may log in."),
        Some(password) => {
            println!("{username} may log in. The password, shown once: {}", password.reveal());
        }
    }
}
