//! How a message travels.

/// What carried a request, and carries its reply back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Udp,
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// Every transport, in the order of their declaration.
    pub(super) const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// Whether a reply may be as long as a message can be, and arrives whole: there is nothing to truncate for, and
    /// the client has shown that it is where it says.
    pub(super) fn is_stream(self) -> bool {
        self != Self::Udp
    }

    /// Whether others see no more of a message than its length.
    pub(super) fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }

    /// As metrics and logs call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }
}
