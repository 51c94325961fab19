//! Compression of answers (RFC 9110 §8.4): gzip, which every client knows, where it pays.
//!
//! What carries an `ETag` of the API is left alone: the version that a client read is the one that it sends with a write,
//! and a compressed form would need another (§8.8.3.3). It is a single resource and small. Streams are left alone, too: a
//! record must not wait for the next one.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_ENCODING, ETAG, VARY},
};
use http_body_util::Full;
use tonic::body::Body;

use crate::accept;

/// Bytes from which it pays: what fits into one packet arrives no sooner.
const WORTHWHILE: usize = 1024;
/// Bytes from which it would keep other requests of the thread waiting.
const LONG: usize = 256 << 10;

/// Puts `content` into `response`, compressed if that pays and the client takes it.
pub async fn fill(response: &mut Response<Body>, request: &HeaderMap, content: Bytes) {
    let mut content = content;
    if pays(content.len()) && !response.headers().contains_key(ETAG) {
        response.headers_mut().append(VARY, VARIES);
        if is_wanted(request) {
            let plain = content.clone();
            let packed = if LONG <= content.len() {
                tokio::task::spawn_blocking(move || pack(&plain)).await.ok().flatten()
            } else {
                pack(&plain)
            };
            if let Some(packed) = packed {
                content = packed;
                response.headers_mut().insert(CONTENT_ENCODING, GZIP);
            }
        }
    }
    *response.body_mut() = Body::new(Full::new(content));
}

/// What an answer depends on that comes compressed or plain, as the client likes.
pub const VARIES: HeaderValue = HeaderValue::from_static("accept-encoding");
/// How compressed content is called.
pub const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Whether so many bytes are worth it.
pub fn pays(bytes: usize) -> bool {
    WORTHWHILE <= bytes
}

/// Whether the client would rather have it compressed.
pub fn is_wanted(request: &HeaderMap) -> bool {
    let quality = |coding| accept::coding(request, coding);
    let gzip = quality("gzip").or_else(|| quality("*")).unwrap_or_default();
    0.0 < gzip && quality("identity").is_none_or(|plain| plain <= gzip)
}

/// `content` compressed; none where that made it no smaller.
pub fn pack(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), Compression::fast());
    encoder.write_all(content).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < content.len()).then(|| packed.into())
}

/// Whether a request's body comes as it is: ours to unpack it is not, since a few bytes can stand for gigabytes.
pub fn is_plain(request: &HeaderMap) -> bool {
    let codings = request.get_all(CONTENT_ENCODING);
    codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;

    use super::*;

    fn wanted(accept: &'static str) -> bool {
        is_wanted(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn the_client_decides() {
        assert!(!is_wanted(&HeaderMap::new()));
        for accept in ["gzip", "deflate, GZIP;q=0.5, br", "*", "gzip, identity;q=0.5"] {
            assert!(wanted(accept), "{accept}");
        }
        for accept in ["", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "gzip;q=0.5, identity"] {
            assert!(!wanted(accept), "{accept}");
        }
    }

    #[test]
    fn what_gets_no_smaller_stays_as_it_is() {
        let noise: Vec<u8> = rand::random_iter().take(2000).collect();
        assert!(pack(&[b'a'; 2000]).is_some_and(|packed| packed.len() < 100));
        assert!(pack(&noise).is_none());
    }
}
