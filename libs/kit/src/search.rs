//! Search in text without regard to case, alike on both engines.
//!
//! SQLite lowers ASCII alone, and PostgreSQL whatever its locale knows: text that is searched is kept [folded](fold) in a
//! column of its own, and compared with a [pattern](contains) that was folded by the same rules.
//!
//! Where many rows are searched, an index tells which have three characters in a row: on PostgreSQL `pg_trgm`, on SQLite a table
//! of FTS5 with the tokenizer `trigram`. Both walk through a list of rows for each three, so they are asked for a few that tell
//! most, by an [outline] or by [name](trigrams).

use std::cmp::Reverse;

/// `text` without its case, by Unicode's rules.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The pattern of `like … escape '\'` for folded text that contains `text`, in which no character is special.
pub fn contains(text: &str) -> String {
    format!("%{}%", escaped(&fold(text)))
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// The pattern of `like … escape '\'` for what may contain `text`: all that does, and some that has its parts with more between
/// them. PostgreSQL looks for each part in its index. None where the text is shorter than what the index knows.
pub fn outline(text: &str) -> Option<String> {
    let mut parts = parts(text);
    parts.sort_by_key(|(place, _)| *place);
    let parts: Vec<_> = parts.iter().map(|(_, part)| escaped(part)).collect();
    (!parts.is_empty()).then(|| format!("%{}%", parts.join("%")))
}

/// An expression of FTS5 for what may contain `text`: all that does, and some that has its parts elsewhere. None where the
/// text is shorter than what the index knows.
pub fn trigrams(text: &str) -> Option<String> {
    let quoted = |(_, part): &(usize, String)| format!("\"{}\"", part.replace('"', "\"\""));
    let parts: Vec<_> = parts(text).iter().map(quoted).collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

/// Parts of `text`, each of three characters, with where they stand: those that tell most, of words that are long.
fn parts(text: &str) -> Vec<(usize, String)> {
    let text: Vec<char> = fold(text).chars().collect();
    let mut place = 0;
    let mut words: Vec<(usize, &[char])> = Vec::new();
    for word in text.split(|character| character.is_whitespace()) {
        words.push((place, word));
        place += word.len() + 1;
    }
    // The longest are in the fewest texts, and the shortest in most.
    words.sort_by_key(|(_, word)| Reverse(word.len()));
    let telling = words.first().map_or(3, |(_, longest)| longest.len().clamp(3, 4));
    words.retain(|(_, word)| telling <= word.len());
    if words.is_empty() {
        words.push((0, &text));
    }
    // One of each word, then a second of each.
    let starts = (0..words[0].1.len()).step_by(3);
    let parts = starts.flat_map(|start| {
        words.iter().filter_map(move |(place, word)| {
            Some((place + start, word.get(start..start + 3)?.iter().collect()))
        })
    });
    parts.take(MOST_TRIGRAMS).collect()
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
    fn an_outline_has_the_parts_in_their_order() {
        assert_eq!(outline("Öl"), None);
        assert_eq!(outline("BEARING").as_deref(), Some("%bea%rin%"));
        assert_eq!(outline("calibrate the gauge glass").as_deref(), Some("%cal%gau%gla%"));
        assert_eq!(outline("hot wire  ropes").as_deref(), Some("%wir%rop%"));
        assert_eq!(outline("100% 5_\\").as_deref(), Some(r"%100%"));
        assert_eq!(outline(r"5_\").as_deref(), Some(r"%5\_\\%"));
    }

    #[test]
    fn a_pattern_has_no_case_and_nothing_special_in_it() {
        assert_eq!(contains("ÖL 100%"), r"%öl 100\%%");
        assert_eq!(contains(r"A_\"), r"%a\_\\%");
    }
}
