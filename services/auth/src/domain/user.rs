//! People with an account.

use kit::{Error, Result, Timestamp, access::Role};

use super::password::PasswordHash;

kit::id!(
    /// Names one person, for ever.
    UserId
);

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Never reused.
    pub id: UserId,
    /// As given; unique without regard to case.
    pub username: String,
    /// As given; unique without regard to case.
    pub email: String,
    /// How people write the name.
    pub full_name: String,
    /// What they are trusted with.
    pub role: Role,
    /// When they came.
    pub created_at: Timestamp,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// Counts their changes.
    pub revision: i64,
    /// When they were deleted. Who is gone keeps a row, so that history keeps the name.
    pub deleted_at: Option<Timestamp>,
}

impl User {
    pub fn new(
        username: String,
        email: String,
        full_name: String,
        role: Role,
        now: Timestamp,
    ) -> Self {
        Self {
            id: UserId::new(),
            username,
            email,
            full_name,
            role,
            created_at: now,
            updated_at: now,
            revision: 1,
            deleted_at: None,
        }
    }

    /// Notes that something about them is changing.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now;
        self.revision += 1;
    }
}

/// A person, and what proves that it is them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    #[sqlx(flatten)]
    pub user: User,
    pub password_hash: PasswordHash,
}

/// The form in which usernames and e-mail addresses are compared.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Refuses text that no name is written in, which came in as `field`. One of the engines can't even look for NUL.
pub fn check_name(field: &str, name: &str) -> Result<()> {
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must have no control characters"));
    }
    Ok(())
}
