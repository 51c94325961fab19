//! Access tokens: what they say, and who signs them.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit::{
    Result, Timestamp,
    access::Role,
    token::{Claims, ISSUER, TYPE},
};
use uuid::Uuid;

use super::{
    secret::{Secret, decode},
    session::Session,
    signing_key::SigningKey,
    user::User,
};

/// For how long an access token is valid.
pub const LIFE_SECONDS: i32 = 5 * 60;

/// Signs access tokens.
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// Signs with `key`.
    pub fn new(key: &SigningKey) -> Result<Self> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.to_string());
        Ok(Self { header, key: EncodingKey::from_ed_der(&decode(&key.private)?) })
    }

    /// A token of `user` in `session`, with the role that they have now.
    pub fn user(&self, user: &User, session: &Session, now: Timestamp) -> Result<Secret> {
        self.sign(&claims(user.id.to_string(), session.id.to_string(), user.role, now))
    }

    /// A token of the service `name`. It belongs to no session.
    pub fn service(&self, name: &str, now: Timestamp) -> Result<Secret> {
        self.sign(&claims(format!("service:{name}"), String::new(), Role::Service, now))
    }

    fn sign(&self, claims: &Claims) -> Result<Secret> {
        Ok(encode(&self.header, claims, &self.key).map_err(anyhow::Error::from)?.into())
    }
}

fn claims(sub: String, sid: String, role: Role, now: Timestamp) -> Claims {
    let iat = now.micros().div_euclid(1_000_000);
    Claims {
        iss: ISSUER.to_owned(),
        aud: ISSUER.to_owned(),
        sub,
        sid,
        jti: Uuid::now_v7().to_string(),
        iat,
        exp: iat + i64::from(LIFE_SECONDS),
        nbf: None,
        role: role.name().to_owned(),
    }
}
