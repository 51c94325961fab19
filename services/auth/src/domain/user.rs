//! People with an account.

use std::time::Duration;

use kit::{Error, Result, Timestamp, access::Role};

use super::{audit::Event, password::PasswordHash};

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

    /// Changes what `change` says; who is no admin changes no role.
    pub fn apply(&mut self, change: Change, by_admin: bool) -> Result<()> {
        let Change { username, email, full_name, role } = change;
        let role = role.unwrap_or(self.role);
        if role != self.role && !by_admin {
            return Err(Error::Forbidden("an admin says who has which role"));
        }
        self.role = role;
        self.username = username.unwrap_or_else(|| self.username.clone());
        self.email = email.unwrap_or_else(|| self.email.clone());
        self.full_name = full_name.unwrap_or_else(|| self.full_name.clone());
        Ok(())
    }

    /// They go. The username and the name stay, because history shows them, and nobody else may come under them; the
    /// e-mail address is nobody's business any more.
    pub fn delete(&mut self, now: Timestamp) {
        self.email.clear();
        self.deleted_at = Some(now);
        self.touch(now);
    }

    /// Tells the audit trail what became different. Of the e-mail address it says that alone: the trail keeps what it was
    /// told, and who goes takes the address with them.
    pub fn differences(&self, before: &Self, mut event: Event) -> Event {
        if before.email != self.email {
            event = event.with("email", "changed");
        }
        for (field, old, new) in [
            ("username", before.username.as_str(), self.username.as_str()),
            ("full_name", &before.full_name, &self.full_name),
            ("role", before.role.name(), self.role.name()),
        ] {
            if old != new {
                event = event.with(field, format!("{old} → {new}"));
            }
        }
        event
    }

    /// Notes that something about them is changing. Of two changes the later has the later time, whatever the clocks say:
    /// what others know of them is what is newest by it.
    pub fn touch(&mut self, now: Timestamp) {
        self.updated_at = now.max(self.updated_at.plus(Duration::from_micros(1)));
        self.revision += 1;
    }
}

/// What shall be different about a person.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub username: Option<String>,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub role: Option<Role>,
}

/// A person, and what proves that it is them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    #[sqlx(flatten)]
    pub user: User,
    pub password_hash: PasswordHash,
    /// Counts the passwords that they chose; a stronger hash of the same one counts nothing.
    pub password_revision: i64,
}

impl Account {
    pub fn new(user: User, password_hash: PasswordHash) -> Self {
        Self { user, password_hash, password_revision: 1 }
    }
}

/// Refuses text that no name is written in, which came in as `field`. One of the engines can't even look for NUL.
pub fn check_text(field: &str, text: &str) -> Result<()> {
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must have no control characters"));
    }
    Ok(())
}

/// Refuses text that can look like another because of what can't be seen in it, which came in as `field`. Joiners (U+200C, U+200D)
/// are letters of some scripts.
fn check_visible(field: &str, text: &str) -> Result<()> {
    let hides = |c| {
        matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    if text.contains(hides) {
        let problem = "must have nothing that can't be seen or that changes the direction of text";
        return Err(Error::invalid(field, problem));
    }
    Ok(())
}

/// Refuses what others could not read as a name, which came in as `field`; no name at all is one.
pub fn check_name(field: &str, name: &str) -> Result<()> {
    check_text(field, name)?;
    check_visible(field, name)?;
    if name.trim() != name {
        return Err(Error::invalid(field, "must not begin or end with a space"));
    }
    Ok(())
}

/// Refuses what is no username, which came in as `field`: 1 to 64 letters, digits, `.`, `_` or `-`, of which the first is a
/// letter or digit. Where people are named by id or as `me`, nobody must be taken for somebody else.
pub fn check_username(field: &str, name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !begins_well || name.len() > 64 || !name.bytes().all(plain) {
        return Err(Error::invalid(
            field,
            "must have 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit",
        ));
    }
    if name.eq_ignore_ascii_case("me") || UserId::parse(field, name).is_ok() {
        return Err(Error::invalid(field, "must not be `me` or an id"));
    }
    Ok(())
}

/// Refuses what is no e-mail address, which came in as `field`: something before and a domain after one `@`. More than
/// that, only the mail server knows.
pub fn check_email(field: &str, email: &str) -> Result<()> {
    let plain = |text: &str| {
        let strange = |c: char| c.is_whitespace() || c.is_control() || c == '@';
        !text.is_empty() && !text.contains(strange)
    };
    let is_address = email.split_once('@').is_some_and(|(local, domain)| {
        plain(local) && plain(domain) && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if !is_address {
        return Err(Error::invalid(field, "must be an e-mail address"));
    }
    check_visible(field, email)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_000_000);

    fn ana() -> User {
        let (name, email) = ("ana".to_owned(), "ana@example.org".to_owned());
        User::new(name, email, String::new(), Role::Technician, NOW)
    }

    #[test]
    fn only_an_admin_gives_another_role() {
        let to = |role| Change { role: Some(role), ..Change::default() };
        assert!(ana().apply(to(Role::Admin), false).is_err());
        ana().apply(to(Role::Technician), false).unwrap();
        let mut promoted = ana();
        promoted.apply(to(Role::Admin), true).unwrap();
        assert_eq!(promoted.role, Role::Admin);
    }

    #[test]
    fn who_goes_leaves_the_name_and_takes_the_address() {
        let mut user = ana();
        user.delete(NOW);
        assert_eq!((user.username.as_str(), user.email.as_str()), ("ana", ""));
        assert_eq!((user.deleted_at, user.revision), (Some(NOW), 2));
    }

    #[test]
    fn of_two_changes_the_later_has_the_later_time_whatever_the_clocks_say() {
        let (mut user, later) = (ana(), NOW.plus(Duration::from_secs(1)));
        user.touch(later);
        assert_eq!(user.updated_at, later);
        for behind in [NOW, later] {
            let before = user.updated_at;
            user.touch(behind);
            assert!(before < user.updated_at, "{behind}");
        }
        assert_eq!(user.revision, 4);
    }

    #[test]
    fn names_and_addresses_have_a_form() {
        for good in ["a", "Ana-Maria_2.x"] {
            check_username("username", good).unwrap();
        }
        let id = UserId::new().to_string();
        for bad in ["", "two words", "a@b", "é", &"x".repeat(65), ".", "..", "-x", "me", "Me", &id]
        {
            assert!(check_username("username", bad).is_err(), "{bad:?}");
        }
        for good in ["", "Ana Lima", "安娜", "آنا", "O'Neil-7"] {
            check_name("full_name", good).unwrap();
        }
        for bad in
            [" ", "Ana ", "\u{3000}Ana", "A\0na", "Ana\u{202e}amiL", "\u{2066}Ana", "An\u{200b}a"]
        {
            assert!(check_name("full_name", bad).is_err(), "{bad:?}");
        }
        check_email("email", "ana@localhost").unwrap();
        for bad in ["", "ana", "@b", "a@", "a@b@c", "a b@c", "a@.c", "a@c.", "\u{202e}a@b"] {
            assert!(check_email("email", bad).is_err(), "{bad:?}");
        }
    }
}
