//! Addresses, of which an instance mostly has one.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

use thiserror::Error;

/// An address that a client elsewhere can connect to; IPv4-mapped IPv6 is unmapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(IpAddr);

/// Why an address is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// `0.0.0.0`, `::` and the rest of `0.0.0.0/8` (RFC 6890 §2.2.2).
    #[error("is unspecified; give the address that clients connect to, or leave it out to use the sender's")]
    Unspecified,
    /// Means nothing without a link (RFC 3927 §2.7, RFC 4007 §6).
    #[error("is link-local, which has no meaning on another link")]
    LinkLocal,
    /// No one host.
    #[error("is a multicast or broadcast address")]
    Multicast,
}

impl Address {
    /// Checks and unmaps `address`.
    pub fn new(address: IpAddr) -> Result<Self, AddressError> {
        let address = address.to_canonical();
        let (unspecified, link_local, multicast) = match address {
            IpAddr::V4(v4) => (v4.octets()[0] == 0, v4.is_link_local(), v4.is_multicast() || v4.is_broadcast()),
            IpAddr::V6(v6) => (v6.is_unspecified(), v6.is_unicast_link_local(), v6.is_multicast()),
        };
        match () {
            () if unspecified => Err(AddressError::Unspecified),
            () if link_local => Err(AddressError::LinkLocal),
            () if multicast => Err(AddressError::Multicast),
            () => Ok(Self(address)),
        }
    }

    /// The address.
    pub fn get(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The addresses of an instance, in the order given. One is kept in place, without an allocation.
#[derive(Clone)]
pub struct Addresses(Kept);

#[derive(Clone)]
enum Kept {
    One([Address; 1]),
    Others(Box<[Address]>),
}

impl Deref for Addresses {
    type Target = [Address];

    fn deref(&self) -> &[Address] {
        match &self.0 {
            Kept::One(one) => one,
            Kept::Others(others) => others,
        }
    }
}

impl From<Vec<Address>> for Addresses {
    fn from(addresses: Vec<Address>) -> Self {
        Self(match addresses[..] {
            [one] => Kept::One([one]),
            _ => Kept::Others(addresses.into()),
        })
    }
}

impl FromIterator<Address> for Addresses {
    fn from_iter<I: IntoIterator<Item = Address>>(addresses: I) -> Self {
        Vec::from_iter(addresses).into()
    }
}

impl<'a> IntoIterator for &'a Addresses {
    type Item = &'a Address;
    type IntoIter = std::slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Default for Addresses {
    /// None.
    fn default() -> Self {
        Self(Kept::Others(Box::default()))
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Addresses {}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_lead_nowhere_are_refused() {
        let check = |text: &str| Address::new(text.parse().unwrap()).map(Address::get);
        assert_eq!(check("::ffff:10.0.0.7"), Ok("10.0.0.7".parse().unwrap()));
        assert_eq!(check("127.0.0.1"), Ok("127.0.0.1".parse().unwrap()));
        for text in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            assert_eq!(check(text), Err(AddressError::Unspecified), "{text}");
        }
        assert_eq!(check("169.254.1.1"), Err(AddressError::LinkLocal));
        assert_eq!(check("fe80::1"), Err(AddressError::LinkLocal));
        for text in ["224.0.0.251", "255.255.255.255", "ff02::fb"] {
            assert_eq!(check(text), Err(AddressError::Multicast), "{text}");
        }
    }

    #[test]
    fn addresses_keep_their_number_and_order() {
        let address = |n| Address::new([10, 0, 0, n].into()).unwrap();
        for given in [vec![], vec![address(1)], vec![address(2), address(1)]] {
            assert_eq!(*Addresses::from(given.clone()), given[..]);
        }
        assert_ne!(Addresses::from(vec![address(1)]), Addresses::from(vec![address(1), address(2)]));
    }
}
