//! Search in text without regard to case, alike on both engines.
//!
//! SQLite lowers ASCII alone, and PostgreSQL whatever its locale knows: text that is searched is kept [folded](fold) in a
//! column of its own, and compared with a [pattern](contains) that was folded by the same rules.
//!
//! Where many rows are searched, an index tells which have three characters in a row: on PostgreSQL `pg_trgm`, which the
//! pattern is enough for, on SQLite a table of FTS5 with the tokenizer `trigram`, which is asked for [some](trigrams).

use std::cmp::Reverse;

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
    let text = fold(text);
    let mut words: Vec<Vec<char>> =
        text.split_whitespace().map(|word| word.chars().collect()).collect();
    // The longest are in the fewest texts, and the shortest in most.
    words.sort_by_key(|word| Reverse(word.len()));
    let telling = words.first().map_or(3, |longest| longest.len().clamp(3, 4));
    words.retain(|word| telling <= word.len());
    if words.is_empty() {
        words.push(text.chars().collect());
    }
    // One of each word, then a second of each.
    let starts = (0..words[0].len()).step_by(3);
    let parts =
        starts.flat_map(|start| words.iter().filter_map(move |it| it.get(start..start + 3)));
    let quoted = parts.take(MOST_TRIGRAMS).map(|part| {
        let part: String = part.iter().collect();
        format!("\"{}\"", part.replace('"', "\"\""))
    });
    Some(quoted.collect::<Vec<_>>().join(" AND ")).filter(|expression| !expression.is_empty())
}

/// How much of a long text is asked for: each part costs a walk over all texts that have it, and more cost more than they leave
/// out.
const MOST_TRIGRAMS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_for_by_its_parts_of_three_characters() {
        assert_eq!(trigrams("Öl"), None);
        assert_eq!(trigrams("Ölf").as_deref(), Some(r#""ölf""#));
        assert_eq!(trigrams("BEARING").as_deref(), Some(r#""bea" AND "rin""#));
        let words = trigrams("calibrate the gauge glass");
        assert_eq!(words.as_deref(), Some(r#""cal" AND "gau" AND "gla""#));
        assert_eq!(trigrams(r#"6" and"#).as_deref(), Some(r#""and""#));
        assert_eq!(trigrams(r#"a"b c"#).as_deref(), Some(r#""a""b""#));
        assert_eq!(trigrams("a b c").as_deref(), Some(r#""a b""#));
    }

    #[test]
    fn a_pattern_has_no_case_and_nothing_special_in_it() {
        assert_eq!(contains("ÖL 100%"), r"%öl 100\%%");
        assert_eq!(contains(r"A_\"), r"%a\_\\%");
    }
}
