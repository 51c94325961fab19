//! What whoever gave one of the commands is told.

use kit::db::Config;

use super::Contents;

/// As a manifest has it.
pub fn engine(db: &Config) -> &'static str {
    if db.server().is_some() { "PostgreSQL" } else { "SQLite" }
}

/// Says what was copied.
pub fn tell(contents: &Contents) {
    for service in &contents.services {
        let (name, rows, tables) = (service.schema.service, service.rows(), service.tables.len());
        say(&format!("{name:<12} {rows:>12} rows in {tables} tables"));
    }
}

/// Says it to whoever gave the command.
#[expect(clippy::print_stdout, reason = "for the person who gave the command")]
pub fn say(line: &str) {
    println!("{line}");
}
