//! Reads the question that nearly everybody asks: one name, class, type, and perhaps EDNS.
//!
//! Whatever is not plain (another opcode, several questions, records where none belong, a newer EDNS) is left to
//! hickory, which reads all of DNS at ten times the cost. Nothing is copied here.
#![warn(clippy::indexing_slicing)]

use super::cookie::{self, OPTION_COOKIE};

/// Octets of a header (RFC 1035 §4.1.1).
pub(super) const HEADER: usize = 12;
/// Opcode, and QR in front of it, in the third octet of the header.
const QR_AND_OPCODE: u8 = 0xf8;
const QR: u8 = 0x80;
const TYPE_OPT: u8 = 41;
/// DO, the first of the flags of EDNS (RFC 6891 §6.1.4).
const DNSSEC_OK: u8 = 0x80;

/// What a message is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'q> {
    Plain(Query<'q>),
    /// A request, but not a plain one.
    Odd,
    /// A response or too short for a header: answering might begin a loop.
    Ignored,
}

/// Whether a header is a response's: QR is set.
pub(super) fn is_response(header: &[u8; HEADER]) -> bool {
    header[2] & QR != 0
}

/// Whether the questions that a message counts are all there, with names that are written out. Else they cannot be
/// repeated: a name could point into the header, which the response changes; and hickory makes room for all that are
/// counted before it reads the first, 10 MB for a header alone that counts 65,535.
pub(super) fn has_plain_questions(message: &[u8]) -> bool {
    let Some(([_, _, _, _, high, low, ..], body)) = message.split_first_chunk::<HEADER>() else { return false };
    let mut reader = Reader(body);
    (0..u16::from_be_bytes([*high, *low])).all(|_| reader.question().is_some())
}

/// The name of a message's only question, and where the question ends; both as `has_plain_questions` wants it.
pub(super) fn question_of(message: &[u8]) -> Option<(&[u8], usize)> {
    let ([_, _, _, _, 0, 1, ..], body) = message.split_first_chunk::<HEADER>()? else { return None };
    let mut reader = Reader(body);
    let (name, ..) = reader.question()?;
    Some((name, message.len() - reader.0.len()))
}

/// Name and type of the first question of a message, if the name is written out.
pub(super) fn first(message: &[u8]) -> Option<(&[u8], u16)> {
    let (_, body) = message.split_first_chunk::<HEADER>()?;
    Reader(body).question().map(|(name, rtype, _)| (name, rtype))
}

/// A plain query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'q> {
    pub(super) id: [u8; 2],
    pub(super) recursion_desired: bool,
    pub(super) checking_disabled: bool,
    /// Name, type and class as they came.
    pub(super) question: &'q [u8],
    /// Wire form with the root label.
    pub(super) name: &'q [u8],
    pub(super) rtype: u16,
    pub(super) class: u16,
    pub(super) edns: Option<Edns<'q>>,
}

/// What the client said of itself (RFC 6891). Other options and unknown flags are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edns<'q> {
    /// Octets that it takes in a datagram.
    pub(super) size: u16,
    pub(super) dnssec_ok: bool,
    /// The COOKIE option, well-formed; the first where there are several (RFC 7873 §5.2).
    pub(super) cookie: Option<&'q [u8]>,
}

impl<'q> Request<'q> {
    pub(super) fn read(octets: &'q [u8]) -> Self {
        let Some((header, body)) = octets.split_first_chunk::<HEADER>() else { return Self::Ignored };
        let [id0, id1, flags, more_flags, counts @ ..] = *header;
        if flags & QR != 0 {
            return Self::Ignored;
        }
        // One question, no answers, no authorities, at most an OPT record.
        let (true, [0, 1, 0, 0, 0, 0, 0, additionals @ 0..=1]) = (flags & QR_AND_OPCODE == 0, counts) else {
            return Self::Odd;
        };
        let mut reader = Reader(body);
        let Some((name, rtype, class)) = reader.question() else { return Self::Odd };
        let Some(question) = body.get(..body.len() - reader.0.len()) else { return Self::Odd };
        let edns = match additionals {
            0 => None,
            _ => match reader.edns() {
                Some(edns) => Some(edns),
                None => return Self::Odd,
            },
        };
        Self::Plain(Query {
            id: [id0, id1],
            recursion_desired: flags & 1 != 0,
            checking_disabled: more_flags & 0x10 != 0,
            question,
            name,
            rtype,
            class,
            edns,
        })
    }
}

/// The octets not read yet.
struct Reader<'q>(&'q [u8]);

impl<'q> Reader<'q> {
    fn take(&mut self, length: usize) -> Option<&'q [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let (octets, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*octets))
    }

    /// Name, type and class. The name of a lone question has nothing to point to: pointers are odd.
    fn question(&mut self) -> Option<(&'q [u8], u16, u16)> {
        let start = self.0;
        let mut last = 0;
        loop {
            match *start.get(last)? {
                0 => break,
                length @ 1..=63 => last += 1 + usize::from(length),
                _ => return None,
            }
        }
        let name = self.take(last + 1).filter(|name| name.len() <= 255)?;
        Some((name, self.number()?, self.number()?))
    }

    /// An OPT record of version 0 with well-formed options, at the end of the message.
    fn edns(&mut self) -> Option<Edns<'q>> {
        // Of what it begins with, the extended code of a response means nothing here.
        let (head, options) = self.0.split_first_chunk()?;
        let [0, 0, TYPE_OPT, size0, size1, _, 0, flags, _, length0, length1] = *head else { return None };
        self.0 = options;
        if options.len() != usize::from(u16::from_be_bytes([length0, length1])) {
            return None;
        }
        let mut cookie = None;
        while !self.0.is_empty() {
            let (code, length) = (self.number()?, self.number()?);
            let option = self.take(usize::from(length))?;
            if code == OPTION_COOKIE && cookie.is_none() {
                cookie = Some(option).filter(|option| cookie::is_well_formed(option));
                cookie?;
            }
        }
        let size = u16::from_be_bytes([size0, size1]);
        Some(Edns { size, dnssec_ok: flags & DNSSEC_OK != 0, cookie })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x04_TCP\0\0\x0c\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

    fn with(octets: &[u8], at: usize, value: u8) -> Vec<u8> {
        let mut changed = octets.to_vec();
        changed[at] = value;
        changed
    }

    #[test]
    fn a_plain_query_is_read_in_place() {
        let Request::Plain(query) = Request::read(QUERY) else { panic!("not plain") };
        assert_eq!((query.id, query.name, query.rtype, query.class), ([0x12, 0x34], &b"\x04_TCP\0"[..], 12, 1));
        assert!(query.recursion_desired && query.checking_disabled && query.edns.is_none());
        let octets = [&with(QUERY, 11, 1), OPT].concat();
        let Request::Plain(query) = Request::read(&octets) else { panic!("not plain") };
        assert_eq!(query.edns, Some(Edns { size: 1232, dnssec_ok: true, cookie: None }));
    }

    #[test]
    fn responses_and_scraps_are_ignored() {
        assert_eq!(Request::read(&with(QUERY, 2, 0x81)), Request::Ignored);
        assert_eq!(Request::read(&QUERY[..11]), Request::Ignored);
        assert_eq!(Request::read(&[]), Request::Ignored);
    }

    #[test]
    fn questions_that_are_counted_have_to_be_there_with_their_names_written_out() {
        let counting =
            |high: u8, low: u8, body: &[u8]| [&with(&with(&QUERY[..HEADER], 4, high), 5, low)[..], body].concat();
        let (root, pointing): (&[u8], &[u8]) = (b"\0\0\x01\0\x01", b"\xc0\0\0\x01\0\x01");
        assert!(has_plain_questions(QUERY) && has_plain_questions(&counting(0, 0, &[])));
        assert!(has_plain_questions(&counting(0, 2, &root.repeat(2))));
        for (high, low, body) in [
            (0, 1, &root[..4]),
            (0, 2, root),
            (0xff, 0xff, &root.repeat(100)[..]),
            (1, 0, &[][..]),
            (0, 1, pointing),
            (0, 2, &[root, pointing].concat()[..]),
        ] {
            let message = counting(high, low, body);
            assert!(!has_plain_questions(&message), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_plain_is_odd() {
        let with_opt = [&with(QUERY, 11, 1), OPT].concat();
        let odd = [
            with(QUERY, 2, 0x28),                                                  // opcode 5
            with(QUERY, 5, 2),                                                     // two questions
            with(QUERY, 7, 1),                                                     // an answer
            with(QUERY, 11, 1),                  // an additional record that is not there
            with(QUERY, 12, 0xc0),               // a pointer
            QUERY[..QUERY.len() - 1].to_vec(),   // cut
            with(&with_opt, QUERY.len() + 6, 1), // EDNS 1
            [&with_opt[..], &[0]].concat(),      // something behind
            with(&[&with_opt[..], &[0, 9, 0, 1]].concat(), with_opt.len() - 1, 4), // an option that is cut
        ];
        for octets in odd {
            assert_eq!(Request::read(&octets), Request::Odd, "{octets:?}");
        }
    }
}
