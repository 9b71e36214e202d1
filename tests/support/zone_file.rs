//! The zones of a registry as zone files, made of what its HTTP API lists, by the rules of the README and in none of
//! portolan's code: so that another server can say what portolan should have said.
//!
//! What DNS alone can tell (the serial, the name server's address) is given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Portolan;
use super::wire::Name;

/// What holds for all zones.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub serial: u32,
    pub name_server: IpAddr,
    /// Seconds.
    pub ttl: u32,
    /// Seconds.
    pub negative_ttl: u32,
}

/// Every instance that is listed, page by page.
#[track_caller]
pub fn listed(portolan: &Portolan) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = portolan.get(&format!("/v1/instances?limit=500{cursor}")).expect(200).json();
        all.append(page["instances"].as_array_mut().unwrap());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// A zone's records and the names that exist without any.
#[derive(Debug)]
pub struct ZoneFile {
    pub zone: Name,
    /// By owner and type: the TTL, and the data as text.
    rrsets: BTreeMap<(Name, &'static str), (u32, BTreeSet<String>)>,
    /// Names that exist whether or not anything is below them.
    empty: BTreeSet<Name>,
}

impl ZoneFile {
    /// A zone, with the names of the zone `home` for what it says of itself, and as the domain to browse.
    fn new(zone: &Name, home: &Name, settings: Settings) -> Self {
        let mut file = Self { zone: zone.clone(), rrsets: BTreeMap::new(), empty: BTreeSet::new() };
        let Settings { serial, ttl, negative_ttl, .. } = settings;
        let (ns, mailbox) = (home.below("ns"), home.below("hostmaster"));
        file.add(zone, "SOA", ttl, format!("{ns} {mailbox} {serial} 60 10 86400 {negative_ttl}"));
        file.add(zone, "NS", ttl, ns.to_string());
        file.add_browsing(zone, home, ttl);
        file
    }

    /// The domain to browse (RFC 6763 §11).
    fn add_browsing(&mut self, at: &Name, home: &Name, ttl: u32) {
        for name in ["b", "db", "lb"] {
            self.add(&at.below(name).at_meta(), "PTR", ttl, home.to_string());
        }
    }

    /// The zone `zone` of a registry whose first zone is `first`, which is how the API names hosts.
    pub fn of(zone: &Name, first: &Name, instances: &[Value], settings: Settings) -> Self {
        let mut file = Self::new(zone, zone, settings);
        let Settings { name_server, ttl, .. } = settings;
        file.add_address(&zone.below("ns"), ttl, &name_server.to_string());
        for name in ["_tcp", "_udp", "_dnssd-srp._tcp", "_dnssd-srp-tls._tcp", "_dns-push-tls._tcp"] {
            file.empty.insert(zone.below(name));
        }
        file.empty.insert(zone.below("_services._dns-sd._udp"));
        let hosts: BTreeSet<_> =
            instances.iter().filter(|i| i["served"] == true).map(|i| target(i, zone, first).folded()).collect();
        for instance in instances {
            file.add_instance(instance, first, ttl, &hosts);
        }
        file
    }

    /// The reverse zone of a /16 of IPv4 or a /64 of IPv6. Domains to browse are also found at the base address of
    /// every subnet: a /24 of the one, the /64 itself of the other.
    pub fn reverse(prefix: &str, first: &Name, instances: &[Value], settings: Settings) -> Self {
        let base: IpAddr = prefix.split('/').next().unwrap().parse().unwrap();
        let bases: Vec<IpAddr> = match base {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                (0..=255).map(|c| [a, b, c, 0].into()).collect()
            }
            IpAddr::V6(_) => vec![base],
        };
        let units = if base.is_ipv4() { 2 } else { 16 };
        let mut zone = backwards(base);
        for _ in 0..units {
            zone = zone.parent().unwrap();
        }
        let mut file = Self::new(&zone, first, settings);
        for base in bases {
            file.add_browsing(&backwards(base), first, settings.ttl);
        }
        for instance in instances.iter().filter(|instance| instance["served"] == true) {
            for address in instance["addresses"].as_array().unwrap() {
                let name = backwards(address.as_str().unwrap().parse().unwrap());
                if name.0.ends_with(&zone.0) {
                    file.add(&name, "PTR", ttl_of(instance, settings.ttl), target(instance, first, first).to_string());
                }
            }
        }
        file
    }

    fn add_instance(&mut self, instance: &Value, first: &Name, zone_ttl: u32, hosts: &BTreeSet<Name>) {
        let zone = self.zone.clone();
        let text = |key: &str| instance[key].as_str().unwrap();
        let service = format!("_{}", text("service"));
        let transport = format!("_{}", text("transport"));
        let base = zone.below(&transport).child(service.as_bytes());
        let groups: Vec<Name> = subtypes(instance).iter().map(|s| base.below("_sub").child(s.as_bytes())).collect();
        self.empty.insert(base.clone());
        self.empty.extend(groups.iter().cloned());
        if instance["served"] != true {
            return;
        }
        let ttl = ttl_of(instance, zone_ttl);
        let name = base.child(text("instance").as_bytes());
        let target = target(instance, &zone, first);
        let srv = format!("{} {} {} {target}", instance["priority"], instance["weight"], instance["port"]);
        for group in groups.iter().chain([&base]) {
            self.add(group, "PTR", ttl, name.to_string());
            self.add(group, "SRV", ttl, srv.clone());
        }
        self.add(&name, "SRV", ttl, srv);
        self.add(&name, "TXT", ttl, txt(instance));
        self.add(&zone.below("_services").at_meta(), "PTR", ttl, base.to_string());
        let of_service = zone.child(text("service").as_bytes());
        for address in instance["addresses"].as_array().unwrap() {
            let address = address.as_str().unwrap();
            self.add_address(&target, ttl, address);
            // A host of that name has it for itself; all are of one layer here.
            if !hosts.contains(&of_service.folded()) {
                self.add_address(&of_service, ttl, address);
            }
        }
    }

    fn add_address(&mut self, name: &Name, ttl: u32, address: &str) {
        self.add(name, if address.contains(':') { "AAAA" } else { "A" }, ttl, address.to_owned());
    }

    /// An RRset has one TTL, the shortest of its members' (RFC 2181 §5.2).
    fn add(&mut self, owner: &Name, rtype: &'static str, ttl: u32, data: String) {
        let rrset = self.rrsets.entry((owner.folded(), rtype)).or_insert_with(|| (ttl, BTreeSet::new()));
        rrset.0 = rrset.0.min(ttl);
        rrset.1.insert(data);
    }

    /// Every name that exists: owners, and all between them and the zone.
    pub fn names(&self) -> BTreeSet<Name> {
        let mut names = BTreeSet::new();
        for name in self.rrsets.keys().map(|(owner, _)| owner).chain(&self.empty) {
            let mut name = name.folded();
            while name != self.zone.folded() && names.insert(name.clone()) {
                name = name.parent().unwrap();
            }
        }
        names.insert(self.zone.folded());
        names
    }
}

impl std::fmt::Display for ZoneFile {
    /// The file. An empty name gets one below it that nobody asks for: files have no other way to say that it exists.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ((owner, rtype), (ttl, data)) in &self.rrsets {
            for data in data {
                writeln!(f, "{owner} {ttl} IN {rtype} {data}")?;
            }
        }
        self.empty.iter().try_for_each(|name| writeln!(f, "{} 1 IN TXT \"\"", name.below("nobody-asks-for-this")))
    }
}

impl Name {
    /// The first label moved below `_dns-sd._udp` of the rest.
    fn at_meta(&self) -> Self {
        let zone = self.parent().expect("not the root");
        zone.below("_dns-sd._udp").child(self.labels()[0])
    }
}

/// A lease bounds the TTL, but for one of 0.
fn ttl_of(instance: &Value, zone_ttl: u32) -> u32 {
    let lease = instance["lease"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a lease, floored")]
    if lease == 0.0 { zone_ttl } else { zone_ttl.min(lease as u32) }
}

/// The name of an address in the tree of addresses (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn backwards(address: IpAddr) -> Name {
    match address {
        IpAddr::V4(v4) => {
            v4.octets().iter().fold(Name::of("in-addr.arpa"), |name, octet| name.below(&octet.to_string()))
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.fold(Name::of("ip6.arpa"), |name, nibble| name.below(&format!("{nibble:x}")))
        }
    }
}

/// The API names hosts of ours in the first zone; every zone has them.
fn target(instance: &Value, zone: &Name, first: &Name) -> Name {
    let host = Name::of(instance["host"].as_str().unwrap());
    match host.parent() {
        Some(parent) if parent.folded() == first.folded() => zone.child(host.labels()[0]),
        _ => host,
    }
}

/// Subtypes as given, of tags, and of the version.
fn subtypes(instance: &Value) -> BTreeSet<String> {
    let texts = |key: &str| {
        let list = instance[key].as_array().cloned().unwrap_or_default();
        list.into_iter().map(|text| text.as_str().unwrap().to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let mut all: BTreeSet<String> = texts("subtypes").into_iter().collect();
    all.extend(texts("tags").iter().map(|tag| format!("_{tag}")));
    if let Some(version) = instance["version"].as_str() {
        let parts: Vec<_> = version.split('.').collect();
        all.extend((1..=parts.len()).map(|count| format!("_v{}", parts[..count].join("-"))));
    }
    all
}

/// The attributes as given, then those that fields make.
fn txt(instance: &Value) -> String {
    let mut strings = Vec::new();
    let given = instance["txt"].as_object().cloned().unwrap_or_default();
    for (key, value) in &given {
        strings.push(match value {
            Value::Null => key.as_bytes().to_vec(),
            Value::String(text) => format!("{key}={text}").into_bytes(),
            binary => {
                let octets = STANDARD.decode(binary["base64"].as_str().unwrap()).unwrap();
                [key.as_bytes(), b"=", &octets].concat()
            }
        });
    }
    for key in ["version", "protocol", "path", "description", "namespace"] {
        if let (Some(text), false) = (instance[key].as_str(), given.contains_key(key)) {
            strings.push(format!("{key}={text}").into_bytes());
        }
    }
    if strings.is_empty() {
        strings.push(Vec::new());
    }
    let mut text = String::new();
    for string in strings {
        text += " \"";
        for octet in string {
            write!(text, "\\{octet:03}").unwrap();
        }
        text.push('"');
    }
    text
}
