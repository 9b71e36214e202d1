//! What dig says of a reply, taken apart.

use std::net::SocketAddr;

use super::tools;

/// One reply.
#[derive(Debug, Default)]
pub struct Reply {
    /// `NOERROR`, `NXDOMAIN`, …
    pub status: String,
    /// `qr aa rd`
    pub flags: String,
    /// What is said of EDNS; empty without an OPT record.
    pub edns: String,
    /// The COOKIE option, as dig has it: `2464c4abcf10c957… (good)`.
    pub cookie: String,
    /// Extended DNS Errors, as dig has them: `20 (Not Authoritative)`.
    pub errors: Vec<String>,
    pub answer: Vec<String>,
    pub authority: Vec<String>,
    pub additional: Vec<String>,
    /// Octets.
    pub size: usize,
}

impl Reply {
    /// Whether a flag is set: `aa`, `tc`, `ra`, `cd`, …
    pub fn has(&self, flag: &str) -> bool {
        self.flags.split(' ').any(|set| set == flag)
    }

    /// The data of the answer's records, sorted.
    pub fn data(&self) -> Vec<String> {
        let mut data: Vec<_> = self.answer.iter().map(|record| columns(record)[4].to_owned()).collect();
        data.sort();
        data
    }

    /// The TTLs of the answer's records, each once.
    pub fn ttls(&self) -> Vec<u32> {
        let mut ttls: Vec<_> = self.answer.iter().map(|record| columns(record)[1].parse().unwrap()).collect();
        ttls.sort_unstable();
        ttls.dedup();
        ttls
    }

    /// Whether the additional section has a record with this owner and type.
    pub fn brings(&self, owner: &str, rtype: &str) -> bool {
        self.additional.iter().map(|record| columns(record)).any(|c| c[0] == owner && c[3] == rtype)
    }

    /// Whether it says that there is nothing, with the SOA record that bounds how long (RFC 2308 §3).
    pub fn is_negative(&self, status: &str) -> bool {
        let soa = matches!(&self.authority[..], [soa] if columns(soa)[3] == "SOA" && columns(soa)[1] == "5");
        self.status == status && self.answer.is_empty() && self.has("aa") && soa
    }
}

/// Asks over UDP, unless `arguments` say otherwise; each is a word of dig's.
#[track_caller]
pub fn ask(server: SocketAddr, arguments: &[&str]) -> Reply {
    let shown = ["+noall", "+comments", "+answer", "+authority", "+additional", "+stats", "+ignore", "+nobadcookie"];
    parse(&tools::dig(server, &[&shown[..], arguments].concat()))
}

fn parse(text: &str) -> Reply {
    let mut reply = Reply::default();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(";; ").and_then(|rest| rest.strip_suffix(" SECTION:")) {
            section = name;
        } else if let Some((_, rest)) = line.split_once("status: ") {
            rest.split(',').next().unwrap().clone_into(&mut reply.status);
        } else if let Some(rest) = line.strip_prefix(";; flags: ") {
            rest.split(';').next().unwrap().clone_into(&mut reply.flags);
        } else if let Some(rest) = line.strip_prefix("; EDNS: ") {
            rest.clone_into(&mut reply.edns);
        } else if let Some(rest) = line.strip_prefix("; COOKIE: ") {
            rest.clone_into(&mut reply.cookie);
        } else if let Some(rest) = line.strip_prefix("; EDE: ") {
            reply.errors.push(rest.to_owned());
        } else if let Some((_, size)) = line.split_once("MSG SIZE  rcvd: ") {
            reply.size = size.parse().unwrap();
        } else if !line.is_empty() && !line.starts_with(';') {
            let section = match section {
                "ANSWER" => &mut reply.answer,
                "AUTHORITY" => &mut reply.authority,
                _ => &mut reply.additional,
            };
            section.push(line.to_owned());
        }
    }
    assert!(!reply.status.is_empty(), "dig got no reply:\n{text}");
    reply
}

/// Owner, TTL, class, type, and the data as one.
fn columns(record: &str) -> [&str; 5] {
    let mut rest = record;
    let mut next = || {
        let (column, after) = rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""));
        rest = after.trim_start();
        column
    };
    let [owner, ttl, class, rtype] = [next(), next(), next(), next()];
    [owner, ttl, class, rtype, rest]
}
