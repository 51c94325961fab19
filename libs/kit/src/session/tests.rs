use std::sync::LazyLock;

use super::*;

/// A key that auth knows, and the one that it doesn't.
const GOOD: &str = "fl_GoodGoodGoodGoodGoodGoodGoodGoodGoodGoodGoo";
const BAD: &str = "fl_BadBadBadBadBadBadBadBadBadBadBadBadBadBadB";

/// Auth that knows one living session and each key but one, or is away.
struct Auth {
    away: bool,
}

impl Ask for Auth {
    fn session(&self, claims: &Claims) -> BoxFuture<'_, Result<Option<Role>>> {
        let session_id = claims.sid.clone();
        Box::pin(async move {
            if self.away {
                return Err(Error::Unavailable("away"));
            }
            Ok((session_id == "alive").then_some(Role::Viewer))
        })
    }

    fn key(&self, secret: String) -> BoxFuture<'_, Result<Option<Key>>> {
        Box::pin(async move {
            if self.away {
                return Err(Error::Unavailable("away"));
            }
            let key =
                Key { id: "7".into(), equipment_ids: Arc::default(), expires_at: Some(at(100)) };
            Ok((secret != BAD).then_some(key))
        })
    }
}

fn sessions(away: bool) -> Sessions {
    Sessions::new(Arc::new(Auth { away }))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn claims(session_id: &str) -> Claims {
    Claims {
        iss: String::new(),
        aud: String::new(),
        sub: "ana".into(),
        sid: session_id.into(),
        jti: String::new(),
        iat: 0,
        exp: 0,
        nbf: None,
        role: String::new(),
    }
}

fn beat() -> News {
    News { complete: true, ..News::default() }
}

/// A moment, the same for all.
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What the caller with the token of a technician may do.
async fn check(sessions: &Sessions, session_id: &str) -> Result<Role> {
    check_at(sessions, session_id, *NOW).await
}

async fn check_at(sessions: &Sessions, session_id: &str, now: Instant) -> Result<Role> {
    sessions.check(&claims(session_id), Role::Technician, now).await
}

fn is_refused<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unauthenticated(_)))
}

fn is_unknown<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

#[tokio::test]
async fn before_the_first_beat_auth_is_asked() {
    assert_eq!(check(&sessions(false), "alive").await.unwrap(), Role::Viewer);
    assert!(is_refused(&check(&sessions(false), "dead").await));
    assert!(is_unknown(&check(&sessions(true), "alive").await));
}

#[tokio::test]
async fn half_a_snapshot_lets_nobody_in_unasked() {
    let sessions = sessions(true);
    sessions.hear(News::default(), at(0), *NOW);
    assert!(is_unknown(&check(&sessions, "alive").await));
}

#[tokio::test]
async fn a_snapshot_that_begins_anew_is_waited_for_and_keys_are_asked_about_again() {
    let sessions = sessions(false);
    sessions.hear(beat(), at(0), *NOW);
    sessions.key(GOOD, at(0), *NOW).await.unwrap();
    assert!(sessions.recall_key(GOOD, at(0), *NOW).unwrap().is_some());

    sessions.hear(News { snapshot: true, ..News::default() }, at(0), *NOW);
    assert_eq!(sessions.recall(&claims("alive"), Role::Technician, *NOW).unwrap(), None);

    sessions.hear(beat(), at(0), *NOW);
    let known = sessions.recall(&claims("alive"), Role::Technician, *NOW).unwrap();
    assert_eq!(known, Some(Role::Technician));
    assert!(sessions.recall_key(GOOD, at(0), *NOW).unwrap().is_none());
}

#[tokio::test]
async fn while_more_is_to_be_told_auth_is_asked_and_no_key_is_forgotten() {
    let sessions = sessions(false);
    sessions.hear(beat(), at(0), *NOW);
    sessions.key(GOOD, at(0), *NOW).await.unwrap();

    sessions.hear(News::default(), at(0), *NOW);
    assert_eq!(sessions.recall(&claims("alive"), Role::Technician, *NOW).unwrap(), None);
    assert!(sessions.recall_key(GOOD, at(0), *NOW).unwrap().is_none());

    sessions.hear(beat(), at(0), *NOW);
    assert!(sessions.recall_key(GOOD, at(0), *NOW).unwrap().is_some());
}

#[tokio::test]
async fn while_the_beat_is_heard_silence_means_good() {
    let sessions = sessions(true);
    sessions.hear(beat(), at(0), *NOW);
    assert_eq!(check(&sessions, "whichever").await.unwrap(), Role::Technician);

    assert!(is_unknown(&check_at(&sessions, "whichever", *NOW + BEAT).await));
}

#[tokio::test]
async fn an_ended_session_is_refused_though_the_beat_is_missed() {
    let sessions = sessions(true);
    sessions.hear(News { ended: vec![("dead".into(), at(0))], ..beat() }, at(0), *NOW);
    assert!(is_refused(&check(&sessions, "dead").await));
    assert!(is_refused(&check_at(&sessions, "dead", *NOW + BEAT * 10).await));
}

#[tokio::test]
async fn the_latest_role_counts() {
    let sessions = sessions(true);
    let change = |role, changed_at| News {
        users: vec![UserNews { id: "ana".into(), role, changed_at: at(changed_at) }],
        ..beat()
    };
    sessions.hear(change(Some(Role::Admin), 2), at(2), *NOW);
    sessions.hear(change(Some(Role::Viewer), 1), at(2), *NOW);
    assert_eq!(check(&sessions, "alive").await.unwrap(), Role::Admin);

    sessions.hear(change(None, 3), at(3), *NOW);
    assert!(is_refused(&check(&sessions, "alive").await));
}

#[tokio::test]
async fn a_key_is_remembered_until_its_end_is_told() {
    let sessions = sessions(false);
    assert!(sessions.key(GOOD, at(0), *NOW).await.is_ok());
    assert!(is_refused(&sessions.key(BAD, at(0), *NOW).await));
    assert!(is_refused(&sessions.key(GOOD, at(100), *NOW).await), "it has expired");
    sessions.hear(beat(), at(0), *NOW);
    let remembered = sessions.recall_key(GOOD, at(99), *NOW);
    assert!(remembered.unwrap().is_some());
    assert!(is_refused(&sessions.recall_key(GOOD, at(100), *NOW)), "also without asking");

    sessions.note(News { deleted_keys: vec!["7".into()], ..News::default() }, at(0));
    assert!(is_refused(&sessions.key(GOOD, at(0), *NOW).await));
}

#[tokio::test]
async fn of_more_keys_than_are_remembered_those_that_were_used_last_are() {
    let sessions = sessions(false);
    sessions.hear(beat(), at(0), *NOW);
    let is_remembered = |secret: &str| sessions.recall_key(secret, at(0), *NOW).unwrap().is_some();
    let secret = |number: usize| format!("fl_{number:043}");
    for number in 0..KEYS.get() {
        sessions.key(&secret(number), at(0), *NOW).await.unwrap();
    }
    assert!(is_remembered(&secret(0)));

    sessions.key(GOOD, at(0), *NOW).await.unwrap();

    assert!([GOOD, &secret(0), &secret(2)].into_iter().all(is_remembered));
    assert!(!is_remembered(&secret(1)), "nobody used it since");
}

#[tokio::test]
async fn news_is_forgotten_when_no_token_is_that_old() {
    let sessions = sessions(true);
    sessions.hear(News { ended: vec![("dead".into(), at(0))], ..beat() }, at(0), *NOW);
    sessions.hear(beat(), at(0).plus(KEPT), *NOW);
    assert!(sessions.known().ended.is_empty());
}

#[tokio::test]
async fn auth_is_not_asked_about_what_can_be_no_key() {
    let sessions = sessions(true);
    for nonsense in ["fl_", "fl_short", &format!("{GOOD}x"), &GOOD.replace('d', "+"), &GOOD[3..]] {
        assert!(is_refused(&sessions.key(nonsense, at(0), *NOW).await), "{nonsense}");
    }
    assert!(is_unknown(&sessions.key(GOOD, at(0), *NOW).await));
}
