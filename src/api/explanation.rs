//! Why a question to DNS is answered as it is.

use std::collections::HashSet;
use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::{DomainName, Source, Status, UnixMillis};

use super::Instance;
use super::instance::timestamp;

/// What would be answered now, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What DNS says.
    #[serde(flatten)]
    pub reply: Reply,
    /// Instances that the question is about, up to a limit: those that the answer lacks, then those that it has.
    pub instances: Vec<Candidate>,
    /// How many of all that the question is about are in the answer, and how many are not.
    pub answered: usize,
    /// See `answered`.
    pub left_out: usize,
    /// How many of both are beyond the limit of `instances`.
    #[serde(default)]
    pub not_shown: usize,
}

/// What DNS says, as far as its own room knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// As asked, in presentation form.
    pub name: String,
    /// `SRV`
    #[serde(rename = "type")]
    pub rtype: String,
    /// The zone that the name is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What is at such a name.
    pub rule: String,
    /// `NOERROR`, `NXDOMAIN`, `REFUSED`
    pub code: String,
    /// What a client with EDNS is told besides (RFC 8914).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// TTL of the records asked for in seconds; of the negative answer, where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// What the TTL comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_from: Option<String>,
    /// The records asked for as a client over TCP gets them, up to a limit, in presentation form.
    pub records: Vec<String>,
    /// What goes over each transport.
    pub sizes: Vec<Size>,
}

/// What DNS says, and the same for who compares it with instances.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// For people.
    pub reply: Reply,
    /// The type asked for; without one, the one that was chosen.
    pub rtype: u16,
    /// Whether the name exists.
    pub exists: bool,
    /// What the records of the whole answer hold, as a client over TCP gets them.
    pub answers: HashSet<Datum>,
    /// What records would hold if a message had no end, where `dns.glob_limit` let no more through.
    pub selected: Option<HashSet<Datum>>,
    /// Whether the answer ends where a message over TCP ends.
    pub is_full: bool,
}

/// What a record holds that may be an instance's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Datum {
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of PTR.
    Name(DomainName),
    /// Of SRV.
    Srv {
        /// Lower is tried first (RFC 2782).
        priority: u16,
        /// Share among equal priorities (RFC 2782).
        weight: u16,
        /// Where to connect to.
        port: u16,
        /// The host.
        target: DomainName,
    },
}

/// How large an answer is over one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// `UDP`, `UDP with EDNS`, `TCP`
    pub transport: String,
    /// Octets, at most.
    pub limit: usize,
    /// Octets.
    pub octets: usize,
    /// Records asked for.
    pub answers: usize,
    /// Records that go along with them, OPT left out.
    pub additionals: usize,
    /// Whether TC sends the client to TCP.
    pub truncated: bool,
}

/// An instance that the question is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The whole name in the first zone, in presentation form.
    pub name: String,
    /// Who told us.
    pub source: Source,
    /// Its state.
    pub status: Status,
    /// Whether the answer has it.
    pub answered: bool,
    /// Why not; of one that is down, why it has it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Candidate {
    /// Shows `instance`, which the answer has unless there is a `reason`, perhaps with its beginning.
    pub fn of(instance: Instance, reason: Option<(String, Option<UnixMillis>)>) -> Self {
        let Instance { name, source, status, reason: told, .. } = instance;
        let (reason, since) = reason.unzip();
        let (answered, since) = (reason.is_none(), since.flatten().map(timestamp));
        Self { name, source, status, answered, reason: reason.or(told), since }
    }
}
