//! What reaches the terminal: lines, JSON and tables, and nothing that a terminal would obey.
//!
//! Names and attributes are strangers' text: whoever registers one writes on the screen of whoever lists it. So
//! characters that are not shown as themselves, such as controls and marks of direction, are written as escapes:
//! `\u{1b}` in lines, tables and complaints, `\u001b` in JSON, where it is the same text.
//!
//! Road not taken: `println!`, which panics when `head` has read enough. A reader that has gone is no failure of the
//! command; a disk that is full is.

use std::io::{self, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

/// What stands in a table where there is nothing to say, so that columns can be counted.
const NOTHING: &str = "-";

/// One line. False where nobody reads any more.
pub(super) fn line(text: &str) -> io::Result<bool> {
    put(&(escape(text) + "\n"))
}

/// One JSON document in a line of its own. False where nobody reads any more.
pub(super) fn json(value: &impl Serialize) -> io::Result<bool> {
    put(&(escape_json(&serde_json::to_string(value)?) + "\n"))
}

/// Rows under a head in aligned columns.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    put(&render(head, rows)).map(drop)
}

/// A message for people, beside whatever goes to standard output.
pub(super) fn complain(text: &str) {
    let lines: Vec<_> = text.lines().map(escape).collect();
    // A closed standard error is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "portolan: {}", lines.join("\n"));
}

/// Writes to standard output. A reader that has gone, as `head` does, has read enough: then it is false.
fn put(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

fn render<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let cell = |text: &String| if text.is_empty() { NOTHING.to_owned() } else { escape(text) };
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| row.each_ref().map(cell)));
    let widths: [_; N] = std::array::from_fn(|n| lines.iter().map(|line| line[n].width()).max().unwrap_or_default());
    let mut text = String::new();
    for line in lines {
        for (cell, width) in line.iter().zip(widths) {
            text += cell;
            // Not `{cell:width$}`, which counts characters: some take two columns, some none.
            text.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// `text` without characters that a terminal obeys or that show it as another text (Unicode TR 36 §2.5). A backslash
/// stays one: this is for eyes, and names have escapes of their own.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_shown(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_unicode());
        }
    }
    escaped
}

/// Outside its strings compact JSON is printable ASCII; within them `\uXXXX` is the character (RFC 8259 §7).
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_shown(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
}

fn is_shown(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The standard library knows what is printable. Behind a letter, because there it lets combining marks pass,
    // which the names of many languages have.
    String::from_iter(['a', c]).escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_their_characters() {
        let rows = [["プリンタ".into(), "631".into()], ["é".into(), String::new()]];
        assert_eq!(render(["NAME", "PORT"], &rows), "NAME      PORT\nプリンタ  631\né         -\n");
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        assert_eq!(escape("a\u{1b}[2Jb\u{7}\u{9b}\r\n\u{7f}"), r"a\u{1b}[2Jb\u{7}\u{9b}\u{d}\u{a}\u{7f}");
        assert_eq!(escape("x\u{202e}fdp\u{200b}\u{2028}\u{feff}"), r"x\u{202e}fdp\u{200b}\u{2028}\u{feff}");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for name in ["Büro \"2\" 'a' \\ b", "プリンタ", "हिन्दी", "🖨"] {
            assert_eq!(escape(name), name);
        }
    }

    #[test]
    fn escaped_json_is_the_same_text() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}é";
        let json = escape_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""a\u001b\u007f\u009b\u202e\udb40\udc01é""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
