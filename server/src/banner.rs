//! What `serve` tells people at its start: where things are and what to try first.

use std::fmt::Write;

use sqlx::postgres::PgConnectOptions;

use crate::{Config, Part, Running};

/// Prints it.
#[expect(clippy::print_stdout, reason = "for the person who started it")]
pub fn print(config: &Config, running: &Running) {
    println!("{}", text(config, running));
}

fn text(config: &Config, running: &Running) -> String {
    let what = match running.part() {
        None => "Flightline".to_owned(),
        Some(part) => format!("Flightline's {part}"),
    };
    let mut text = format!("\n{what} is running. Ctrl-C stops it.\n\n");
    let mut line = |name: &str, value: &str| {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    if let Some(url) = running.http_url() {
        line("REST", &url);
    }
    if let Some(url) = running.grpc_url() {
        line("gRPC", bare(&url));
    }
    if running.part() != Some(Part::Gateway) {
        let (name, value) = storage(config);
        line(name, &value);
    }
    if matches!(running.part(), None | Some(Part::Auth)) {
        line("Admin", &admin(running));
    }
    if let (Some(http), Some(grpc)) = (running.http_url(), running.grpc_url()) {
        text.push_str(&first_calls(config, running, &http, bare(&grpc)));
    }
    text
}

/// Where the data is; of a server, nothing that is secret.
fn storage(config: &Config) -> (&'static str, String) {
    let Some(url) = &config.db.database_url else {
        return ("Data", config.db.data_dir.display().to_string());
    };
    let described = url.parse::<PgConnectOptions>().map(|options| {
        let (host, port) = (options.get_host(), options.get_port());
        format!("{} on {host}:{port}", options.get_database().unwrap_or("default database"))
    });
    ("Database", described.unwrap_or_else(|_| "PostgreSQL".to_owned()))
}

fn admin(running: &Running) -> String {
    match running.first_admin() {
        None => "made at an earlier start; `flightline admin create` makes another".to_owned(),
        Some(admin) => match &admin.password {
            None => format!("{}, with the password that was set", admin.username),
            Some(password) => {
                let (name, password) = (&admin.username, password.reveal());
                format!("{name}, password {password}  (just made, shown once: keep it)")
            }
        },
    }
}

fn first_calls(config: &Config, running: &Running, http: &str, grpc: &str) -> String {
    let first = running.first_admin();
    let username = first.map_or(&config.auth.admin_username, |admin| &admin.username);
    let generated = first.and_then(|admin| admin.password.as_ref());
    let password = generated.map_or("…", |password| password.reveal());
    format!(
        r#"
Try it:

  curl {http}/api/token -H 'Content-Type: application/json' \
    -d '{{"username": "{username}", "password": "{password}"}}'
  TOKEN=…  # its "access"
  curl {http}/api/equipment -H "Authorization: Bearer $TOKEN"
  grpcurl -plaintext {grpc} list
"#
    )
}

fn bare(url: &str) -> &str {
    url.trim_start_matches("http://")
}
