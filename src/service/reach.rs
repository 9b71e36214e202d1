//! Where checks may go: whoever registers could have the registry connect to anything.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::address::Address;
use super::probe::ProbeError;

/// Where checks may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: for what an administrator wrote down.
    Anywhere,
    /// To addresses within these networks; to those of this machine alone only at the word of somebody on it.
    Within(Arc<[IpNet]>),
}

impl Reach {
    /// Whether a check may go to `address`, at the word of `sender`.
    pub fn allows(&self, address: Address, sender: IpAddr) -> Result<(), ProbeError> {
        let address = address.get();
        if *self != Self::Anywhere && address.is_loopback() && !sender.to_canonical().is_loopback() {
            return Err(ProbeError::Loopback(address));
        }
        if self.has(address) { Ok(()) } else { Err(ProbeError::Network(address)) }
    }

    /// The same without a look at who asks: that was looked at when it was registered.
    pub fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Within(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_checked_only_at_the_word_of_somebody_on_it() {
        let address = |text: &str| Address::new(text.parse().unwrap()).unwrap();
        let sender = |text: &str| text.parse().unwrap();
        let reach = Reach::Within(["10.0.0.0/8", "127.0.0.0/8"].map(|text| text.parse().unwrap()).into());
        assert_eq!(reach.allows(address("10.1.1.1"), sender("192.0.2.1")), Ok(()));
        assert_eq!(reach.allows(address("127.0.0.1"), sender("::ffff:127.0.0.1")), Ok(()));
        assert!(matches!(reach.allows(address("127.0.0.1"), sender("10.0.0.1")), Err(ProbeError::Loopback(_))));
        assert!(matches!(reach.allows(address("::1"), sender("::1")), Err(ProbeError::Network(_))));
        assert!(matches!(reach.allows(address("192.0.2.1"), sender("192.0.2.1")), Err(ProbeError::Network(_))));
        assert_eq!(Reach::Anywhere.allows(address("127.0.0.1"), sender("10.0.0.1")), Ok(()));
    }
}
