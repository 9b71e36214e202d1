//! A certificate and its key, in PEM files (RFC 7468).

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use thiserror::Error;
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};

/// Octets of a file, at most: a long chain has some ten thousand.
const FILE_MAX: u64 = 1 << 20;

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
    /// A pipe, a device or a folder: there may be nothing to read in it for ever, or something without end.
    #[error("{0} is no regular file; tls.certificate and tls.key want PEM files of at most 1 MiB")]
    Irregular(PathBuf),
    /// Longer than any certificate.
    #[error("{0} has more than 1 MiB; tls.certificate and tls.key want PEM files of at most that")]
    Long(PathBuf),
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

/// What is in a file, if that is one and not too long.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    // To open a pipe would else wait for whoever writes to it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(CertificateError::Irregular(path.to_owned()));
    }
    let mut octets = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > FILE_MAX {
        return Err(CertificateError::Long(path.to_owned()));
    }
    Ok(octets)
}

/// The SHA-256 digest of the public key in Base64 (RFC 7858 §4.2).
pub(super) fn pin(shown: &CertifiedKey) -> Option<String> {
    let key = shown.key.public_key()?;
    Some(STANDARD.encode(digest::digest(&digest::SHA256, key.as_ref())))
}
