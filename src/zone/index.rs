//! A hash index that shares what a change leaves alone.
//!
//! Linear hashing over leaves of a few entries: the index grows by one leaf at a time, which takes its entries from
//! one other, so no change ever moves more than two leaves. The leaves lie in arrays of [`FAN`] in arrays of
//! [`FAN`]: a change copies its leaf and the path to it, unless they are its own already, as those of a batch soon
//! are; then it happens in place.
//!
//! Every entry keeps its hash: so a leaf is split without a look at names, and a search reads one name, the right
//! one. The names belong to the values and are compared without case (RFC 4343 §3); the hash is seeded at random,
//! since strangers choose them, and it is foldhash's one of quality, as its low bits pick the leaf and no others do.
//!
//! Road not taken: imbl's hash map. Its nodes have room for 32 entries whether they come or not, 330 octets for
//! each of a million entries where this takes 40, and a search goes by more places in memory that are in no cache.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::service::NAME_MAX;

/// Leaves in an array, and arrays in an array: a change copies three arrays of about so many pointers.
const FAN: usize = 32;
/// Entries of a leaf on average: what two or three cache lines hold.
const FULL: usize = 8;
/// Entries of a leaf on average below which a leaf goes; well below `FULL`, so that none comes and goes at once.
const SPARSE: usize = 4;
/// Slots by which a leaf grows and shrinks: few of them are empty, and not every entry takes an allocation.
const STEP: usize = 4;

/// What an [`Index`] holds: cheap to clone, and found by its name.
pub(super) trait Named: Clone {
    /// Labels in wire form, any case.
    fn name(&self) -> &[u8];
}

/// Values by name. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Index<V> {
    arrays: Arc<[Array<V>]>,
    /// Leaves in use; those behind them are empty.
    leaves: usize,
    len: usize,
    seed: RandomState,
}

type Array<V> = Arc<[Leaves<V>; FAN]>;
type Leaves<V> = Arc<[Leaf<V>; FAN]>;
/// Entries, and behind them fewer empty slots than `STEP`.
type Leaf<V> = Arc<[Slot<V>]>;
pub(super) type Slot<V> = Option<(u32, V)>;

impl<V: Named> Index<V> {
    pub(super) fn new() -> Self {
        Self { arrays: [empty_array()].into(), leaves: 1, len: 0, seed: RandomState::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of a name in lower case.
    pub(super) fn get(&self, name: &[u8]) -> Option<&V> {
        self.get_hashed(self.hash(name), name)
    }

    /// The value of a name in any case.
    pub(super) fn get_folded(&self, name: &[u8]) -> Option<&V> {
        self.get_hashed(self.hash_folded(name), name)
    }

    /// The entries among which is that of a name with this hash, if there is one.
    pub(super) fn near(&self, hash: u32) -> &[Slot<V>] {
        self.leaf(self.leaf_of(hash))
    }

    fn get_hashed(&self, hash: u32, name: &[u8]) -> Option<&V> {
        let mut slots = self.leaf(self.leaf_of(hash)).iter().flatten();
        slots.find(|(h, value)| *h == hash && value.name().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of a name in any case, to be changed.
    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut V> {
        let hash = self.hash_folded(name);
        let (n, at) = (self.leaf_of(hash), self.find(hash, name)?);
        Arc::make_mut(self.leaf_mut(n))[at].as_mut().map(|(_, value)| value)
    }

    /// The value of a name in any case, to be changed; it comes from `make` where there is none.
    pub(super) fn get_or_insert_with(&mut self, name: &[u8], make: impl FnOnce() -> V) -> &mut V {
        if self.find(self.hash_folded(name), name).is_none() {
            self.insert(make());
        }
        self.get_mut(name).expect("it was there or was just put there")
    }

    /// Puts a value in, in the place of the one of its name.
    pub(super) fn insert(&mut self, value: V) {
        let hash = self.hash_folded(value.name());
        let found = self.find(hash, value.name());
        let n = self.leaf_of(hash);
        let leaf = self.leaf_mut(n);
        if let Some(at) = found.or_else(|| leaf.iter().position(Option::is_none)) {
            Arc::make_mut(leaf)[at] = Some((hash, value));
        } else {
            let mut slots = taken(leaf);
            slots.push(Some((hash, value)));
            *leaf = packed(slots);
        }
        if found.is_none() {
            self.len += 1;
            if self.len > self.leaves * FULL {
                self.split();
            }
        }
    }

    /// Takes the value of a name in any case out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<V> {
        let hash = self.hash_folded(name);
        let (n, at) = (self.leaf_of(hash), self.find(hash, name)?);
        let leaf = self.leaf_mut(n);
        let slots = Arc::make_mut(leaf);
        let last = slots.iter().rposition(Option::is_some)?;
        slots.swap(at, last);
        let (_, value) = slots[last].take()?;
        if last.is_multiple_of(STEP) {
            *leaf = packed(taken(leaf));
        }
        self.len -= 1;
        if self.leaves > 1 && self.len < self.leaves * SPARSE {
            self.merge();
        }
        Some(value)
    }

    /// In no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        let leaves = self.arrays.iter().flat_map(|array| array.iter()).flat_map(|leaves| leaves.iter());
        leaves.flat_map(|leaf| leaf.iter().flatten()).map(|(_, value)| value)
    }

    /// Of a name in lower case.
    pub(super) fn hash(&self, name: &[u8]) -> u32 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(name);
        let [a, b, c, d, ..] = hasher.finish().to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }

    fn hash_folded(&self, name: &[u8]) -> u32 {
        let mut folded = [0; NAME_MAX];
        let folded = &mut folded[..name.len()];
        folded.copy_from_slice(name);
        folded.make_ascii_lowercase();
        self.hash(folded)
    }

    /// Where in its leaf the name is.
    fn find(&self, hash: u32, name: &[u8]) -> Option<usize> {
        let is_it = |(h, value): &(u32, V)| *h == hash && value.name().eq_ignore_ascii_case(name);
        self.leaf(self.leaf_of(hash)).iter().position(|slot| slot.as_ref().is_some_and(is_it))
    }

    /// The low bits of the hash number the leaf: one bit less for leaves that have not come yet.
    fn leaf_of(&self, hash: u32) -> usize {
        let bits = usize::BITS - (self.leaves - 1).leading_zeros();
        let mask = (1 << bits) - 1;
        let n = hash as usize & mask;
        if n < self.leaves { n } else { n & (mask >> 1) }
    }

    fn leaf(&self, n: usize) -> &Leaf<V> {
        &self.arrays[n / (FAN * FAN)][n / FAN % FAN][n % FAN]
    }

    fn leaf_mut(&mut self, n: usize) -> &mut Leaf<V> {
        let array = &mut Arc::make_mut(&mut self.arrays)[n / (FAN * FAN)];
        let leaves = &mut Arc::make_mut(array)[n / FAN % FAN];
        &mut Arc::make_mut(leaves)[n % FAN]
    }

    /// One leaf more, with the entries whose hash has one bit more in common with its number.
    fn split(&mut self) {
        let new = self.leaves;
        self.leaves += 1;
        if new == self.arrays.len() * FAN * FAN {
            self.arrays = self.arrays.iter().cloned().chain([empty_array()]).collect();
        }
        let old = partner(new);
        let slots = taken(self.leaf_mut(old));
        let moves = |slot: &Slot<V>| slot.as_ref().is_some_and(|(hash, _)| self.leaf_of(*hash) == new);
        let (moving, staying) = slots.into_iter().partition(moves);
        *self.leaf_mut(old) = packed(staying);
        *self.leaf_mut(new) = packed(moving);
    }

    /// One leaf less: its entries go back to where they came from.
    fn merge(&mut self) {
        self.leaves -= 1;
        let last = self.leaves;
        let going = taken(self.leaf_mut(last));
        *self.leaf_mut(last) = Arc::default();
        let leaf = self.leaf_mut(partner(last));
        let mut slots = taken(leaf);
        slots.extend(going);
        *leaf = packed(slots);
        if last.is_multiple_of(FAN * FAN) {
            self.arrays = self.arrays[..last / (FAN * FAN)].into();
        }
    }
}

fn empty_array<V>() -> Array<V> {
    let leaves: Leaves<V> = Arc::new(std::array::from_fn(|_| Arc::default()));
    Arc::new(std::array::from_fn(|_| Arc::clone(&leaves)))
}

/// The leaf that has the entries of the `n`th before that comes: its number without the highest bit.
fn partner(n: usize) -> usize {
    n ^ (1 << n.ilog2())
}

/// The entries of a leaf that is about to be written anew: moved where they are nobody else's.
fn taken<V: Clone>(leaf: &mut Leaf<V>) -> Vec<Slot<V>> {
    match Arc::get_mut(leaf) {
        Some(slots) => slots.iter_mut().map(Option::take).take_while(Option::is_some).collect(),
        None => leaf.iter().take_while(|slot| slot.is_some()).cloned().collect(),
    }
}

fn packed<V>(mut slots: Vec<Slot<V>>) -> Leaf<V> {
    slots.resize_with(slots.len().next_multiple_of(STEP), || None);
    slots.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl Named for Arc<str> {
        fn name(&self) -> &[u8] {
            self.as_bytes()
        }
    }

    fn name(number: u16, upper: bool) -> Arc<str> {
        if upper { format!("N{number}") } else { format!("n{number}") }.into()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Numbers are drawn from few, so that many are found; runs of equal steps make it grow and shrink.
        #[test]
        fn an_index_does_what_a_hash_map_does_and_its_clones_see_nothing_of_it(
            steps in prop::collection::vec((0..40_u16, 0..1000_u16, 0..3_u8, any::<bool>()), 1..60)
        ) {
            let mut index = Index::new();
            let mut model = HashMap::new();
            let mut snapshots = Vec::new();
            for (count, first, step, upper) in steps {
                snapshots.push((index.clone(), model.clone()));
                for number in first..first + count * 8 {
                    if step == 0 {
                        prop_assert_eq!(index.remove(name(number, upper).as_bytes()), model.remove(&number));
                    } else {
                        index.insert(name(number, upper));
                        model.insert(number, name(number, upper));
                    }
                }
            }
            snapshots.push((index, model));
            for (index, model) in &snapshots {
                prop_assert_eq!(index.len, model.len());
                prop_assert_eq!(index.values().count(), model.len());
                for number in 0..1400 {
                    prop_assert_eq!(index.get(name(number, false).as_bytes()), model.get(&number));
                }
            }
        }
    }

    #[test]
    fn what_has_grown_shrinks_again() {
        let mut index = Index::new();
        (0..20_000).for_each(|n| index.insert(name(n, false)));
        assert_eq!((index.leaves, index.arrays.len()), (20_000 / FULL, 3));
        (0..20_000).for_each(|n| drop(index.remove(name(n, true).as_bytes()).unwrap()));
        assert_eq!((index.leaves, index.arrays.len(), index.values().count()), (1, 1, 0));
    }

    #[test]
    fn a_value_is_changed_in_place_and_for_nobody_else() {
        let mut index = Index::new();
        (0..100).for_each(|n| index.insert(name(n, false)));
        let before = index.clone();
        *index.get_mut(b"n50").unwrap() = name(50, true);
        assert_eq!(index.get(b"n50").map(|text| &**text), Some("N50"));
        assert_eq!(before.get(b"n50").map(|text| &**text), Some("n50"));
        assert!(index.get_mut(b"n100").is_none());
    }

    #[test]
    fn a_change_copies_a_leaf_and_the_path_to_it_and_a_batch_copies_them_once() {
        let mut index = Index::new();
        (0..20_000).for_each(|n| index.insert(name(n, false)));
        let before = index.clone();
        // Several, since now and then a leaf has no other entry.
        for n in 7..12 {
            index.insert(name(n, true));
            index.insert(name(n, false));
        }
        let shared = before.values().filter(|text| Arc::strong_count(text) > 1).count();
        assert!((1..5 * 30).contains(&shared), "{shared} entries were copied");
    }
}
