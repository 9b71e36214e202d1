//! DNS cookies (RFC 7873), made the way that lets servers share them (RFC 9018).
//!
//! A server cookie is a timestamp and a hash over it, the client's own cookie and its address. Who sends it back has
//! received a reply of ours, so its address is not forged: the response rate limit lets it pass. Nothing is remembered
//! per client, and nobody goes without an answer for want of a cookie.
//!
//! The secret is the settings' (`dns.cookie_secrets`: the first signs, all are good), so that several servers take
//! each other's cookies; else it is drawn at random when the process starts, and a new one follows from it each day.
//! Derived, not drawn: so threads come to the same without speaking to each other, and the timestamp of a cookie says
//! which secret it was signed with.
//!
//! Road not taken: answering BADCOOKIE to whoever comes without a cookie of ours (RFC 7873 §5.2.3). It costs each
//! client a round trip where nothing is the matter; the rate limit does it where something is.
#![warn(clippy::indexing_slicing)]

mod secret;

use std::net::IpAddr;

use super::Config;

pub use secret::CookieSecret;

/// Code of the option that it comes in (RFC 7873 §4).
pub(super) const OPTION_COOKIE: u16 = 10;
/// Octets of a client cookie, and those of a server cookie as RFC 9018 §4 has it: a head of version, three reserved
/// octets and timestamp, and a hash.
const CLIENT: usize = 8;
const SERVER: usize = HEAD + 8;
const HEAD: usize = 8;
/// Octets of what we send: the client's cookie, then ours.
pub(super) const COOKIE: usize = CLIENT + SERVER;
/// The only version (RFC 9018 §4.1).
const VERSION: u8 = 1;
/// Seconds for which a cookie is good, those that a clock may be ahead of ours, and those after which a good one is
/// renewed (RFC 9018 §4.3).
const PAST: i32 = 3600;
const FUTURE: i32 = 300;
const FRESH: i32 = 1800;
/// Seconds for which a random secret signs.
const DAY: u32 = 86_400;

/// Whether a COOKIE option may be this long (RFC 7873 §5.2.2): a client cookie, perhaps with a server cookie.
pub(super) fn is_well_formed(option: &[u8]) -> bool {
    matches!(option.len(), 8 | 16..=40)
}

/// Makes and checks server cookies.
#[derive(Debug, Clone)]
pub(super) struct Cookies(Option<Secrets>);

#[derive(Debug, Clone)]
enum Secrets {
    Daily {
        random: CookieSecret,
        /// A day, counted from 1970, whose secret need not be derived again, and that secret.
        known: (u32, CookieSecret),
    },
    Shared {
        signing: CookieSecret,
        /// Good as well.
        others: Vec<CookieSecret>,
    },
}

/// How a client stands, by the COOKIE option that it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It sent none, or none are taken.
    Unknown,
    /// It sent its own cookie alone.
    Asking,
    /// It sent as ours what is too old, or what this address was never given.
    Mistaken,
    /// It has received a reply at the address that it sends from.
    Known,
}

impl Cookies {
    pub(super) fn new(config: &Config) -> Self {
        Self(config.cookies.then(|| {
            if let Some((signing, others)) = config.cookie_secrets.split_first() {
                return Secrets::Shared { signing: *signing, others: others.to_vec() };
            }
            let random = CookieSecret::random();
            Secrets::Daily { random, known: (0, random.of_day(0)) }
        }))
    }

    /// Derives the secret of the day once, for who answers many requests; `now` in Unix seconds.
    pub(super) fn turn_to(&mut self, now: u32) {
        if let Some(Secrets::Daily { random, known }) = &mut self.0
            && known.0 != now / DAY
        {
            *known = (now / DAY, random.of_day(now / DAY));
        }
    }

    /// Whether COOKIE options mean anything here.
    pub(super) fn are_taken(&self) -> bool {
        self.0.is_some()
    }

    /// How a client stands that sent this well-formed COOKIE option, and the option to send back. `now` in Unix
    /// seconds.
    pub(super) fn examine(&self, option: Option<&[u8]>, client: IpAddr, now: u32) -> (Standing, Option<[u8; COOKIE]>) {
        let (Some(secrets), Some((own, server))) = (&self.0, option.and_then(|option| option.split_first_chunk()))
        else {
            return (Standing::Unknown, None);
        };
        let client = client.to_canonical();
        let signed = || secrets.sign(*own, client, now);
        let found = server.as_array().and_then(|server| Some((server, secrets.is_fresh(*own, server, client, now)?)));
        let (standing, server) = match found {
            Some((server, true)) => (Standing::Known, *server),
            Some((_, false)) => (Standing::Known, signed()),
            None if server.is_empty() => (Standing::Asking, signed()),
            None => (Standing::Mistaken, signed()),
        };
        (standing, Some(join(*own, server)))
    }
}

impl Secrets {
    /// The secret that signs at a time.
    fn signing(&self, time: u32) -> CookieSecret {
        match self {
            Self::Shared { signing, .. } => *signing,
            Self::Daily { known: (day, secret), .. } if *day == time / DAY => *secret,
            Self::Daily { random, .. } => random.of_day(time / DAY),
        }
    }

    fn sign(&self, own: [u8; CLIENT], client: IpAddr, now: u32) -> [u8; SERVER] {
        let [t0, t1, t2, t3] = now.to_be_bytes();
        let head = [VERSION, 0, 0, 0, t0, t1, t2, t3];
        join(head, self.signing(now).hash(own, head, client))
    }

    /// Whether a server cookie that is good will be for some time; `None` where it is not good.
    fn is_fresh(&self, own: [u8; CLIENT], server: &[u8; SERVER], client: IpAddr, now: u32) -> Option<bool> {
        let (head, hash) = server.split_first_chunk::<HEAD>()?;
        let [version, _, _, _, time @ ..] = *head;
        let time = u32::from_be_bytes(time);
        // Serial number arithmetic (RFC 9018 §4.3).
        let age = now.wrapping_sub(time).cast_signed();
        if version != VERSION || !(-FUTURE..=PAST).contains(&age) {
            return None;
        }
        let is_good = |secret: &CookieSecret| secret.hash(own, *head, client) == *hash;
        if is_good(&self.signing(time)) {
            return Some(age <= FRESH);
        }
        match self {
            // Who changes the secrets takes the old one away some day.
            Self::Shared { others, .. } if others.iter().any(is_good) => Some(false),
            _ => None,
        }
    }
}

/// `front`, then `back`, which has the rest of the `N` octets.
fn join<const M: usize, const N: usize>(front: [u8; 8], back: [u8; M]) -> [u8; N] {
    let mut octets = [0; N];
    octets.iter_mut().zip(front.into_iter().chain(back)).for_each(|(to, from)| *to = from);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn shared(secrets: &[&str]) -> Cookies {
        let cookie_secrets = secrets.iter().map(|secret| CookieSecret::try_from((*secret).to_owned()).unwrap());
        Cookies::new(&Config { cookie_secrets: cookie_secrets.collect(), ..Config::default() })
    }

    /// How a client stands, and what it gets in hexadecimal digits.
    fn examine(cookies: &Cookies, option: &str, client: &str, now: u32) -> (Standing, String) {
        let (standing, cookie) = cookies.examine(Some(&octets(option)), client.parse().unwrap(), now);
        (standing, cookie.unwrap().map(|octet| format!("{octet:02x}")).concat())
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const CLIENT_A: (&str, &str) = ("2464c4abcf10c957", "198.51.100.100");
    const NOW: u32 = 1_559_731_985;

    #[test]
    fn the_vectors_of_rfc_9018_appendix_a() {
        let cookies = shared(&[SECRET]);
        // A.1
        let learned = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        assert_eq!(examine(&cookies, CLIENT_A.0, CLIENT_A.1, NOW), (Standing::Asking, learned.to_owned()));
        // A.2: 40 minutes later.
        let renewed = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
        assert_eq!(examine(&cookies, learned, CLIENT_A.1, NOW + 2400), (Standing::Known, renewed.to_owned()));
        // A.3: reserved octets that are not 0 are part of the hash. That cookie is two hours old.
        let reserved = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        let renewed = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e";
        let client = "203.0.113.203";
        assert_eq!(examine(&cookies, reserved, client, 1_559_727_985), (Standing::Known, reserved.to_owned()));
        assert_eq!(examine(&cookies, reserved, client, 1_559_734_700), (Standing::Mistaken, renewed.to_owned()));
        // A.4: IPv6, and a secret that was changed.
        let (old, new) = ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962");
        let before = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let renewed = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let examined = |secrets: &[&str]| examine(&shared(secrets), before, client, 1_559_741_961);
        assert_eq!(examined(&[new, old]), (Standing::Known, renewed.to_owned()));
        assert_eq!(examined(&[new]), (Standing::Mistaken, renewed.to_owned()));
    }

    #[test]
    fn a_cookie_is_good_for_an_hour_and_renewed_after_half_of_it() {
        let cookies = shared(&[SECRET]);
        let (_, given) = examine(&cookies, CLIENT_A.0, CLIENT_A.1, NOW);
        for (later, standing, is_kept) in [
            (-301, Standing::Mistaken, false),
            (-300, Standing::Known, true),
            (1800, Standing::Known, true),
            (1801, Standing::Known, false),
            (3600, Standing::Known, false),
            (3601, Standing::Mistaken, false),
        ] {
            let (found, next) = examine(&cookies, &given, CLIENT_A.1, NOW.wrapping_add_signed(later));
            assert_eq!((found, next == given), (standing, is_kept), "{later} s later");
        }
    }

    #[test]
    fn a_cookie_is_good_for_whom_it_was_given_to_and_unchanged() {
        let cookies = shared(&[SECRET]);
        let (_, given) = examine(&cookies, CLIENT_A.0, CLIENT_A.1, NOW);
        assert_eq!(examine(&cookies, &given, "::ffff:198.51.100.100", NOW).0, Standing::Known);
        assert_eq!(examine(&cookies, &given, "198.51.100.101", NOW).0, Standing::Mistaken);
        for digit in 0..given.len() {
            let mut changed = given.clone();
            let other = if &given[digit..=digit] == "0" { "1" } else { "0" };
            changed.replace_range(digit..=digit, other);
            assert_eq!(examine(&cookies, &changed, CLIENT_A.1, NOW).0, Standing::Mistaken, "digit {digit}");
        }
        // Other lengths are other servers' cookies.
        assert_eq!(examine(&cookies, &(given + "00"), CLIENT_A.1, NOW).0, Standing::Mistaken);
    }

    #[test]
    fn a_random_secret_changes_each_day_and_cookies_outlive_the_change() {
        let mut cookies = Cookies::new(&Config::default());
        let midnight = 20_000 * DAY;
        let (_, given) = examine(&cookies, CLIENT_A.0, CLIENT_A.1, midnight - 1);
        cookies.turn_to(midnight - 1);
        assert_eq!(examine(&cookies, CLIENT_A.0, CLIENT_A.1, midnight - 1).1, given, "derived before or when needed");
        cookies.turn_to(midnight + 1);
        assert_eq!(examine(&cookies, &given, CLIENT_A.1, midnight + 1), (Standing::Known, given.clone()));
        assert_eq!(examine(&cookies, &given, CLIENT_A.1, midnight + 3600).0, Standing::Mistaken);
        let Some(Secrets::Daily { random, .. }) = cookies.0 else { panic!("not random") };
        assert_ne!(random.of_day(19_999), random.of_day(20_000));
        assert_eq!(examine(&Cookies::new(&Config::default()), &given, CLIENT_A.1, midnight).0, Standing::Mistaken);
    }

    #[test]
    fn without_a_cookie_or_where_none_are_taken_nothing_is_said() {
        let client = CLIENT_A.1.parse().unwrap();
        assert_eq!(shared(&[SECRET]).examine(None, client, NOW), (Standing::Unknown, None));
        let off = Cookies::new(&Config { cookies: false, ..Config::default() });
        assert_eq!(off.examine(Some(&octets(CLIENT_A.0)), client, NOW), (Standing::Unknown, None));
    }
}
