//! The JSON that the world sees: shared by the HTTP server, the client library and the command line.
//!
//! What comes in is read in two steps. [`Json`] takes any document and keeps what it says, repeated keys included;
//! then [`Registration`] and its like are read from it, and each fault knows its field and its kind. `accept` turns
//! the registration into the vocabulary, where everything is valid. What goes out is plain serde. Only [`Heartbeats`] are
//! read in one step, as long as nothing is wrong with them: a document costs as much as all else that is done with one.
//!
//! A fault is an [`Invalid`]; on the wire it is a [`Problem`] (RFC 9457), and [`Kind`] lists all there are.
//!
//! Road not taken: `serde_json` straight into the structs, for all. Its errors are text only, it stops an array of a thousand
//! at the first bad item, and a key that is there twice passes or fails by the type that reads it.

mod accept;
mod backend;
mod check;
mod event;
mod explanation;
mod heartbeat;
mod heartbeats;
mod history;
mod instance;
mod invalid;
mod json;
mod kind;
mod lease;
mod list;
mod pick;
mod problem;
mod registration;
mod reload;
pub mod schema;
mod summary;
mod txt;

pub use accept::Terms;
pub use backend::Backend;
pub use check::Check;
pub use event::{BadPosition, Event, News, Position};
pub use explanation::{Candidate, Datum, Explained, Explanation, Reply, Size};
pub use heartbeat::{Heartbeat, Outcome, StatusWish};
pub use heartbeats::Heartbeats;
pub use history::{Flip, History};
pub use instance::Instance;
pub use invalid::{Fault, Invalid};
pub use json::{Json, Malformed};
pub use kind::Kind;
pub use lease::LeaseWish;
pub use list::{BadCursor, Cursor, Filter, LIMIT_MAX, Page, Service, Services, invalid_parameter, unknown_parameter};
pub use pick::{BadPick, Pick};
pub use problem::Problem;
pub use registration::{Registration, ReportedStatus};
pub use reload::{FileFault, FileServices, Reloaded};
pub use summary::{FlipCount, InstanceCount, LastFlip, ProcessUse, ServiceCount, Summary};
pub use txt::{Txt, TxtValue};

/// Items of one heartbeat, at most.
pub const BATCH_MAX: usize = 1000;
