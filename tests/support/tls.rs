//! Certificates for a test, and a client that trusts one of them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Longer than any answer takes on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate and its key in files, as `tls.certificate` and `tls.key` want them.
#[derive(Debug)]
pub struct Certificate {
    pub file: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Where they will be in `folder`; nothing is written yet.
    pub fn in_folder(folder: &Path) -> Self {
        Self { file: folder.join("certificate.pem"), key: folder.join("key.pem") }
    }

    /// Writes a new one for these names; gives its PEM, which a client trusts.
    #[track_caller]
    pub fn write(&self, names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(&self.file, made.cert.pem()).unwrap();
        fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    }
}

/// A connection over TLS to a server that has the certificate `trusted`.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Shakes hands with a server that has to be `localhost` and to show the certificate `trusted`.
pub fn connect(server: SocketAddr, trusted: &Path, protocol: &str) -> io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).map_err(io::Error::other)?).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let name = "localhost".try_into().map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(server)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, tcp);
    stream.flush()?;
    Ok(stream)
}

/// A DNS message as streams have it, with its length in front.
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// Sends one.
pub fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    stream.write_all(&framed(message))?;
    stream.flush()
}

/// Receives one.
pub fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}
