//! Replies and their records.

use std::fmt;

use super::{CNAME, Edns, NS, Name, OPT, PTR, SOA, SRV};

/// A reply, taken apart.
#[derive(Debug, Clone)]
pub struct Reply {
    pub octets: Vec<u8>,
    pub id: u16,
    /// Third and fourth octet of the header.
    pub flags: [u8; 2],
    /// Name, type and class as they came; of a reply without a question nothing.
    pub question: Vec<u8>,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    /// Without the OPT record.
    pub additional: Vec<Record>,
    pub edns: Option<Edns>,
    /// Octets to the end of the authority section.
    pub required: usize,
}

/// One record, names in its data uncompressed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub owner: Name,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub data: Vec<u8>,
    /// Whether a name in the data ended with a pointer.
    pub is_compressed: bool,
}

impl Record {
    /// What is equal where the case of names, and how they are compressed, is left aside (RFC 4343 §3).
    pub fn folded(&self) -> Self {
        let owner = self.owner.folded();
        let data = match self.rtype {
            NS | CNAME | SOA | PTR => self.data.to_ascii_lowercase(),
            SRV => [&self.data[..6], &self.data[6..].to_ascii_lowercase()].concat(),
            _ => self.data.clone(),
        };
        Self { owner, data, is_compressed: false, ..*self }
    }

    /// What it shares with the others of its RRset.
    pub fn rrset(&self) -> (Name, u16) {
        (self.owner.folded(), self.rtype)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} TYPE{} {}", self.owner, self.ttl, self.rtype, self.data.escape_ascii())
    }
}

impl Reply {
    /// Reads it, and says what is wrong with it.
    pub fn read(octets: Vec<u8>) -> Result<Self, String> {
        let mut reader = Reader { octets: &octets, at: 0 };
        let id = reader.number()?;
        let [flags0, flags1, ..] = *reader.take(2)? else { unreachable!("two were taken") };
        let [questions, answers, authorities, additionals] =
            [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
        let start = reader.at;
        for _ in 0..questions {
            reader.name()?;
            reader.take(4)?;
        }
        let question = octets[start..reader.at].to_vec();
        let [answer, authority] = [reader.records(answers)?, reader.records(authorities)?];
        let required = reader.at;
        let (opts, additional): (Vec<_>, Vec<_>) =
            reader.records(additionals)?.into_iter().partition(|record| record.rtype == OPT);
        if reader.at != octets.len() {
            return Err(format!("{} octets behind the last record", octets.len() - reader.at));
        }
        let edns = match &opts[..] {
            [] => None,
            [opt] => Some(Edns::read(opt)?),
            _ => return Err("two OPT records".into()),
        };
        let flags = [flags0, flags1];
        Ok(Self { octets, id, flags, question, answer, authority, additional, edns, required })
    }

    pub fn is_response(&self) -> bool {
        self.flags[0] & 0x80 != 0
    }

    pub fn is_authoritative(&self) -> bool {
        self.flags[0] & 0x04 != 0
    }

    pub fn is_truncated(&self) -> bool {
        self.flags[0] & 0x02 != 0
    }

    /// The response code, with the part that OPT has of it (RFC 6891 §6.1.3).
    pub fn code(&self) -> u16 {
        let high = self.edns.as_ref().map_or(0, |edns| u16::from(edns.extended_code));
        high << 4 | u16::from(self.flags[1] & 0xf)
    }

    /// The data of the answer, sorted.
    pub fn data(&self) -> Vec<&[u8]> {
        let mut data: Vec<_> = self.answer.iter().map(|record| &record.data[..]).collect();
        data.sort();
        data
    }
}

impl Edns {
    fn read(opt: &Record) -> Result<Self, String> {
        if opt.owner != Name::root() {
            return Err("an OPT record that is not the root's".into());
        }
        let [extended_code, version, flags0, flags1] = opt.ttl.to_be_bytes();
        let (mut reader, mut options) = (Reader { octets: &opt.data, at: 0 }, Vec::new());
        while reader.at < opt.data.len() {
            let (code, length) = (reader.number()?, reader.number()?);
            options.push((code, reader.take(usize::from(length))?.to_vec()));
        }
        Ok(Self { size: opt.class, extended_code, version, flags: u16::from_be_bytes([flags0, flags1]), options })
    }
}

struct Reader<'r> {
    octets: &'r [u8],
    at: usize,
}

impl<'r> Reader<'r> {
    fn take(&mut self, length: usize) -> Result<&'r [u8], String> {
        let taken = self.octets.get(self.at..self.at + length).ok_or_else(|| format!("cut at octet {}", self.at))?;
        self.at += length;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, String> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().unwrap()))
    }

    /// A name, and whether it ended with a pointer. Pointers lead back to where a name was (RFC 1035 §4.1.4).
    fn name(&mut self) -> Result<(Name, bool), String> {
        let (mut name, mut at, mut end, mut bound) = (Vec::new(), self.at, None, self.at);
        loop {
            let octet = *self.octets.get(at).ok_or("a name that is cut")?;
            match octet {
                0 => break,
                1..=63 => {
                    let label = self.octets.get(at..=at + usize::from(octet)).ok_or("a label that is cut")?;
                    name.extend_from_slice(label);
                    at += label.len();
                }
                0xc0.. => {
                    let low = *self.octets.get(at + 1).ok_or("a pointer that is cut")?;
                    end.get_or_insert(at + 2);
                    at = usize::from(u16::from_be_bytes([octet & 0x3f, low]));
                    if at >= bound || at < 12 {
                        return Err(format!("a pointer from {} to {at}", self.at));
                    }
                    bound = at;
                }
                _ => return Err(format!("a label of type {octet:#x}")),
            }
        }
        name.push(0);
        self.at = end.unwrap_or(at + 1);
        if name.len() > 255 { Err(format!("a name of {} octets", name.len())) } else { Ok((Name(name), end.is_some())) }
    }

    fn records(&mut self, count: u16) -> Result<Vec<Record>, String> {
        (0..count).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> Result<Record, String> {
        let (owner, _) = self.name()?;
        let (rtype, class) = (self.number()?, self.number()?);
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().unwrap());
        let end = usize::from(self.number()?) + self.at;
        let (mut data, mut is_compressed) = (Vec::new(), false);
        let names = match rtype {
            NS | CNAME | PTR => 1,
            SOA => 2,
            SRV => {
                data.extend_from_slice(self.take(6)?);
                1
            }
            _ => 0,
        };
        for _ in 0..names {
            let (name, by_pointer) = self.name()?;
            data.extend(name.0);
            is_compressed |= by_pointer;
        }
        let rest = end.checked_sub(self.at).ok_or("a name that is longer than its record")?;
        data.extend_from_slice(self.take(rest)?);
        if matches!(rtype, NS | CNAME | PTR | SRV) && rest > 0 {
            return Err(format!("{rest} octets behind the name of a record"));
        }
        Ok(Record { owner, rtype, class, ttl, data, is_compressed })
    }
}
