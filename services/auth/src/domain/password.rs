//! Passwords: how long they are, and how they are kept.

use std::{cmp::Reverse, fmt};

use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHasher, PasswordVerifier, password_hash};
use kit::{Error, Result};
use unicode_normalization::UnicodeNormalization;
use zxcvbn::zxcvbn;

use super::secret::Secret;

/// Guesses after which a clever guesser has tried the common passwords and what people make of them. At the pace that one
/// account allows all strangers together, three a minute, that takes eight months, and the audit trail has a line of each.
const COMMON: u64 = 1_000_000;
/// How much of a password is compared with common ones; that takes longer for longer ones.
const COMPARED: usize = 40;
/// Names that are shorter stand in many words.
const NAME: usize = 4;
/// What a password must have beside its owner's names.
const BESIDE_NAMES: usize = 8;

/// In characters, after normalisation.
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=128;

/// A password in clear text, normalised: however a keyboard composes its letters, it is the same password.
#[derive(Clone, Debug)]
pub struct Password(Secret);

impl Password {
    /// A password that somebody logs in with. It keeps to no rule: the rules may have been others when it was chosen.
    pub fn typed(text: &str) -> Self {
        Self(text.nfkc().collect::<String>().into())
    }

    /// A new password of somebody who is called `names`, which came in as `field`.
    ///
    /// # Errors
    ///
    /// It is too short or too long, common, or little more than a name.
    pub fn chosen<'a>(
        field: &str,
        text: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let password = Self::typed(text);
        if !LENGTHS.contains(&password.0.reveal().chars().count()) {
            let (least, most) = (LENGTHS.start(), LENGTHS.end());
            return Err(Error::invalid(field, format!("must have {least} to {most} characters")));
        }
        let mut names: Vec<&str> = names.into_iter().filter(|name| name.len() >= NAME).collect();
        // The longest first: an address often begins with the username.
        names.sort_by_key(|name| Reverse(name.len()));
        let mut rest = password.0.reveal().to_lowercase();
        for name in names {
            rest = rest.replace(&name.to_lowercase(), "");
        }
        if rest.chars().count() < BESIDE_NAMES {
            return Err(Error::invalid(
                field,
                "is little more than the username or e-mail address",
            ));
        }
        if password.is_common() {
            return Err(Error::invalid(field, "is among the first that a guesser tries"));
        }
        Ok(password)
    }

    /// Whether it is one of the passwords that many people have, or differs from one by what guessers vary.
    fn is_common(&self) -> bool {
        let text: String = self.0.reveal().chars().take(COMPARED).collect();
        zxcvbn(&text, &[]).guesses() < COMMON
    }

    /// Takes the time and memory that make guessing dear.
    pub fn hash(&self) -> Result<PasswordHash> {
        let hash = argon2().hash_password(self.0.reveal().as_bytes());
        Ok(PasswordHash(hash.map_err(anyhow::Error::from)?.to_string()))
    }

    /// Whether `hash` was made of this password.
    pub fn matches(&self, hash: &PasswordHash) -> Result<bool> {
        match argon2().verify_password(self.0.reveal().as_bytes(), hash.0.as_str()) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(anyhow::Error::from(error).into()),
        }
    }
}

/// Argon2id with the least that OWASP recommends: 19 MiB, 2 passes, 1 lane. These are the crate's defaults.
fn argon2() -> Argon2<'static> {
    Argon2::default()
}

/// What is kept of a password: a PHC string with its own salt and parameters.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Whether it was made with less effort than passwords are worth today.
    pub fn is_outdated(&self) -> bool {
        let Ok(hash) = argon2::PasswordHash::new(&self.0) else { return true };
        let Ok(made_with) = Params::try_from(&hash) else { return true };
        let today = Params::DEFAULT;
        hash.algorithm != ARGON2ID_IDENT
            || made_with.m_cost() < today.m_cost()
            || made_with.t_cost() < today.t_cost()
            || made_with.p_cost() < today.p_cost()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_12_to_128_characters_after_normalisation() {
        let accepted = |text: &str| Password::chosen("password", text, []).is_ok();
        assert!(accepted("é漢字 456789012"));
        assert!(accepted(&"orchard ladder ".repeat(9)[..128]));
        assert!(!accepted("elevenchars"));
        assert!(!accepted(&"x".repeat(129)));
        // Six letters, each of two code points; one code point that stands for eighteen letters.
        assert!(!accepted(&"e\u{301}".repeat(6)));
        assert!(accepted("\u{fdfa}"));
        assert!(!accepted(&"\u{fdfa}".repeat(12)));
    }

    #[test]
    fn a_password_that_many_people_have_is_refused() {
        for common in [
            "password1234",
            "Password1234",
            "p4ssw0rd1234",
            "123456789012",
            "qwertyuiop12",
            "aaaaaaaaaaaa",
            "passwordpassword",
            "unbelievable",
            "abcdefghijkl",
            "iloveyou1234",
        ] {
            assert!(Password::chosen("password", common, []).is_err(), "{common}");
        }
        for uncommon in ["correct horse battery", "the first password", "gray otter 71 lamps"] {
            Password::chosen("password", uncommon, []).unwrap();
        }
    }

    #[test]
    fn a_password_is_more_than_its_owners_name() {
        let names = ["wilhelmina", "wilhelmina@example.org", "bo"];
        let accepted = |text: &str| Password::chosen("password", text, names).is_ok();
        assert!(!accepted("Wilhelmina-78"));
        assert!(!accepted("wilhelmina@example.org"));
        assert!(accepted("wilhelmina's other boat"));
    }

    #[test]
    fn the_same_letters_make_the_same_password_however_they_are_composed() {
        let composed = Password::typed("caf\u{e9} ﬁn 2").hash().unwrap();
        assert!(Password::typed("cafe\u{301} fin 2").matches(&composed).unwrap());
        assert!(!Password::typed("cafe fin 2").matches(&composed).unwrap());
    }

    #[test]
    fn a_hash_has_owasps_parameters_and_a_salt_of_its_own() {
        let password = Password::typed("correct horse");
        let (one, other) = (password.hash().unwrap(), password.hash().unwrap());
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, other);
        assert!(!one.is_outdated());
    }

    #[test]
    fn a_hash_made_with_less_is_outdated() {
        let less = "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0$\
                    FJl/2W9zT2XdbXD7dTJkB5BIYmtK8PDXIn6gGGtx6VA";
        assert!(PasswordHash(less.into()).is_outdated());
        assert!(PasswordHash("nonsense".into()).is_outdated());
    }
}
