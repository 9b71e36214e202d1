//! Which sources have a say in something that several instances make up.

use crate::service::Source;

/// How many instances of each source have a say, in the order of [`Source::ALL`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sources([u32; Source::ALL.len()]);

impl Sources {
    pub(super) fn add(&mut self, source: Source) {
        self.0[rank(source)] += 1;
    }

    pub(super) fn remove(&mut self, source: Source) {
        self.0[rank(source)] -= 1;
    }

    /// The highest that has a say; `None` when nobody has.
    pub(super) fn highest(&self) -> Option<Source> {
        Source::ALL.into_iter().zip(self.0).find_map(|(source, count)| (count > 0).then_some(source))
    }
}

fn rank(source: Source) -> usize {
    Source::ALL.iter().position(|s| *s == source).expect("ALL has every source")
}
