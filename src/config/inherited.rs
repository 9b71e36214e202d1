//! Variables that users of the Plexus registry have set already: they mean here what they meant there, and ours beat
//! them.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};

use toml::Value;

use super::{Config, Setting};

const LOG: &str = "RUST_LOG";
const PORT: &str = "REGISTRY_PORT";

/// The settings that they make of `config`.
///
/// What is no port is passed over: Kubernetes sets `REGISTRY_PORT` to a URL in every pod beside a service of that name.
pub(super) fn settings(environment: &[(OsString, OsString)], config: &Config) -> Vec<Setting> {
    let value = |name: &str| {
        let (_, value) = environment.iter().find(|(known, _)| known == name)?;
        value.to_str().filter(|text| !text.is_empty())
    };
    let log = value(LOG).map(|filter| Setting::flag(LOG, &["log"], filter));
    let port = value(PORT).and_then(|text| text.parse().ok()).map(|port| {
        let listen = config.rpc.listen.iter().map(|address| SocketAddr::new(address.ip(), port));
        let mut listen: Vec<_> = listen.map(|address| Value::from(address.to_string())).collect();
        if listen.is_empty() {
            listen.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string().into());
        }
        Setting::flag(PORT, &["rpc", "listen"], listen)
    });
    log.into_iter().chain(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(listen: &[&str], port: &str) -> Option<Value> {
        let mut config = Config::default();
        config.rpc.listen = listen.iter().map(|address| address.parse().unwrap()).collect();
        settings(&[(PORT.into(), port.into())], &config).pop().map(|setting| setting.value)
    }

    #[test]
    fn a_port_is_that_of_every_listener_or_of_one_on_this_machine() {
        let list = |addresses: &[&str]| Some(Value::from(addresses.to_vec()));
        assert_eq!(listening(&["0.0.0.0:4445", "[::]:4446"], "5445"), list(&["0.0.0.0:5445", "[::]:5445"]));
        assert_eq!(listening(&[], "5445"), list(&["127.0.0.1:5445"]));
        assert_eq!(listening(&[], "tcp://10.0.0.1:5000"), None);
        assert_eq!(listening(&[], ""), None);
    }
}
