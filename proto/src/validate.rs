//! Field validation, run while a request is decoded: a handler never sees a request that breaks a rule of its `.proto`.
//!
//! The implementations of [`Validate`] are generated from `buf.validate` options. Only requests are checked: the same
//! codec decodes answers at the client, where a rule would be the wrong side's business.

mod checker;

use std::{collections::HashMap, marker::PhantomData};

pub use checker::Checker;
use checker::Pattern;
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

/// `google.protobuf.Empty`: the answer of methods that have nothing to tell.
impl Validate for () {
    const IS_REQUEST: bool = false;

    fn check(&self, _: &mut Checker) {}
}

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
mod tests;
