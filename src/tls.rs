//! The certificate that DNS and HTTP show over TLS and QUIC: from PEM files, or made for a trial.
//!
//! All listeners share one resolver, which hands out the certificate of the moment. When the files change, the next
//! handshake shows the new one, and connections that stand stay. What is spoken inside is the listeners' matter.
//!
//! Road not taken: to be told of changes by the kernel. Secrets that are mounted are replaced by moving a symbolic
//! link above them, on some file systems without a word; a look at two files each second misses none of that.

mod files;
mod self_signed;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use files::Files;
use watch::Watched;

pub use files::CertificateError;

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The PEM file of the certificate chain, the server's own certificate first. A relative path is below the data
    /// directory. Empty: none.
    pub certificate: PathBuf,
    /// The PEM file of the private key of `certificate`; may be the same file.
    pub key: PathBuf,
    /// Whether to make a certificate, for a trial: clients have to be told its pin, or given the file.
    pub self_signed: bool,
}

impl Config {
    /// Whether there is a certificate to show.
    pub fn has_certificate(&self) -> bool {
        self.self_signed || !self.certificate.as_os_str().is_empty()
    }
}

/// The certificate, and where it is from.
#[derive(Debug)]
pub struct Tls {
    identity: Identity,
    watched: Option<Watched>,
}

/// Who the server shows itself to be in handshakes. Without a certificate, as by default, none succeeds.
#[derive(Debug, Clone, Default)]
pub struct Identity(Arc<Shown>);

/// The certificate of the moment.
#[derive(Debug, Default)]
struct Shown(ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

impl Tls {
    /// Reads the certificate that `config` names. One for a trial is for `names`, host names and addresses alike; it
    /// is kept in `data_dir` and made anew, with the key that it had, once it lacks one of them.
    pub fn open(config: &Config, data_dir: &Path, names: &[String]) -> Result<Self, CertificateError> {
        let identity = Identity::default();
        if !config.has_certificate() {
            return Ok(Self { identity, watched: None });
        }
        let files = if config.self_signed {
            self_signed::provide(data_dir, names)?
        } else {
            Files { certificate: data_dir.join(&config.certificate), key: data_dir.join(&config.key) }
        };
        let watched = Watched::new(files);
        identity.0.0.store(Some(Arc::new(watched.files.load()?)));
        Ok(Self { identity, watched: Some(watched) })
    }

    /// For listeners; what this reads later, they show.
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// The file that has the certificate, to give to clients.
    pub fn certificate(&self) -> Option<&Path> {
        self.watched.as_ref().map(|watched| watched.files.certificate.as_path())
    }

    /// What clients that are told by it whom to trust want to know: the SHA-256 digest of the public key (SPKI) in
    /// Base64 (RFC 7858 §4.2).
    pub fn pin(&self) -> Option<String> {
        self.identity.0.0.load().as_ref().and_then(|shown| files::pin(shown))
    }

    /// Shows what the files have, whenever they change, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        match self.watched {
            Some(watched) => stop.run_until_cancelled(watched.follow(self.identity.0)).await.unwrap_or_default(),
            None => stop.cancelled().await,
        }
    }
}

impl Identity {
    /// Makes handshakes over TCP that agree on one of `protocols` (ALPN, RFC 7301), or on none.
    pub(crate) fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        self.server_config(protocols).into()
    }

    /// The same for whoever makes handshakes otherwise.
    pub(crate) fn server_config(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}
