//! Values that are nearly always the same.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that is nearly always [`Usual::usual`] and then takes no more than a pointer: of a million instances few
/// are drained or have tags.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

/// What there is one value of that counts for nearly all.
pub trait Usual: Clone + PartialEq + 'static {
    /// That value.
    fn usual() -> &'static Self;
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => T::usual(),
        }
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::usual().clone()))
    }
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::usual()).then(|| Box::new(value)))
    }
}

impl<T: Usual> Default for Rare<T> {
    /// The usual.
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Usual> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.0.is_none() && other.0.is_none()) || **self == **other
    }
}

impl<T: Usual + Eq> Eq for Rare<T> {}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::*;

    #[test]
    fn the_usual_takes_a_pointer_and_equals_itself_however_it_came_about() {
        let mut changed = Rare::from(Facts { drained: true, ..Facts::default() });
        assert_ne!(changed, Rare::default());
        changed.drained = false;
        assert_eq!(changed, Rare::default());
        assert!(Rare::from(Facts::clone(&changed)).0.is_none());
        assert_eq!(size_of::<Rare<Facts>>(), size_of::<usize>());
    }
}
