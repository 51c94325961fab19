use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_name},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// Lets those in who have a certificate of the authority with one of the names.
#[derive(Debug)]
pub struct Listed {
    authority: Arc<dyn ClientCertVerifier>,
    names: Arc<[String]>,
}

impl Listed {
    pub fn new(roots: Arc<RootCertStore>, names: Arc<[String]>) -> anyhow::Result<Self> {
        let provider = super::provider();
        let authority = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
        Ok(Self { authority, names })
    }
}

/// Those of `names` that the certificate bears.
pub fn borne(certificate: &CertificateDer<'_>, names: &[String]) -> Vec<String> {
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return Vec::new() };
    let bears = |name: &&String| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    };
    names.iter().filter(bears).cloned().collect()
}

impl ClientCertVerifier for Listed {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.authority.verify_client_cert(end_entity, intermediates, now)?;
        if borne(end_entity, &self.names).is_empty() {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}
