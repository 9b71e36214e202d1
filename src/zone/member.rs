//! One served instance, packed as its records want it.
//!
//! A member is one allocation of octets: TTL, SRV head, label, target, TXT. Its PTR, SRV and TXT are read from
//! it by slicing, its owner name is its label and what the question says: neither is stored. Two members are
//! equal if and only if they give the same records, which is how the zone knows whether a change is one.

use std::sync::Arc;

use super::set::Keyed;
use crate::service::{Host, Instance, Source};

/// TTL of what was learned over multicast, at most, in seconds (RFC 8766 §5.5.1).
const MULTICAST_TTL_MAX: u32 = 10;
/// Where the parts begin: TTL (4), priority, weight and port (6), length of the target (1), its kind (1).
const HEAD: usize = 4;
const TARGET_LENGTH: usize = 10;
const TARGET_KIND: usize = 11;
const LABEL: usize = 12;

/// The records of one instance but for its subtypes and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member(Arc<[u8]>);

/// Where an SRV record points (RFC 2782).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A host of the zone: its label with the length in front.
    Label(&'a [u8]),
    /// Elsewhere: a whole name in wire form.
    Foreign(&'a [u8]),
}

impl Member {
    /// The member that an instance is; `zone_ttl` in seconds.
    pub(super) fn of(instance: &Instance, zone_ttl: u32) -> Self {
        let registration = &instance.registration;
        // An edge that accepted the registration has asked for the same record.
        let txt = registration.served_txt().unwrap_or_default();
        let mut octets = Vec::with_capacity(64 + txt.as_wire().len());
        octets.extend(ttl_of(instance, zone_ttl).to_be_bytes());
        octets.extend(registration.priority.to_be_bytes());
        octets.extend(registration.weight.to_be_bytes());
        octets.extend(registration.port.get().to_be_bytes());
        let (kind, target) = match instance.host() {
            Host::Label(label) => (0, prefixed(label.as_str())),
            Host::Foreign(name) => (1, name.as_wire().to_vec()),
        };
        octets.push(u8::try_from(target.len()).expect("a name has at most 255 octets"));
        octets.push(kind);
        octets.extend(prefixed(registration.id.instance().as_str()));
        octets.extend(target);
        octets.extend(txt.as_wire());
        Self(octets.into())
    }

    /// Seconds.
    pub(super) fn ttl(&self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// Priority, weight and port as an SRV record has them.
    pub(super) fn srv_head(&self) -> &[u8] {
        &self.0[HEAD..TARGET_LENGTH]
    }

    /// The instance label with its length in front.
    pub(super) fn label(&self) -> &[u8] {
        &self.0[LABEL..self.target_at()]
    }

    pub(super) fn target(&self) -> Target<'_> {
        let octets = &self.0[self.target_at()..self.txt_at()];
        if self.0[TARGET_KIND] == 0 { Target::Label(octets) } else { Target::Foreign(octets) }
    }

    /// TXT RDATA.
    pub(super) fn txt(&self) -> &[u8] {
        &self.0[self.txt_at()..]
    }

    fn target_at(&self) -> usize {
        LABEL + 1 + usize::from(self.0[LABEL])
    }

    fn txt_at(&self) -> usize {
        self.target_at() + usize::from(self.0[TARGET_LENGTH])
    }
}

impl Keyed for Member {
    fn key(&self) -> &[u8] {
        &self.label()[1..]
    }
}

/// The TTL of an instance's records in seconds: the zone's, unless its lease or its source makes it shorter.
/// A lease of 0 bounds nothing.
pub(super) fn ttl_of(instance: &Instance, zone_ttl: u32) -> u32 {
    let lease = instance.registration.lease.duration();
    let lease = lease.map_or(u32::MAX, |lease| u32::try_from(lease.as_secs()).unwrap_or(u32::MAX));
    let multicast = if instance.origin.source() == Source::Mdns { MULTICAST_TTL_MAX } else { u32::MAX };
    zone_ttl.min(lease).min(multicast)
}

/// A label as it is on the wire: its length, then its octets.
pub(super) fn prefixed(label: &str) -> Vec<u8> {
    let length = u8::try_from(label.len()).expect("a label has at most 63 octets");
    std::iter::once(length).chain(label.bytes()).collect()
}
