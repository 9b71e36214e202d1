//! The texts that are shown, and their hashes.
//!
//! A hash is SHA-256, which is fast. That is right here: slow ones are for passwords, of which an attacker tries the
//! likely ones; a token has 256 random bits, of which none is likely, and every request has to be answered. Hashes are
//! compared in a time that does not depend on how far they agree.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// What a token begins with, so that people, and programs that look for lost secrets, know it for one.
pub(super) const PREFIX: &str = "portolan_";
/// Random octets of a token.
const OCTETS: usize = 32;
/// What a hash begins with.
const ALGORITHM: &str = "sha256:";
/// Hashes of one token, at most: the old one and the new one, and some that were forgotten.
const HASHES_MAX: usize = 8;

/// A new token.
pub struct Secret(String);

/// What the settings have of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; SHA256_OUTPUT_LEN]);

/// One or several of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct Hashes(Vec<Hash>);

/// As they stand in the settings.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected what `portolan token new` printed as the hash, or a list of such texts")]
enum Texts {
    One(String),
    Several(Vec<String>),
}

/// Why a text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HashError {
    /// Of another form. It is not repeated, since it may be what is left of a token.
    #[error(
        "this is no hash of a token; give what `portolan token new` printed: {ALGORITHM} and 64 hexadecimal digits"
    )]
    Malformed,
    /// Somebody mixed up the two.
    #[error("this is a token, not its hash; take it out of here, and make another one with `portolan token new`")]
    Secret,
    /// None, or more than anybody needs.
    #[error("there are {0} hashes; give 1 to {HASHES_MAX}")]
    Count(usize),
}

impl Secret {
    /// Made of random numbers of the system.
    ///
    /// # Panics
    ///
    /// Where it has none.
    pub fn random() -> Self {
        let mut octets = [0; OCTETS];
        getrandom::fill(&mut octets).expect("the system has random octets");
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets)))
    }

    /// To be shown once.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text`, wherever it comes from, without the random part of the tokens that stand in it.
pub fn redact(text: &str) -> String {
    let is_random = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let mut parts = text.split(PREFIX);
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(is_random);
        // Most likely it is a name, such as that of a variable.
        let is_short = part.len() - rest.len() < OCTETS / 2;
        redacted.extend(if is_short { [PREFIX, part, ""] } else { [PREFIX, "…", rest] });
    }
    redacted
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Hash {
    /// Of a token, as `sha256sum` has it.
    pub fn of(token: &str) -> Self {
        let mut octets = [0; SHA256_OUTPUT_LEN];
        octets.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(octets)
    }

    fn parse(text: &str) -> Result<Self, HashError> {
        // Also behind `Bearer` or `sha256:`.
        if text.contains(PREFIX) {
            return Err(HashError::Secret);
        }
        let digits = text.strip_prefix(ALGORITHM).filter(|digits| digits.len() == 2 * SHA256_OUTPUT_LEN);
        let digits = digits.ok_or(HashError::Malformed)?.as_bytes();
        let mut octets = [0; SHA256_OUTPUT_LEN];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'));
            *octet = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(HashError::Malformed)?;
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Hashes {
    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Hash> {
        self.0.iter()
    }

    /// Whether `hash` is one of them; all are looked at, whichever it is.
    pub(super) fn has(&self, hash: &Hash) -> subtle::Choice {
        self.0.iter().fold(subtle::Choice::from(0), |found, own| found | own.0.ct_eq(&hash.0))
    }
}

impl TryFrom<Texts> for Hashes {
    type Error = HashError;

    fn try_from(texts: Texts) -> Result<Self, HashError> {
        let texts = match texts {
            Texts::One(text) => vec![text],
            Texts::Several(texts) => texts,
        };
        if !(1..=HASHES_MAX).contains(&texts.len()) {
            return Err(HashError::Count(texts.len()));
        }
        texts.iter().map(|text| Hash::parse(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Hashes> for Texts {
    fn from(hashes: Hashes) -> Self {
        Self::Several(hashes.0.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Hashes, HashError> {
        Texts::Several(texts.iter().map(|&text| text.to_owned()).collect()).try_into()
    }

    #[test]
    fn a_token_is_random_and_its_hash_is_that_of_sha256sum() {
        let (a, b) = (Secret::random(), Secret::random());
        assert_ne!(a.as_str(), b.as_str());
        assert_eq!(a.as_str().len(), PREFIX.len() + 43, "256 bits in base64url");
        assert!(!format!("{a:?}").contains(a.as_str()));
        let known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of("abc").to_string(), known);
        assert_eq!(parse(&[known]).unwrap().0, [Hash::of("abc")]);
    }

    #[test]
    fn each_of_several_hashes_is_as_good() {
        let hashes = parse(&[&Hash::of("old").to_string(), &Hash::of("new").to_string().to_uppercase()]);
        assert!(hashes.is_err(), "the algorithm is written small");
        let hashes = parse(&[&Hash::of("old").to_string(), &Hash::of("new").to_string()]).unwrap();
        for (token, known) in [("old", true), ("new", true), ("other", false), ("", false)] {
            assert_eq!(bool::from(hashes.has(&Hash::of(token))), known, "{token}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused_and_a_token_is_not_repeated() {
        let digits = "0".repeat(63);
        for text in ["", "sha256:", "md5:00", &format!("sha256:{digits}"), &format!("sha256:{digits}g")] {
            assert!(parse(&[text]).unwrap_err().to_string().contains("portolan token new"), "{text}");
        }
        assert!(parse(&[&format!("sha256:+{digits}")]).is_err());
        let secret = Secret::random();
        let error = parse(&[secret.as_str()]).unwrap_err().to_string();
        assert!(error.contains("take it out of here") && !error.contains(secret.as_str()), "{error}");
        let secret = secret.as_str();
        for text in [format!("Bearer {secret}"), format!(" {secret}"), format!("{ALGORITHM}{secret}")] {
            assert_eq!(parse(&[&text]), Err(HashError::Secret), "{text}");
        }
        let text = format!("in portolan_files: portolan_, \"{secret}\", {secret}");
        assert_eq!(redact(&text), "in portolan_files: portolan_, \"portolan_…\", portolan_…");
        // Nor is what is left of one.
        let rest = &secret[PREFIX.len()..];
        let error = parse(&[&format!("{ALGORITHM}{rest}")]).unwrap_err().to_string();
        assert!(error.contains("portolan token new") && !error.contains(rest), "{error}");
        assert_eq!(parse(&[]), Err(HashError::Count(0)));
    }
}
