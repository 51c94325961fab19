//! Tokens that nobody was given, made from one whose session is alive: no service takes any, through the gateway or not.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    rest::{Rest, text},
    site::{PASSWORD, Site},
    storm::{Caller, READ},
};

/// A part of a token.
fn decode(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// `object` with `changes` in it.
fn with(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    object
}

/// What somebody makes of a good token who has no key of ours.
fn forged(site: &Site, token: &str) -> Vec<String> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{token}") };
    let (header_json, claims) = (decode(header), decode(payload));
    let stranger = site.stranger();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": stranger.public().x });
    let headers = [
        json!({}),
        json!({ "jwk": jwk }),
        json!({ "jku": "https://evil.example/jwks.json" }),
        json!({ "kid": "test" }),
        json!({ "crit": ["exp"] }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
    ];
    let mut tokens: Vec<_> =
        headers.iter().map(|change| stranger.forge(&with(&header_json, change), &claims)).collect();
    let changes = [
        json!({ "role": "ADMIN" }),
        json!({ "role": "SERVICE", "sub": "service:telemetry" }),
        json!({ "exp": 4_000_000_000_i64 }),
    ];
    for change in changes {
        tokens.push(format!("{header}.{}.{signature}", encode(&with(&claims, &change))));
    }
    tokens.extend([format!("{header}.{payload}."), format!("{header}.{payload}")]);
    tokens
}

/// What looks like a machine's key.
fn keys() -> Vec<String> {
    vec![
        "fl_".to_owned(),
        format!("fl_{}", "A".repeat(43)),
        format!("FL_{}", "A".repeat(43)),
        format!("fl_{}", "A".repeat(5000)),
        format!("fl_{}.e30.e30", "A".repeat(43)),
    ]
}

crate::everywhere! {
    async fn no_forged_token_is_taken_anywhere(site: Site) {
        let ana = site.technician("ana").await;
        let login = json!({ "username": site.name("ana"), "password": PASSWORD });
        let pair = Rest::new(&site.http).post("/api/token", &login).await.ok();
        for target in READ {
            assert_eq!(Caller::new(&site, &ana).call(target).await, StatusCode::OK, "{target:?}");
        }

        let mut tokens = forged(&site, &text(&pair, "access"));
        tokens.extend(keys());
        tokens.push(text(&pair, "refresh"));
        for token in tokens {
            let caller = Caller::new(&site, &ana.with_token(&token));
            for target in READ {
                let status = caller.call(target).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{target:?} with {token:.200}");
            }
        }
    }
}
