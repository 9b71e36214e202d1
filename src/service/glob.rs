//! Glob names: `*` for any characters, `?` for one.
//!
//! A text is read once, whatever the pattern: each place in the pattern that what was read may have led to is a bit,
//! and a character moves all of them on together (Baeza-Yates and Gonnet 1992). Strangers choose the pattern, and it
//! is compared with thousands of names.
//!
//! Road not taken: to go back to the last `*` where something does not fit. For `*aaab` a text of many `a` is then
//! compared from each of them on.

/// Characters of a pattern besides `*`, at most: as many as a label has octets, so that a longer one matches none.
const LENGTH_MAX: usize = 63;

/// A pattern over one label, ASCII case ignored; every character but `*` and `?` stands for itself.
#[derive(Debug, Clone)]
pub struct Glob {
    /// For each character of ASCII, the places from which it leads on.
    ascii: Box<[u64; 128]>,
    /// The same of other characters, sorted.
    others: Vec<(char, u64)>,
    /// The places from which every character leads on: those of `?`.
    any: u64,
    /// The places at which every character may be passed over: those of `*`.
    stars: u64,
    /// The place that is the end; none where no label is long enough.
    end: u64,
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Self {
        let mut glob = Self { ascii: Box::new([0; 128]), others: Vec::new(), any: 0, stars: 0, end: 0 };
        let mut length = 0;
        for character in pattern.chars() {
            let place = 1 << length;
            if character == '*' {
                glob.stars |= place;
                continue;
            }
            if length == LENGTH_MAX {
                return glob;
            }
            length += 1;
            match character {
                '?' => glob.any |= place,
                _ if character.is_ascii() => {
                    for same in [character.to_ascii_lowercase(), character.to_ascii_uppercase()] {
                        glob.ascii[same as usize] |= place;
                    }
                }
                _ => match glob.others.binary_search_by_key(&character, |(other, _)| *other) {
                    Ok(at) => glob.others[at].1 |= place,
                    Err(at) => glob.others.insert(at, (character, place)),
                },
            }
        }
        glob.end = 1 << length;
        glob
    }

    /// Whether a text is a pattern at all.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// Whether a pattern is longer than any that matches.
    pub fn is_too_long(pattern: &str) -> bool {
        pattern.chars().filter(|character| *character != '*').count() > LENGTH_MAX
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.takes(text.chars())
    }

    fn takes(&self, mut characters: impl Iterator<Item = char>) -> bool {
        let mut places = 1;
        while places & self.end & self.stars == 0 {
            let Some(character) = characters.next() else { return places & self.end != 0 };
            places = ((places & self.leading_on(character)) << 1) | (places & self.stars);
            if places == 0 {
                return false;
            }
        }
        // A `*` at the end takes the rest.
        true
    }

    /// The places from which `character` leads on.
    fn leading_on(&self, character: char) -> u64 {
        let asked_for = self.ascii.get(character as usize).copied().unwrap_or_else(|| {
            let found = self.others.binary_search_by_key(&character, |(other, _)| *other);
            found.map_or(0, |at| self.others[at].1)
        });
        asked_for | self.any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn a_pattern_is_as_long_as_a_label_or_matches_none() {
        let label = "a".repeat(63);
        for pattern in [label.clone(), "?".repeat(63), format!("*{label}*"), "a*".repeat(63)] {
            assert!(Glob::new(&pattern).matches(&label) && !Glob::is_too_long(&pattern), "{pattern}");
            let longer = format!("{pattern}a");
            assert!(!Glob::new(&longer).matches(&label) && Glob::is_too_long(&longer), "{pattern}");
        }
    }

    #[test]
    fn each_character_of_a_text_is_looked_at_once_whatever_the_pattern() {
        let text = format!("{}0fe21c", "a".repeat(57));
        for pattern in
            [format!("*{}z", "a".repeat(58)), format!("{}b", "a*".repeat(31)), format!("{}z", "*?".repeat(31))]
        {
            let mut steps = 0;
            assert!(!Glob::new(&pattern).takes(text.chars().inspect(|_| steps += 1)), "{pattern}");
            assert!(steps <= text.len(), "{pattern}: {steps}");
        }
    }

    proptest! {
        #[test]
        fn it_matches_what_its_definition_says(pattern in "[abAé*?]{0,8}", text in "[abBéÉ]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), is_match(&pattern, &text));
        }
    }

    /// As it is defined.
    fn is_match(pattern: &str, text: &str) -> bool {
        let Some(first) = pattern.chars().next() else { return text.is_empty() };
        let rest = &pattern[first.len_utf8()..];
        let Some(read) = text.chars().next() else { return first == '*' && is_match(rest, text) };
        let unread = &text[read.len_utf8()..];
        match first {
            '*' => is_match(rest, text) || is_match(pattern, unread),
            '?' => is_match(rest, unread),
            _ => first.eq_ignore_ascii_case(&read) && is_match(rest, unread),
        }
    }
}
