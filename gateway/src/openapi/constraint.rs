//! The `buf.validate` rules of a field as JSON Schema.

use anyhow::{Context, Result, bail};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value as Proto};
use serde_json::{Value, json};

/// Dates are text with this pattern; readers and tools know them by the name of their format.
const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

/// Adds to `schema`, that of one field, what `rules` say.
///
/// # Errors
///
/// A rule that is checked but could not be shown.
pub fn apply(rules: &DynamicMessage, schema: &mut Value) -> Result<()> {
    for (kind, rules) in rules.fields() {
        let Some(rules) = rules.as_message() else { continue };
        if kind.name() == "duration" {
            duration(rules, schema).context("duration")?;
            continue;
        }
        for (rule, value) in rules.fields() {
            one(kind.name(), rule.name(), value, schema)
                .with_context(|| format!("{}.{}", kind.name(), rule.name()))?;
        }
    }
    Ok(())
}

fn one(kind: &str, rule: &str, value: &Proto, schema: &mut Value) -> Result<()> {
    match (kind, rule) {
        ("string", "min_len") => schema["minLength"] = number(value)?,
        ("string", "max_len") => schema["maxLength"] = number(value)?,
        ("string", "pattern") => {
            let pattern = value.as_str().context("a pattern is text")?;
            schema["pattern"] = pattern.into();
            if pattern == DATE {
                schema["format"] = "date".into();
            }
        }
        ("string", "in") => {
            let words = value.as_list().context("what text may be is a list")?;
            schema["enum"] = words.iter().map(|word| word.as_str()).collect();
        }
        ("string", "email" | "uuid") => schema["format"] = rule.into(),
        ("repeated", "min_items") => schema["minItems"] = number(value)?,
        ("repeated", "max_items") => schema["maxItems"] = number(value)?,
        ("repeated", "unique") => schema["uniqueItems"] = true.into(),
        ("repeated", "items") => apply(message(value)?, &mut schema["items"])?,
        ("map", "min_pairs") => schema["minProperties"] = number(value)?,
        ("map", "max_pairs") => schema["maxProperties"] = number(value)?,
        ("map", "keys") => {
            let mut keys = json!({});
            apply(message(value)?, &mut keys)?;
            schema["propertyNames"] = keys;
        }
        ("map", "values") => apply(message(value)?, &mut schema["additionalProperties"])?,
        ("double" | "int32", "gt") => schema["exclusiveMinimum"] = number(value)?,
        ("double" | "int32", "gte") => schema["minimum"] = number(value)?,
        ("double" | "int32", "lt") => schema["exclusiveMaximum"] = number(value)?,
        ("double" | "int32", "lte") => schema["maximum"] = number(value)?,
        // JSON knows no other numbers, and the names of an enum stand in its schema.
        ("double", "finite") | ("enum", "defined_only" | "not_in") => {}
        _ => bail!("has no form in OpenAPI"),
    }
    Ok(())
}

/// The rules of a duration, which is text to JSON.
fn duration(rules: &DynamicMessage, schema: &mut Value) -> Result<()> {
    let (mut sign, mut most) = ("-?", LONGEST);
    for (rule, value) in rules.fields() {
        let seconds = seconds(value)?;
        match rule.name() {
            "gte" if seconds == 0 => sign = "",
            "lte" if 0 <= seconds => {
                most = seconds;
                let most = format!("At most `{seconds}s`.");
                schema["description"] = match schema["description"].as_str() {
                    Some(text) => format!("{text} {most}").into(),
                    None => most.into(),
                };
            }
            rule => bail!("{rule} has no form in OpenAPI"),
        }
    }
    schema["pattern"] = span(sign, most).into();
    Ok(())
}

/// Seconds of the longest duration that protobuf knows: some ten thousand years.
const LONGEST: i64 = 315_576_000_000;

/// A duration without rules.
pub fn any_duration() -> Value {
    json!({ "type": "string", "pattern": span("-?", LONGEST) })
}

/// Matches at most so many seconds, with up to nine decimals, as proto3 JSON writes a duration.
fn span(sign: &str, most: i64) -> String {
    format!(r"^{sign}(({})(\.[0-9]{{1,9}})?|{most}(\.0{{1,9}})?)s$", below(&most.to_string()))
}

/// Matches whole numbers that are less than `number` and have no more digits.
fn below(number: &str) -> String {
    let shorter = (1 < number.len()).then(|| format!("[0-9]{{1,{}}}", number.len() - 1));
    // As `number` begins, then one digit that is less, then any.
    let others = number.char_indices().filter(|(_, digit)| *digit != '0').map(|(at, digit)| {
        let less = char::from(u8::try_from(digit).unwrap_or(b'0') - 1);
        let rest = match number.len() - at - 1 {
            0 => String::new(),
            count => format!("[0-9]{{{count}}}"),
        };
        format!("{}[0-{less}]{rest}", &number[..at])
    });
    shorter.into_iter().chain(others).collect::<Vec<_>>().join("|")
}

/// Whether `field` breaks a rule when it is left out.
pub fn is_required(field: &FieldDescriptor, rules: &DynamicMessage) -> bool {
    if field.supports_presence() {
        return rules.get_field_by_name("required").and_then(|value| value.as_bool()) == Some(true);
    }
    rules.fields().any(|(_, rules)| {
        let Some(rules) = rules.as_message() else { return false };
        rules.fields().any(|(rule, value)| match rule.name() {
            "min_len" | "min_items" | "min_pairs" => value.as_u64() != Some(0),
            "email" | "uuid" => true,
            "pattern" => value.as_str().is_some_and(needs_text),
            "not_in" => matches!(field.kind(), Kind::Enum(_)),
            _ => false,
        })
    })
}

/// Whether no empty text matches.
fn needs_text(pattern: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(""))
}

fn message(value: &Proto) -> Result<&DynamicMessage> {
    value.as_message().context("rules are a message")
}

fn number(value: &Proto) -> Result<Value> {
    Ok(match value {
        Proto::I32(number) => json!(number),
        Proto::U64(number) => json!(number),
        // Whole numbers read better without a decimal point, and mean the same.
        #[expect(clippy::cast_possible_truncation, reason = "small and whole")]
        Proto::F64(number) if number.fract() == 0.0 && number.abs() < 1e9 => json!(*number as i64),
        Proto::F64(number) => json!(number),
        _ => bail!("is no number"),
    })
}

fn seconds(value: &Proto) -> Result<i64> {
    let seconds = message(value)?.get_field_by_name("seconds");
    Ok(seconds.and_then(|seconds| seconds.as_i64()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_where_it_says() {
        for most in [1, 9, 10, 60, 1_090, LONGEST] {
            let pattern = regex::Regex::new(&span("", most)).unwrap();
            let within =
                [0, 1, most / 2, most - most / 3, most - 1, most].map(|it| format!("{it}s"));
            let more =
                [format!("{}.999999999s", most - 1), format!("{most}.0s"), "0.5s".to_owned()];
            for text in within.iter().chain(&more) {
                assert!(pattern.is_match(text), "{text} is within {most}s: {pattern}");
            }
            let beyond =
                [format!("{}s", most + 1), format!("{}s", 10 * most), format!("{most}.1s")];
            for text in
                beyond.iter().map(String::as_str).chain(["-1s", "1", "1.s", "0.0000000001s"])
            {
                assert!(!pattern.is_match(text), "{text} is beyond {most}s: {pattern}");
            }
        }
    }
}
