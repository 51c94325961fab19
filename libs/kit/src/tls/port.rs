use std::{io, net::IpAddr, sync::Arc};

use anyhow::Context;
use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{
    Files, Made, Pem,
    listed::{Listed, borne},
    made_of, provider,
    stream::{Origin, Stream},
};

/// What is spoken on a port, by its names in ALPN.
pub type Protocols = &'static [&'static [u8]];

/// Who may come to a port where the files name an authority.
#[derive(Clone, Debug)]
pub enum Visitors {
    /// Whoever has a certificate of the authority.
    All,
    /// Those of them whose certificates bear one of these names.
    Named(Arc<[String]>),
}

/// A port's side of TLS.
#[derive(Clone)]
pub struct Port {
    config: Made<ServerConfig>,
    visitors: Visitors,
}

impl Port {
    /// A port that shows the certificate in `files`. Where these name an authority, it asks its `visitors` for theirs.
    ///
    /// # Errors
    ///
    /// A file can't be read or used.
    pub async fn new(
        files: Files,
        protocols: Protocols,
        visitors: Visitors,
    ) -> anyhow::Result<Self> {
        let asked = visitors.clone();
        let config = made_of(files, move |pem| config(pem, protocols, &asked)).await?;
        Ok(Self { config, visitors })
    }

    /// Greets a client in TLS.
    ///
    /// # Errors
    ///
    /// It speaks something else, breaks off, or has no certificate that is wanted.
    pub async fn greet(&self, stream: TcpStream) -> io::Result<Stream> {
        let config = Arc::clone(&self.config.borrow());
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let names = certificate.map(|certificate| match &self.visitors {
            Visitors::All => Arc::default(),
            Visitors::Named(names) => borne(certificate, names).into(),
        });
        Ok(Stream::Tls { stream: Box::new(stream), names })
    }
}

fn config(pem: &Pem, protocols: Protocols, visitors: &Visitors) -> anyhow::Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions()?;
    let authority = pem.authority()?;
    let asks = authority.is_some();
    let builder = match (authority, visitors) {
        (None, _) => builder.with_no_client_auth(),
        (Some(roots), Visitors::All) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?,
        ),
        (Some(roots), Visitors::Named(names)) => {
            builder.with_client_cert_verifier(Arc::new(Listed::new(roots, Arc::clone(names))?))
        }
    };
    let (certificate, key) = pem.own()?.context("a port needs a certificate")?;
    let mut config = builder.with_single_cert(certificate, key)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    if asks {
        // Whoever comes again shows a certificate that is good then.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// Where a connection comes from, before anything is said on it.
pub(super) fn origin(stream: &TcpStream, names: Option<&Arc<[String]>>) -> Origin {
    let address = stream.peer_addr().ok().map(|address| address.ip());
    Origin { address: address.map(|ip: IpAddr| ip.to_canonical()), names: names.cloned() }
}
