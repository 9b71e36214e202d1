//! The one TTL of an RRset (RFC 2181 §5.2), kept as members come and go.

/// The TTLs in a set that are shorter than the zone's, each with the number of those who have it.
///
/// Mostly none: a lease is seldom shorter than the zone's TTL, and a set without one takes no more than a pointer.
#[derive(Debug, Clone, Default)]
pub(super) struct Ttls(Option<Box<imbl::OrdMap<u32, u32>>>);

impl Ttls {
    /// Counts a member in. TTLs in seconds.
    pub(super) fn add(&mut self, ttl: u32, zone_ttl: u32) {
        if ttl < zone_ttl {
            *self.0.get_or_insert_default().entry(ttl).or_insert(0) += 1;
        }
    }

    /// Counts a member out.
    pub(super) fn remove(&mut self, ttl: u32) {
        let Some(counts) = &mut self.0 else { return };
        if let Some(count) = counts.get_mut(&ttl) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&ttl);
            }
        }
        if counts.is_empty() {
            self.0 = None;
        }
    }

    /// The shortest, in seconds.
    pub(super) fn shortest(&self, zone_ttl: u32) -> u32 {
        self.0.as_ref().and_then(|counts| counts.get_min()).map_or(zone_ttl, |(ttl, _)| *ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_counts_until_its_last_member_goes() {
        let mut ttls = Ttls::default();
        for ttl in [5, 5, 7, 60] {
            ttls.add(ttl, 10);
        }
        assert_eq!(ttls.shortest(10), 5);
        ttls.remove(5);
        ttls.remove(60);
        assert_eq!(ttls.shortest(10), 5);
        ttls.remove(5);
        assert_eq!(ttls.shortest(10), 7);
        ttls.remove(7);
        assert_eq!(ttls.shortest(10), 10);
    }
}
