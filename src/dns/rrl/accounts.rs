//! How often what was sent to whom in this second, in a table that never grows.
//!
//! A network and a topic have the account that their hash points to, which others may share: then they are counted
//! together, and limited sooner. Nobody can choose whom to share with, for the hash is seeded at random; and nobody is
//! thrown out, so no flood of other questions opens the way for one. It takes `rate` answers a second to fill an
//! account, so a thread that is flooded with 200,000 questions a second has at most 200 of 65,536 accounts full at the
//! default rate: of a hundred thousand strangers 300 share one of these, and have to come back over TCP.
//!
//! Road not taken: a map from networks and topics to accounts, as BIND has it. Strangers make it grow, or throw out
//! what it should remember.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::RandomState;

use crate::service::NAME_MAX;

/// Accounts of a thread: half a megabyte, which is there once it is used.
const ACCOUNTS: usize = 1 << 16;

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// A name that exists, in wire form and any case.
    Name(&'a [u8]),
    /// Many names, of which anybody can write as many as they like.
    Glob,
    /// A name that does not exist, or only above one that does.
    Missing,
    Error,
}

impl<'a> Topic<'a> {
    /// An existing name in wire form; whether there are no records to answer with.
    pub(super) fn of_name(name: &'a [u8], is_empty: bool) -> Self {
        if name.iter().any(|octet| matches!(octet, b'*' | b'?')) {
            Self::Glob
        } else if is_empty && is_reverse(name) {
            Self::Missing
        } else {
            Self::Name(name)
        }
    }
}

/// Whether a name is below where those of all addresses are (RFC 1035 §3.5, RFC 3596 §2.5).
fn is_reverse(name: &[u8]) -> bool {
    [b"\x07in-addr\x04arpa\0".as_slice(), b"\x03ip6\x04arpa\0"].iter().any(|above| {
        let end = name.len().checked_sub(above.len()).and_then(|begin| name.get(begin..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(above))
    })
}

#[derive(Debug)]
pub(super) struct Accounts {
    hash: RandomState,
    /// A second in the upper half, and what was sent in it. Numbers, since memory for zeroes costs nothing until it
    /// is written to.
    accounts: Vec<u64>,
}

impl Accounts {
    /// None unless they `are_used`.
    pub(super) fn new(are_used: bool) -> Self {
        Self { hash: RandomState::default(), accounts: vec![0; if are_used { ACCOUNTS } else { 0 }] }
    }

    /// Counts an answer, and gives how many there were in this second.
    pub(super) fn count(&mut self, network: u128, topic: Topic<'_>, now: u32) -> u32 {
        let index = self.index(network, topic);
        let Some(account) = self.accounts.get_mut(index) else { return 0 };
        let sent = match (*account >> 32, *account & u64::from(u32::MAX)) {
            (second, sent) if second == u64::from(now) => (sent + 1).min(u64::from(u32::MAX)),
            _ => 1,
        };
        *account = u64::from(now) << 32 | sent;
        u32::try_from(sent).unwrap_or(u32::MAX)
    }

    fn index(&self, network: u128, topic: Topic<'_>) -> usize {
        let mut hasher = self.hash.build_hasher();
        hasher.write_u128(network);
        match topic {
            Topic::Name(name) => {
                let mut folded = [0; NAME_MAX];
                folded.iter_mut().zip(name).for_each(|(to, from)| *to = from.to_ascii_lowercase());
                hasher.write(folded.get(..name.len()).unwrap_or(&folded));
            }
            Topic::Glob => hasher.write_u8(1),
            Topic::Missing => hasher.write_u8(2),
            Topic::Error => hasher.write_u8(3),
        }
        usize::try_from(hasher.finish() % ACCOUNTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_network_and_topic_is_counted_for_itself_by_the_second() {
        let mut accounts = Accounts::new(true);
        let name = Topic::of_name(b"\x04_AuT\0", false);
        let topics = [name, Topic::of_name(b"\x01b\0", false), Topic::Glob, Topic::Missing, Topic::Error];
        for sent in 1..=3 {
            for topic in topics {
                assert_eq!(accounts.count(7, topic, 100), sent);
                assert_eq!(accounts.count(8, topic, 100), sent);
            }
        }
        assert_eq!(accounts.count(7, Topic::of_name(b"\x04_aUt\0", false), 100), 4, "case makes no other name");
        assert_eq!(accounts.count(7, name, 101), 1, "a second later");
        assert_eq!(Topic::of_name(b"\x02a*\0", false), Topic::Glob);
    }

    #[test]
    fn a_flood_that_fills_200_accounts_meets_three_strangers_in_a_thousand() {
        let accounts = Accounts::new(true);
        let full: HashSet<_> = (0..200).map(|network| accounts.index(network, Topic::Missing)).collect();
        let strangers = (1_000..101_000).map(|network| accounts.index(network, Topic::Error));
        let met = strangers.filter(|index| full.contains(index)).count();
        assert!((150..450).contains(&met), "{met} of a hundred thousand");
    }
}
