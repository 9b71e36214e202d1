//! A certificate and its key, in PEM files (RFC 7468).

use std::fs;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use thiserror::Error;
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};

/// Where they are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Why a certificate cannot be shown; says what would be right.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file that is not there, or not for us.
    #[error("cannot read {path}: {source}; see tls.certificate and tls.key")]
    Unreadable {
        /// As it was looked for.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Something in the file begins as PEM does and does not go on so.
    #[error("{0} is no PEM file: {1}")]
    Malformed(PathBuf, pem::Error),
    /// No `BEGIN CERTIFICATE`.
    #[error("{0} has no certificate; tls.certificate wants the chain in PEM, the server's own certificate first")]
    NoCertificate(PathBuf),
    /// No `BEGIN PRIVATE KEY`, or an encrypted one.
    #[error("{0} has no private key; tls.key wants it in PEM, not encrypted")]
    NoKey(PathBuf),
    /// Two that do not belong together.
    #[error("the key in {key} is not that of the first certificate in {certificate}")]
    Strangers {
        /// Of the certificate.
        certificate: PathBuf,
        /// Of the key.
        key: PathBuf,
    },
    /// An algorithm that we do not have, or octets that are no certificate.
    #[error("the certificate in {0} or its key is of no use: {1}")]
    Useless(PathBuf, rustls::Error),
    /// One for a trial cannot be kept.
    #[error("cannot write {path}: {source}; check the directory and its owner, or choose another with --data-dir")]
    Unwritable {
        /// Of the certificate or its key.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// One for a trial cannot be made of what is there.
    #[error("cannot make a certificate with the key in {0}: {1}; remove the file, and another is made")]
    Unmade(PathBuf, rcgen::Error),
}

impl Files {
    /// The certificate chain and its key, which belong together.
    pub(super) fn load(&self) -> Result<CertifiedKey, CertificateError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.clone(), source })
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|error| CertificateError::Malformed(self.certificate.clone(), error))?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate(self.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey(self.key.clone()),
            error => CertificateError::Malformed(self.key.clone(), error),
        })?;
        CertifiedKey::from_der(chain, key, &provider::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Strangers { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            error => CertificateError::Useless(self.certificate.clone(), error),
        })
    }
}

/// The SHA-256 digest of the public key in Base64 (RFC 7858 §4.2).
pub(super) fn pin(shown: &CertifiedKey) -> Option<String> {
    let key = shown.key.public_key()?;
    Some(STANDARD.encode(digest::digest(&digest::SHA256, key.as_ref())))
}
