//! What both encoders say of EDNS(0) (RFC 6891), and how long an answer over UDP may be.
//!
//! The OPT record of a response is put together before the rest, so that its room is known; its last option, an
//! Extended DNS Error, is left out where the rest has taken that room.

use std::fmt::{self, Write as _};

use super::context::Context;
use super::cookie::{COOKIE, OPTION_COOKIE, Standing};
use super::extended_error::{ExtendedError, TEXT_MAX};
use super::query::Edns;

/// Octets of a datagram with EDNS, at most, and what we say that we take: fits every link without fragments
/// (RFC 9715 §3.1, and what dnsflagday.net/2020 settled on).
pub(super) const DATAGRAM_MAX: u16 = 1232;
/// Octets of a datagram without EDNS, at most (RFC 1035 §4.2.1), and what a lower wish counts as (RFC 6891 §6.2.5).
pub(super) const DATAGRAM_MIN: u16 = 512;
/// Code of the option with an Extended DNS Error (RFC 8914 §2).
const OPTION_ERROR: u16 = 15;
/// Octets of an OPT record without options.
const HEAD: usize = 11;
/// Which octet of an OPT record has the upper eight bits of the response code (RFC 6891 §6.1.3).
pub(super) const EXTENDED_CODE: usize = 5;
/// Octets of an option's code and length.
const OPTION_HEAD: usize = 4;
/// Octets of an OPT record of ours, at most: with a cookie, and an error's code and text.
const OPT_MAX: usize = HEAD + OPTION_HEAD + COOKIE + OPTION_HEAD + 2 + TEXT_MAX;

/// Octets of a response over UDP, at most, to a client that says with EDNS how much it takes.
pub(super) fn datagram_limit(size: Option<u16>) -> u16 {
    size.map_or(DATAGRAM_MIN, |size| size.clamp(DATAGRAM_MIN, DATAGRAM_MAX))
}

/// The OPT record of a response, in octets; of none where the client sent none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt {
    octets: [u8; OPT_MAX],
    length: usize,
    /// Octets without the error.
    least: usize,
    /// How the client stands by what it sent.
    pub(super) standing: Standing,
}

impl Opt {
    /// Answers what a client said, if it did: version 0, DO as it was set (RFC 3225 §3), and our cookie.
    pub(super) fn new(edns: Option<&Edns<'_>>, context: &Context<'_>) -> Self {
        let mut opt = Self { octets: [0; OPT_MAX], length: 0, least: 0, standing: Standing::Unknown };
        let Some(edns) = edns else { return opt };
        let [size0, size1] = DATAGRAM_MAX.to_be_bytes();
        opt.put(&[0, 0, 41, size0, size1, 0, 0, u8::from(edns.dnssec_ok) << 7, 0, 0, 0]);
        let (standing, cookie) = context.cookies.examine(edns.cookie, context.client.ip(), context.now);
        if let Some(cookie) = cookie {
            opt.put_option(OPTION_COOKIE, |opt| opt.put(&cookie));
        }
        (opt.standing, opt.least) = (standing, opt.length);
        opt
    }

    /// Adds why the answer is what it is, if there is anything to say and the client takes it.
    pub(super) fn explain(&mut self, error: Option<ExtendedError>) {
        if let Some(error) = error.filter(|_| !self.is_empty()) {
            self.put_option(OPTION_ERROR, |opt| {
                opt.put(&error.code().to_be_bytes());
                // What does not fit is cut, and nothing is as long.
                let _ = write!(opt, "{error}");
            });
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Octets, with all that it says.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Octets to keep free for it.
    pub(super) fn least(&self) -> usize {
        self.least
    }

    /// What of it fits where so many octets are free, which are no fewer than were kept.
    pub(super) fn within(&mut self, free: usize) -> &[u8] {
        if self.length > free {
            self.length = self.least;
            self.set_size();
        }
        &self.octets[..self.length]
    }

    /// Has the response a code of more than four bits.
    pub(super) fn set_extended_code(&mut self, code: u16) {
        if !self.is_empty() {
            self.octets[EXTENDED_CODE] = (code >> 4).to_be_bytes()[1];
        }
    }

    fn put_option(&mut self, code: u16, put_data: impl FnOnce(&mut Self)) {
        self.put(&code.to_be_bytes());
        self.put(&[0, 0]);
        let start = self.length;
        put_data(self);
        self.octets[start - 2..start].copy_from_slice(&length_octets(self.length - start));
        self.set_size();
    }

    /// Writes RDLENGTH (RFC 6891 §6.1.2).
    fn set_size(&mut self) {
        self.octets[HEAD - 2..HEAD].copy_from_slice(&length_octets(self.length - HEAD));
    }

    fn put(&mut self, octets: &[u8]) {
        let free = &mut self.octets[self.length..];
        let length = octets.len().min(free.len());
        free[..length].copy_from_slice(&octets[..length]);
        self.length += length;
    }
}

impl fmt::Write for Opt {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

fn length_octets(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("an OPT record of ours has OPT_MAX octets at most").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_where_there_is_no_room_and_the_rest_stays() {
        let mut opt = Opt { octets: [0; OPT_MAX], length: 0, least: 0, standing: Standing::Unknown };
        opt.explain(Some(ExtendedError::Class));
        assert_eq!(opt.within(100), [0; 0], "who sent none gets none");
        opt.put(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        opt.put_option(OPTION_COOKIE, |opt| opt.put(&[7; COOKIE]));
        opt.least = opt.length;
        let short = opt.octets[..opt.length].to_vec();
        opt.explain(Some(ExtendedError::NothingUp { known: u32::MAX }));
        let long = [&short[..9], &[0, 28 + 35], &short[11..], &[0, 15, 0, 31, 0, 0], b"instances up: 0 of 4294967295"]
            .concat();
        assert_eq!(opt.within(long.len()), long);
        assert_eq!(opt.within(long.len() - 1), short);
        assert_eq!((opt.len(), opt.least()), (short.len(), short.len()));
    }
}
