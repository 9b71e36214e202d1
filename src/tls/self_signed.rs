//! A certificate of our own making, for a trial: nobody vouches for it, so clients are given its pin or the file.
//!
//! It is kept, so that what clients were given holds after a restart. When it lacks a name, since the server listens
//! elsewhere now, it is made anew with the same key: its pin stays.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::ParsedCertificate;

use super::files::{CertificateError, Files, read};

/// Readable by everybody: clients are given it.
const PUBLIC: u32 = 0o644;
/// The owner's alone.
const PRIVATE: u32 = 0o600;
/// As the store makes the data directory.
const PRIVATE_FOLDER: u32 = 0o700;

/// The files in `data_dir` with a certificate for all of `names` that a certificate can have.
pub(super) fn provide(data_dir: &Path, names: &[String]) -> Result<Files, CertificateError> {
    let files = Files { certificate: data_dir.join("self-signed.pem"), key: data_dir.join("self-signed.key") };
    let names: Vec<_> = names.iter().filter(|name| ServerName::try_from(name.as_str()).is_ok()).cloned().collect();
    if !is_for(&files, &names) {
        make(&files, names)?;
    }
    Ok(files)
}

/// Whether the files have a certificate, and for all of `names`.
fn is_for(files: &Files, names: &[String]) -> bool {
    files.load().is_ok_and(|kept| {
        let parsed = kept.end_entity_cert().and_then(ParsedCertificate::try_from);
        parsed.is_ok_and(|certificate| {
            let has = |name: ServerName<'_>| verify_server_name(&certificate, &name).is_ok();
            names.iter().all(|name| ServerName::try_from(name.as_str()).is_ok_and(has))
        })
    })
}

fn make(files: &Files, names: Vec<String>) -> Result<(), CertificateError> {
    let unmade = |error| CertificateError::Unmade(files.key.clone(), error);
    let key = match read(&files.key) {
        Ok(octets) => KeyPair::from_pem(&String::from_utf8_lossy(&octets)).map_err(unmade)?,
        Err(CertificateError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(unmade)?;
            write(&files.key, &key.serialize_pem(), PRIVATE)?;
            key
        }
        Err(error) => return Err(error),
    };
    let mut parameters = CertificateParams::new(names).map_err(unmade)?;
    parameters.distinguished_name.push(DnType::CommonName, "portolan (self-signed)");
    parameters.key_usages.push(KeyUsagePurpose::DigitalSignature);
    parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = parameters.self_signed(&key).map_err(unmade)?;
    write(&files.certificate, &certificate.pem(), PUBLIC)
}

/// Whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let begun = path.with_extension("new");
    let write = || {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder)?;
        }
        // What a run left that did not get this far may be anybody's to read.
        match fs::remove_file(&begun) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&begun)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&begun, path)
    };
    write().map_err(|source| CertificateError::Unwritable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::files::pin;
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn it_stays_the_same_until_it_lacks_a_name_and_then_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("below");
        let provide = |wanted: &[&str]| {
            let loaded = provide(&data_dir, &names(wanted)).unwrap().load().unwrap();
            (loaded.cert.clone(), pin(&loaded).unwrap())
        };
        let first = provide(&["localhost", "127.0.0.1", "::1", "no name at all"]);
        assert_eq!(provide(&["localhost", "::1"]), first);
        let second = provide(&["localhost", "ns.registry.local"]);
        assert_ne!(second.0, first.0);
        assert_eq!(second.1, first.1);
        let mode = fs::metadata(data_dir.join("self-signed.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
    }

    #[test]
    fn what_is_no_key_is_told_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("self-signed.key");
        fs::write(&key, "a shopping list").unwrap();
        let error = provide(folder.path(), &names(&["localhost"])).unwrap_err().to_string();
        assert!(error.contains("self-signed.key") && error.contains("remove the file"), "{error}");
        assert_eq!(fs::read_to_string(key).unwrap(), "a shopping list");
    }
}
