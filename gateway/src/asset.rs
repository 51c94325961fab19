//! Files that the gateway serves from its memory.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    sync::OnceLock,
};

use anyhow::Result;
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY},
    request::Parts,
};
use http_body_util::Full;
use tonic::body::Body;

use crate::{encoding, response};

/// A file, as it is sent.
pub struct Asset {
    content_type: HeaderValue,
    plain: Form,
    /// Made when it is first asked for; none where it is no smaller.
    packed: OnceLock<Option<Form>>,
}

/// The file, compressed or not. Each form has a tag of its own (RFC 9110 §8.8.3.3).
struct Form {
    content: Bytes,
    etag: HeaderValue,
}

impl Asset {
    /// # Errors
    ///
    /// `content_type` is no header's value.
    pub fn new(content: impl Into<Cow<'static, [u8]>>, content_type: &str) -> Result<Self> {
        let content = match content.into() {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let content_type = HeaderValue::from_str(content_type)?;
        Ok(Self { content_type, plain: Form::of(content), packed: OnceLock::new() })
    }

    /// The file, unless the client has it.
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        let packed = if encoding::is_wanted(&head.headers) { self.packed() } else { None };
        let form = packed.unwrap_or(&self.plain);

        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, form.etag.clone());
        if encoding::pays(self.plain.content.len()) {
            headers.append(VARY, encoding::VARIES);
        }
        if response::is_known(&head.headers, &form.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if packed.is_some() {
            headers.insert(CONTENT_ENCODING, encoding::GZIP);
        }
        *response.body_mut() = Body::new(Full::from(form.content.clone()));
        response
    }

    fn packed(&self) -> Option<&Form> {
        let content = &self.plain.content;
        let pack = || encoding::pays(content.len()).then(|| encoding::pack(content)).flatten();
        self.packed.get_or_init(|| pack().map(Form::of)).as_ref()
    }
}

impl Form {
    fn of(content: Bytes) -> Self {
        // Tells one release's file from another's.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        // Hexadecimal digits are a header's text.
        let etag = HeaderValue::from_str(&format!("\"{:x}\"", hasher.finish()));
        Self { content, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }
}
