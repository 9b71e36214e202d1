//! What the reader of settings says, in words for people who do not write Rust.

use toml::de::Error;

/// The names of kinds of values, and what to call them.
const KINDS: [(&str, &str); 2] =
    [("expected usize", "expected a whole number, 0 or more"), ("expected path string", "expected a path as a text")];

/// What is wrong, with line, column and the line itself.
pub(super) fn of_file(error: &Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(error.message()) {
        // The line is the user's own, and stays.
        Some((place, rest)) => format!("{place}{}{rest}", of_value(error)),
        None => text,
    }
}

/// What is wrong with a value that is in no file.
pub(super) fn of_value(error: &Error) -> String {
    KINDS.iter().fold(error.message().to_owned(), |message, (kind, words)| message.replace(kind, words))
}
