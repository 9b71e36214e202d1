//! What server cookies are signed with, and the signature.
#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::hash::Hasher as _;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{self, Hasher128 as _};

/// 16 octets (RFC 9018 §4.4), written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CookieSecret([u8; 16]);

impl CookieSecret {
    pub(super) fn random() -> Self {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).expect("the system has random octets: the maps that hash with them are made");
        Self(octets)
    }

    /// The secret of one day, which follows from this one and tells nothing of it.
    pub(super) fn of_day(&self, day: u32) -> Self {
        let mut hasher = sip128::SipHasher24::new_with_key(&self.0);
        hasher.write(&day.to_be_bytes());
        Self(hasher.finish128().as_bytes())
    }

    /// The hash of a server cookie (RFC 9018 §4.4). `own` is the client's cookie, `head` the version, the reserved
    /// octets and the timestamp.
    pub(super) fn hash(&self, own: [u8; 8], head: [u8; 8], client: IpAddr) -> [u8; 8] {
        let hasher = SipHasher24::new_with_key(&self.0);
        let front = [own, head];
        let hash = match client {
            IpAddr::V4(address) => hasher.hash(&joined::<20>(&front, &address.octets())),
            IpAddr::V6(address) => hasher.hash(&joined::<32>(&front, &address.octets())),
        };
        hash.to_le_bytes()
    }
}

/// `N` octets: those in front, then the address.
fn joined<const N: usize>(front: &[[u8; 8]; 2], address: &[u8]) -> [u8; N] {
    let mut octets = [0; N];
    let all = front.as_flattened().iter().chain(address);
    octets.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
    octets
}

impl TryFrom<String> for CookieSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| is_plain);
        // Does not say what it was: errors are logged.
        let error = "a cookie secret has 32 hexadecimal digits (16 octets); `openssl rand -hex 16` makes one";
        number.map(|number| Self(number.to_be_bytes())).ok_or(error)
    }
}

impl From<CookieSecret> for String {
    fn from(secret: CookieSecret) -> Self {
        format!("{:032x}", u128::from_be_bytes(secret.0))
    }
}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_32_hexadecimal_digits_and_is_not_shown_by_accident() {
        let text = "E5e973e5a6b2a43f48e7dc849e37bfcf";
        let secret = CookieSecret::try_from(text.to_owned()).unwrap();
        assert_eq!(String::from(secret), text.to_lowercase());
        assert!(!format!("{secret:?}").contains("e5"));
        for wrong in
            ["", "e5e9", "+5e973e5a6b2a43f48e7dc849e37bfcf", "x5e973e5a6b2a43f48e7dc849e37bfcf", &"0".repeat(33)]
        {
            let refusal = CookieSecret::try_from(wrong.to_owned()).unwrap_err();
            assert!(refusal.contains("32 hexadecimal digits"), "{wrong}");
        }
    }

    #[test]
    fn the_secret_of_a_day_is_its_own() {
        let random = CookieSecret::random();
        assert_ne!(random, CookieSecret::random());
        assert_eq!(random.of_day(20_000), random.of_day(20_000));
        assert_ne!(random.of_day(20_000), random.of_day(20_001));
        assert_ne!(random.of_day(0), random);
    }
}
