//! What reaches the terminal: lines, JSON and tables, and nothing that a terminal would obey.
//!
//! Names and attributes are strangers' text. In lines, tables and complaints their control and invisible characters
//! are written as `\u{…}`; JSON is data for programs, and serde escapes the controls.
//!
//! Road not taken: `println!`, which panics when the reader has gone.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

/// One line.
pub(super) fn line(text: &str) {
    put(&(escape(text) + "\n"));
}

/// One JSON document in a line of its own.
pub(super) fn json(value: &impl Serialize) {
    put(&(serde_json::to_string(value).expect("plain data is JSON") + "\n"));
}

/// Rows under a head in aligned columns.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| escape(cell))).collect();
    let mut widths = head.map(|title| title.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            write!(line, "{cell:width$}  ").expect("a String takes all");
        }
        text += line.trim_end();
        text.push('\n');
    }
    put(&text);
}

/// A message for people, beside whatever goes to standard output.
pub(super) fn complain(text: &str) {
    let lines: Vec<_> = text.lines().map(escape).collect();
    // A closed standard error is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "portolan: {}", lines.join("\n"));
}

/// Writes to standard output. A reader that has gone, as `head` does, has read enough.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// `text` without characters that a terminal obeys or that change the order of others (Unicode TR 36 §2.5).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Direction marks, separators of lines and paragraphs, zero-width characters and tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        assert_eq!(escape("Küche 1 日本"), "Küche 1 日本");
        assert_eq!(escape("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(escape("x\u{202e}fdp.exe"), r"x\u{202e}fdp.exe");
        assert_eq!(escape("two\nlines"), r"two\u{a}lines");
    }
}
