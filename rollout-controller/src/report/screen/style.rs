//! Colours by what they mean. All text is written with them; `anstream` takes them out
//! where the reader, the terminal or a pipe wants none.

use anstyle::{AnsiColor, Effects};

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No colour.
    Plain,
    /// Proven, kept, done.
    Good,
    /// Something is wrong that does not hurt.
    Warn,
    /// Broken.
    Bad,
    /// Not known.
    Unknown,
    /// Less important.
    Soft,
}

impl Style {
    fn ansi(self) -> anstyle::Style {
        match self {
            Self::Plain => anstyle::Style::new(),
            Self::Good => AnsiColor::Green.on_default() | Effects::BOLD,
            Self::Warn => AnsiColor::Yellow.on_default() | Effects::BOLD,
            Self::Bad => AnsiColor::Red.on_default() | Effects::BOLD,
            Self::Unknown => AnsiColor::Magenta.on_default() | Effects::BOLD,
            Self::Soft => anstyle::Style::new() | Effects::DIMMED,
        }
    }
}

/// `text` in that style.
pub fn paint(style: Style, text: &str) -> String {
    let ansi = style.ansi();
    if style == Style::Plain || text.is_empty() {
        return text.to_owned();
    }
    format!("{ansi}{text}{ansi:#}")
}

/// Columns that a line takes, without its styles. Every sign of ours is one column
/// wide; names from the configuration are taken as such.
pub fn display_width(line: &str) -> usize {
    anstream::adapter::strip_str(line).map(|part| part.chars().count()).sum()
}

/// The same in ASCII.
pub(super) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '✔' => plain.push_str("OK"),
            '✖' => plain.push('X'),
            '•' => plain.push('-'),
            '·' | '░' => plain.push('.'),
            '█' | '■' => plain.push('#'),
            '┊' | '┃' => plain.push('|'),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '“' | '”' => plain.push('"'),
            other if other.is_ascii() => plain.push(other),
            _ => plain.push('?'),
        }
    }
    plain
}
