//! In which manner a route meets requests before their handler has them: which of them write, and in whose words they
//! are refused. The table of routes says it, so that what surrounds all handlers knows none of them.

use axum::http::Method;
use axum::response::{IntoResponse, Response};

use crate::api::Problem;

use super::respond::Refused;

/// The manner of a route. By default it is that of our own API.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) writes: Writes,
    pub(super) words: Words,
}

/// Which requests write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Writes {
    /// All whose method is not for reading.
    #[default]
    ByMethod,
    /// None: what is posted is a question.
    Never,
    /// Each of its calls says so, and is held to `Edge::check_write`.
    ByCall,
}

/// In whose words a problem is told, whether it is met before the handler, in its place or behind it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Words {
    /// Those of HTTP (RFC 9457).
    #[default]
    Ours,
    /// A door's.
    Theirs(fn(Problem) -> Response),
}

impl Writes {
    /// Whether a request with `method` writes, as far as anybody knows who has not read its body.
    pub(super) fn is_said_by(self, method: &Method) -> bool {
        match self {
            Self::ByMethod => !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS),
            Self::Never | Self::ByCall => false,
        }
    }
}

impl Words {
    pub(super) fn tell(self, problem: Problem) -> Response {
        match self {
            Self::Ours => Refused::from(problem).into_response(),
            Self::Theirs(tell) => tell(problem),
        }
    }
}
