//! The vocabulary: what an instance of a service is, as plain values without I/O.
//!
//! The words are those of RFC 6763 (instance, service type, subtype, TXT), RFC 2782 (target, priority, weight)
//! and RFC 9664 (lease, renew). Everything here is parsed once, at an edge, and is valid ever after: an
//! [`InstanceName`] in hand needs no second look. JSON is `api`'s matter, records are `zone`'s.
//!
//! Road not taken: hickory's `Name` as the vocabulary. Its text form escapes in octal and turns UTF-8 into
//! Punycode, and both would leak into the API, the log and the database.

mod address;
mod change;
mod declaration;
mod facts;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod glob;
mod host;
mod inquiry;
mod instance;
mod lease;
mod name;
mod network;
mod origin;
mod place;
mod printable;
mod probe;
mod rare;
mod reach;
mod registration;
mod service_pattern;
mod service_type;
mod stand_in;
mod strings;
mod txt;
mod version;
mod version_range;

pub use address::{Address, AddressError, Addresses};
pub use change::{Cause, Change};
pub use facts::{Check, Facts, Reported, Status};
pub use glob::Glob;
pub use host::{Host, HostError, HostLabel};
pub use inquiry::Inquiry;
pub(crate) use inquiry::TARGET_MAX;
pub use instance::{Instance, Revision, Withheld};
pub use lease::{Lease, LeaseError, LeaseLimits, Moment, UnixMillis};
pub use name::{DomainName, InstanceName, InstanceNameError, NameError, escape_label};
pub(crate) use name::{LABEL_MAX, NAME_MAX, cmp_folded, hash_folded};
pub(crate) use network::network;
pub use origin::{Origin, Source};
pub use place::URL;
pub use printable::{escape_json, escape_text};
pub(crate) use probe::{FAILURES_MOST, INTERVAL_LONGEST, INTERVAL_SHORTEST, TIMEOUT_LONGEST, TIMEOUT_SHORTEST};
pub use probe::{Probe, ProbeError};
pub use rare::{Rare, Usual};
pub use reach::Reach;
pub use registration::{Details, InstanceId, Registration};
pub use service_pattern::ServicePattern;
pub use service_type::{ServiceType, ServiceTypeError, Subtype, SubtypeError, Tag, Transport};
pub use stand_in::{ForeignNameError, ID, NAME};
pub(crate) use strings::{split_string, strings};
pub use txt::{Txt, TxtError, TxtValue};
pub use version::{Version, VersionError};
pub use version_range::{VersionRange, VersionRangeError};

#[cfg(test)]
pub(crate) use registration::tests::registration;
