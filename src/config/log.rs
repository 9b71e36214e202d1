//! What is logged: the user's filter, and libraries that strangers cannot make speak.
//!
//! hickory warns of what is wrong with a message, and h2 of streams that are reset: so every datagram or frame of a
//! stranger could write a line. What is wrong is answered; only what they call an error is their operator's matter.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// How loud libraries may be, unless the filter names them.
const LIBRARIES: [(&str, LevelFilter); 8] = [
    ("h2", LevelFilter::ERROR),
    ("hickory_proto", LevelFilter::ERROR),
    ("hickory_server", LevelFilter::ERROR),
    ("hyper", LevelFilter::WARN),
    ("mdns_sd", LevelFilter::WARN),
    ("quinn", LevelFilter::ERROR),
    ("quinn_proto", LevelFilter::ERROR),
    ("quinn_udp", LevelFilter::ERROR),
];

/// Whether `log` is a filter.
pub(super) fn check(log: &str) -> Result<(), ParseError> {
    EnvFilter::builder().parse(log).map(drop)
}

/// `log`, and the libraries where they are quieter than it. A directive for a library beats the level for all, so one
/// that is louder would undo `off`.
pub(super) fn filter(log: &str) -> EnvFilter {
    // As in the filter itself, the last word counts; without one, what is not named is silent.
    let mut words = log.split(',').rev().map(str::trim).filter(|word| !word.is_empty());
    let level = words.find_map(|word| word.parse().ok()).unwrap_or(LevelFilter::OFF);
    let quieter = LIBRARIES.iter().filter(|(_, cap)| *cap < level).map(|(library, cap)| format!("{library}={cap},"));
    EnvFilter::builder().parse_lossy(quieter.collect::<String>() + log)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directives in force, in the filter's own order.
    fn directives(log: &str) -> String {
        filter(log).to_string()
    }

    #[test]
    fn libraries_are_quieter_than_what_is_asked_for_and_never_louder() {
        for log in ["info", "debug", "portolan::dns=debug,info", "WARN", "info, "] {
            let found = directives(log);
            assert!(found.contains("hickory_proto=error") && found.contains("hickory_server=error"), "{log}: {found}");
        }
        assert!(directives("trace").contains("hyper=warn"));
        assert!(!directives("warn").contains("hyper"), "it is at warn already");
        for log in ["error", "off", "portolan::dns=debug", "portolan=info,off"] {
            assert!(!directives(log).contains("hickory"), "{log}: {}", directives(log));
        }
    }

    #[test]
    fn who_asks_for_a_library_hears_it() {
        let found = directives("info,hickory_proto=debug");
        assert!(found.contains("hickory_proto=debug") && !found.contains("hickory_proto=error"), "{found}");
    }
}
