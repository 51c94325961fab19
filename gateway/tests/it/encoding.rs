//! Answers that come compressed.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    neighbour::Reply,
    world::{Answer, World, json as with_json},
};

fn ask(path: &str, encoding: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("accept-encoding", encoding);
    request.body(Full::default()).unwrap()
}

fn unpack(answer: &Answer) -> Vec<u8> {
    let mut content = Vec::new();
    GzDecoder::new(&*answer.body).read_to_end(&mut content).unwrap();
    content
}

fn many(count: usize) -> Value {
    json!({"things": vec![json!({"name": "a pump by the door"}); count]})
}

#[tokio::test]
async fn a_long_list_comes_compressed_to_who_takes_it() {
    // The second is long enough for a thread of its own.
    for count in [100, 5000] {
        let world = World::trial(move |_| many(count));

        let packed = world.send(ask("/trial/things", "br, gzip")).await;
        let plain = world.get("/trial/things").await;

        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(unpack(&packed), plain.body);
        assert!(packed.body.len() * 5 < plain.body.len());
        assert!(plain.header("content-encoding").is_none());
        for answer in [packed, plain] {
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn what_is_short_comes_as_it_is() {
    let world = World::trial(|_| many(1));

    let answer = world.send(ask("/trial/things", "gzip")).await;

    assert!(answer.header("content-encoding").is_none());
    assert!(answer.header("vary").is_none());
    assert_eq!(answer.json()["things"][0]["name"], "a pump by the door");
}

#[tokio::test]
async fn a_version_is_the_same_to_every_reader_and_writer() {
    let world = World::trial(|_| json!({"id": "7", "name": "n".repeat(5000), "etag": "5"}));

    let answer = world.send(ask("/trial/things/7", "gzip")).await;

    assert_eq!(answer.header("etag"), Some("\"5\""));
    assert!(answer.header("content-encoding").is_none());
}

#[tokio::test]
async fn a_record_of_a_stream_waits_for_no_other() {
    let long = json!({"thing": {"name": "n".repeat(5000)}});
    let world = World::trial(move |_| Reply::Messages(vec![long.clone()], None));

    let answer = world.send(ask("/trial/things/watch", "gzip")).await;

    assert!(answer.header("content-encoding").is_none());
    assert_eq!(answer.text().lines().count(), 1);
}

#[tokio::test]
async fn each_form_of_a_file_has_a_tag_of_its_own() {
    let world = World::public(|_| json!({}));
    let path = "/openapi.json";
    let plain = world.get(path).await;
    let packed = world.send(ask(path, "gzip")).await;
    let head = Request::head(path).header("accept-encoding", "gzip");
    let head = world.send(head.body(Full::<Bytes>::default()).unwrap()).await;

    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(unpack(&packed), plain.body);
    assert_ne!(packed.header("etag"), plain.header("etag"));
    assert_eq!(head.header("etag"), packed.header("etag"));
    assert_eq!(head.header("content-length"), Some(packed.body.len().to_string().as_str()));
    for (known, encoding) in [(&packed, "gzip"), (&plain, "identity")] {
        let mut request = ask(path, encoding);
        let etag = known.headers["etag"].clone();
        request.headers_mut().insert("if-none-match", etag.clone());
        let again = world.send(request).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert_eq!(
            (&again.headers["etag"], &again.headers["vary"]),
            (&etag, &known.headers["vary"])
        );
    }
}

#[tokio::test]
async fn a_compressed_request_is_415_and_never_unpacked() {
    let world = World::trial(|_| json!({}));
    for encoding in ["gzip", "br", "identity, gzip"] {
        let mut request = with_json(Method::POST, "/trial/things", "{}");
        request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        assert_eq!(world.send(request).await.reason(415), "UNSUPPORTED_MEDIA_TYPE", "{encoding}");
    }
    assert!(world.calls().is_empty());

    let mut request = with_json(Method::POST, "/trial/things", "{}");
    request.headers_mut().insert("content-encoding", "identity".parse().unwrap());
    assert_eq!(world.send(request).await.status, 201);
}
