//! portolan: a service registry that you can dig.
//!
//! Services announce themselves over HTTP or by mDNS on the local link, or stand in files; an expiring table holds them;
//! an authoritative DNS server answers for them: SRV, A/AAAA, TXT, PTR.
//!
//! ```text
//! HTTP · mDNS · files                  edges parse what they are told into a Registration
//!    └→ Registry → writer → Table      the one writer; the table is pure and is told the time
//!                    ├─ Store::save    durable: many callers share one commit
//!                    ├─ publish        visible: a new State, sharing all that did not change
//!                    └─ announce       subscribers see every change in order
//!    ←─ the caller is answered here: who registers and then asks DNS sees it
//! query → State → Snapshot::answer → bytes      no lock, no I/O, no clock
//! ```
//!
//! What always holds:
//! - A DNS answer needs no I/O and no lock.
//! - Only the writer changes the table. (A renewal does not: it moves the end of a lease, one atomic number.)
//! - What a caller is told is done is durable, then visible, then announced. Expiry, mDNS and files never wait for
//!   the store: a full disk must not keep the dead in DNS.
//! - Edges do not know each other; `server` introduces them.
//!
//! The rooms, in groups. A room imports only rooms of the groups above its own; `tests/layers.rs` holds them to it.

pub mod listener;
pub mod metrics;
pub mod service;
pub mod tls;

pub mod api;
pub mod tokens;
pub mod zone;

pub mod client;
pub mod store;

pub mod registry;

pub mod checks;
pub mod dns;
pub mod files;
pub mod http;
pub mod mdns;
pub mod own;

pub mod config;

pub mod server;

pub mod cli;
