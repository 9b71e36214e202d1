//! Who told us.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// Who told us, in order of rank: a higher one hides a lower one of the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The registry itself.
    #[serde(rename = "self")]
    Own,
    /// Multicast DNS on a local link.
    Mdns,
    /// A configuration file.
    File,
    /// HTTP and every other door.
    Api,
}

impl Source {
    /// Every source, the highest first.
    pub const ALL: [Self; 4] = [Self::Api, Self::File, Self::Mdns, Self::Own];

    /// The word that the API, the store and logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Mdns => "mdns",
            Self::File => "file",
            Self::Api => "api",
        }
    }

    /// The reverse of [`Source::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A source and where within it: an mDNS interface, a file. Empty for the API, whose doors are one.
///
/// Instances of one origin that name the same host share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Its rank.
    pub source: Source,
    /// Which of that source.
    pub name: Arc<str>,
}

impl Origin {
    /// The API, all doors.
    pub fn api() -> Self {
        static NAMELESS: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
        // Shared: a million instances are of this origin.
        Self { source: Source::Api, name: Arc::clone(&NAMELESS) }
    }
}
