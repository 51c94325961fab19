//! What the generated checks call: one method a rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::OnceLock,
};

use regex::Regex;
use tonic_types::FieldViolation;

use super::Validate;

/// Collects what is wrong with a message, by field path: `title`, `tags[1]`, `owner.email`.
#[derive(Default)]
pub struct Checker {
    path: String,
    pub(super) violations: Vec<FieldViolation>,
}

impl Checker {
    /// Runs `check` one step further down: inside the field `name`.
    pub(super) fn field(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let parent = self.path.len();
        if parent != 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        check(self);
        self.path.truncate(parent);
    }

    /// Runs `check` one step further down: at an index or a key.
    fn at(&mut self, place: impl std::fmt::Debug, check: impl FnOnce(&mut Self)) {
        let parent = self.path.len();
        // Writing to a String cannot fail.
        let _ = write!(self.path, "[{place:?}]");
        check(self);
        self.path.truncate(parent);
    }

    pub(super) fn items<M: Validate>(&mut self, items: &[M]) {
        for (index, item) in items.iter().enumerate() {
            self.at(index, |checker| item.check(checker));
        }
    }

    pub(super) fn each<T>(&mut self, items: &[T], check: impl Fn(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            self.at(index, |checker| check(checker, item));
        }
    }

    pub(super) fn unique<T: Ord>(&mut self, items: &[T]) {
        let mut known = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if !known.insert(item) {
                self.at(index, |checker| checker.refuse("is there twice"));
            }
        }
    }

    pub(super) fn keys<V>(
        &mut self,
        map: &BTreeMap<String, V>,
        check: impl Fn(&mut Self, &String),
    ) {
        for key in map.keys() {
            self.at(key, |checker| check(checker, key));
        }
    }

    pub(super) fn values<V>(&mut self, map: &BTreeMap<String, V>, check: impl Fn(&mut Self, &V)) {
        for (key, value) in map {
            self.at(key, |checker| check(checker, value));
        }
    }

    /// Forgets what is wrong in fields of `resource` that `mask` does not name. No mask, an empty one, or `*` names all.
    pub(super) fn only_named(&mut self, resource: &str, mask: Option<&prost_types::FieldMask>) {
        let Some(mask) = mask.filter(|mask| !mask.paths.is_empty() && mask.paths != ["*"]) else {
            return;
        };
        let field = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
        let named: Vec<String> = mask.paths.iter().map(|path| field(path)).collect();
        self.violations.retain(|violation| {
            let inside = violation.field.strip_prefix(resource).and_then(|it| it.strip_prefix('.'));
            inside.is_none_or(|path| named.contains(&field(path)))
        });
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.violations.push(FieldViolation::new(self.path.clone(), problem));
    }

    pub(super) fn required(&mut self) {
        self.refuse("is required");
    }

    pub(super) fn at_least(&mut self, count: usize, least: usize, what: &str) {
        if count == 0 && least == 1 {
            self.refuse("must not be empty");
        } else if count < least {
            self.refuse(format!("must have at least {least} {what}"));
        }
    }

    pub(super) fn at_most(&mut self, count: usize, most: usize, what: &str) {
        if most < count {
            self.refuse(format!("must have at most {most} {what}"));
        }
    }

    /// Text that is kept has no NUL: PostgreSQL can't hold one, and SQLite would hide what follows it.
    pub(super) fn text(&mut self, value: &str) {
        if value.contains('\0') {
            self.refuse("must not contain the character NUL");
        }
    }

    pub(super) fn pattern(&mut self, value: &str, pattern: &Pattern) {
        // Of a NUL all text is told already.
        if !pattern.is_match(value) && !value.contains('\0') {
            self.refuse(pattern.words);
        }
    }

    /// No text at all is not named among what it may be: that is how a field is left out.
    pub(super) fn any_of(&mut self, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            let words: Vec<_> = words.iter().copied().filter(|word| !word.is_empty()).collect();
            self.refuse(format!("must be one of {}", words.join(", ")));
        }
    }

    pub(super) fn uuid(&mut self, value: &str) {
        let is_uuid = value.len() == 36
            && value.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if !is_uuid {
            self.refuse("must be an id (a UUID)");
        }
    }

    /// Something before and a domain after one `@`: more than that, only the mail server knows.
    pub(super) fn email(&mut self, value: &str) {
        let is_address = value.split_once('@').is_some_and(|(local, domain)| {
            let plain = |text: &str| {
                !text.is_empty()
                    && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@')
            };
            plain(local) && plain(domain) && !domain.starts_with('.') && !domain.ends_with('.')
        });
        if !is_address {
            self.refuse("must be an e-mail address");
        }
    }

    pub(super) fn one_of(&mut self, number: i32, known: &[i32]) {
        if !known.contains(&number) {
            self.refuse(format!("{number} is not a known value"));
        }
    }

    pub(super) fn specified(&mut self, number: i32) {
        if number == 0 {
            self.required();
        }
    }

    pub(super) fn finite(&mut self, value: f64) {
        if !value.is_finite() {
            self.refuse("must be a finite number");
        }
    }

    pub(super) fn gte<T: PartialOrd + std::fmt::Display>(&mut self, value: T, least: T) {
        if value < least {
            self.refuse(format!("must be at least {least}"));
        }
    }

    pub(super) fn lte<T: PartialOrd + std::fmt::Display>(&mut self, value: T, most: T) {
        if most < value {
            self.refuse(format!("must be at most {most}"));
        }
    }

    pub(super) fn duration_gte(&mut self, value: &prost_types::Duration, least_seconds: i64) {
        if value.seconds < least_seconds || value.nanos < 0 {
            self.refuse(format!("must be at least {least_seconds}s"));
        }
    }

    pub(super) fn duration_lte(&mut self, value: &prost_types::Duration, most_seconds: i64) {
        if (most_seconds, 0) < (value.seconds, value.nanos) {
            self.refuse(format!("must be at most {most_seconds}s"));
        }
    }
}

/// A regular expression that is compiled at its first use.
pub(super) struct Pattern {
    text: &'static str,
    /// What it asks for.
    words: &'static str,
    regex: OnceLock<Regex>,
}

impl Pattern {
    pub(super) const fn new(text: &'static str, words: &'static str) -> Self {
        Self { text, words, regex: OnceLock::new() }
    }

    fn is_match(&self, value: &str) -> bool {
        self.regex.get_or_init(|| Regex::new(self.text).expect("a valid pattern")).is_match(value)
    }
}
