//! Which tokens a service takes. Everything is tried against one method that every person may call.

use std::time::Duration;

use kit::{access::Role, token::TYPE};
use proto::equipment::v1::{
    ListEquipmentRequest, equipment_service_client::EquipmentServiceClient,
};
use serde_json::{Value, json};
use testkit::{Engine, Issuer, Server, World};
use tonic::{Code, Request};

use super::start;

/// What a call with these `authorization` headers is answered.
async fn knock(server: &Server, headers: &[&str]) -> Code {
    let mut request = Request::new(ListEquipmentRequest::default());
    for header in headers {
        request.metadata_mut().append("authorization", header.parse().unwrap());
    }
    let answer = EquipmentServiceClient::new(server.channel.clone()).list_equipment(request).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Seconds since the epoch, by the frozen clock.
fn now(world: &World) -> i64 {
    world.clock.now().micros() / 1_000_000
}

/// What an admin's good token says.
fn claims(issuer: &Issuer) -> Value {
    serde_json::to_value(issuer.claims("018f0000-0000-7000-8000-000000000000", Role::Admin))
        .unwrap()
}

/// `object` with `changes` in it; null takes a member away.
fn with(mut object: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("{changes} is no object") };
    for (name, value) in changes {
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(&name),
            value => object.as_object_mut().unwrap().insert(name, value),
        };
    }
    object
}

/// Tokens that the issuer signed, but that say the wrong thing.
fn wrong_claims(world: &World) -> Vec<(String, String)> {
    let (issuer, now) = (&world.issuer, now(world));
    let changes = [
        json!({"aud": "other"}),
        json!({"aud": ""}),
        json!({"aud": null}),
        json!({"aud": ["other"]}),
        json!({"aud": ["flightline"]}),
        json!({"aud": ["flightline", "other"]}),
        json!({"aud": []}),
        json!({"aud": 7}),
        json!({"iss": "other"}),
        json!({"iss": "Flightline"}),
        json!({"iss": ""}),
        json!({"iss": null}),
        json!({"iss": ["other"]}),
        json!({"exp": null}),
        json!({"exp": now - 6}),
        json!({"exp": 0}),
        json!({"exp": i64::MIN}),
        json!({"exp": (now + 300).to_string()}),
        json!({"exp": 1e300}),
        json!({"nbf": now + 6}),
        json!({"nbf": i64::MAX}),
        json!({"nbf": "now"}),
        json!({"iat": now + 6}),
        json!({"iat": null}),
        json!({"role": "ROOT"}),
        json!({"role": "admin"}),
        json!({"role": ""}),
        json!({"role": ["ADMIN"]}),
        json!({"role": null}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": 7}),
        json!({"sid": null}),
        json!({"sid": ""}),
        json!({"sid": ["a"]}),
        json!({"jti": null}),
        json!({"exp": now + 300, "iat": "now"}),
    ];
    let forge = |change: Value| {
        let name = format!("claims with {change}");
        (name, issuer.forge(&issuer.header(), &with(claims(issuer), change)))
    };
    changes.into_iter().map(forge).collect()
}

/// Tokens that say the right thing under the wrong header.
fn wrong_headers(issuer: &Issuer) -> Vec<(String, String)> {
    let changes = [
        json!({"typ": null}),
        json!({"typ": "none"}),
        json!({"typ": "JWT"}),
        json!({"typ": "refresh+jwt"}),
        json!({"alg": null}),
        json!({"alg": ""}),
        json!({"alg": "none"}),
        json!({"alg": "nOnE"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "none", "typ": "JWT", "kid": null}),
        json!({"kid": null}),
        json!({"kid": ""}),
        json!({"kid": "other"}),
        json!({"kid": "TEST"}),
        json!({"kid": 7}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "' or '1' = '1"}),
        json!({"kid": "k".repeat(8000)}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
        json!({"alg": "EdDSA ", "typ": TYPE}),
        json!({"alg": "Ed448"}),
        json!({"typ": "AT+JWT"}),
        json!({"typ": "application/at+jwt"}),
    ];
    let forge = |change: Value| {
        let name = format!("header with {change:.60}");
        (name, issuer.forge(&with(issuer.header(), change), &claims(issuer)))
    };
    changes.into_iter().map(forge).collect()
}

/// Tokens that say all the right things, signed by somebody else, who offers the key to check them with.
fn foreign_signatures(issuer: &Issuer, stranger: &Issuer) -> Vec<(String, String)> {
    let public = stranger.public();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": public.kid, "x": public.x});
    let offers = [
        json!({}),
        json!({"jwk": jwk}),
        json!({"jku": "https://evil.example/jwks.json"}),
        json!({"x5u": "https://evil.example/certificate"}),
        json!({"x5c": ["MIIB"]}),
        json!({"kid": "https://evil.example/jwks.json"}),
    ];
    let forge = |offer: Value| {
        let name = format!("foreign signature, header with {offer}");
        (name, stranger.forge(&with(stranger.header(), offer), &claims(issuer)))
    };
    offers.into_iter().map(forge).collect()
}

/// What is left of a good token when somebody tampered with it.
fn tampered(issuer: &Issuer) -> Vec<(String, String)> {
    let viewer = issuer.user(Role::Viewer).token;
    let admin = issuer.user(Role::Admin).token;
    let parts: Vec<&str> = viewer.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{viewer}") };
    let other_payload = admin.split('.').nth(1).unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let half = viewer.len() / 2;
    [
        ("payload of another token", format!("{header}.{other_payload}.{signature}")),
        ("payload that goes on", format!("{header}.{payload}AA.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("changed signature", format!("{header}.{payload}.{first}{}", &signature[1..])),
        ("signature cut short", format!("{header}.{payload}.{}", &signature[..40])),
        ("signature twice", format!("{header}.{payload}.{signature}{signature}")),
        ("padded signature", format!("{viewer}==")),
        ("empty signature", format!("{header}.{payload}.")),
        ("no signature", format!("{header}.{payload}")),
        ("four parts", format!("{viewer}.{signature}")),
        ("five parts", format!("{header}.{payload}.{payload}.{payload}.{signature}")),
        ("first half", viewer[..half].to_owned()),
        ("second half", viewer[half..].to_owned()),
        ("other order", format!("{payload}.{header}.{signature}")),
        ("escaped dots", viewer.replace('.', "%2E")),
        ("quotes", format!("\"{viewer}\"")),
        ("space within", format!("{header}. {payload}.{signature}")),
        ("two tokens", format!("{viewer} {admin}")),
        ("two tokens and a comma", format!("{viewer}, Bearer {admin}")),
        ("dots alone", "..".to_owned()),
        ("not base64", "!!!.???.***".to_owned()),
        ("not JSON", "AAAA.AAAA.AAAA".to_owned()),
        ("nothing", String::new()),
        ("opaque, as refresh tokens are", "dGhpcyBpcyBubyBhY2Nlc3MgdG9rZW4gYXQgYWxsISE".to_owned()),
        ("a machine's key that nobody made", format!("fl_{}", "0".repeat(43))),
        ("a machine's key cut short", "fl_0000".to_owned()),
        ("a machine's key that goes on", format!("fl_{}", "0".repeat(8000))),
        ("the beginning of a machine's key", "fl_".to_owned()),
        ("null", "null".to_owned()),
    ]
    .map(|(name, token)| (name.to_owned(), token))
    .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bad_token_is_accepted() {
    let world = World::new(Engine::Sqlite).await;
    let server = start(&world).await;
    let stranger = World::new(Engine::Sqlite).await.issuer;

    let mut tokens = wrong_claims(&world);
    tokens.extend(wrong_headers(&world.issuer));
    tokens.extend(foreign_signatures(&world.issuer, &stranger));
    tokens.extend(tampered(&world.issuer));

    assert!(40 <= tokens.len(), "{}", tokens.len());
    let mut wrong = Vec::new();
    for (name, token) in &tokens {
        let code = knock(&server, &[&format!("Bearer {token}")]).await;
        if code != Code::Unauthenticated {
            wrong.push((name, code));
        }
    }
    assert_eq!(wrong, [], "of {}", tokens.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_token_counts_only_as_a_bearer_token() {
    let world = World::new(Engine::Sqlite).await;
    let server = start(&world).await;
    let token = world.user(Role::Viewer).token;

    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer  "] {
        assert_eq!(knock(&server, &[&format!("{scheme}{token}")]).await, Code::Ok, "{scheme:?}");
    }
    for scheme in
        ["", " ", "Basic ", "Token ", "JWT ", "Bearer", "Bearer: ", "Bearer\t", "Bearer Bearer "]
    {
        let code = knock(&server, &[&format!("{scheme}{token}")]).await;
        assert_eq!(code, Code::Unauthenticated, "{scheme:?}");
    }
    let good = format!("Bearer {token}");
    for headers in
        [&[][..], &["Bearer"], &["Bearer "], &["Bearer nonsense", &good], &["Basic Og==", &good]]
    {
        assert_eq!(knock(&server, headers).await, Code::Unauthenticated, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_counts_within_five_seconds_of_its_time_and_whatever_else_it_says() {
    let world = World::new(Engine::Sqlite).await;
    let server = start(&world).await;
    let (issuer, now) = (&world.issuer, now(&world));

    for (header, change) in [
        (json!({}), json!({})),
        (json!({}), json!({"exp": now - 4})),
        (json!({}), json!({"nbf": now + 4})),
        (json!({}), json!({"iat": now + 4})),
        (json!({}), json!({"scope": "what we know nothing of"})),
        (json!({"jku": "https://evil.example/jwks.json"}), json!({})),
    ] {
        let token =
            issuer.forge(&with(issuer.header(), header), &with(claims(issuer), change.clone()));
        assert_eq!(knock(&server, &[&format!("Bearer {token}")]).await, Code::Ok, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_accepted_before_ends_all_the_same() {
    let world = World::new(Engine::Sqlite).await;
    let server = start(&world).await;
    let bearer = format!("Bearer {}", world.user(Role::Viewer).token);

    assert_eq!(knock(&server, &[&bearer]).await, Code::Ok);
    world.clock.advance(Duration::from_secs(305));
    assert_eq!(knock(&server, &[&bearer]).await, Code::Ok);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(knock(&server, &[&bearer]).await, Code::Unauthenticated);
}
