//! Messages that another room brings: DNS over HTTPS (RFC 8484) is HTTP's to speak, and DNS's to answer.

use std::net::IpAddr;

use hickory_server::proto::op::Message;
use hickory_server::proto::rr::RData;

use super::context::Seeds;
use super::responder::Responder;
use super::transport::Transport;

/// Answers messages that came over HTTPS.
#[derive(Debug, Clone)]
pub struct Messages(pub(super) Responder);

/// A message in return.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    /// In wire form.
    pub message: Vec<u8>,
    /// How long it may be kept, in seconds.
    pub max_age: u32,
}

impl Messages {
    /// The reply to a request of `client`; `None` where none is due, as to what is too short or is itself a reply.
    pub fn answer(&self, request: &[u8], client: IpAddr) -> Option<Answered> {
        // Of the client's port nothing depends.
        let reply = self.0.reply(request, Transport::Https, (client, 0).into(), &mut Seeds::new())?;
        Some(Answered { max_age: freshness(reply.message()), message: reply.message().to_vec() })
    }
}

/// The smallest TTL among the records (RFC 8484 §5.1); where there is no answer, how long that may be believed
/// (RFC 2308 §5). What has no records, such as a refusal, is not to be kept.
fn freshness(message: &[u8]) -> u32 {
    let Ok(message) = Message::from_vec(message) else { return 0 };
    let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    let ttls = records.map(|record| match &record.data {
        RData::SOA(soa) if message.answers.is_empty() => record.ttl.min(soa.minimum),
        _ => record.ttl,
    });
    ttls.min().unwrap_or(0)
}
