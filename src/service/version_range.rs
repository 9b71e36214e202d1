//! Ranges of versions, as npm writes them.
//!
//! `nodejs-semver` reads single comparators. What they are together is put together here, because its own reader of
//! whole ranges passes over what it does not understand, and takes comparators that exclude each other (`>=4 <3`) for
//! alternatives.

use std::fmt;

use nodejs_semver::{Identifier, Range};
use thiserror::Error;

use super::version::Version;

/// Octets of a range, at most: what has dozens of comparators is no range that somebody means.
const RANGE_MAX: usize = 255;

/// Which versions will do: `3.x`, `^3`, `~3.2`, `>=3 <4`, `1.2 - 2`, `3`, `*`, and `||` between alternatives.
///
/// A prerelease is in a range only where a comparator names a prerelease of the same `major.minor.patch`: who asks for
/// `>=3` does not want `4.0.0-rc.1`, who asks for `>=4.0.0-rc.0` does.
#[derive(Debug, Clone)]
pub struct VersionRange(Vec<Comparators>);

/// All of these must hold.
type Comparators = Vec<Range>;

/// Why a text is no range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionRangeError {
    /// `*` is any version.
    #[error("is empty; give a range of versions such as 3.x, or * for any")]
    Empty,
    /// Octets.
    #[error("is {0} octets long; at most {RANGE_MAX} are allowed")]
    TooLong(usize),
    /// The part at fault.
    #[error("has {0:?}, which is no range of versions such as 3.x, ^3.2, ~3.2.1, \">=3 <4\" or \"1.2 - 2\"")]
    Syntax(String),
}

impl VersionRange {
    /// Reads a range.
    pub fn new(text: &str) -> Result<Self, VersionRangeError> {
        if text.len() > RANGE_MAX {
            return Err(VersionRangeError::TooLong(text.len()));
        }
        if text.trim().is_empty() {
            return Err(VersionRangeError::Empty);
        }
        text.split("||").map(read_alternative).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `version` is in it.
    pub fn contains(&self, version: &Version) -> bool {
        let version = comparable(version);
        self.0.iter().any(|comparators| {
            comparators.iter().all(|comparator| comparator.satisfies_with_prerelease(&version, true))
                && (!version.is_prerelease() || comparators.iter().any(|comparator| comparator.satisfies(&version)))
        })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternatives = self.0.iter().map(|all| all.iter().map(Range::to_string).collect::<Vec<_>>().join(" "));
        f.write_str(&alternatives.collect::<Vec<_>>().join(" || "))
    }
}

fn read_alternative(text: &str) -> Result<Comparators, VersionRangeError> {
    let refuse = |part: &str| VersionRangeError::Syntax(part.to_owned());
    if !text.is_ascii() {
        return Err(refuse(text.trim()));
    }
    let mut words = text.split_ascii_whitespace().peekable();
    let mut comparators = Vec::new();
    while let Some(word) = words.next() {
        let mut comparator = word.to_owned();
        // `>= 3` is `>=3`, and `1.2 - 2` is one comparator.
        if is_operator(word) {
            comparator += words.next().ok_or_else(|| refuse(word))?;
        } else if words.next_if_eq(&"-").is_some() {
            let upper = words.next().ok_or_else(|| refuse(text.trim()))?;
            comparator = format!("{word} - {upper}");
        }
        comparators.push(read_comparator(&comparator).ok_or_else(|| refuse(&comparator))?);
    }
    if comparators.is_empty() { Err(refuse("||")) } else { Ok(comparators) }
}

fn is_operator(word: &str) -> bool {
    word.bytes().all(|octet| b"<>=^~".contains(&octet))
}

fn read_comparator(text: &str) -> Option<Range> {
    let operand = text.trim_start_matches(['<', '>', '=', '^', '~']);
    let is_wild = operand.split('.').all(|part| matches!(part, "x" | "X" | "*"));
    match &text[..text.len() - operand.len()] {
        // As npm has it: there is no version above all, nor one below.
        "<" | ">" if is_wild => Range::parse("<0.0.0-0").ok(),
        _ if is_wild => Range::parse("*").ok(),
        _ => Range::parse(text).ok(),
    }
}

/// The same version, as ranges compare it.
fn comparable(version: &Version) -> nodejs_semver::Version {
    let semver::Version { major, minor, patch, pre, .. } = version.semver();
    let identifier = |text: &str| match text.parse() {
        Ok(number) => Identifier::Numeric(number),
        Err(_) => Identifier::AlphaNumeric(text.to_owned()),
    };
    let pre = pre.split('.').filter(|part| !part.is_empty()).map(identifier).collect();
    // Builds are not compared (semver 2.0.0 §10).
    nodejs_semver::Version::new(*major, *minor, *patch, pre, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let read = VersionRange::new(range).unwrap_or_else(|error| panic!("{range:?} {error}"));
        let contains = |text: &&&str| read.contains(&Version::new(text).unwrap());
        let all: Vec<_> = inside.iter().chain(outside).collect();
        let found: Vec<_> = all.into_iter().filter(|text| contains(text)).copied().collect();
        assert_eq!(found, inside, "{range} read as {read}");
    }

    /// From the tests of node-semver, as far as they are about ranges that people write.
    #[test]
    fn ranges_are_what_npm_takes_them_for() {
        check("3.x", &["3.0.0", "3.9.9"], &["2.9.9", "4.0.0"]);
        check("3", &["3.0.0", "3.2.2"], &["4.0.0"]);
        check("^3", &["3.0.0", "3.9.0"], &["2.0.0", "4.0.0"]);
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.2.2", "0.3.0"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4"]);
        check("~3.2", &["3.2.0", "3.2.9"], &["3.1.9", "3.3.0"]);
        check("~> 3.2.1", &["3.2.1", "3.2.9"], &["3.2.0", "3.3.0"]);
        check(">=3 <4", &["3.0.0", "3.9.9"], &["2.9.9", "4.0.0"]);
        check(">= 3.1   < 3.3", &["3.1.0", "3.2.9"], &["3.0.9", "3.3.0"]);
        check(">3.2", &["3.3.0", "4.0.0"], &["3.2.9"]);
        check("<=3", &["2.0.0", "3.9.9"], &["4.0.0"]);
        check("1.2 - 2", &["1.2.0", "2.9.9"], &["1.1.9", "3.0.0"]);
        check("1.2.3 - 2.3.4", &["1.2.3", "2.3.4"], &["1.2.2", "2.3.5"]);
        check("1.x || >=3.1", &["1.0.0", "3.1.0"], &["2.0.0", "3.0.0"]);
        check("=3.2.2", &["3.2.2", "3.2.2+build"], &["3.2.1"]);
        check("v3.2.2", &["3.2.2"], &["3.2.3"]);
        check("3.2.2+other", &["3.2.2+build"], &["3.2.3"]);
        check("*", &["0.0.0", "18446744073709551615.0.0"], &[]);
        check("^*", &["1.0.0"], &[]);
        check(">*", &[], &["1.0.0"]);
    }

    #[test]
    fn a_prerelease_is_only_for_who_asks_for_one_of_that_version() {
        check("*", &[], &["1.0.0-rc.1"]);
        check(">=3", &["3.0.0"], &["3.0.0-rc.1", "4.0.0-rc.1"]);
        check("^3", &[], &["3.0.0-0", "4.0.0-0", "3.1.0-beta"]);
        check(">=4.0.0-rc.1", &["4.0.0-rc.1", "4.0.0-rc.2", "4.0.0", "5.0.0"], &["4.0.0-beta", "4.0.1-rc.1"]);
        check("^4.0.0-rc.1 <4.0.0", &["4.0.0-rc.10"], &["4.0.0-rc.0", "4.0.0", "4.0.1-rc.2"]);
        check("4.0.0-rc.2", &["4.0.0-rc.2"], &["4.0.0-rc.20", "4.0.0"]);
        // Numbers are compared as such, and come before words.
        check(">=1.0.0-2", &["1.0.0-10", "1.0.0-alpha"], &["1.0.0-1"]);
    }

    #[test]
    fn comparators_that_exclude_each_other_are_no_alternatives() {
        check(">=4 <3", &[], &["2.0.0", "3.5.0", "5.0.0"]);
        check("3 4", &[], &["3.0.0", "4.0.0"]);
    }

    #[test]
    fn what_is_not_understood_is_refused_and_shown() {
        for (text, part) in [
            ("latest", "latest"),
            ("3.x latest", "latest"),
            ("1.2.3.4", "1.2.3.4"),
            ("3.x ||", "||"),
            (">=", ">="),
            ("1 -", "1 -"),
            ("- 2", "-"),
            ("3,4", "3,4"),
            (">=<3", ">=<3"),
            ("３", "３"),
        ] {
            assert_eq!(VersionRange::new(text).map(|_| ()), Err(VersionRangeError::Syntax(part.into())), "{text}");
        }
        assert_eq!(VersionRange::new(" ").map(|_| ()), Err(VersionRangeError::Empty));
        assert_eq!(VersionRange::new(&"1 ".repeat(128)).map(|_| ()), Err(VersionRangeError::TooLong(256)));
    }
}
