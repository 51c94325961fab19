//! What strangers' text meets first, each as one call that panics where a promise is broken: for the targets in `fuzz/`, and
//! in short for the tests below.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Clock, Page, Result,
    order::{By, Field, OrderedPage, Place, Value},
    seal::Seal,
    token::{PublicKey, Verifier},
};

static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::new(&[7; 32]).expect("a key has 32 bytes"));

const ORDERS: &[Field<(String, i64)>] = &[
    Field { name: "name", sql: "name", value: By::Text(|row| row.0.clone()) },
    Field { name: "size", sql: "size", value: By::Number(|row| row.1) },
];

/// A page token that we did not make is refused. One that we made, in another release say, is read or refused.
pub fn page_token(token: &str) {
    let page = |token: &str| Page::<i64>::parse(&SEAL, 10, token, &7_i64);
    assert!(token.is_empty() || page(token).is_err(), "a forged token was taken");
    let sealed = SEAL.close(token.as_bytes().to_vec()).expect("there is randomness");
    assert_eq!(SEAL.open(&sealed).as_deref(), Some(token.as_bytes()));
    if let Ok(page) = page(&sealed) {
        assert!(page.after.is_some());
    }
}

/// An order is one of those that there are. A token that says where it goes on is of the same kind.
pub fn order(order_by: &str, place: &str) {
    let page = |token: &str| {
        OrderedPage::<(String, i64), i64>::parse(&SEAL, ORDERS, order_by, 10, token, &7_i64)
    };
    let Ok(first) = page("") else { return };
    let words = order_by.split_ascii_whitespace().collect::<Vec<_>>();
    assert!(matches!(words[..], [] | ["name" | "size"] | ["name" | "size", "desc"]), "{words:?}");
    let rows = (0..11).map(|id| (place.to_owned(), id)).collect();
    let (rows, token) = first.cut(rows, |row| row.1).expect("there is randomness");
    assert_eq!(rows.len(), 10);
    let next = page(&token).expect("our own token");
    let (_, Place { value, id }) = next.after().expect("there is more");
    assert_eq!(*id, 9);
    match words.first() {
        Some(&"name") => assert_eq!(*value, Some(Value::Text(place.to_owned()))),
        Some(_) => assert_eq!(*value, Some(Value::Number(9))),
        None => assert_eq!(*value, None),
    }
}

/// A key of our own, and what verifies its tokens.
struct Issuer {
    pair: Ed25519KeyPair,
    verifier: Verifier,
    runtime: Runtime,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed has 32 bytes");
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let verifier = Verifier::new(Clock::system(), move || {
        let key = PublicKey { kid: "fuzz".to_owned(), x: x.clone() };
        Box::pin(async { Ok(vec![key]) })
    });
    let runtime = Builder::new_current_thread().enable_time().build();
    Issuer { pair, verifier, runtime: runtime.expect("a thread is a runtime") }
});

/// A token that nobody signed is refused. One whose claims are a stranger's and whose signature is ours is read or refused.
pub fn access_token(token: &str, header: &str, claims: &str) {
    let issuer = &*ISSUER;
    let verify =
        |token: &str| -> Result<_> { issuer.runtime.block_on(issuer.verifier.verify(token)) };
    assert!(verify(token).is_err(), "a forged token was taken");
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = encode(issuer.pair.sign(message.as_bytes()).as_ref());
    if let Ok((claims, _)) = verify(&format!("{message}.{signature}")) {
        assert!(!claims.sub.is_empty());
    }
    // The same under a good header, so that the claims are looked at.
    let message = format!(
        "{}.{}",
        encode(br#"{"typ":"at+jwt","alg":"EdDSA","kid":"fuzz"}"#),
        encode(claims.as_bytes())
    );
    let signature = encode(issuer.pair.sign(message.as_bytes()).as_ref());
    if let Ok((claims, _)) = verify(&format!("{message}.{signature}")) {
        assert!(!claims.sub.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_page_token_is_taken_for_ours(token in ".{0,80}", base64 in "[A-Za-z0-9_-]{0,120}") {
            page_token(&token);
            page_token(&base64);
        }

        #[test]
        fn what_is_sealed_is_read_or_refused(after in any::<i64>(), rest in ".{0,20}") {
            page_token(&format!(r#"{{"filter":"{rest}","after":{after}}}"#));
        }

        #[test]
        fn an_order_is_one_of_those_there_are(order_by in "(name|size|desc| |[a-z]){0,4}", place in ".{0,20}") {
            order(&order_by, &place);
        }

        #[test]
        fn no_access_token_is_taken_for_ours(
            token in "[A-Za-z0-9_.-]{0,120}",
            header in r#"\{("typ":"at\+jwt",)?("alg":"(EdDSA|none|HS256)",)?"kid":".{0,8}"\}"#,
            claims in r#"\{"iss":"flightline","aud":"flightline","exp":[0-9]{1,20},"iat":-?[0-9]{1,19},"sub":".{0,8}"\}"#,
        ) {
            access_token(&token, &header, &claims);
        }
    }
}
