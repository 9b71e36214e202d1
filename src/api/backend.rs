//! A backend, as files and clients of a Plexus registry write it: a service whose identity is its name, whatever that is.

use serde::Deserialize;

use crate::service::{ForeignNameError, InstanceId, InstanceName, Lease, ServiceType};

use super::lease::LeaseWish;
use super::registration::Registration;
use super::txt::Txt;

/// What a backend is.
#[derive(Debug, Clone, Deserialize)]
pub struct Backend {
    /// Unlike that of any other.
    pub name: String,
    /// Default: 127.0.0.1.
    #[serde(default)]
    pub host: Option<String>,
    /// Where it listens.
    pub port: u16,
    /// Default: [`Backend::PROTOCOL`].
    #[serde(default)]
    pub protocol: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// For programs.
    #[serde(default)]
    pub namespace: Option<String>,
}

impl Backend {
    /// What is spoken to one, unless it says otherwise.
    pub const PROTOCOL: &str = "ws";

    /// The instance that a name means.
    pub fn identity(name: &str) -> Result<InstanceId, ForeignNameError> {
        Ok(InstanceId::new(ServiceType::of_name(name)?, InstanceName::of_name(name)?))
    }

    /// Where one is that names this host: at an address, since nobody else's `localhost` is meant.
    pub fn place(host: Option<String>) -> String {
        host.filter(|host| !host.eq_ignore_ascii_case("localhost")).unwrap_or_else(|| "127.0.0.1".into())
    }

    /// The registration of one, which holds until it is taken back.
    pub fn registration(self) -> Result<Registration, ForeignNameError> {
        let Self { name, host, port, protocol, description, namespace } = self;
        let id = Self::identity(&name)?;
        Ok(Registration {
            instance: Some(id.instance().as_str().to_owned()),
            host: Some(Self::place(host)),
            protocol: Some(protocol.unwrap_or_else(|| Self::PROTOCOL.to_owned())),
            description,
            namespace,
            txt: Some(Txt::of_names(&id, &name, &name)),
            lease: Some(LeaseWish::of(Lease::UntilDeregistered)),
            ..Registration::new(id.service_type().to_string(), port)
        })
    }
}
