//! One instance as a link announces it: its records, when they end, and when to ask for them ourselves.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::service::{InstanceId, Registration, Subtype, Txt};

use super::announcement;
use super::message::Target;

/// How long an instance may lack a TXT record or addresses before it is taken without: asking takes less.
const SETTLED: Duration = Duration::from_secs(2);
/// Subtypes of an instance that are kept.
const SUBTYPES_MAX: usize = 16;
/// Before the first question for a record that the announcement lacks; each next waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The same where mdns-sd asks as well, and only what it heard and we did not is still lacking.
const SECOND_PAUSE: Duration = Duration::from_secs(1);
/// Questions for what is not answered, over half a minute at most.
const TRIES: u32 = 5;

/// One record, or one address of a set.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// What it says.
    pub(super) value: T,
    /// When it was last heard.
    pub(super) heard: Instant,
    /// When it ends.
    pub(super) ends: Instant,
}

impl<T> Held<T> {
    /// A record heard `now`.
    pub(super) fn new(value: T, ttl: Duration, now: Instant) -> Self {
        Self { value, heard: now, ends: now + ttl }
    }

    fn span(&self) -> (Instant, Instant) {
        (self.ends, self.heard)
    }
}

/// The records of an instance.
#[derive(Debug)]
pub(super) struct Announced {
    /// The first label as it is on the wire.
    pub(super) label: Box<[u8]>,
    /// Its PTR record.
    pub(super) pointer: Option<Held<()>>,
    /// Its SRV record.
    pub(super) target: Option<Held<Target>>,
    /// Its TXT record; of one that is too long to be served, that it is there.
    pub(super) txt: Option<Held<Option<Txt>>>,
    /// Its subtypes, with an end where one was taken back. Else they last as long as the instance: who asks for it
    /// does not ask for them, so the end of their TTL would tell nothing.
    subtypes: Vec<(Subtype, Option<Instant>)>,
    since: Instant,
    settled: bool,
    /// Whether mdns-sd asks before records end. It writes a name label by label from a text in which it has not
    /// escaped a dot or a backslash, and asks for another name.
    renewed: bool,
    ask: Option<Ask>,
}

/// When to ask for the SRV and TXT records of an instance.
#[derive(Debug)]
struct Ask {
    at: Instant,
    pause: Duration,
    left: u32,
}

impl Ask {
    fn for_what_lacks(renewed: bool, now: Instant) -> Self {
        let pause = if renewed { SECOND_PAUSE } else { FIRST_PAUSE };
        Self { at: now + pause, pause, left: TRIES }
    }
}

impl Announced {
    /// An instance of which nothing but the name is known.
    pub(super) fn new(label: Box<[u8]>, now: Instant) -> Self {
        let renewed = !label.iter().any(|octet| matches!(octet, b'.' | b'\\'));
        let (pointer, target, txt, subtypes) = (None, None, None, Vec::new());
        let ask = Some(Ask::for_what_lacks(renewed, now));
        Self { label, pointer, target, txt, subtypes, since: now, settled: false, renewed, ask }
    }

    /// Notes a subtype, which ends where it was taken back.
    pub(super) fn subtype(&mut self, subtype: Subtype, ends: Option<Instant>) {
        let full = self.subtypes.len() >= SUBTYPES_MAX;
        match self.subtypes.iter_mut().find(|(known, _)| *known == subtype) {
            Some(known) => known.1 = ends,
            None if ends.is_none() && !full => self.subtypes.push((subtype, None)),
            None => {}
        }
    }

    /// Whether it has a PTR and an SRV record.
    pub(super) fn is_there(&self) -> bool {
        self.pointer.is_some() && self.target.is_some()
    }

    /// Its subtypes.
    pub(super) fn subtypes(&self) -> impl Iterator<Item = &Subtype> {
        self.subtypes.iter().map(|(subtype, _)| subtype)
    }

    /// Plans the next questions by the records that are held: at 80, 85 and 95 % of the shorter life (RFC 6762
    /// §5.2).
    pub(super) fn plan(&mut self) {
        if self.renewed {
            return;
        }
        let (Some(target), Some(txt)) = (&self.target, &self.txt) else { return };
        let (ends, heard) = target.span().min(txt.span());
        let life = ends.saturating_duration_since(heard);
        self.ask = Some(Ask { at: heard + life * 4 / 5, pause: life / 20, left: 3 });
    }

    /// Whether to ask now; `reachable` tells whether its host has an address, which an answer brings along (RFC 6763
    /// §12.2).
    pub(super) fn is_due(&mut self, reachable: bool, now: Instant) -> bool {
        let lacks = self.target.is_none() || self.txt.is_none() || !reachable;
        if self.renewed && !lacks {
            self.ask = None;
        }
        let Some(ask) = self.ask.as_mut().filter(|ask| ask.left > 0 && ask.at <= now) else { return false };
        ask.at = now + ask.pause;
        ask.pause *= 2;
        ask.left -= 1;
        self.pointer.is_some()
    }

    /// Lets end what has ended. Tells whether that is something that others see.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        let settles = !self.settled && now >= self.since + SETTLED;
        self.settled |= settles;
        let ended = [end(&mut self.pointer, now), end(&mut self.target, now), end(&mut self.txt, now)];
        if ended[1] || ended[2] {
            self.ask = Some(Ask::for_what_lacks(self.renewed, now));
        }
        let subtypes = self.subtypes.len();
        self.subtypes.retain(|(_, ends)| ends.is_none_or(|ends| ends > now));
        settles || ended.contains(&true) || self.subtypes.len() != subtypes
    }

    /// When [`Announced::sweep`] or [`Announced::is_due`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let pointer = self.pointer.as_ref().map(|held| held.ends);
        let target = self.target.as_ref().map(|held| held.ends);
        let txt = self.txt.as_ref().map(|held| held.ends);
        let settles = (!self.settled).then(|| self.since + SETTLED);
        let ask = self.ask.as_ref().filter(|ask| ask.left > 0).map(|ask| ask.at);
        let subtypes = self.subtypes.iter().filter_map(|(_, ends)| *ends);
        [pointer, target, txt, settles, ask].into_iter().flatten().chain(subtypes).min()
    }

    /// The registration, if the instance is there and is complete or has had the time.
    pub(super) fn registration(
        &self,
        id: &InstanceId,
        addresses: impl ExactSizeIterator<Item = IpAddr>,
    ) -> Option<Registration> {
        self.pointer.as_ref()?;
        let target = &self.target.as_ref()?.value;
        let complete = self.txt.is_some() && addresses.len() > 0;
        if !complete && !self.settled {
            return None;
        }
        // Half of what it says is not what it says: without its attributes a printer has the wrong queue.
        let txt = self.txt.as_ref().map_or_else(|| Some(Txt::default()), |held| held.value.clone())?;
        let subtypes = self.subtypes().cloned().collect();
        announcement::registration(id.clone(), target, addresses, txt, subtypes)
    }
}

fn end<T>(slot: &mut Option<Held<T>>, now: Instant) -> bool {
    slot.take_if(|held| held.ends <= now).is_some()
}
