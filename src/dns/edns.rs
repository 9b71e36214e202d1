//! What both encoders say of EDNS(0) (RFC 6891), and how long an answer over UDP may be.

use super::context::Context;
use super::query::Edns;

/// Octets of a datagram with EDNS, at most, and what we say that we take: fits every link without fragments
/// (RFC 9715 §3.1, and what dnsflagday.net/2020 settled on).
pub(super) const DATAGRAM_MAX: u16 = 1232;
/// Octets of a datagram without EDNS, at most (RFC 1035 §4.2.1), and what a lower wish counts as (RFC 6891 §6.2.5).
pub(super) const DATAGRAM_MIN: u16 = 512;
/// Codes of options (RFC 7873 §4, RFC 8914 §2).
pub(super) const OPTION_COOKIE: u16 = 10;
/// Octets of an OPT record without options.
const HEAD: usize = 11;
/// Octets of an OPT record of ours, at most.
const OPT_MAX: usize = 96;

/// Octets of a response over UDP, at most, to a client that says with EDNS how much it takes.
pub(super) fn datagram_limit(size: Option<u16>) -> u16 {
    size.map_or(DATAGRAM_MIN, |size| size.clamp(DATAGRAM_MIN, DATAGRAM_MAX))
}

/// The OPT record of a response, in octets; of none where the client sent none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt {
    octets: [u8; OPT_MAX],
    length: usize,
}

impl Opt {
    /// Answers what a client said, if it did: version 0, DO as it was set (RFC 3225 §3), and our cookie.
    pub(super) fn new(edns: Option<&Edns<'_>>, context: &Context<'_>) -> Self {
        let mut opt = Self { octets: [0; OPT_MAX], length: 0 };
        if let Some(edns) = edns {
            let [size0, size1] = DATAGRAM_MAX.to_be_bytes();
            opt.put(&[0, 0, 41, size0, size1, 0, 0, u8::from(edns.dnssec_ok) << 7, 0, 0, 0]);
            let (_, cookie) = context.cookies.examine(edns.cookie, context.client.ip(), context.now);
            if let Some(cookie) = cookie {
                opt.put_option(OPTION_COOKIE, &cookie);
            }
        }
        opt
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Gives the response a code of more than four bits, whose upper eight are here (RFC 6891 §6.1.3).
    pub(super) fn set_extended_code(&mut self, code: u16) {
        if !self.is_empty() {
            self.octets[5] = (code >> 4).to_be_bytes()[1];
        }
    }

    fn put_option(&mut self, code: u16, data: &[u8]) {
        self.put(&code.to_be_bytes());
        self.put(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
        self.put(data);
        let options = u16::try_from(self.length - HEAD).unwrap_or(0);
        self.octets[HEAD - 2..HEAD].copy_from_slice(&options.to_be_bytes());
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.length + octets.len();
        self.octets[self.length..end].copy_from_slice(octets);
        self.length = end;
    }
}
