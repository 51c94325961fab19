//! Where a call came from before the gateway carried it, and why a service believes that.

use std::{
    net::IpAddr,
    sync::{Arc, Once},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};

/// The header in which the gateway tells the address of its caller.
pub const FOR: &str = "x-forwarded-for";
/// The header that proves the one with the address.
pub const PROOF: &str = "x-forwarded-proof";

/// Vouches for addresses, by the secret that the parts of one deployment share: anybody can reach a service, and name an
/// address that is not theirs.
#[derive(Clone)]
pub struct Witness(Arc<hmac::Key>);

impl Witness {
    /// Whoever knows `secret`.
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// Proves the address that `headers` tell, if they tell one.
    pub fn vouch(&self, headers: &mut HeaderMap) {
        headers.remove(PROOF);
        let proof = headers.get(FOR).map(|told| {
            let tag = hmac::sign(&self.0, &statement(told));
            HeaderValue::from_str(&BASE64_URL_SAFE_NO_PAD.encode(tag))
        });
        if let Some(Ok(mut proof)) = proof {
            proof.set_sensitive(true);
            headers.insert(PROOF, proof);
        }
    }

    /// Whether the address that `headers` tell was vouched for.
    pub(crate) fn believes(&self, headers: &HeaderMap) -> bool {
        let (Some(told), Some(proof)) = (headers.get(FOR), headers.get(PROOF)) else {
            return false;
        };
        let tag = BASE64_URL_SAFE_NO_PAD.decode(proof.as_bytes());
        let is_ours = tag.is_ok_and(|tag| hmac::verify(&self.0, &statement(told), &tag).is_ok());
        if !is_ours {
            // Anybody can send one: a flood of them is one line.
            static TOLD: Once = Once::new();
            TOLD.call_once(|| {
                tracing::warn!("a proof of an address was wrong: is the gateway's secret another?");
            });
        }
        is_ours
    }
}

/// The address that `headers` tell, whether it is to be believed or not.
pub(crate) fn told(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(FOR)?.to_str().ok()?.parse().ok()
}

/// What is signed. The secret proves other things, too, so it says which this is.
fn statement(told: &HeaderValue) -> Vec<u8> {
    [FOR.as_bytes(), b" ", told.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: HeaderValue = HeaderValue::from_static("192.0.2.1");

    #[test]
    fn an_address_is_believed_from_whoever_knows_the_secret() {
        let witness = Witness::new("correct horse battery staple");
        let mut headers = HeaderMap::from_iter([(FOR.parse().unwrap(), ADDRESS)]);
        assert!(!witness.believes(&headers), "nobody vouched");

        witness.vouch(&mut headers);
        assert!(witness.believes(&headers));
        assert!(!Witness::new("another secret").believes(&headers));

        headers.insert(FOR, HeaderValue::from_static("192.0.2.2"));
        assert!(!witness.believes(&headers), "it was for another address");
    }

    #[test]
    fn what_came_from_outside_proves_nothing() {
        let witness = Witness::new("correct horse battery staple");
        for proof in ["", "AAAA", "not base64 at all", "é"] {
            let mut headers = HeaderMap::from_iter([(FOR.parse().unwrap(), ADDRESS)]);
            headers.insert(PROOF, HeaderValue::from_bytes(proof.as_bytes()).unwrap());
            assert!(!witness.believes(&headers), "{proof:?}");
            headers.remove(FOR);
            witness.vouch(&mut headers);
            assert!(!headers.contains_key(PROOF), "there is nothing to vouch for");
        }
    }
}
