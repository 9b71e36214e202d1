//! Requests that something happened to.

use super::*;

/// A query with octets changed, cut, or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<Vec<u8>> = questions().collect();
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (prop::sample::select(all), prop::collection::vec(change, 0..8)).prop_map(|(mut octets, changes)| {
        for (at, value, kind) in changes {
            let at = at.index(octets.len().max(1));
            match kind {
                0 if at < octets.len() => octets[at] = value,
                1 => octets.truncate(at.max(12)),
                _ => octets.insert(at.min(octets.len()), value),
            }
        }
        octets
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in_gets_a_well_formed_answer_or_none(request in mutated()) {
        thread_local!(static SERVER: Server = Server::new());
        SERVER.with(|server| {
            let tcp = server.by_hickory(&request, Transport::Tcp);
            for (reply, limit) in [(server.over_udp(&request), 1232), (tcp, 65_535)] {
                prop_assert!(reply.len() <= limit);
                if !reply.is_empty() {
                    prop_assert_eq!(&reply[..2], &request[..2]);
                    prop_assert!(reply[2] & 0x80 != 0);
                    prop_assert!(Message::from_vec(&reply).is_ok(), "{}", reply.escape_ascii());
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn random_octets_do_no_harm(request in prop::collection::vec(any::<u8>(), 0..600)) {
        thread_local!(static SERVER: Server = Server::new());
        SERVER.with(|server| {
            server.over_udp(&request);
            server.by_hickory(&request, Transport::Tcp);
        });
    }
}
