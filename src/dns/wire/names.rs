//! Where a message has its names, for compression (RFC 1035 §4.1.4).
//!
//! It leans on how the zone hands out names: in pieces that lie at the same place in memory whenever they are the same.
//! So a name seen before is found by comparing addresses.

use crate::zone::Name;

/// Names remembered for compression, at most: as many SRV records as fit into a datagram of 1,232 octets with the
/// addresses of their targets, nearly.
const NAMES: usize = 20;
/// Offsets that a pointer can reach, exclusive (RFC 1035 §4.1.4).
const POINTER_END: u16 = 0x4000;
/// What makes an offset a pointer.
const POINTER: u16 = 0xc000;

/// Where a message has the names that it has.
///
/// Nearly all names are of one zone: only those are remembered that end like the first one.
pub(super) struct Names {
    last: Known,
    /// The one that was written last: names come type by type.
    middle: Known,
    first: [Known; NAMES],
    count: usize,
}

/// The address of a piece, and a pointer to where the message has the name from there on.
#[derive(Clone, Copy)]
struct Known(usize, u16);

impl Names {
    pub(super) const NONE: Self =
        Self { last: Known(0, 0), middle: Known(0, 0), first: [Known(0, 0); NAMES], count: 0 };

    /// To the name from its `n`th piece on.
    #[inline]
    pub(super) fn pointer_to(&self, name: &Name<'_>, n: usize) -> Option<[u8; 2]> {
        let [first, middle, last] = addresses(name);
        if self.last.0 != last {
            return None;
        }
        let known = match n {
            0 => self.first[..self.count].iter().find(|known| known.0 == first)?,
            1 => Some(&self.middle).filter(|known| known.0 == middle)?,
            _ => &self.last,
        };
        Some(known.1.to_be_bytes())
    }

    #[inline]
    pub(super) fn remember(&mut self, name: &Name<'_>, n: usize, offset: usize) {
        let [first, middle, last] = addresses(name);
        let Some(offset) = u16::try_from(offset).ok().filter(|offset| *offset < POINTER_END) else { return };
        match n {
            // What is the first to end so is about to say so.
            2 if self.last.0 == 0 => self.last = Known(last, POINTER | offset),
            _ if self.last.0 != 0 && self.last.0 != last => {}
            0 => {
                if let Some(free) = self.first.get_mut(self.count) {
                    *free = Known(first, POINTER | offset);
                    self.count += 1;
                }
            }
            1 => self.middle = Known(middle, POINTER | offset),
            _ => {}
        }
    }

    /// Forgets what is at this offset or behind it. What the middle was before is not told: it is written once more.
    #[cold]
    pub(super) fn forget(&mut self, end: usize) {
        let is_kept = |known: &Known| usize::from(known.1 & !POINTER) < end;
        // Written one behind the other.
        self.count = self.first[..self.count].partition_point(is_kept);
        for known in [&mut self.last, &mut self.middle] {
            if !is_kept(known) {
                *known = Known(0, 0);
            }
        }
    }
}

#[inline]
fn addresses(name: &Name<'_>) -> [usize; 3] {
    let [first, middle, last] = name.0;
    [first.as_ptr().addr(), middle.as_ptr().addr(), last.as_ptr().addr()]
}
