//! Glob names: `*` for any characters, `?` for one.

use wildmatch::WildMatch;

/// A pattern over one label, ASCII case ignored; every character but `*` and `?` stands for itself.
#[derive(Debug, Clone)]
pub struct Glob(WildMatch);

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Self {
        Self(WildMatch::new(&pattern.to_ascii_lowercase()))
    }

    /// Whether a text is a pattern at all.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.0.matches(&text.to_ascii_lowercase());
        }
        self.0.matches(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_any_characters_and_question_mark_is_one() {
        assert!(Glob::new("au*").matches("Auth"));
        assert!(Glob::new("*").matches(""));
        assert!(Glob::new("web-?").matches("web-é"));
        assert!(!Glob::new("web-?").matches("web-10"));
        assert!(Glob::new("A?TH").matches("auth"));
    }

    #[test]
    fn other_characters_stand_for_themselves() {
        assert!(Glob::new("[a]{b}\\.").matches("[a]{b}\\."));
        assert!(!Glob::new("[a]").matches("a"));
        assert!(!Glob::new("É").matches("é"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let text = "a".repeat(63);
        assert!(!Glob::new(&format!("{}b", "a*".repeat(31))).matches(&text));
    }
}
