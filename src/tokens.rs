//! Who may do what: named tokens, and what each of them may read and write.
//!
//! A token is a text that whoever has it shows (RFC 6750). The settings have its hash alone, so that whoever reads them
//! can show none. What may be done is said by service: `write` by the services whose instances may be changed, `read` by
//! those that are shown. A service that stands in anybody's `read` is shown to those tokens alone, and all others to
//! everybody; what may be written may also be read.
//!
//! A [`Keyring`] is what all who ask are held to at the moment, and a [`Grant`] what one of them may do. How a token
//! comes along is the edges' matter, and that nobody changes what is somebody else's the registry's.
//!
//! Road not taken: to shut out who shows tokens that are not known. A token has 256 random bits, so nobody finds one by
//! trying, while whoever shares an address with others could have all of them shut out.

mod grant;
mod name;
mod scope;
mod secret;

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use grant::{Grant, Keyring};
pub use name::{NameError, TokenName};
pub use scope::{PatternError, Scope};
pub use secret::{Hash, HashError, Hashes, Secret, redact};

/// Tokens, at most: each that is shown is compared with all.
const TOKENS_MAX: usize = 1_000;

/// `[[token]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it is called, as owner of instances and in the log.
    pub name: TokenName,
    /// What `portolan token new` printed beside it. Of several, any will do: so a token is replaced by another one of
    /// the same name.
    pub hash: Hashes,
    /// The services whose instances it may change: names, or globs such as `auth*` and `_web-*._tcp`.
    #[serde(default)]
    pub write: Scope,
    /// The services that are shown to nobody else but those who may write them, and to other tokens with such a `read`.
    #[serde(default)]
    pub read: Scope,
    /// Whether it may read and change everything, whoever registered it.
    #[serde(default)]
    pub admin: bool,
}

/// All tokens, as they stand in the settings.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tokens(Vec<Arc<Config>>);

/// Why tokens are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokensError {
    /// Who is who?
    #[error("token {0:?} is there twice; give every token a name of its own, and two hashes to one that is replaced")]
    SameName(String),
    /// The same.
    #[error("the tokens {0:?} and {1:?} have the same hash; make a token for each with `portolan token new`")]
    SameHash(String, String),
    /// It would be of no use.
    #[error("token {0:?} may do nothing; give it `write`, `read` or `admin`")]
    Idle(String),
    /// More than are compared in no time.
    #[error("there are {0} tokens; at most {TOKENS_MAX} are allowed")]
    TooMany(usize),
}

/// Whether `tokens` make sense beside each other.
pub fn check(tokens: &[Config]) -> Result<(), TokensError> {
    if tokens.len() > TOKENS_MAX {
        return Err(TokensError::TooMany(tokens.len()));
    }
    let mut names = HashSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let name = token.name.as_str();
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(TokensError::SameName(name.to_owned()));
        }
        let same = |other: &&Config| other.hash.iter().any(|hash| token.hash.iter().any(|mine| mine == hash));
        if let Some(other) = tokens[..index].iter().find(same) {
            return Err(TokensError::SameHash(other.name.as_str().to_owned(), name.to_owned()));
        }
        if !token.admin && token.write.is_empty() && token.read.is_empty() {
            return Err(TokensError::Idle(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens out of a file.
    pub(super) fn tokens(text: &str) -> Vec<Config> {
        #[derive(Deserialize)]
        struct File {
            token: Vec<Config>,
        }
        toml::from_str::<File>(text).unwrap().token
    }

    #[test]
    fn tokens_that_make_no_sense_are_refused_by_name() {
        let check = |rest: &str, other: &str| {
            let hash = |secret: &str| Hash::of(secret).to_string();
            let text = format!("[[token]]\nname = \"a\"\nhash = {:?}\n{rest}\n{other}", hash("1"));
            check(&tokens(&text)).map_err(|error| error.to_string())
        };
        let other = |name: &str, secret: &str| {
            format!("[[token]]\nname = {name:?}\nhash = [{:?}]\nadmin = true\n", Hash::of(secret).to_string())
        };
        assert_eq!(check("write = [\"web\"]", &other("b", "2")), Ok(()));
        assert!(check("", "").unwrap_err().contains("\"a\" may do nothing; give it `write`"));
        assert!(check("admin = true", &other("A", "2")).unwrap_err().contains("\"A\" is there twice"));
        assert!(check("admin = true", &other("b", "1")).unwrap_err().contains("\"a\" and \"b\" have the same hash"));
    }
}
