//! A certificate, and connections under it.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::{Error, ErrorKind, Result};

/// What a server proves who it is with. TLS 1.2 and 1.3, by rustls.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn refuse(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, context.into())
}

impl Tls {
    /// The certificate chain, leaf first, and its private key, both as PEM.
    /// They are read once: a renewed certificate needs a new start.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a file cannot be read, if the key belongs to
    /// another certificate, or if others may read the key's file.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        private(key)?;
        let unread = |what: &str, path: &Path, cause: rustls::pki_types::pem::Error| {
            let path = path.display();
            // A cause may quote the file: its kind is all there is to say.
            let why = match cause {
                rustls::pki_types::pem::Error::Io(cause) => cause.kind().to_string(),
                _ => "it is not PEM of that kind".to_owned(),
            };
            refuse(format!("the {what} in {path} cannot be read: {why}"))
        };
        let certificates = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|cause| unread("certificate", chain, cause))?;
        if certificates.is_empty() {
            let path = chain.display();
            return Err(refuse(format!(
                "{path} holds no certificate: name the file with the whole chain as PEM"
            )));
        }
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|cause| unread("private key", key, cause))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(certificates, key)
            })
            .map_err(|cause| {
                refuse("the certificate and its private key do not belong together")
                    .with_cause(cause)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

/// Whoever reads the key is the server.
#[cfg(unix)]
fn private(key: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let path = key.display();
    let file = std::fs::metadata(key).map_err(|cause| {
        refuse(format!(
            "the private key in {path} cannot be read: {}",
            cause.kind()
        ))
    })?;
    if file.mode() & 0o077 != 0 {
        return Err(refuse(format!(
            "others may read the private key in {path}: chmod 600 it"
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<()> {
    Ok(())
}
