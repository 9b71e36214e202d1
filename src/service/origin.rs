//! Who told us.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who told us, in order of rank: a higher one hides a lower one of the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

/// A source and where within it: an mDNS interface, a file. The API has no where: its doors are one.
///
/// Instances of one origin that name the same host share it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Option<Arc<Elsewhere>>);

/// Anywhere but the API, of which a million instances are and which takes no allocation.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Elsewhere {
    source: Source,
    name: Box<str>,
}

impl Origin {
    /// The API, all doors.
    pub const fn api() -> Self {
        Self(None)
    }

    /// `name` of this source; of the API there is one, so that its name is left out.
    pub fn new(source: Source, name: &str) -> Self {
        Self((source != Source::Api).then(|| Arc::new(Elsewhere { source, name: name.into() })))
    }

    /// Its rank.
    pub fn source(&self) -> Source {
        self.0.as_ref().map_or(Source::Api, |elsewhere| elsewhere.source)
    }

    /// Which of that source; empty for the API.
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or("", |elsewhere| &elsewhere.name)
    }
}
