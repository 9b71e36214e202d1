//! What the reader of settings says, in words for people who do not write Rust, and without secrets that were put into
//! the wrong place: it is read in logs and on screens that others see.

use toml::de::Error;

use crate::tokens;

/// The names of kinds of values, and what to call them.
const KINDS: [(&str, &str); 2] =
    [("expected usize", "expected a whole number, 0 or more"), ("expected path string", "expected a path as a text")];

/// What is wrong, with line, column and the line itself, unless that is nobody's business.
pub(super) fn of_file(error: &Error, line: Option<usize>) -> String {
    let text = error.to_string();
    let text = match (text.rsplit_once(error.message()), line) {
        (Some(("", rest)), Some(line)) => format!("line {line}: {}{rest}", in_words(error)),
        // The line is the user's own, and stays.
        (Some((place, rest)), _) => format!("{place}{}{rest}", in_words(error)),
        (None, _) => text,
    };
    tokens::redact(&text)
}

/// What is wrong with a value, without its line.
pub(super) fn of_value(error: &Error) -> String {
    tokens::redact(&in_words(error))
}

fn in_words(error: &Error) -> String {
    KINDS.iter().fold(error.message().to_owned(), |message, (kind, words)| message.replace(kind, words))
}

/// Whether an octet of a file stands in a `[[token]]`, where a secret may have been put; as far as can be told of what may
/// be no TOML.
pub(super) fn is_of_token(text: &str, offset: usize) -> bool {
    let rest = text.get(offset..).unwrap_or_default();
    let end = text.len() - rest.len() + rest.find('\n').unwrap_or(rest.len());
    let mut lines = text[..end].lines().rev().map(str::trim_start);
    let is_head = |line: &&str| line.starts_with('[') || line.starts_with("token");
    lines.find(is_head).is_some_and(|head| head.trim_start_matches(['[', ' ', '\t', '"', '\'']).starts_with("token"))
}
