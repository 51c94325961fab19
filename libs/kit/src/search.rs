//! Search in text without regard to case, alike on both engines.
//!
//! SQLite lowers ASCII alone, and PostgreSQL whatever its locale knows: text that is searched is kept [folded](fold) in a
//! column of its own, and compared with a [pattern](contains) that was folded by the same rules.
//!
//! Where many rows are searched, an index tells which have three characters in a row: on PostgreSQL `pg_trgm`, which the
//! pattern is enough for, on SQLite a table of FTS5 with the tokenizer `trigram`, which is asked for [some](trigrams).

/// `text` without its case, by Unicode's rules.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The pattern of `like … escape '\'` for folded text that contains `text`, in which no character is special.
pub fn contains(text: &str) -> String {
    let text = fold(text).replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{text}%")
}

/// An expression of FTS5 for what may contain `text`: all that does, and some that has its parts elsewhere. None where the
/// text is shorter than what the index knows.
pub fn trigrams(text: &str) -> Option<String> {
    let text: Vec<char> = fold(text).chars().collect();
    // Side by side, or spread over all of a long text; the last ones may overlap.
    let last = text.len().checked_sub(3)?;
    let step = last.div_ceil(MOST_TRIGRAMS - 1).max(3);
    let starts = (0..last).step_by(step).chain([last]);
    let quoted = starts.map(|start| {
        let trigram: String = text[start..start + 3].iter().collect();
        format!("\"{}\"", trigram.replace('"', "\"\""))
    });
    Some(quoted.collect::<Vec<_>>().join(" AND "))
}

/// How much of a long text is asked for: each part costs a walk over all that have it, and more cost more than they leave out.
const MOST_TRIGRAMS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_for_by_its_parts_of_three_characters() {
        assert_eq!(trigrams("Öl"), None);
        assert_eq!(trigrams("Ölf").as_deref(), Some(r#""ölf""#));
        assert_eq!(trigrams("BEARING").as_deref(), Some(r#""bea" AND "rin" AND "ing""#));
        assert_eq!(trigrams(r#"6" and"#).as_deref(), Some(r#""6"" " AND "and""#));
        let long = format!("{}{}zzz", "x".repeat(98), "y".repeat(99));
        let spread = r#""xxx" AND "xxx" AND "xxx" AND "yyy" AND "yyy" AND "zzz""#;
        assert_eq!(trigrams(&long).as_deref(), Some(spread));
    }

    #[test]
    fn a_pattern_has_no_case_and_nothing_special_in_it() {
        assert_eq!(contains("ÖL 100%"), r"%öl 100\%%");
        assert_eq!(contains(r"A_\"), r"%a\_\\%");
    }
}
