//! Services that are known without having instances.
//!
//! A declaration is kept as an instance is, under a name that nobody else may have, and is shown as none: it is not
//! listed, counted, picked, watched or served. It holds until it is deregistered.

use super::name::InstanceName;
use super::registration::InstanceId;
use super::service_type::ServiceType;

/// The name of what declares a service.
const DECLARED: &str = "(declared)";

impl InstanceName {
    /// Whether it is the name of a declaration, which no instance may have.
    pub fn is_of_declaration(&self) -> bool {
        self.as_str().eq_ignore_ascii_case(DECLARED)
    }
}

impl InstanceId {
    /// What declares a service.
    pub(crate) fn declaring(service_type: ServiceType) -> Self {
        Self::new(service_type, InstanceName::new(DECLARED).expect("a short text"))
    }

    /// Whether it declares its service, and is no instance.
    pub fn is_declaration(&self) -> bool {
        self.instance().is_of_declaration()
    }
}
