//! SRV records that several instances share: the same target, port, priority and weight make one record, since an
//! RRset has none twice (RFC 2181 §5).
//!
//! Only instances of one host can share it, and most hosts have one: so the others alone are looked at.

use std::hash::{Hash, Hasher};

use super::member::{Member, Target};
use super::seen::Seen;
use crate::service::hash_folded;

/// The SRV records of an answer.
pub(super) struct Distinct<'a>(Seen<Record<'a>>);

impl<'a> Distinct<'a> {
    pub(super) fn new() -> Self {
        Self(Seen::new())
    }

    /// Whether no member before has the SRV record of this one.
    pub(super) fn is_new(&mut self, member: &'a Member) -> bool {
        let is_alone = !member.shares_host() && !member.is_foreign();
        is_alone || self.0.is_new(Record(member))
    }
}

/// What the SRV record of a member holds. Names that differ in case are the same (RFC 4343 §3).
#[derive(Clone, Copy)]
struct Record<'a>(&'a Member);

impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.srv_head() == other.0.srv_head()
            && match (self.0.target(), other.0.target()) {
                (Target::Label(a), Target::Label(b)) | (Target::Foreign(a), Target::Foreign(b)) => {
                    a.eq_ignore_ascii_case(b)
                }
                _ => false,
            }
    }
}

impl Eq for Record<'_> {}

impl Hash for Record<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.srv_head().hash(state);
        let (Target::Label(name) | Target::Foreign(name)) = self.0.target();
        hash_folded(name, state);
    }
}
