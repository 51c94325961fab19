//! What a caller proves themselves with: a signed token, a machine's key, or a ticket to one stream.

use std::{sync::Arc, time::Instant};

use http::HeaderMap;

use super::Guard;
use crate::{Error, Result, access::Role, call::Identity, session::KEY_PREFIX, token::Claims};

/// A credential that was good by itself; whether it still is, the sessions know.
#[derive(Clone)]
pub enum Credential {
    /// What a token or a ticket said.
    Session(Claims, Role),
    /// A machine's key.
    Key(Arc<str>),
}

impl Credential {
    /// With the role that was found: what it was changed to is forgotten once no token is that old; a call may be older.
    pub fn with(self, role: Role) -> Self {
        match self {
            Self::Session(claims, _) => Self::Session(claims, role),
            Self::Key(secret) => Self::Key(secret),
        }
    }
}

impl Guard {
    /// The credential of a call to `method`, and the token to call other services with in its caller's name: a ticket is
    /// none.
    pub(super) async fn credential(
        &self,
        headers: &HeaderMap,
        method: &str,
    ) -> Result<(Credential, Option<Arc<str>>)> {
        let required = || Error::Unauthenticated("an access token is required");
        let value = headers.get("authorization").and_then(|value| value.to_str().ok());
        let (scheme, text) = value.and_then(|value| value.split_once(' ')).ok_or_else(required)?;
        let text = text.trim();
        if scheme.eq_ignore_ascii_case("ticket") {
            let (claims, role) = self.verifier.verify_ticket(text, method).await?;
            return Ok((Credential::Session(claims, role), None));
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(required());
        }
        let credential = if text.starts_with(KEY_PREFIX) {
            Credential::Key(text.into())
        } else {
            let (claims, role) = self.verifier.verify(text).await?;
            Credential::Session(claims, role)
        };
        Ok((credential, Some(text.into())))
    }

    /// Whom a credential names, and what they may do now.
    pub(super) async fn identify(&self, credential: &Credential) -> Result<Identity> {
        let now = Instant::now();
        match credential {
            Credential::Key(secret) => {
                let key = self.sessions.key(secret, self.verifier.now(), now).await?;
                Ok(Identity {
                    id: format!("key:{}", key.id),
                    role: Role::Device,
                    session_id: String::new(),
                    equipment_ids: key.equipment_ids,
                })
            }
            Credential::Session(claims, role) => {
                let role = self.sessions.check(claims, *role, now).await?;
                let (id, session_id) = (claims.sub.clone(), claims.sid.clone());
                Ok(Identity { id, role, session_id, equipment_ids: Arc::default() })
            }
        }
    }

    /// What whoever has a credential is trusted with now, as far as that is known without asking.
    pub(super) fn recall(&self, credential: &Credential) -> Result<Option<Role>> {
        let now = Instant::now();
        match credential {
            Credential::Key(secret) => {
                let key = self.sessions.recall_key(secret, self.verifier.now(), now)?;
                Ok(key.map(|_| Role::Device))
            }
            Credential::Session(claims, role) => self.sessions.recall(claims, *role, now),
        }
    }

    /// The same by what the issuer says, whatever is known.
    pub(super) async fn ask(&self, credential: &Credential) -> Result<Role> {
        match credential {
            Credential::Key(secret) => {
                let key = self.sessions.ask_key(secret, self.verifier.now()).await;
                key.map(|_| Role::Device)
            }
            Credential::Session(claims, role) => self.sessions.ask_session(claims, *role).await,
        }
    }

    /// Whether silence about a credential means anything now.
    pub(super) fn hears(&self) -> bool {
        self.sessions.hears(Instant::now())
    }
}
