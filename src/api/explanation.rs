//! Why a question to DNS is answered as it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::service::{Source, Status};

/// What would be answered now, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What DNS says.
    #[serde(flatten)]
    pub reply: Reply,
    /// Instances that the question is about, those that the answer has first.
    pub instances: Vec<Candidate>,
    /// How many of all these are in the answer, and how many are not.
    pub answered: usize,
    /// See `answered`.
    pub left_out: usize,
}

/// What DNS says, as far as its own room knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// How large an answer is over one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// `UDP`, `UDP with EDNS`, `TCP`
    pub transport: String,
    /// Octets, at most.
    pub limit: usize,
    /// Octets.
    pub octets: usize,
    /// Records asked for.
    pub answers: usize,
    /// Records that go along with them.
    pub additionals: usize,
    /// Whether TC sends the client to TCP.
    pub truncated: bool,
}

/// An instance that the question is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The whole name in the first zone, in presentation form.
    pub name: String,
    /// Who told us.
    pub source: Source,
    /// Its state.
    pub status: Status,
    /// Whether the answer has it.
    pub answered: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
