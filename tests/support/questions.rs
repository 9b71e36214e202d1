//! Thousands of questions: what exists and what nearly does, of every type, said in every way.

use std::collections::BTreeSet;

use super::Random;
use super::wire::{A, AAAA, ANY, CNAME, Edns, NS, Name, PTR, Query, SOA, SRV, TXT};

/// What a zone has, and what is asked of every name.
const COMMON: [u16; 8] = [A, AAAA, SRV, PTR, TXT, SOA, NS, ANY];
/// CNAME, MX, LOC, NAPTR, DNAME, SVCB, HTTPS, CAA, and some that nobody has assigned.
const RARE: [u16; 12] = [CNAME, 15, 29, 35, 39, 64, 65, 257, 0, 1000, 65_280, 65_534];
/// Octets: below what counts, ours, what NSD and Knot are told here, and all there is.
const SIZES: [u16; 6] = [0, 511, 512, 900, 1232, 65_535];

/// Names for questions: those of a zone, and for each one below and one beside it.
pub fn around(names: &BTreeSet<Name>) -> Vec<Name> {
    let mut all: BTreeSet<Name> = names.clone();
    for name in names {
        all.extend(["x", "_x", "_sub", "_tcp"].map(|label| name.below(label)));
        if let Some(parent) = name.parent() {
            let mut label = name.labels()[0].to_vec();
            *label.last_mut().expect("labels are not empty") ^= 1;
            all.insert(parent.child(&label));
            all.insert(parent.child(b"beside"));
        }
    }
    // Octets of a wildcard or a glob are for tests of their own.
    all.into_iter().filter(|name| name.0.len() <= 255 && !name.0.contains(&b'*') && !name.0.contains(&b'?')).collect()
}

/// Questions for a name: each common type and a rare one, each said in one way of many.
pub fn about(name: &Name, random: &mut Random) -> Vec<Query> {
    let rare = random.pick(&RARE);
    let types = COMMON.into_iter().chain([rare]);
    types.map(|rtype| said_somehow(Query::new(&in_some_case(name, random), rtype), random)).collect()
}

/// In letters of random case (0x20).
pub fn in_some_case(name: &Name, random: &mut Random) -> Name {
    let mut name = name.clone();
    if random.once_in(2) {
        let flipped = |octet: &mut u8| {
            if octet.is_ascii_alphabetic() && random.once_in(2) {
                *octet ^= 0x20;
            }
        };
        name.0.iter_mut().for_each(flipped);
    }
    name
}

fn said_somehow(query: Query, random: &mut Random) -> Query {
    // RD; AD, CD and Z.
    let flags = [random.pick(&[0, 1]), random.pick(&[0, 0, 0x20, 0x10, 0x40, 0x70])];
    let options = match random.within(0..6) {
        0 => vec![(100, vec![0xca, 0xfe])],
        1 => vec![(3, Vec::new()), (65_001, Vec::new())],
        _ => Vec::new(),
    };
    let edns = Edns { size: random.pick(&SIZES), flags: random.pick(&[0, 0, 0x40]), options, ..Edns::default() };
    Query { flags, edns: random.once_in(2).then_some(edns), ..query }
}
