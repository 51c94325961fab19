//! Search in text without regard to case, alike on both engines.
//!
//! SQLite lowers ASCII alone, and PostgreSQL whatever its locale knows: text that is searched is kept [folded](fold) in a
//! column of its own, and compared with a [pattern](contains) that was folded by the same rules.

/// `text` without its case, by Unicode's rules.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The pattern of `like … escape '\'` for folded text that contains `text`, in which no character is special.
pub fn contains(text: &str) -> String {
    let text = fold(text).replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{text}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_no_case_and_nothing_special_in_it() {
        assert_eq!(contains("ÖL 100%"), r"%öl 100\%%");
        assert_eq!(contains(r"A_\"), r"%a\_\\%");
    }
}
