//! Files that the gateway serves from its memory.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use anyhow::Result;
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, ETAG},
    request::Parts,
};
use http_body_util::Full;
use tonic::body::Body;

use crate::response;

/// A file, as it is sent.
pub struct Asset {
    content: Bytes,
    content_type: HeaderValue,
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
        // Tells one release's file from another's.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let etag = HeaderValue::from_str(&format!("\"{:x}\"", hasher.finish()))?;
        Ok(Self { content, content_type: HeaderValue::from_str(content_type)?, etag })
    }

    /// The file, unless the client has it.
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(ETAG, self.etag.clone());
        if response::is_known(&head.headers, &self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        response.headers_mut().insert(CONTENT_TYPE, self.content_type.clone());
        *response.body_mut() = Body::new(Full::from(self.content.clone()));
        response
    }
}
