//! What both encoders say of EDNS(0) (RFC 6891), and how long an answer over UDP may be.

/// Octets of a datagram with EDNS, at most, and what we say that we take: fits every link without fragments
/// (RFC 9715 §3.1, and what dnsflagday.net/2020 settled on).
pub(super) const DATAGRAM_MAX: u16 = 1232;
/// Octets of a datagram without EDNS, at most (RFC 1035 §4.2.1), and what a lower wish counts as (RFC 6891 §6.2.5).
pub(super) const DATAGRAM_MIN: u16 = 512;
/// Octets of our OPT record, which has no options.
pub(super) const OPT_SIZE: usize = 11;

/// Octets of a response over UDP, at most, to a client that says with EDNS how much it takes.
pub(super) fn datagram_limit(size: Option<u16>) -> u16 {
    size.map_or(DATAGRAM_MIN, |size| size.clamp(DATAGRAM_MIN, DATAGRAM_MAX))
}

/// The OPT record of a response: version 0, no options, DO as the client set it (RFC 3225 §3).
pub(super) fn opt(dnssec_ok: bool) -> [u8; OPT_SIZE] {
    let [size0, size1] = DATAGRAM_MAX.to_be_bytes();
    [0, 0, 41, size0, size1, 0, 0, u8::from(dnssec_ok) << 7, 0, 0, 0]
}
