//! Field validation, run while a request is decoded: a handler never sees a request that breaks a rule of its `.proto`.
//!
//! The implementations of [`Validate`] are generated from `buf.validate` options. Only requests are checked: the same
//! codec decodes answers at the client, where a rule would be the wrong side's business.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    marker::PhantomData,
    sync::OnceLock,
};

use regex::Regex;
use tonic::{
    Code, Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// A message that knows the rules of its fields.
pub trait Validate {
    /// Whether the message is what some method takes.
    const IS_REQUEST: bool;

    /// Reports every field that breaks a rule.
    fn check(&self, checker: &mut Checker);
}

include!(concat!(env!("OUT_DIR"), "/validation.rs"));

/// Checks `message` against the rules of its `.proto`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` with a `BadRequest` that names every field.
pub fn validate<M: Validate>(message: &M) -> Result<(), Status> {
    let mut checker = Checker::default();
    message.check(&mut checker);
    if checker.violations.is_empty() {
        return Ok(());
    }
    Err(invalid(checker.violations))
}

/// The answer to a request whose fields break rules.
fn invalid(violations: Vec<FieldViolation>) -> Status {
    let message = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect::<Vec<_>>()
        .join("; ");
    let mut details = ErrorDetails::with_bad_request(violations);
    details.set_error_info("INVALID_FIELD", "flightline", HashMap::new());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Collects what is wrong with a message, by field path: `title`, `tags[1]`, `owner.email`.
#[derive(Default)]
pub struct Checker {
    path: String,
    violations: Vec<FieldViolation>,
}

impl Checker {
    /// Runs `check` one step further down: inside the field `name`.
    fn field(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
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

    fn items<M: Validate>(&mut self, items: &[M]) {
        for (index, item) in items.iter().enumerate() {
            self.at(index, |checker| item.check(checker));
        }
    }

    fn keys<V>(&mut self, map: &BTreeMap<String, V>, check: impl Fn(&mut Self, &String)) {
        for key in map.keys() {
            self.at(key, |checker| check(checker, key));
        }
    }

    fn values<V>(&mut self, map: &BTreeMap<String, V>, check: impl Fn(&mut Self, &V)) {
        for (key, value) in map {
            self.at(key, |checker| check(checker, value));
        }
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.violations.push(FieldViolation::new(self.path.clone(), problem));
    }

    fn required(&mut self) {
        self.refuse("is required");
    }

    fn at_least(&mut self, count: usize, least: usize, what: &str) {
        if count == 0 && least == 1 {
            self.refuse("must not be empty");
        } else if count < least {
            self.refuse(format!("must have at least {least} {what}"));
        }
    }

    fn at_most(&mut self, count: usize, most: usize, what: &str) {
        if most < count {
            self.refuse(format!("must have at most {most} {what}"));
        }
    }

    /// Text that is kept has no NUL: PostgreSQL can't hold one, and SQLite would hide what follows it.
    fn text(&mut self, value: &str) {
        if value.contains('\0') {
            self.refuse("must not contain the character NUL");
        }
    }

    fn pattern(&mut self, value: &str, pattern: &Pattern) {
        if !pattern.is_match(value) {
            self.refuse(format!("must match {}", pattern.text));
        }
    }

    fn uuid(&mut self, value: &str) {
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
    fn email(&mut self, value: &str) {
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

    fn one_of(&mut self, number: i32, known: &[i32]) {
        if !known.contains(&number) {
            self.refuse(format!("{number} is not a known value"));
        }
    }

    fn specified(&mut self, number: i32) {
        if number == 0 {
            self.required();
        }
    }

    fn finite(&mut self, value: f64) {
        if !value.is_finite() {
            self.refuse("must be a finite number");
        }
    }

    fn gte<T: PartialOrd + std::fmt::Display>(&mut self, value: T, least: T) {
        if value < least {
            self.refuse(format!("must be at least {least}"));
        }
    }

    fn duration_gte(&mut self, value: &prost_types::Duration, least_seconds: i64) {
        if value.seconds < least_seconds || value.nanos < 0 {
            self.refuse(format!("must be at least {least_seconds}s"));
        }
    }

    fn duration_lte(&mut self, value: &prost_types::Duration, most_seconds: i64) {
        if (most_seconds, 0) < (value.seconds, value.nanos) {
            self.refuse(format!("must be at most {most_seconds}s"));
        }
    }
}

/// A regular expression that is compiled at its first use.
struct Pattern {
    text: &'static str,
    regex: OnceLock<Regex>,
}

impl Pattern {
    const fn new(text: &'static str) -> Self {
        Self { text, regex: OnceLock::new() }
    }

    fn is_match(&self, value: &str) -> bool {
        self.regex.get_or_init(|| Regex::new(self.text).expect("a valid pattern")).is_match(value)
    }
}

/// Decodes as prost does and refuses a request that breaks its rules.
pub struct ValidatingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ValidatingCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ValidatingCodec<T, U>
where
    T: prost::Message + Send + 'static,
    U: prost::Message + Default + Validate + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ValidatingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ValidatingDecoder(ProstDecoder::default())
    }
}

/// The reading half of [`ValidatingCodec`].
pub struct ValidatingDecoder<U>(ProstDecoder<U>);

impl<U: prost::Message + Default + Validate> Decoder for ValidatingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let Some(message) = self.0.decode(buffer)? else { return Ok(None) };
        if U::IS_REQUEST {
            validate(&message)?;
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::v1::RegisterRequest, equipment::v1 as equipment, telemetry::v1 as telemetry,
    };

    fn problems(request: &impl Validate) -> Vec<String> {
        let mut checker = Checker::default();
        request.check(&mut checker);
        checker.violations.into_iter().map(|v| format!("{} {}", v.field, v.description)).collect()
    }

    #[test]
    fn a_field_path_leads_through_messages_and_maps() {
        let equipment = equipment::Equipment {
            status: 99,
            attributes: [("".to_owned(), "x".to_owned())].into(),
            ..Default::default()
        };
        let request =
            equipment::CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };

        assert_eq!(
            problems(&request),
            [
                "equipment.name must not be empty",
                "equipment.status 99 is not a known value",
                "equipment.attributes[\"\"] must not be empty",
            ]
        );
    }

    #[test]
    fn a_missing_resource_is_named() {
        let request = equipment::CreateEquipmentRequest::default();
        assert_eq!(problems(&request), ["equipment is required"]);
    }

    #[test]
    fn text_with_a_nul_is_refused() {
        let equipment = equipment::Equipment {
            name: "Pump\0".into(),
            attributes: [("colour".to_owned(), "\0".to_owned())].into(),
            ..Default::default()
        };
        let request =
            equipment::CreateEquipmentRequest { equipment: Some(equipment), ..Default::default() };
        assert_eq!(
            problems(&request),
            [
                "equipment.name must not contain the character NUL",
                "equipment.attributes[\"colour\"] must not contain the character NUL",
            ]
        );
    }

    #[test]
    fn an_address_needs_both_sides_of_one_at_sign() {
        for email in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@.c"] {
            let request = RegisterRequest {
                username: "ana".into(),
                email: email.into(),
                password: "twelve chars".into(),
                ..Default::default()
            };
            assert_eq!(problems(&request), ["email must be an e-mail address"], "{email:?}");
        }
    }

    #[test]
    fn a_rule_needs_a_condition_and_finite_numbers() {
        let rule = telemetry::Rule {
            name: "hot".into(),
            metric: "temperature".into(),
            threshold: f64::NAN,
            deadband: -1.0,
            on_delay: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            ..Default::default()
        };
        let request = telemetry::CreateRuleRequest { rule: Some(rule), ..Default::default() };

        assert_eq!(
            problems(&request),
            [
                "rule.condition is required",
                "rule.threshold must be a finite number",
                "rule.deadband must be at least 0",
                "rule.on_delay must be at least 0s",
            ]
        );
    }

    #[test]
    fn an_answer_is_not_checked() {
        const { assert!(!equipment::Equipment::IS_REQUEST) };
        const { assert!(equipment::CreateEquipmentRequest::IS_REQUEST) };
    }
}
