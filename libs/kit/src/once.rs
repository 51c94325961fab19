//! Idempotency keys: a retry gets the first answer instead of a second effect, for a day, per caller and method.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::{Response, metadata::MetadataValue};

use crate::{
    Call, Error, Result, Timestamp,
    db::{Conn, Tx},
    on,
};

/// How long a first answer is kept.
pub const KEPT: Duration = Duration::from_hours(24);

/// Metadata that marks an answer as a repeated one; the gateway answers `200` instead of `201`.
pub const REPLAYED: &str = "flightline-replayed";

/// Metadata that marks the answer of a call that was only tried (`validate_only`, AIP-163); the gateway answers `200`.
pub const TRIED: &str = "flightline-tried";

/// One call that carries an idempotency key, or carries none.
#[derive(Clone, Debug)]
pub struct Once {
    caller: String,
    method: &'static str,
    /// Empty: every call is the first.
    request_id: String,
    fingerprint: Vec<u8>,
}

impl Once {
    /// What makes two calls one: who calls, what, and with which key. `None` without a key.
    pub fn identity(&self) -> Option<(&str, &'static str, &str)> {
        let is_keyed = !self.request_id.is_empty();
        is_keyed.then_some((self.caller.as_str(), self.method, self.request_id.as_str()))
    }

    /// The call, by its key `request_id`. A call that is only tried takes out its `validate_only` before: what was done already is
    /// answered to it, too.
    pub fn new<T: Message>(call: &Call<T>, request_id: &str) -> Self {
        Self {
            caller: call.caller.id.clone(),
            method: call.method,
            request_id: request_id.to_owned(),
            fingerprint: Sha256::digest(call.message.encode_to_vec()).to_vec(),
        }
    }

    /// The call of somebody who may be nobody yet. Strangers have no names by which their keys could be kept apart: a key of theirs
    /// is good for one request, and another request with it is another's.
    pub fn of_strangers<T: Message>(call: &Call<T>, request_id: &str) -> Self {
        let once = Self::new(call, request_id);
        if !once.caller.is_empty() {
            return once;
        }
        let caller = format!("nobody:{}", BASE64_URL_SAFE_NO_PAD.encode(&once.fingerprint));
        Self { caller, ..once }
    }

    /// The answer of the first call with this key, or `None` if this is it. Two calls at once wait for each other: the
    /// key is taken in the transaction that does the work.
    ///
    /// # Errors
    ///
    /// The key was used for another request.
    pub async fn recall<A: Message + Default>(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Option<Response<A>>> {
        if self.request_id.is_empty() || self.take(tx, now).await? {
            return Ok(None);
        }
        let (fingerprint, answer) = self.find(tx).await?;
        if fingerprint != self.fingerprint {
            return Err(reused());
        }
        let answer = A::decode(answer.as_slice()).map_err(anyhow::Error::from)?;
        Ok(Some(replayed(answer)))
    }

    /// Keeps `answer` for those who ask again; call it before the commit.
    pub async fn remember(&self, tx: &mut Tx, answer: &impl Message) -> Result<()> {
        if self.request_id.is_empty() {
            return Ok(());
        }
        on!(tx, c => sqlx::query(
                "update answers
                 set answer = $4
                 where caller = $1 and method = $2 and request_id = $3",
            )
            .bind(&self.caller)
            .bind(self.method)
            .bind(&self.request_id)
            .bind(answer.encode_to_vec())
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Whether this is the first call with the key.
    async fn take(&self, tx: &mut Tx, now: Timestamp) -> Result<bool> {
        // Only its own: others' are the hourly tidying's, or every keyed call would wait for every other.
        on!(tx, c => sqlx::query(
                "delete from answers
                 where caller = $1 and method = $2 and request_id = $3 and created_at < $4",
            )
            .bind(&self.caller)
            .bind(self.method)
            .bind(&self.request_id)
            .bind(now.minus(KEPT))
            .execute(c).await.map(drop))?;
        let rows = on!(tx, c => sqlx::query(
                "insert into answers (caller, method, request_id, fingerprint, created_at)
                 values ($1, $2, $3, $4, $5)
                 on conflict do nothing",
            )
            .bind(&self.caller)
            .bind(self.method)
            .bind(&self.request_id)
            .bind(&self.fingerprint)
            .bind(now)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    async fn find(&self, db: &mut Conn) -> Result<(Vec<u8>, Vec<u8>)> {
        Ok(on!(db, c => sqlx::query_as(
                "select fingerprint, answer
                 from answers
                 where caller = $1 and method = $2 and request_id = $3",
            )
            .bind(&self.caller)
            .bind(self.method)
            .bind(&self.request_id)
            .fetch_one(c).await)?)
    }
}

/// The key was used for another request.
pub fn reused() -> Error {
    let message = "the idempotency key was used for another request";
    Error::refused("IDEMPOTENCY_KEY_REUSED", message)
}

/// Marks `answer` as one that was given before.
pub fn replayed<A>(answer: A) -> Response<A> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
    response
}

/// Marks `answer` as one that was not kept.
pub fn tried<A>(answer: A) -> Response<A> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert(TRIED, MetadataValue::from_static("true"));
    response
}

/// Drops at most `limit` of the answers that were first given before `before`; says how many went.
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(on!(tx, c => sqlx::query(
            "delete from answers
             where (caller, method, request_id) in (
                 select caller, method, request_id from answers where created_at < $1 limit $2
             )",
        )
        .bind(before)
        .bind(limit)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
