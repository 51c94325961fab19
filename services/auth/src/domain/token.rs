//! Access tokens and tickets: what they say, and who signs them.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit::{
    Caller, Result, Timestamp,
    access::Role,
    token::{Claims, ISSUER, TICKET_AUDIENCE, TICKET_TYPE, TYPE, Ticket},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    secret::{Secret, decode},
    session::Session,
    signing_key::SigningKey,
    user::User,
};

/// For how long an access token is valid.
pub const LIFE_SECONDS: i32 = 5 * 60;

/// For how long a ticket opens its stream: a browser does it at once.
pub const TICKET_LIFE_SECONDS: i32 = 30;

/// Signs access tokens and tickets.
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

    /// A ticket for `caller` to the stream of `method`.
    pub fn ticket(&self, caller: &Caller, method: &str, now: Timestamp) -> Result<Secret> {
        let claims = claims(caller.id.clone(), caller.session_id.clone(), caller.role, now);
        let (aud, exp) = (TICKET_AUDIENCE.to_owned(), claims.iat + i64::from(TICKET_LIFE_SECONDS));
        let claims = Claims { aud, exp, ..claims };
        let header = Header { typ: Some(TICKET_TYPE.to_owned()), ..self.header.clone() };
        self.sign_as(&header, &Ticket { claims, method: method.to_owned() })
    }

    fn sign(&self, claims: &Claims) -> Result<Secret> {
        self.sign_as(&self.header, claims)
    }

    fn sign_as(&self, header: &Header, claims: &impl Serialize) -> Result<Secret> {
        Ok(encode(header, claims, &self.key).map_err(anyhow::Error::from)?.into())
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
