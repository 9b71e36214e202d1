//! Padding (RFC 7830): over an encrypted transport the length of a reply tells what was asked, unless it is rounded up.
//!
//! Who asks for it with a Padding option gets replies in blocks (RFC 8467 §4.1); who does not would not know the
//! option. It is the last one in the OPT record, which is the last record, so it is put behind a reply that is
//! finished.
#![warn(clippy::indexing_slicing)]

use super::options::{self, OPT_HEAD};

/// Octets of a block.
const BLOCK: usize = 468;
/// Code of the option (RFC 7830 §3), and octets of its code and length.
const PADDING: u16 = 12;
const OPTION_HEAD: usize = 4;

/// Pads the reply in the first `length` octets of `buffer`, if `request` asks for it and there is room, and returns
/// its length then.
pub(super) fn pad(request: &[u8], buffer: &mut [u8], length: usize) -> usize {
    if !options::has(request, PADDING) {
        return length;
    }
    padded(buffer, length).unwrap_or(length)
}

fn padded(buffer: &mut [u8], length: usize) -> Option<usize> {
    let opt = options::last_opt(buffer.get(..length)?)?;
    let begin = length + OPTION_HEAD;
    let end = begin.next_multiple_of(BLOCK).min(usize::from(u16::MAX)).min(buffer.len());
    let padding = u16::try_from(end.checked_sub(begin)?).ok()?;
    buffer.get_mut(begin..end)?.fill(0);
    let [code0, code1] = PADDING.to_be_bytes();
    let [length0, length1] = padding.to_be_bytes();
    buffer.get_mut(length..begin)?.copy_from_slice(&[code0, code1, length0, length1]);
    let options = u16::try_from(end - opt - OPT_HEAD).ok()?;
    buffer.get_mut(opt + OPT_HEAD - 2..opt + OPT_HEAD)?.copy_from_slice(&options.to_be_bytes());
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01a\0\0\x01\0\x01";
    const OPT_OF_REPLY: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

    fn request(options: &[u8]) -> Vec<u8> {
        let length = u8::try_from(options.len()).unwrap();
        [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1], QUESTION, b"\0\0\x29\x04\xd0\0\0\0\0\0", &[length], options].concat()
    }

    /// A reply with a record whose name is a pointer.
    fn reply(opt: &[u8]) -> Vec<u8> {
        let additionals = u8::from(!opt.is_empty());
        let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04\x0a\0\0\x01";
        [&[0, 0, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, additionals], QUESTION, record, opt].concat()
    }

    fn padded(request: &[u8], reply: &[u8], room: usize) -> Vec<u8> {
        let mut buffer = [reply, &vec![0xff; room - reply.len()]].concat();
        let length = pad(request, &mut buffer, reply.len());
        buffer[..length].to_vec()
    }

    #[test]
    fn a_reply_is_a_block_with_zeros_in_an_option_of_its_opt_record() {
        let asking = request(b"\0\x0a\0\x02xx\0\x0c\0\0");
        let plain = reply(OPT_OF_REPLY);
        let padded = padded(&asking, &plain, 65_535);
        assert_eq!(padded.len(), BLOCK);
        let (before, zeros) = (plain.len() - 2, u16::try_from(BLOCK - plain.len() - 4).unwrap());
        assert_eq!(padded[..before], plain[..before]);
        let options = [(zeros + 4).to_be_bytes(), PADDING.to_be_bytes(), zeros.to_be_bytes()].concat();
        assert_eq!(padded[before..before + 6], options);
        assert!(padded[before + 6..].iter().all(|octet| *octet == 0));
    }

    #[test]
    fn who_does_not_ask_and_what_has_no_room_is_left_alone() {
        let (asking, plain) = (request(b"\0\x0c\0\0"), reply(OPT_OF_REPLY));
        for other in [request(b""), request(b"\0\x0a\0\x02xx"), request(b"\0\x0a\0\x09xx"), b"scrap".to_vec()] {
            assert_eq!(padded(&other, &plain, 1000), plain, "{}", other.escape_ascii());
        }
        assert_eq!(padded(&asking, &reply(b""), 1000), reply(b""));
        assert_eq!(padded(&asking, &plain, plain.len() + 3), plain);
        assert_eq!(padded(&asking, &plain, plain.len() + 9).len(), plain.len() + 9);
    }
}
