//! Callers of every role, with tokens that the services accept.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit::{
    access::Role,
    token::{Claims, ISSUER, PublicKey, TYPE},
};
use tonic::{Request, Status, metadata::MetadataValue, service::Interceptor};
use uuid::Uuid;

use crate::FrozenClock;

/// Signs tokens in the place of the auth service.
#[derive(Clone)]
pub struct Issuer {
    key: EncodingKey,
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
        let pair = Ed25519KeyPair::generate().unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let public = PublicKey { kid: "test".into(), x };
        Self { key: EncodingKey::from_ed_der(der.as_ref()), public, clock }
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
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.into());
        header.kid = Some(self.public.kid.clone());
        encode(&header, claims, &self.key).unwrap()
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
