//! Doors for the clients of earlier registries, each in its own wire format, a file each.
//!
//! They translate, and keep nothing: all are views of the one table, so what comes in by one door is seen through
//! every other, and in DNS. A name that DNS has no label for has a stand-in there (see `service`), and is itself again
//! at every door.

pub(super) mod registro;
pub(super) mod servreg;
