//! Swagger UI, which shows the OpenAPI document and tries it out. All its files are in this binary.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY},
    request::Parts,
};
use tonic::body::Body;
use utoipa_swagger_ui::Config;

use crate::{asset::Asset, problem::Problem};

/// The page runs the scripts of this origin and speaks to nobody else. Its components set styles as they go, and its
/// icons are in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const X_FRAME_OPTIONS: HeaderName = HeaderName::from_static("x-frame-options");

/// Where the files are found from the page, whose address therefore ends in a slash.
const PAGE: &str = "/swagger/";

/// Serves its files.
pub struct Swagger {
    config: Arc<Config<'static>>,
    /// Those that were asked for.
    files: Mutex<HashMap<String, Arc<Asset>>>,
}

impl Swagger {
    /// Shows the document at `path`.
    pub fn new(path: &'static str) -> Self {
        // No validator: it would be somebody else's.
        let config = Config::new([path])
            .deep_linking(true)
            .display_request_duration(true)
            .doc_expansion("none")
            .filter(true)
            .try_it_out_enabled(true)
            .validator_url("none");
        Self { config: Arc::new(config), files: Mutex::default() }
    }

    /// The page itself.
    pub fn page(&self, head: &Parts) -> Result<Response<Body>, Problem> {
        if head.uri.path().ends_with('/') {
            return self.file("", head);
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(LOCATION, HeaderValue::from_static(PAGE));
        Ok(response)
    }

    /// A file beside it.
    pub fn file(&self, name: &str, head: &Parts) -> Result<Response<Body>, Problem> {
        let mut response = self.asset(name)?.answer(head);
        for (header, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
        ] {
            response.headers_mut().insert(header, HeaderValue::from_static(value));
        }
        Ok(response)
    }

    fn asset(&self, name: &str) -> Result<Arc<Asset>, Problem> {
        // Whoever panicked while they held the lock left whole entries.
        let files = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asset) = files().get(name) {
            return Ok(Arc::clone(asset));
        }
        let fault = |error: &dyn std::fmt::Display| {
            tracing::error!(name, %error, "a file of Swagger UI cannot be served");
            Problem::internal()
        };
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&self.config));
        let file = file.map_err(|error| fault(&error))?.ok_or_else(Problem::not_found)?;
        let asset = Asset::new(file.bytes.into_owned(), &file.content_type);
        let asset = Arc::new(asset.map_err(|error| fault(&error))?);
        files().insert(name.to_owned(), Arc::clone(&asset));
        Ok(asset)
    }
}
