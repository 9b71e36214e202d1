//! Which instances a name in DNS is about, by its labels (RFC 6763 §4.1, §7.1): also those that are not in the answer.

use std::net::IpAddr;

use hickory_proto::rr::Name;

use crate::registry::{Slot, State};
use crate::service::{DomainName, Glob, Host, Instance, ServiceType, Subtype, Transport};
use crate::zone::Subject;

/// The instances that a name is about.
pub(super) enum Concern {
    Nobody,
    /// On the host of this name, or of a service of this name over either transport: one label may be both.
    Label(String),
    /// With this address.
    Address(IpAddr),
    /// Of service types, perhaps of some of their names, or in a subtype.
    Services {
        service: String,
        /// The same, compiled.
        pattern: Glob,
        transport: Transport,
        instance: Option<Glob>,
        subtype: Option<Subtype>,
    },
}

impl Concern {
    /// Reads a name that is in one of `zones`, or an address, where `subject` says that it is in a zone of ours.
    pub(super) fn of(name: &DomainName, zones: &[DomainName], subject: Subject) -> Self {
        let Some(labels) = zones.iter().find_map(|zone| name.labels_below(zone)) else {
            // Of an address in a reverse zone, also where all instances that have it are down.
            let address = address(name).filter(|_| subject != Subject::Foreign);
            return address.map_or(Self::Nobody, Self::Address);
        };
        let texts: Option<Vec<_>> = labels.iter().map(|label| std::str::from_utf8(label).ok()).collect();
        match texts.as_deref() {
            Some([label]) => Self::Label((*label).to_owned()),
            Some([service, transport]) => Self::services(service, transport, None, None),
            Some([instance, service, transport]) => Self::services(service, transport, Some(Glob::new(instance)), None),
            Some([subtype, sub, service, transport]) if sub.eq_ignore_ascii_case("_sub") => {
                let subtype = Subtype::new(subtype).ok();
                subtype.map_or(Self::Nobody, |subtype| Self::services(service, transport, None, Some(subtype)))
            }
            _ => Self::Nobody,
        }
    }

    fn services(service: &str, transport: &str, instance: Option<Glob>, subtype: Option<Subtype>) -> Self {
        let known = [Transport::Tcp, Transport::Udp].into_iter().find(|t| t.label().eq_ignore_ascii_case(transport));
        let (service, pattern) = (service.to_owned(), Glob::new(service));
        known.map_or(Self::Nobody, |transport| Self::Services { service, pattern, transport, instance, subtype })
    }

    /// Every identity that is listed and meant, in order. Only patterns, hosts and addresses take a look at all.
    pub(super) fn slots<'a>(&'a self, state: &'a State) -> Box<dyn Iterator<Item = &'a Slot> + 'a> {
        let means = |slot: &&Slot| slot.instances().any(|instance| self.means(instance));
        if let Some(types) = self.types() {
            let of_type = |wanted| state.of_type(&wanted).map(|(_, slot)| slot).collect::<Vec<_>>();
            return Box::new(types.into_iter().flat_map(of_type).filter(means));
        }
        let all = state.after(None).filter(|(id, _)| self.is_of_type(id.service_type()));
        Box::new(all.map(|(_, slot)| slot).filter(means))
    }

    /// Whether a label that is a host and a service is, as `subject` says, the one that an instance has no part in.
    pub(super) fn passes_over(&self, instance: &Instance, subject: Subject) -> bool {
        match (self, subject) {
            (Self::Label(label), Subject::Host) => !is_on(instance, label),
            (Self::Label(label), Subject::Addresses) => !is_of(instance, label),
            _ => false,
        }
    }

    /// The service types, where they are known by name.
    fn types(&self) -> Option<Vec<ServiceType>> {
        let of = |service: &str, transport: Transport| format!("{service}.{}", transport.label()).parse().ok();
        match self {
            Self::Nobody => Some(Vec::new()),
            Self::Services { service, transport, .. } => {
                (!Glob::is_pattern(service)).then(|| of(service, *transport).into_iter().collect())
            }
            Self::Label(_) | Self::Address(_) => None,
        }
    }

    fn is_of_type(&self, service_type: &ServiceType) -> bool {
        match self {
            Self::Nobody => false,
            Self::Label(_) | Self::Address(_) => true,
            Self::Services { pattern, transport, .. } => {
                service_type.transport() == *transport && pattern.matches(&format!("_{}", service_type.service()))
            }
        }
    }

    /// Whether it means an instance of such a type.
    fn means(&self, instance: &Instance) -> bool {
        match self {
            Self::Nobody => false,
            Self::Label(label) => is_on(instance, label) || is_of(instance, label),
            Self::Address(address) => instance.registration.addresses.iter().any(|own| own.get() == *address),
            Self::Services { instance: wanted, subtype, .. } => {
                let name = instance.id().instance().as_str();
                wanted.as_ref().is_none_or(|wanted| wanted.matches(name))
                    && subtype.as_ref().is_none_or(|s| instance.registration.served_subtypes().contains(s))
            }
        }
    }
}

/// Whether an instance runs on the host of this label.
fn is_on(instance: &Instance, label: &str) -> bool {
    matches!(instance.host(), Host::Label(host) if host.as_str().eq_ignore_ascii_case(label))
}

/// Whether an instance is of the service of this name.
fn is_of(instance: &Instance, label: &str) -> bool {
    instance.id().service_type().service().eq_ignore_ascii_case(label)
}

/// The address that a name in a reverse zone is of, where it is of a whole one (RFC 1035 §3.5, RFC 3596 §2.5).
fn address(name: &DomainName) -> Option<IpAddr> {
    let network = Name::from_labels(name.labels()).ok()?.parse_arpa_name().ok()?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}
