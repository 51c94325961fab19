use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::listed::borne;

/// Where one end of a connection has what it proves itself with and what it knows the other end by. All are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Its certificate, followed by those between it and its authority, and the private key of it.
    pub own: Option<(PathBuf, PathBuf)>,
    /// The certificates of those who sign the other end's.
    pub authority: Option<PathBuf>,
}

impl Files {
    /// Whether its own certificate bears `name`.
    ///
    /// # Errors
    ///
    /// There is no certificate that can be read.
    pub async fn bear(&self, name: &str) -> anyhow::Result<bool> {
        let own = self.read().await?.own()?;
        let certificate = own.as_ref().and_then(|(certificates, _)| certificates.first());
        Ok(certificate.is_some_and(|own| !borne(own, &[name.to_owned()]).is_empty()))
    }

    pub(super) async fn read(&self) -> anyhow::Result<Pem> {
        let own = match &self.own {
            Some((certificate, key)) => Some((read(certificate).await?, read(key).await?)),
            None => None,
        };
        let authority = match &self.authority {
            Some(authority) => Some(read(authority).await?),
            None => None,
        };
        Ok(Pem { own, authority })
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.iter().flat_map(|(certificate, key)| [certificate, key]);
        let names: Vec<_> =
            own.chain(&self.authority).map(|path| path.display().to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

async fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    tokio::fs::read(path).await.with_context(|| format!("can't read {}", path.display()))
}

/// What is in the files.
#[derive(PartialEq, Eq)]
pub struct Pem {
    own: Option<(Vec<u8>, Vec<u8>)>,
    authority: Option<Vec<u8>>,
}

/// A certificate with what links it to its authority, and its key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pem {
    pub fn own(&self) -> anyhow::Result<Option<Own>> {
        let Some((certificate, key)) = &self.own else { return Ok(None) };
        let key = PrivateKeyDer::from_pem_slice(key).context("there is no private key")?;
        Ok(Some((certificates(certificate)?, key)))
    }

    pub fn authority(&self) -> anyhow::Result<Option<Arc<RootCertStore>>> {
        let Some(authority) = &self.authority else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority)? {
            roots.add(certificate).context("a certificate can't be an authority's")?;
        }
        Ok(Some(Arc::new(roots)))
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.context("a certificate can't be read")?;
    ensure!(!certificates.is_empty(), "there is no certificate");
    Ok(certificates)
}
