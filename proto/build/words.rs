//! What a pattern asks for, in the words that whoever breaks it reads: nobody is shown a regular expression.

use anyhow::{Context, Result};

const WORDS: [(&str, &str); 12] = [
    (r"\S", "must not be blank"),
    (r"^[^\x00-\x1f\x7f-\x9f]*$", "must have no control characters"),
    (
        r"^([^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?)?$",
        "must not be blank, begin or end with a space, or have control characters",
    ),
    ("^(me|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$", "must be an id (a UUID) or `me`"),
    ("^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$", "must be an id (a UUID)"),
    ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "must be a day, written YYYY-MM-DD"),
    (
        "^[a-z][a-z0-9_]{0,63}$",
        "must be a lower-case letter (a to z), then up to 63 lower-case letters, digits or _",
    ),
    (
        "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        "must be 1 to 64 letters (a to z, A to Z), digits, `.`, `_` or `-`, the first a letter or digit",
    ),
    (
        "^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|service:[a-z]+|command)?$",
        "must be the id of a user (a UUID), `service:` and its name, or `command`",
    ),
    (
        "^((user|session|key)/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$",
        "must be `user/`, `session/` or `key/` and an id (a UUID)",
    ),
    ("^[a-z]{1,32}$", "must be 1 to 32 lower-case letters (a to z)"),
    ("^/api/(alerts|data)/watch/?$", "must be /api/alerts/watch or /api/data/watch"),
];

/// What `pattern` asks for.
///
/// # Errors
///
/// Nobody has said so yet.
pub fn of(pattern: &str) -> Result<&'static str> {
    let known = WORDS.iter().find(|(known, _)| *known == pattern);
    let words = known.map(|(_, words)| *words);
    words
        .with_context(|| format!("say in proto/build/words.rs what the pattern {pattern} asks for"))
}
