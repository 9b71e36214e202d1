//! What an answer depends on besides its question.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::access::Access;
use super::cookie::Cookies;
use super::transport::Transport;
use crate::zone::{self, Answer, Chance, Snapshot, Way, rtype};

/// Class IN (RFC 1035 §3.2.4), the only one that we have data of.
pub(super) const CLASS_IN: u16 = 1;

/// What an answer depends on besides the question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) zone: &'a Snapshot,
    pub(super) access: &'a Access,
    pub(super) cookies: &'a Cookies,
    /// Unix seconds.
    pub(super) now: u32,
    pub(super) client: SocketAddr,
    pub(super) transport: Transport,
    /// Where answers begin that have several records.
    pub(super) seed: usize,
    /// How far the zone has gone the way to the answer.
    pub(super) way: Way<'a>,
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    /// Uncompressed wire form with the root label.
    pub(super) name: &'q [u8],
    pub(super) rtype: u16,
    pub(super) class: u16,
}

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn answer(&self, question: &Question<'_>) -> Answer<'a> {
        if !question.is_of_class_in() || question.is_transfer() {
            return Answer::Refused;
        }
        let globs = self.access.globs(self.client.ip(), self.transport);
        self.zone.answer_by(self.way, &zone::Question { name: question.name, rtype: question.rtype, globs })
    }
}

impl Question<'_> {
    pub(super) fn is_of_class_in(&self) -> bool {
        self.class == CLASS_IN
    }

    pub(super) fn is_transfer(&self) -> bool {
        matches!(self.rtype, rtype::AXFR | rtype::IXFR)
    }
}

/// Unix seconds, for cookies and limits. Read once for many requests: the zone's answer needs no clock.
pub(super) fn now() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // The low 32 bits: times are compared in serial number arithmetic (RFC 9018 §4.3).
    let [_, _, _, _, low @ ..] = since.as_secs().to_be_bytes();
    u32::from_be_bytes(low)
}

/// Where one answer after the other begins, so that clients which take the first record spread.
///
/// Not counted up: who always asks for A and AAAA in turn would see every second beginning only.
#[derive(Debug)]
pub(super) struct Seeds(Chance);

impl Seeds {
    /// Begins anywhere.
    pub(super) fn new() -> Self {
        Self(Chance::anywhere())
    }

    pub(super) fn next(&mut self) -> usize {
        self.0.index(usize::MAX)
    }
}
