//! What people call the two sides.

use serde::{Deserialize, Serialize};

/// Most characters of a label: a line of a terminal has room for both sides' names.
pub const LONGEST: usize = 24;

/// What people call the two sides, on every screen and in every message.
///
/// A run keeps those that it began with; where there is no run, the config's count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The side being replaced.
    pub old: String,
    /// The side being rolled out.
    pub new: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self { old: "Python".to_owned(), new: "Rust".to_owned() }
    }
}

impl Labels {
    /// Whether they are those of a config that names none. A journal does not repeat
    /// them, so that older versions' journals and today's are alike.
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }

    /// `text` with `{old}` and `{new}` replaced, for sentences that come from a file.
    pub fn fill(&self, text: &str) -> String {
        // In one pass: a label may itself contain braces.
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            if let Some(after) = from.strip_prefix("{old}") {
                filled.push_str(&self.old);
                rest = after;
            } else if let Some(after) = from.strip_prefix("{new}") {
                filled.push_str(&self.new);
                rest = after;
            } else {
                filled.push('{');
                rest = &from[1..];
            }
        }
        filled + rest
    }
}

/// Why a text is no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLabel {
    /// Empty, or too long for a line.
    #[error("use 1 to {LONGEST} characters; it has {0}")]
    Length(usize),
    /// Blank at an end, where nobody sees it.
    #[error("take the space at its beginning or end away")]
    Edge,
    /// A line break, an escape, or a character that nobody sees.
    #[error("use characters that can be seen; {} cannot", .0.escape_unicode())]
    Unseen(char),
}

/// Checks a label as configured.
///
/// # Errors
/// [`NoLabel`]
pub fn check(text: &str) -> Result<(), NoLabel> {
    if let Some(unseen) = text.chars().find(|c| is_unseen(*c)) {
        return Err(NoLabel::Unseen(unseen));
    }
    let length = text.chars().count();
    if !(1..=LONGEST).contains(&length) {
        return Err(NoLabel::Length(length));
    }
    if text.trim() != text {
        return Err(NoLabel::Edge);
    }
    Ok(())
}

/// Control characters, and those that only join, separate or turn other characters: a
/// label that ends in one of them changes the line behind it.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_be_seen_and_has_room() {
        for good in ["Go", "Zig service", "C++ (2nd)", "ž", &"x".repeat(LONGEST), "日本語"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(NoLabel::Length(0)));
        assert_eq!(check(&"ž".repeat(25)), Err(NoLabel::Length(25)));
        for blank in [" ", " Go", "Go ", "\u{a0}Go"] {
            assert_eq!(check(blank), Err(NoLabel::Edge), "{blank:?}");
        }
        for unseen in ['\n', '\t', '\u{7f}', '\u{1b}', '\u{85}', '\u{202e}', '\u{200b}'] {
            assert_eq!(check(&format!("G{unseen}o")), Err(NoLabel::Unseen(unseen)));
        }
        assert_eq!(
            NoLabel::Unseen('\n').to_string(),
            "use characters that can be seen; \\u{a} cannot"
        );
    }

    #[test]
    fn a_sentence_of_a_file_is_filled_in_once() {
        let labels = Labels { old: "{new}".to_owned(), new: "Zig".to_owned() };
        assert_eq!(labels.fill("{new} is {old}, not {neu} {"), "Zig is {new}, not {neu} {");
    }
}
