//! From what a link says of an instance to a registration. Pure.
//!
//! A stranger's values are bent where the zone can still serve them (a host that is no host name for unicast DNS
//! gets one), dropped where they mean nothing elsewhere (link-local addresses), and the rest is passed on as it is.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::service::{
    Address, Details, DomainName, Host, HostLabel, InstanceId, Lease, Registration, Reported, Subtype, Txt,
};

use super::message::Target;

/// Addresses of a host that are served. Enough for a router; a link could claim thousands.
const ADDRESSES_MAX: usize = 16;
/// Octets of the readable part of a label that is not a host's own: 63 (RFC 1035 §2.3.4) less `-` and eight digits.
const READABLE_MAX: usize = 54;

/// The registration of an instance, or `None` where it has no port and so offers nothing: the SRV record of a
/// name that is only held (RFC 6763 §8).
pub(super) fn registration(
    id: InstanceId,
    target: &Target,
    addresses: impl IntoIterator<Item = IpAddr>,
    txt: Txt,
    subtypes: Vec<Subtype>,
) -> Option<Registration> {
    let port = NonZeroU16::new(target.port)?;
    let mut addresses = routable(addresses);
    let host = host(&target.host)?;
    if matches!(host, Host::Foreign(_)) {
        addresses.clear();
    }
    Some(Registration {
        id,
        host,
        addresses: addresses.into(),
        port,
        priority: target.priority,
        weight: target.weight,
        txt,
        details: Details { subtypes, ..Details::default() }.into(),
        // The TTLs are watched here, where a goodbye, a refresh and an interface that goes are seen as well.
        lease: Lease::UntilDeregistered,
        reported: Reported::Up,
        moves: false,
    })
}

/// What another link can reach (RFC 8766 §5.5.2), sorted, so that the same addresses are the same registration.
fn routable(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Address> {
    let elsewhere = addresses.into_iter().filter(|address| !address.to_canonical().is_loopback());
    let mut routable: Vec<Address> = elsewhere.filter_map(|address| Address::new(address).ok()).collect();
    routable.sort_unstable();
    routable.dedup();
    routable.truncate(ADDRESSES_MAX);
    routable
}

/// `pc.local` becomes the label `pc`; a host elsewhere stays what it is if resolvers take it.
fn host(name: &DomainName) -> Option<Host> {
    let labels: Vec<&[u8]> = name.labels().collect();
    let (last, rest) = labels.split_last()?;
    if !last.eq_ignore_ascii_case(b"local") {
        // Without a zone of ours to compare with: a name below one would be a foreign host that is not there.
        let text = name.labels().map(str::from_utf8).collect::<Result<Vec<_>, _>>().ok()?.join(".");
        return Host::new(&format!("{text}."), &[]).ok();
    }
    let own = match rest {
        &[label] => str::from_utf8(label).ok().and_then(|text| HostLabel::new(text).ok()),
        _ => None,
    };
    own.or_else(|| HostLabel::new(&bent(rest, digest(name))).ok()).map(Host::Label)
}

/// Letters, digits and hyphens (RFC 1123 §2.1) of whatever labels a host has, and the digest of its name: `my_pc`
/// and `my pc` are two hosts, and instances that name the same host share its addresses.
fn bent(labels: &[&[u8]], digest: u32) -> String {
    let text = labels.iter().map(|label| String::from_utf8_lossy(label)).collect::<Vec<_>>().join("-");
    let text: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(READABLE_MAX).collect();
    let readable = Some(text.trim_matches('-')).filter(|text| !text.is_empty()).unwrap_or("host");
    format!("{readable}-{digest:08x}")
}

/// FNV-1a of a name, ASCII case ignored. In every release the same: it is part of a name that people write down.
fn digest(name: &DomainName) -> u32 {
    // Length octets are below `A`, so they stay.
    let octets = name.as_wire().iter().map(u8::to_ascii_lowercase);
    octets.fold(0x811c_9dc5, |digest, octet| (digest ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id() -> InstanceId {
        super::super::message::tests::an_instance("x", "http").id
    }

    fn made(host: &str, port: u16, addresses: &[&str]) -> Option<Registration> {
        let target = Target { host: host.parse().unwrap(), port, priority: 3, weight: 4 };
        registration(id(), &target, addresses.iter().map(|a| a.parse().unwrap()), Txt::default(), Vec::new())
    }

    fn host_of(host: &str) -> Option<String> {
        made(host, 80, &["10.0.0.1"]).map(|r| r.host.to_string())
    }

    #[test]
    fn a_host_becomes_a_label_that_resolvers_take() {
        assert_eq!(host_of("web.local").unwrap(), "web");
        assert_eq!(host_of("PC-2.LOCAL").unwrap(), "PC-2");
        for (name, readable) in
            [("my_pc", "my-pc"), ("a.b", "a-b"), ("Küche", "K-che"), ("ns", "ns"), ("__", "host"), ("web-", "web")]
        {
            let label = host_of(&format!("{name}.local")).unwrap();
            let digest = label.strip_prefix(readable).and_then(|rest| rest.strip_prefix('-')).expect(&label);
            assert!(digest.len() == 8 && digest.bytes().all(|octet| octet.is_ascii_hexdigit()), "{label}");
        }
        assert_eq!(host_of(&format!("{}.{}.local", "a".repeat(63), "b")).unwrap().len(), 63);
        assert_eq!(host_of("my_pc.local").unwrap(), "my-pc-e61ee960");
    }

    #[test]
    fn hosts_that_differ_by_little_have_labels_of_their_own() {
        let names = ["my_pc", "my-pc", "my pc", "my.pc", "my_pc_", "mý-pc", "mý_pc", "_", "__", "ns", "a.bc", "ab.c"];
        let labels: HashSet<String> = names.iter().map(|name| host_of(&format!("{name}.local")).unwrap()).collect();
        assert_eq!(labels.len(), names.len(), "{labels:?}");
        assert_eq!(host_of("My_PC.local").map(|label| label.to_lowercase()), host_of("my_pc.LOCAL"));
    }

    #[test]
    fn a_host_elsewhere_stays_foreign_and_takes_no_addresses() {
        let made = made("printer.example.org", 80, &["10.0.0.1"]).unwrap();
        assert_eq!((made.host.to_string().as_str(), made.addresses.len()), ("printer.example.org.", 0));
        assert_eq!(host_of("under_score.example.org"), None);
    }

    #[test]
    fn only_addresses_with_a_meaning_elsewhere_are_kept() {
        let addresses = ["fe80::1", "169.254.0.9", "127.0.0.1", "::1", "0.0.0.0", "10.0.0.2", "fd00::1", "10.0.0.2"];
        let made = made("web.local", 80, &addresses).unwrap();
        let kept: Vec<String> = made.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["10.0.0.2", "fd00::1"]);
    }

    #[test]
    fn an_instance_without_a_routable_address_is_registered_without_one() {
        assert!(made("web.local", 80, &["fe80::1"]).unwrap().addresses.is_empty());
    }

    #[test]
    fn priority_and_weight_are_the_wires_and_port_zero_offers_nothing() {
        let offered = made("web.local", 80, &[]).unwrap();
        assert_eq!((offered.port.get(), offered.priority, offered.weight), (80, 3, 4));
        assert_eq!(made("web.local", 0, &[]), None);
    }
}
