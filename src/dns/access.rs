//! Who may ask for what.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Config;
use super::transport::Transport;
use crate::zone::Globs;

/// Whose globs are answered, and how far.
#[derive(Debug, Clone)]
pub(super) struct Access {
    glob_limit: Option<usize>,
    /// Empty is everybody.
    glob_from: Vec<IpNet>,
}

impl Access {
    pub(super) fn new(config: &Config) -> Self {
        Self { glob_limit: config.glob.then_some(config.glob_limit), glob_from: config.glob_from.clone() }
    }

    /// How far a glob of this client is followed; `None` where `*` and `?` are plain characters.
    pub(super) fn globs(&self, client: IpAddr, transport: Transport) -> Option<Globs> {
        let limit = self.glob_limit.filter(|_| self.has(client))?;
        Some(Globs { limit, in_datagram: !transport.is_stream() })
    }

    /// Whether globs are answered to others and not to this client.
    pub(super) fn prohibits_globs(&self, client: IpAddr) -> bool {
        self.glob_limit.is_some() && !self.has(client)
    }

    fn has(&self, client: IpAddr) -> bool {
        let is_in = |network: &IpNet| network.contains(&client.to_canonical());
        self.glob_from.is_empty() || self.glob_from.iter().any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_answered_to_whom_the_settings_say() {
        let globs = |config: Config, client: &str| {
            let globs = Access::new(&config).globs(client.parse().unwrap(), Transport::Tcp);
            globs.map(|globs| globs.limit)
        };
        let office = || Config { glob_from: vec!["10.0.0.0/8".parse().unwrap()], glob_limit: 7, ..Config::default() };
        assert_eq!(globs(Config::default(), "192.0.2.1"), Some(Config::default().glob_limit));
        assert_eq!(globs(Config { glob: false, ..Config::default() }, "192.0.2.1"), None);
        assert_eq!(globs(office(), "10.1.2.3"), Some(7));
        assert_eq!(globs(office(), "::ffff:10.1.2.3"), Some(7));
        assert_eq!(globs(office(), "192.0.2.1"), None);
        let prohibits = |config: Config| Access::new(&config).prohibits_globs([192, 0, 2, 1].into());
        assert!(prohibits(office()));
        assert!(!prohibits(Config { glob: false, ..office() }), "then it is a name like any other");
    }
}
