use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;

use super::*;

/// A verifier whose issuer has one key, called `known`, and answers as many times as `answers` says; and how often it was
/// asked.
fn verifier(answers: usize) -> (Verifier, Arc<AtomicUsize>) {
    slow_verifier(answers, Duration::ZERO)
}

/// The same with an issuer who takes `time` to answer.
fn slow_verifier(answers: usize, time: Duration) -> (Verifier, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let verifier = Verifier::new(Clock::system(), move || {
        let is_away = answers <= count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(time).await;
            if is_away {
                return Err(Error::Unavailable("away"));
            }
            Ok(vec![PublicKey { kid: "known".into(), x: BASE64_URL_SAFE_NO_PAD.encode([7; 32]) }])
        })
    });
    (verifier, asked)
}

/// A token that names the key `kid`, and whose signature is nothing.
fn token(kid: &str) -> String {
    let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    format!("{}.e30.AAAA", BASE64_URL_SAFE_NO_PAD.encode(header))
}

async fn is_refused(verifier: &Verifier, kid: &str) -> bool {
    match verifier.verify(&token(kid)).await {
        Err(Error::Unauthenticated(_)) => true,
        Err(Error::Unavailable(_)) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn invented_names_of_keys_make_nobody_ask_more_than_once_a_second() {
    let (verifier, asked) = verifier(usize::MAX);
    let begun = Instant::now();

    for number in 0..200 {
        assert!(is_refused(&verifier, &format!("invented-{number}")).await);
        assert!(is_refused(&verifier, "known").await);
    }

    let seconds = begun.elapsed().as_secs();
    let asked = u64::try_from(asked.load(Ordering::SeqCst)).unwrap();
    assert!((1..=1 + seconds).contains(&asked), "{asked} times in {seconds} s");
}

#[tokio::test]
async fn while_the_keys_of_now_cannot_be_had_a_token_that_names_another_is_not_refused() {
    let (verifier, asked) = verifier(1);
    assert!(is_refused(&verifier, "new").await, "the issuer says so");

    // As if a second had passed: the issuer is away by then.
    *verifier.fetched.lock().await = None;

    assert!(!is_refused(&verifier, "new").await);
    assert!(!is_refused(&verifier, "new").await, "and is not asked again at once");
    assert!(is_refused(&verifier, "known").await, "nor needed for what is known");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_a_slow_fetch_that_failed_does_not_repeat_it() {
    let (verifier, asked) = slow_verifier(0, REFETCH * 3);

    let all = join_all((0..20).map(|_| is_refused(&verifier, "known"))).await;

    assert_eq!(all, [false; 20]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tokio::time::advance(REFETCH).await;
    assert!(!is_refused(&verifier, "known").await);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_keeps_the_keys_from_nobody() {
    let (verifier, asked) = slow_verifier(1, REFETCH * 3);
    let hasty = is_refused(&verifier, "known");
    tokio::time::timeout(Duration::from_millis(1), hasty).await.unwrap_err();

    assert!(is_refused(&verifier, "known").await, "the keys came, and it is signed by none");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_its_issuer_retired_is_trusted_for_an_hour() {
    let kept = Arc::new(BlockingMutex::new(vec!["retired", "kept"]));
    let told = Arc::clone(&kept);
    let verifier = Verifier::new(Clock::system(), move || {
        let x = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        let key = |kid: &&str| PublicKey { kid: (*kid).into(), x: x.clone() };
        let keys = told.lock().unwrap().iter().map(key).collect();
        Box::pin(async { Ok(keys) })
    });
    verifier.key("retired").await.unwrap();
    kept.lock().unwrap().remove(0);

    tokio::time::advance(TRUSTED.saturating_sub(Duration::from_secs(1))).await;
    verifier.key("retired").await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;

    let refused = verifier.key("retired").await.err();
    assert!(matches!(refused, Some(Error::Unauthenticated(_))), "{refused:?}");
    verifier.key("kept").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_the_issuer_is_away_its_keys_of_long_ago_are_good_and_it_is_asked_once_a_second() {
    let (verifier, asked) = verifier(1);
    verifier.key("known").await.unwrap();

    tokio::time::advance(TRUSTED).await;

    for seconds in 1..3 {
        for _ in 0..5 {
            verifier.key("known").await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1 + seconds);
        tokio::time::advance(REFETCH).await;
    }
}
