//! Questions to one name server: UDP, then TCP where an answer was cut.
//!
//! Road not taken: hickory's resolver. It asks the system's servers and caches by their TTLs; here one server is
//! asked, about now, and each record that it sent along is as good as an answer.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::service::DomainName;

use super::super::failure::Failure;
use super::OURS;

/// Octets of a UDP answer: what passes everywhere without fragments (RFC 9715 §3.1).
const UDP_MAX: u16 = 1232;
/// Datagrams are lost; the time for an answer is shared among so many tries.
const TRIES: u32 = 3;
/// Records that are kept, at most: more than anybody's list, and an end to a hostile server's.
const RECORDS_MAX: usize = 200_000;

/// One name server, and what it has said so far.
#[derive(Debug)]
pub(super) struct Resolver {
    server: SocketAddr,
    timeout: Duration,
    known: HashMap<(DomainName, RecordType), Vec<RData>>,
    records: usize,
}

impl Resolver {
    pub(super) fn new(server: SocketAddr, timeout: Duration) -> Self {
        Self { server, timeout, known: HashMap::new(), records: 0 }
    }

    /// The records of that name and type; none where there are none.
    pub(super) async fn ask(&mut self, owner: &DomainName, kind: RecordType) -> Result<Vec<RData>, Failure> {
        let key = (owner.clone(), kind);
        if let Some(records) = self.known.get(&key) {
            return Ok(records.clone());
        }
        let message = self.exchange(owner, kind).await?;
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            code => return Err(Failure::Refused(format!("{} answers {code} to {owner} {kind}", self.server))),
        }
        self.remember(&message);
        // That there is nothing is an answer, too.
        Ok(self.known.entry(key).or_default().clone())
    }

    fn remember(&mut self, message: &Message) {
        let mut fresh: HashMap<_, Vec<RData>> = HashMap::new();
        for record in message.answers.iter().chain(&message.additionals) {
            if let Some(owner) = name(&record.name) {
                let set = fresh.entry((owner, record.record_type())).or_default();
                if !set.contains(&record.data) {
                    set.push(record.data.clone());
                }
            }
        }
        for (key, set) in fresh {
            if self.records + set.len() <= RECORDS_MAX {
                self.records += set.len();
                self.known.entry(key).or_insert(set);
            }
        }
    }

    async fn exchange(&self, owner: &DomainName, kind: RecordType) -> Result<Message, Failure> {
        let unreachable = |error: io::Error| {
            Failure::Unreachable(format!(
                "the name server at {} does not answer: {error}\n\
                 is it running? `portolan serve` listens at {OURS}; name another with --server",
                self.server
            ))
        };
        let message = question(owner, kind);
        let question = message.to_vec().expect("a question fits a message");
        let answer = self.udp(&message, &question).await.map_err(unreachable)?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
        let whole = tokio::time::timeout(self.timeout, self.tcp(&message, &question));
        whole.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unreachable)
    }

    async fn udp(&self, message: &Message, question: &[u8]) -> io::Result<Message> {
        let any: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // Connected: the kernel drops what others send, and tells that nobody listens there.
        socket.connect(self.server).await?;
        for _ in 0..TRIES {
            socket.send(question).await?;
            let answer = async {
                let mut buffer = vec![0; usize::from(u16::MAX)];
                loop {
                    let length = socket.recv(&mut buffer).await?;
                    if let Some(answer) = read(message, &buffer[..length]) {
                        return Ok(answer);
                    }
                }
            };
            if let Ok(answer) = tokio::time::timeout(self.timeout / TRIES, answer).await {
                return answer;
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    async fn tcp(&self, message: &Message, question: &[u8]) -> io::Result<Message> {
        let mut stream = TcpStream::connect(self.server).await?;
        let length = u16::try_from(question.len()).expect("a question is shorter than 64 KiB");
        // Length and message in one write (RFC 7766 §8).
        stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        read(message, &answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Its id is hard to guess for who does not see it (RFC 5452 §4.3).
fn question(owner: &DomainName, kind: RecordType) -> Message {
    let owner = Name::from_labels(owner.labels()).expect("a name is within the limits of a name");
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX);
    let mut message = Message::query();
    // An authority does not mind, and a resolver is of no use without.
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(owner, kind)).set_edns(edns);
    message
}

/// The message in `octets`, if it answers `question` (RFC 5452 §9.1).
fn read(question: &Message, octets: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(octets).ok()?;
    let is_answer = answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && (answer.queries.is_empty() || answer.queries == question.queries);
    is_answer.then_some(answer)
}

/// hickory's name as ours.
pub(super) fn name(name: &Name) -> Option<DomainName> {
    DomainName::from_labels(name.iter()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_this_question_is_taken() {
        let question = question(&r"Main\.1\032é._auth._tcp.registry.local".parse().unwrap(), RecordType::SRV);
        let mut answer = question.clone();
        answer.metadata.message_type = MessageType::Response;
        let taken = |message: &Message| read(&question, &message.to_vec().unwrap()).is_some();
        assert!(taken(&answer));
        assert!(!taken(&question), "it is a question");

        let mut guessed = answer.clone();
        guessed.metadata.id = guessed.metadata.id.wrapping_add(1);
        assert!(!taken(&guessed), "another id");

        let mut another = answer.clone();
        another.queries[0].set_query_type(RecordType::TXT);
        assert!(!taken(&another), "another question");
        assert!(read(&question, b"\0\x01").is_none(), "no message");
    }
}
