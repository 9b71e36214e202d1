//! The response rate limit: keeps forged questions from making this server a weapon.
//!
//! UDP lets anybody ask in another's name, and an answer is longer than its question. So of the same answer, to the
//! same network, only so many leave in a second. Of those that are held back half are sent empty with TC set: a real
//! client then asks over TCP, which is never limited, and a victim gets no more than was sent in its name. Which half
//! is left to chance: by turns, a flood that comes in pairs would have every reply, and a client between them none.
//! A client that sent a cookie, though not a good one, gets BADCOOKIE with a good one instead (RFC 7873 §5.2.3), and a
//! client with a good cookie is never limited: its address is not forged.
//!
//! "The same answer" is the name of the question, where the name exists, whatever the type; all of NXDOMAIN in all
//! zones, all of globs, and all errors are one answer each, or random names would pass. So would names of reverse zones
//! that exist only because an address is below them: one address makes up to 32, which have the SOA record alone, as
//! NXDOMAIN has, and count with it. A name of ours that has no such records counts for itself, for whoever asks for A
//! asks for AAAA as well.
//!
//! Counting is by whole seconds, which are read once per batch. Each UDP thread counts for itself, up to the whole
//! rate: the kernel gives all questions from one port to one thread, so a client that keeps to its port, as a resolver
//! behind a gateway may, has no less because the machine has more cores. The price is that a flood which is forged from
//! many ports gets the rate of each thread, of which each listen address has one per core.
//!
//! **The default** is 1,000 answers a second. A network of 254 machines, each of which asks the same name again as
//! soon as its TTL of 10 s ends, makes 25 a second; a gateway with ten thousand programs behind it that cache nothing
//! and poll a name each 10 s makes 1,000; what asks more often is on this machine, which is exempt, or has a cookie.
//! An attacker gets at most 1.2 MB/s per thread out of it against one network by one name: 1,000 of the largest
//! datagrams.
//!
//! Road not taken: BIND's `window`, in which a flood also uses up the rate of the seconds that follow. Then nothing
//! whole leaves while it lasts, but a client without cookies in that network has to use TCP for seconds after it.
#![warn(clippy::indexing_slicing)]

mod accounts;

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::context::Seeds;
use super::cookie::Standing;
use super::edns::EXTENDED_CODE;
use super::query::{self, HEADER};
use super::reply::{Reply, TRUNCATED};
use accounts::{Accounts, Topic};

/// BADCOOKIE (RFC 7873 §8), and NOERROR and NXDOMAIN.
const BAD_COOKIE: u16 = 23;
const NO_ERROR: u16 = 0;
const NX_DOMAIN: u16 = 3;
/// Where a header counts the answer records (RFC 1035 §4.1.1).
const ANSWERS: Range<usize> = 6..8;

/// `[dns.rrl]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Times that one answer is sent to one network in a second, at most, over UDP, by each thread: a listen address
    /// has one per core, and a client's port is with one of them. 0: any number.
    pub rate: u32,
    /// Of so many answers that are held back one is sent truncated, on average. 0: none.
    pub slip: u32,
    /// Bits of an IPv4 address that make a network.
    pub prefix4: u8,
    /// Bits of an IPv6 address that make a network.
    pub prefix6: u8,
    /// Networks that are not limited.
    pub exempt: Vec<IpNet>,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
        Self { rate: 1000, slip: 2, prefix4: 24, prefix6: 56, exempt: loopback.to_vec() }
    }
}

/// What becomes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Sent,
    /// Sent without what was asked for: truncated, or with BADCOOKIE.
    Slipped,
    Dropped,
}

/// The limit of one UDP thread.
#[derive(Debug)]
pub(super) struct Limiter {
    config: Config,
    accounts: Accounts,
    chance: Seeds,
}

impl Limiter {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), accounts: Accounts::new(config.rate > 0), chance: Seeds::new() }
    }

    /// Decides on the reply at the beginning of `message`, and cuts it where that is what becomes of it. `now` in
    /// Unix seconds.
    #[inline]
    pub(super) fn judge(&mut self, reply: &mut Reply, message: &mut [u8], client: IpAddr, now: u32) -> Verdict {
        if self.config.rate == 0 || reply.length == 0 || reply.standing == Standing::Known {
            return Verdict::Sent;
        }
        let client = client.to_canonical();
        if self.config.exempt.iter().any(|network| network.contains(&client)) {
            return Verdict::Sent;
        }
        self.limit(reply, message, client, now)
    }

    fn limit(&mut self, reply: &mut Reply, message: &mut [u8], client: IpAddr, now: u32) -> Verdict {
        let question = message.get(..reply.length).and_then(query::question_of);
        // What is truncated has records, though not here.
        let is_empty = !reply.truncated && message.get(ANSWERS) == Some(&[0, 0]);
        let topic = match reply.rcode {
            NO_ERROR => Topic::of_name(question.map_or(&[], |(name, _)| name), is_empty),
            NX_DOMAIN => Topic::Missing,
            _ => Topic::Error,
        };
        let sent = self.accounts.count(self.network(client), topic, now);
        if sent <= self.config.rate {
            return Verdict::Sent;
        }
        let slips = self.chance.next().checked_rem(self.config.slip as usize) == Some(0);
        if slips && slip(reply, message).is_some() {
            return Verdict::Slipped;
        }
        *reply = Reply::NONE;
        Verdict::Dropped
    }

    fn network(&self, client: IpAddr) -> u128 {
        match client {
            IpAddr::V4(v4) => v4.to_bits().checked_shr(32 - u32::from(self.config.prefix4)).unwrap_or(0).into(),
            // In the upper half of the numbers, where no IPv4 network is.
            IpAddr::V6(v6) => v6.to_bits().checked_shr(128 - u32::from(self.config.prefix6)).unwrap_or(0) | 1 << 127,
        }
    }
}

/// Makes a reply one that tells a real client how to have the answer: over TCP, or with the cookie that is in it.
fn slip(reply: &mut Reply, message: &mut [u8]) -> Option<()> {
    reply.truncate(message)?;
    let (front, opt) = message.get_mut(..reply.length)?.split_at_mut(reply.length - reply.opt);
    let ([_, _, flags, code, ..], Some(extended)) = (front.first_chunk_mut::<HEADER>()?, opt.get_mut(EXTENDED_CODE))
    else {
        return Some(());
    };
    if matches!(reply.standing, Standing::Asking | Standing::Mistaken) {
        (reply.rcode, reply.truncated) = (BAD_COOKIE, false);
        let [_, octet] = BAD_COOKIE.to_be_bytes();
        (*code, *extended) = (*code & 0xf0 | octet & 0x0f, octet >> 4);
        *flags &= !TRUNCATED;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_800_000_000;
    const QUESTION: &[u8] = b"\x04auth\0\0\x01\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

    fn limiter(rate: u32, slip: u32) -> Limiter {
        Limiter::new(&Config { rate, slip, ..Config::default() })
    }

    /// An answer of one record and OPT, for a client of this standing.
    fn reply(rcode: u16, standing: Standing) -> (Reply, Vec<u8>) {
        let header = [0x12, 0x34, 0x84, u8::try_from(rcode).unwrap(), 0, 1, 0, 1, 0, 0, 0, 1];
        let message = [&header, QUESTION, b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01", OPT].concat();
        (Reply { standing, opt: OPT.len(), ..Reply::written(&message, rcode, None) }, message)
    }

    /// What becomes of so many answers in one second.
    fn verdicts(limiter: &mut Limiter, client: &str, times: usize) -> Vec<Verdict> {
        let judge = |_| {
            let (mut reply, mut message) = reply(0, Standing::Unknown);
            limiter.judge(&mut reply, &mut message, client.parse().unwrap(), NOW)
        };
        (0..times).map(judge).collect()
    }

    #[test]
    fn beyond_the_rate_half_of_the_answers_slip_and_the_rest_is_dropped() {
        use Verdict::{Dropped, Sent, Slipped};
        let six = |slip: u32| verdicts(&mut limiter(2, slip), "192.0.2.1", 6);
        let many = verdicts(&mut limiter(2, 2), "192.0.2.1", 2002);
        assert!(many[..2] == [Sent, Sent] && !many[2..].contains(&Sent));
        let slipped = many.iter().filter(|verdict| **verdict == Slipped).count();
        assert!((800..1200).contains(&slipped), "{slipped} of 2000");
        // Not by turns.
        let odd = many[2..].chunks(2).filter(|pair| pair[0] == Slipped).count();
        assert!((350..650).contains(&odd), "{odd} of 1000");
        assert_eq!(six(1), [Sent, Sent, Slipped, Slipped, Slipped, Slipped]);
        assert_eq!(six(0), [Sent, Sent, Dropped, Dropped, Dropped, Dropped]);
        assert_eq!(verdicts(&mut limiter(0, 2), "192.0.2.1", 6), [Sent; 6]);
    }

    #[test]
    fn names_of_reverse_zones_without_records_are_one_answer_with_nxdomain() {
        let mut limiter = limiter(3, 0);
        let mut judge = |name: &[u8], rcode: u16, answers: u8, truncated: bool| {
            let header = [0, 0, 0x84, u8::try_from(rcode).unwrap(), 0, 1, 0, answers, 0, 1, 0, 0];
            let mut message = [&header, name, b"\0\x0c\0\x01"].concat();
            let mut reply = Reply { truncated, ..Reply::written(&message, rcode, None) };
            limiter.judge(&mut reply, &mut message, [192, 0, 2, 1].into(), NOW)
        };
        let [v4, v6] = [b"\x02%%\x0210\x07in-addr\x04ARPA\0".as_slice(), b"\x02%%\x03Ip6\x04arpa\0"];
        let numbered = |name: &[u8], n: u8| [&name[..1], &[b'0', b'0' + n], &name[3..]].concat();
        let mut many = |name: &[u8], rcode, answers, truncated| {
            (0..8).filter(|n| judge(&numbered(name, *n), rcode, answers, truncated) == Verdict::Sent).count()
        };
        assert_eq!(many(v4, 0, 0, false), 3);
        assert_eq!(many(v6, 0, 0, false) + many(v6, 3, 0, false), 0, "all the same");
        assert_eq!(many(v4, 0, 1, false), 8, "each has records of its own");
        assert_eq!(many(v6, 0, 0, true), 8, "and these have too many");
        assert_eq!(many(b"\x02%%\x04home\x04arpa\0", 0, 0, false), 8, "somebody registered them");
    }

    #[test]
    fn a_network_is_limited_as_one_and_others_are_not() {
        for (flooded, same, other) in [
            ("192.0.2.1", "192.0.2.254", "192.0.3.1"),
            ("192.0.2.1", "::ffff:192.0.2.9", "192.0.1.1"),
            ("2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:100::1"),
        ] {
            let mut limiter = limiter(2, 0);
            verdicts(&mut limiter, flooded, 2);
            assert_eq!(verdicts(&mut limiter, same, 1), [Verdict::Dropped], "{same}");
            assert_eq!(verdicts(&mut limiter, other, 1), [Verdict::Sent], "{other}");
        }
        for exempt in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(verdicts(&mut limiter(1, 0), exempt, 3), [Verdict::Sent; 3], "{exempt}");
        }
        let all = Config { prefix4: 0, prefix6: 0, rate: 1, slip: 0, ..Config::default() };
        let mut limiter = Limiter::new(&all);
        assert_eq!(verdicts(&mut limiter, "192.0.2.1", 1), [Verdict::Sent]);
        assert_eq!(verdicts(&mut limiter, "198.51.100.1", 1), [Verdict::Dropped]);
        assert_eq!(verdicts(&mut limiter, "2001:db8::1", 1), [Verdict::Sent], "IPv6 is apart");
    }

    #[test]
    fn what_slips_is_truncated_or_asks_for_a_better_cookie() {
        let slipped = |rcode: u16, standing: Standing| {
            let (mut reply, mut message) = reply(rcode, standing);
            let mut limiter = limiter(1, 1);
            limiter.accounts.count(limiter.network([192, 0, 2, 1].into()), Topic::of_name(b"\x04auth\0", false), NOW);
            limiter.accounts.count(limiter.network([192, 0, 2, 1].into()), Topic::Missing, NOW);
            let verdict = limiter.judge(&mut reply, &mut message, [192, 0, 2, 1].into(), NOW);
            (verdict, reply, message[..reply.length].to_vec())
        };
        let expected = |flags: u8, code: u8, extended: u8| {
            let mut opt = OPT.to_vec();
            opt[5] = extended;
            [&[0x12, 0x34, flags, code, 0, 1, 0, 0, 0, 0, 0, 1], QUESTION, &opt].concat()
        };
        let (verdict, reply, message) = slipped(0, Standing::Unknown);
        assert_eq!((verdict, reply.truncated, reply.rcode), (Verdict::Slipped, true, 0));
        assert_eq!(message, expected(0x86, 0, 0));
        let (verdict, reply, message) = slipped(3, Standing::Unknown);
        assert_eq!((verdict, reply.truncated, reply.rcode), (Verdict::Slipped, true, 3));
        assert_eq!(message, expected(0x86, 3, 0));
        for standing in [Standing::Asking, Standing::Mistaken] {
            let (verdict, reply, message) = slipped(0, standing);
            assert_eq!((verdict, reply.truncated, reply.rcode), (Verdict::Slipped, false, 23));
            assert_eq!(message, expected(0x84, 7, 1));
        }
        let (verdict, reply, message) = slipped(0, Standing::Known);
        assert_eq!((verdict, reply.length), (Verdict::Sent, message.len()));
    }

    #[test]
    fn what_slips_of_several_questions_has_none() {
        let header = [0x12, 0x34, 0x80, 1, 0, 2, 0, 0, 0, 0, 0, 1];
        let mut message = [&header, QUESTION, QUESTION, OPT].concat();
        let mut limiter = limiter(1, 1);
        limiter.accounts.count(limiter.network([192, 0, 2, 1].into()), Topic::Error, NOW);
        let mut reply = Reply { opt: OPT.len(), ..Reply::written(&message, 1, None) };
        assert_eq!(limiter.judge(&mut reply, &mut message, [192, 0, 2, 1].into(), NOW), Verdict::Slipped);
        let expected = [&[0x12, 0x34, 0x82, 1, 0, 0, 0, 0, 0, 0, 0, 1], OPT].concat();
        assert_eq!(message[..reply.length], expected);
    }
}
