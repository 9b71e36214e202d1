//! A server of HTTP over TLS, with a certificate of its own, and a curl that believes it.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::tls::Certificate;
use super::{Launch, Portolan, tool};

pub struct Https {
    pub portolan: Portolan,
    /// Where it speaks HTTP over TLS.
    pub address: SocketAddr,
    /// For `localhost` and `registry.example`.
    pub certificate: Certificate,
    pub folder: TempDir,
}

impl Https {
    #[track_caller]
    pub fn start(launch: Launch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::in_folder(folder.path());
        certificate.write(&["localhost", "registry.example"]);
        let portolan = launch
            .env("PORTOLAN_HTTP_TLS_LISTEN", "127.0.0.1:0")
            .env("PORTOLAN_TLS_CERTIFICATE", certificate.file.to_str().unwrap())
            .env("PORTOLAN_TLS_KEY", certificate.key.to_str().unwrap())
            .start();
        let address = portolan.ready["http_tls"][0].as_str().unwrap().parse().unwrap();
        Self { portolan, address, certificate, folder }
    }

    /// curl, and the address of a path on one of its names.
    pub fn curl(&self, host: &str, path: &str) -> (Command, String) {
        let (port, ca) = (self.address.port(), self.certificate.file.to_str().unwrap());
        let mut curl = tool("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert", ca]);
        curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
        (curl, format!("https://{host}:{port}{path}"))
    }
}
