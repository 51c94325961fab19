//! What `serve` tells people at its start: where things are and what to try first.

use std::fmt::Write;

use sqlx::postgres::PgConnectOptions;

use crate::{Config, Part, Running, Tls};

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
    line("Metrics", &format!("{}/metrics", running.metrics_url()));
    if running.part() != Some(Part::Gateway) {
        let (name, value) = storage(&config.db);
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
fn storage(db: &kit::db::Config) -> (&'static str, String) {
    let Some(url) = db.server() else {
        return ("Data", db.data_dir.display().to_string());
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
    // Who knows the authority is for the person to say.
    let authority = if http.starts_with("https") { " --cacert authority.pem" } else { "" };
    let list = list(&config.tls, grpc).unwrap_or_default();
    format!(
        r#"
Try it:

  curl{authority} {http}/api/token -H 'Content-Type: application/json' \
    -d '{{"username": "{username}", "password": "{password}"}}'
  TOKEN=…  # its "access"
  curl{authority} {http}/api/equipment -H "Authorization: Bearer $TOKEN"
{list}"#
    )
}

/// Asks which methods there are, if anybody is told.
fn list(tls: &Tls, grpc: &str) -> Option<String> {
    let proof = match (&tls.grpc_tls_certificate, &tls.grpc_tls_authority) {
        (None, _) => "-plaintext",
        (Some(_), None) => "-cacert authority.pem",
        (Some(_), Some(_)) => "-cacert authority.pem -cert client.pem -key client-key.pem",
    };
    tls.reflects().then(|| format!("  grpcurl {proof} {grpc} list\n"))
}

fn bare(url: &str) -> &str {
    url.trim_start_matches("http://").trim_start_matches("https://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_password_that_was_set_is_not_shown() {
        let (running, config, _folder) = testing::suite().await;

        let text = text(&config, &running);

        for part in [running.http_url(), running.grpc_url()] {
            assert!(text.contains(bare(&part.unwrap())), "{text}");
        }
        assert!(text.contains("admin, with the password that was set"), "{text}");
        assert!(!text.contains(config.auth.admin_password.unwrap().reveal()), "{text}");
    }

    #[test]
    fn which_methods_there_are_is_asked_of_who_tells() {
        let tls = |arguments: &[&str]| Config::from_arguments(arguments).unwrap().tls;
        let own = ["--grpc-tls-certificate", "a", "--grpc-tls-key", "b"];
        let mutual = [&own[..], &["--grpc-tls-authority", "c"]].concat();
        let production = [&own[..], &["--profile", "production"]].concat();

        let list = |arguments: &[&str]| super::list(&tls(arguments), "here").unwrap_or_default();

        assert_eq!(list(&[]), "  grpcurl -plaintext here list\n");
        assert_eq!(list(&own), "  grpcurl -cacert authority.pem here list\n");
        assert!(list(&mutual).contains("-cert client.pem"));
        assert_eq!(list(&production), "");
    }

    #[test]
    fn of_a_database_server_nothing_secret_is_shown() {
        for url in [
            "postgres://flightline:s3cret@db.example:5433/plant",
            "postgres://db.example:5433/plant?user=flightline&password=s3cret",
        ] {
            let database_url = Some(url.to_owned());
            let db =
                kit::db::Config { data_dir: "data".into(), database_url, database_connections: 1 };
            let expected = ("Database", "plant on db.example:5433".to_owned());
            assert_eq!(storage(&db), expected);
        }
    }
}
