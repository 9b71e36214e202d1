//! Strangers' texts for eyes: nothing that a terminal would obey, or that would show a text as another one.
//!
//! Whoever registers a name or sends a header writes on the screen of whoever looks at it. So characters that are not
//! shown as themselves, such as controls and marks of direction (Unicode TR 36 §2.5), are written as escapes: `\u{1b}` in
//! lines, `\u001b` in JSON, where it is the same text.

/// `text` for a line. A backslash stays one: this is for eyes, and names have escapes of their own.
pub fn escape_text(text: &str) -> String {
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

/// The same JSON. Outside its strings compact JSON is printable ASCII; within them `\uXXXX` is the character (RFC 8259 §7).
pub fn escape_json(json: &str) -> String {
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
    fn what_a_terminal_obeys_is_shown_instead() {
        assert_eq!(escape_text("a\u{1b}[2Jb\u{7}\u{9b}\r\n\u{7f}"), r"a\u{1b}[2Jb\u{7}\u{9b}\u{d}\u{a}\u{7f}");
        assert_eq!(escape_text("x\u{202e}fdp\u{200b}\u{2028}\u{feff}"), r"x\u{202e}fdp\u{200b}\u{2028}\u{feff}");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for name in ["Büro \"2\" 'a' \\ b", "プリンタ", "हिन्दी", "🖨"] {
            assert_eq!(escape_text(name), name);
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
