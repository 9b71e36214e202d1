//! What reaches the terminal: lines, JSON and tables, and nothing that a terminal would obey.
//!
//! Names and attributes are strangers' text, so what is not shown as itself is written as an escape.
//!
//! Road not taken: `println!`, which panics when `head` has read enough. A reader that has gone is no failure of the
//! command; a disk that is full is.

use std::io::{self, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::service::{escape_json, escape_text};

/// What stands in a table where there is nothing to say, so that columns can be counted.
const NOTHING: &str = "-";

/// One line. False where nobody reads any more.
pub(super) fn line(text: &str) -> io::Result<bool> {
    put(&(escape_text(text) + "\n"))
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
    let lines: Vec<_> = text.lines().map(escape_text).collect();
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
    let cell = |text: &String| if text.is_empty() { NOTHING.to_owned() } else { escape_text(text) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_their_characters() {
        let rows = [["プリンタ".into(), "631".into()], ["é".into(), String::new()]];
        assert_eq!(render(["NAME", "PORT"], &rows), "NAME      PORT\nプリンタ  631\né         -\n");
    }
}
