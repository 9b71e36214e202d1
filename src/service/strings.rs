//! Octets with their length in front, one string after the other: the labels of a name (RFC 1035 §3.1) and the strings
//! of a TXT record (§3.3).

/// Takes the first string off, with its length: it, and what is behind it. `None` where there is none, or less of it
/// than its length says.
#[inline]
pub(crate) fn split_string(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(1 + usize::from(*octets.first()?))
}

/// The strings, without their lengths, as far as they are whole.
pub(crate) fn strings(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (string, tail) = split_string(rest)?;
        rest = tail;
        string.get(1..)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_given_as_far_as_they_are_whole() {
        assert_eq!(split_string(b"\x02ab\x01c"), Some((&b"\x02ab"[..], &b"\x01c"[..])));
        assert_eq!(split_string(b"\0"), Some((&b"\0"[..], &b""[..])));
        assert_eq!((split_string(b""), split_string(b"\x02a")), (None, None));
        assert!(strings(b"\x02ab\0\x01c\x03de").eq([&b"ab"[..], b"", b"c"]));
    }
}
