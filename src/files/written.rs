//! Files that are being written: an editor or a copy empties a file before it fills it.
//!
//! Between the one and the other may lie a moment, or what a disk needs that hangs; and all services of the file would
//! go meanwhile, or all tokens of the settings. So a file that had something and is empty is not believed at once. One
//! that stays empty was meant to be.
//!
//! Road not taken: to wait for files that are half there as well. Nobody sees that in them, and whoever writes that
//! slowly can write beside the file and move it into its place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::read::Wrong;

/// How long a file is empty before it is believed: longer than a busy disk takes for a file, and not longer than whoever
/// empties one to take all tokens back can wait.
const PAUSE: Duration = Duration::from_secs(5);

/// Of the files that had something, since when they are empty, if they are.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<Arc<str>, Option<Instant>>);

impl Written {
    /// What is wrong with a file that was read `now`: that it became empty a moment ago.
    pub(super) fn look(&mut self, name: &Arc<str>, is_empty: bool, now: Instant) -> Result<(), Wrong> {
        if !is_empty {
            self.0.insert(Arc::clone(name), None);
            return Ok(());
        }
        // What was never seen with anything in it has nothing to lose.
        let Some(since) = self.0.get_mut(name) else { return Ok(()) };
        if now.duration_since(*since.get_or_insert(now)) < PAUSE {
            let reason = "is empty, as a file is that is being written: what it held stays for now, and goes if it \
                          stays empty";
            return Err(Wrong::whole(reason));
        }
        self.0.remove(name);
        Ok(())
    }

    /// Other files than these are gone.
    pub(super) fn keep(&mut self, names: &[Arc<str>]) {
        self.0.retain(|name, _| names.contains(name));
    }

    /// Whether some are to be read again, changed or not.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.values().any(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_became_empty_is_believed_when_it_stays_so() {
        let (mut written, name, start) = (Written::default(), Arc::from("a.toml"), Instant::now());
        let mut looks = |is_empty, after: u64| {
            let believed = written.look(&name, is_empty, start + Duration::from_millis(after)).is_ok();
            (believed, written.is_awaited())
        };
        assert_eq!(looks(true, 0), (true, false), "it never held anything");
        assert_eq!(looks(false, 0), (true, false));
        assert_eq!((looks(true, 1_000), looks(true, 5_999)), ((false, true), (false, true)));
        assert_eq!(looks(false, 6_000), (true, false), "it is written");
        assert_eq!((looks(true, 7_000), looks(true, 12_000)), ((false, true), (true, false)));
        assert_eq!(looks(true, 12_001), (true, false), "it is known to be empty");
        looks(false, 13_000);
        looks(true, 13_001);
        written.keep(&[]);
        assert!(!written.is_awaited(), "what is gone is not waited for");
    }
}
