//! What a broken constraint means.

use super::{Error, Result};

/// Gives a constraint violation its meaning.
pub trait OnConstraint<T>: Sized {
    /// Answers `meaning` if the database refused because of the constraint `name`.
    ///
    /// # Errors
    ///
    /// `meaning`, or whatever else went wrong.
    fn on_constraint(self, name: &str, meaning: Error) -> Result<T> {
        self.on_constraints([(name, meaning)])
    }

    /// Answers the meaning that stands beside the name of the constraint because of which the database refused.
    ///
    /// # Errors
    ///
    /// That meaning, or whatever else went wrong.
    fn on_constraints<const N: usize>(self, meanings: [(&str, Error); N]) -> Result<T>;
}

impl<T> OnConstraint<T> for sqlx::Result<T> {
    fn on_constraints<const N: usize>(self, meanings: [(&str, Error); N]) -> Result<T> {
        self.map_err(|error| {
            let broken = match &error {
                sqlx::Error::Database(database) => constraint(database.as_ref()),
                _ => None,
            };
            let meaning = meanings.into_iter().find(|(name, _)| broken.as_deref() == Some(*name));
            meaning.map_or_else(|| error.into(), |(_, meaning)| meaning)
        })
    }
}

/// The name of the constraint that was broken, by PostgreSQL's convention on both engines: SQLite names the columns
/// (`tasks.alert_id`), which make the same name (`tasks_alert_id_key`).
fn constraint(error: &dyn sqlx::error::DatabaseError) -> Option<String> {
    if let Some(name) = error.constraint() {
        return Some(name.to_owned());
    }
    let columns = error.message().strip_prefix("UNIQUE constraint failed: ")?;
    if let Some(index) = columns.strip_prefix("index '") {
        return Some(index.trim_end_matches('\'').to_owned());
    }
    let mut name = String::new();
    for column in columns.split(", ") {
        let (table, column) = column.split_once('.')?;
        if name.is_empty() {
            name.push_str(table);
        }
        name.push('_');
        name.push_str(column);
    }
    Some(name + "_key")
}
