//! What is counted of requests and replies, where they are answered.
//!
//! Each UDP thread has its own [`Counts`], on cache lines of their own, and is the only one that writes there: a query
//! costs a few loads and stores that nobody waits for. Streams, whose tasks any thread may run, take turns with one
//! that they share. Whoever reads adds them all up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::reply::Reply;
use super::rrl::Verdict;
use super::transport::Transport;
use crate::metrics::Latencies;
use crate::metrics::Numbered;
use crate::metrics::Tally;

/// The response codes that are counted each for itself (RFC 6895 §2.3), by their names; what is none of them is the last.
pub(super) const RCODES: [(u16, &str); 9] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (16, "BADVERS"),
    (23, "BADCOOKIE"),
    (u16::MAX, "other"),
];

/// What a question was for that was for no single service type that there is, by what was said to it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aside {
    /// The zone itself, a host, the list of services, many by a glob; or it could not be read.
    None,
    /// Nothing that there is.
    Missing,
    /// Nothing that is answered here: a name in no zone of ours, a transfer.
    Refused,
}

/// Counts that one thread writes, or several in turns. Two lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    pub(super) replies: [[Tally; RCODES.len()]; Transport::ALL.len()],
    /// Replies with TC set.
    pub(super) truncated: [Tally; Transport::ALL.len()],
    /// Replies that the rate limit made small, and those it held back.
    pub(super) slipped: Tally,
    pub(super) dropped: Tally,
    /// Requests that are due no reply.
    pub(super) ignored: [Tally; Transport::ALL.len()],
    pub(super) took: [Latencies; Transport::ALL.len()],
    /// By [`Place`](crate::zone::Place) of the service type that was asked for.
    pub(super) services: Numbered,
    /// By [`Aside`].
    pub(super) aside: [Tally; 3],
}

/// All counts of a server. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Counting {
    threads: Arc<Mutex<Vec<Arc<Counts>>>>,
    streams: Arc<Counts>,
    /// Held by whoever writes to those of the streams.
    turn: Arc<Mutex<()>>,
}

impl Counts {
    /// Counts what was asked, before anything is held back of the reply.
    #[inline]
    pub(super) fn asked(&self, transport: Transport, reply: &Reply) {
        if reply.length == 0 {
            return self.ignored[transport as usize].add(1);
        }
        match reply.place {
            Some(place) => self.services.add(place.number, place.generation),
            None => self.aside[Aside::of(reply.rcode) as usize].add(1),
        }
    }

    /// Counts what became of the reply.
    #[inline]
    pub(super) fn replied(&self, transport: Transport, verdict: Verdict, reply: &Reply) {
        match verdict {
            Verdict::Sent => {}
            Verdict::Slipped => self.slipped.add(1),
            Verdict::Dropped => self.dropped.add(1),
        }
        if reply.length == 0 {
            return;
        }
        let code = match reply.rcode {
            code @ 0..=5 => usize::from(code),
            code => RCODES[6..].iter().position(|(known, _)| *known == code).map_or(RCODES.len() - 1, |at| at + 6),
        };
        self.replies[transport as usize][code].add(1);
        if reply.truncated {
            self.truncated[transport as usize].add(1);
        }
    }

    /// Counts replies that were truncated after all.
    pub(super) fn cut(&self, transport: Transport, times: usize) {
        if times > 0 {
            self.truncated[transport as usize].add(times as u64);
        }
    }

    /// Counts how long each of so many requests took.
    #[inline]
    pub(super) fn took(&self, transport: Transport, took: Duration, times: usize) {
        self.took[transport as usize].note(took, times as u64);
    }
}

impl Aside {
    pub(super) const ALL: [(Self, &str); 3] =
        [(Self::None, "none"), (Self::Missing, "missing"), (Self::Refused, "refused")];

    fn of(rcode: u16) -> Self {
        match rcode {
            3 => Self::Missing,
            5 => Self::Refused,
            _ => Self::None,
        }
    }
}

impl Counting {
    /// For a thread that alone writes to them.
    pub(super) fn thread(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        counts
    }

    /// Counts something of a request over a stream.
    pub(super) fn stream(&self, count: impl FnOnce(&Counts)) {
        // Who panicked left whole counts: each is one store.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        count(&self.streams);
    }

    /// The counts of all, to be read; nobody waits meanwhile.
    pub(super) fn all(&self) -> Vec<Arc<Counts>> {
        let mut all = self.threads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.push(Arc::clone(&self.streams));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_count_of_its_own_and_unknown_ones_share_one() {
        let counts = Counts::default();
        for code in 0..64 {
            let reply = Reply { length: 12, rcode: code, ..Reply::NONE };
            counts.replied(Transport::Udp, Verdict::Sent, &reply);
        }
        let seen: Vec<_> = counts.replies[Transport::Udp as usize].iter().map(Tally::get).collect();
        assert_eq!(seen, [1, 1, 1, 1, 1, 1, 1, 1, 56]);
        for (at, transport) in Transport::ALL.into_iter().enumerate() {
            assert_eq!(transport as usize, at, "rows are by transport");
        }
    }
}
