//! Whom to trust: the system's roots, an extra CA file, or (when switched off) anybody.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct};
use rustls::{RootCertStore, SignatureScheme};

/// Settings are kept for at most this many CA files.
const KEPT: usize = 64;

/// TLS settings by what they trust; loading the system's roots takes milliseconds, so once is enough.
#[derive(Debug, Default)]
pub struct Trust {
    kept: HashMap<(bool, Option<String>), Arc<ClientConfig>>,
}

impl Trust {
    /// A session towards `server_name`. The error is for a person.
    pub fn session(
        &mut self,
        server_name: &str,
        verify: bool,
        ca_file: Option<&str>,
    ) -> Result<ClientConnection, String> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| format!("{server_name} is not a name that a certificate can carry"))?;
        let config = self.config(verify, ca_file)?;
        ClientConnection::new(config, name).map_err(|error| explain(&error))
    }

    fn config(&mut self, verify: bool, ca_file: Option<&str>) -> Result<Arc<ClientConfig>, String> {
        let key = (verify, ca_file.map(str::to_owned));
        // A CA file may be renewed while we run: it is read each time.
        if let (Some(config), None) = (self.kept.get(&key), ca_file) {
            return Ok(config.clone());
        }
        let config = Arc::new(make_config(verify, ca_file)?);
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert(key, config.clone());
        Ok(config)
    }
}

/// What went wrong in TLS, in words for a person.
pub fn explain(error: &rustls::Error) -> String {
    use rustls::Error;
    match error {
        Error::InvalidCertificate(reason) => {
            format!(
                "the bot's certificate is not trusted: {}",
                explain_certificate(reason)
            )
        }
        Error::AlertReceived(alert) => format!("the bot refused TLS: {alert:?}"),
        Error::InvalidMessage(_) => "the bot does not speak TLS on this port".to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

fn explain_certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => {
            "self-signed, or issued by an authority that is not known here".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::Revoked => "it was revoked".to_owned(),
        other => match other {
            CertificateError::Other(inner) if inner.to_string().contains("CaUsedAsEndEntity") => {
                "self-signed".to_owned()
            }
            _ => format!("{other}"),
        },
    }
}

fn make_config(verify: bool, ca_file: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    if !verify {
        let anybody = Arc::new(Anybody(provider));
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(anybody)
            .with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &str) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| format!("the CA file {path} cannot be read: {error}"))?;
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("the CA file {path} holds no certificate"));
    }
    Ok(())
}

/// Believes every certificate; signatures are still checked, so that TLS itself works.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
