//! Callers of every role, with tokens that the services accept.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::{
    access::Role,
    token::{Claims, ISSUER, PublicKey, TYPE},
};
use serde_json::{Value, json};
use tonic::{Request, Status, metadata::MetadataValue, service::Interceptor};
use uuid::Uuid;

use crate::FrozenClock;

/// Signs tokens in the place of the auth service.
#[derive(Clone)]
pub struct Issuer {
    pair: Arc<Ed25519KeyPair>,
    public: PublicKey,
    clock: FrozenClock,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct User {
    /// Their id.
    pub id: String,
    /// Their access token, valid for five minutes of the frozen clock.
    pub token: String,
}

impl Issuer {
    pub(crate) fn new(clock: FrozenClock) -> Self {
        let pair = Arc::new(Ed25519KeyPair::generate().unwrap());
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let public = PublicKey { kid: "test".into(), x };
        Self { pair, public, clock }
    }

    /// What verifies the tokens.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// A new caller with `role`.
    #[must_use]
    pub fn user(&self, role: Role) -> User {
        let id = match role {
            Role::Service => "service:test".to_owned(),
            _ => Uuid::now_v7().to_string(),
        };
        let token = self.sign(&self.claims(&id, role));
        User { id, token }
    }

    /// What a good token of `id` says.
    #[must_use]
    pub fn claims(&self, id: &str, role: Role) -> Claims {
        let now = self.clock.now().micros() / 1_000_000;
        Claims {
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            sub: id.into(),
            sid: Uuid::now_v7().to_string(),
            jti: Uuid::now_v7().to_string(),
            iat: now,
            exp: now + 300,
            nbf: None,
            role: role.name().into(),
        }
    }

    /// Signs whatever `claims` say.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        self.forge(&self.header(), &serde_json::to_value(claims).unwrap())
    }

    /// What the header of a good token says.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"typ": TYPE, "alg": "EdDSA", "kid": self.public.kid})
    }

    /// A token that says whatever `header` and `claims` do, signed as an attacker would for the header's `alg`: not at all
    /// (`none`), with the public key for a shared secret (`HS256`); else with the private key.
    #[must_use]
    pub fn forge(&self, header: &Value, claims: &Value) -> String {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (header_json, claims) = (header.to_string(), claims.to_string());
        let message = format!("{}.{}", encode(header_json.as_bytes()), encode(claims.as_bytes()));
        let signature = match header["alg"].as_str() {
            Some("none") => String::new(),
            Some("HS256") => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, self.pair.public_key().as_ref());
                encode(hmac::sign(&secret, message.as_bytes()).as_ref())
            }
            _ => encode(self.pair.sign(message.as_bytes()).as_ref()),
        };
        format!("{message}.{signature}")
    }
}

/// Puts a token on every request of a client.
#[derive(Clone, Debug)]
pub struct Bearer(Option<String>);

impl Bearer {
    /// The token of `user`.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self(Some(user.token.clone()))
    }

    /// No token.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let value = MetadataValue::try_from(format!("Bearer {token}"));
            request.metadata_mut().insert("authorization", value.unwrap());
        }
        Ok(request)
    }
}
