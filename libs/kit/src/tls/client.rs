use std::{io, sync::Arc};

use anyhow::Context;
use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Files, Made, Pem, made_of, provider};

/// A caller's side of TLS.
#[derive(Clone)]
pub struct Client(Made<ClientConfig>);

impl Client {
    /// A caller that knows servers by the authority in `files`, and shows the certificate there, if there is one.
    ///
    /// # Errors
    ///
    /// A file can't be read or used.
    pub async fn new(files: Files) -> anyhow::Result<Self> {
        Ok(Self(made_of(files, config).await?))
    }

    /// Makes sure, in TLS, that the other end is `name`.
    ///
    /// # Errors
    ///
    /// It is somebody else or speaks something else, or does not want us.
    pub async fn meet(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.borrow());
        TlsConnector::from(config).connect(name, stream).await
    }
}

fn config(pem: &Pem) -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions()?;
    let authority = pem.authority()?.context("a caller needs an authority")?;
    let builder = builder.with_root_certificates(authority);
    let mut config = match pem.own()? {
        Some((certificate, key)) => builder.with_client_auth_cert(certificate, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
