//! What the log says of a request.

use std::{cell::RefCell, io, sync::Once};

use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::world::World;

thread_local! {
    /// What this test's thread logged; a test's runtime has no other thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while a client gets `path`.
async fn logged(path: &str) -> String {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
    let world = World::trial(|_| json!({}));
    let request = Request::get(path).header("x-request-id", "r1").header("authorization", "s3cret");

    world.send(request.body(Full::default()).unwrap()).await;

    String::from_utf8(LOG.take()).unwrap()
}

#[tokio::test]
async fn a_request_is_one_line_that_says_where_it_went_and_how_it_ended() {
    let log = logged("/trial/things/7/").await;

    assert_eq!(log.lines().count(), 1, "{log}");
    for part in
        ["GET", "route=\"/trial/things/{id}\"", "status=200", "request_id=\"r1\"", "milliseconds="]
    {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[tokio::test]
async fn the_log_holds_neither_secrets_nor_what_the_client_made_up() {
    for path in [
        "/trial/things/s3cret",
        "/trial/things?q=s3cret",
        "/s3cret",
        "/trial/things/watch?ticket=s3cret",
    ] {
        let log = logged(path).await;
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(!log.contains("s3cret"), "{log}");
    }
}
