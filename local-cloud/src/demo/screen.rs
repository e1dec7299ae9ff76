//! Where the demo speaks: whole lines, so that a pipe shows what a terminal does. A
//! terminal gets colours, unless `NO_COLOR` is set; no line means more by them.

use std::io::{self, Write as _};
use std::time::Instant;

use anstyle::{AnsiColor, Style};

use crate::clock::timestamp;

/// Where lines go, and since when.
#[derive(Debug)]
pub(super) struct Screen {
    started: Instant,
    /// To standard error, where standard output is for programs.
    aside: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), aside: false }
    }

    /// One that keeps standard output free.
    pub(super) fn aside() -> Self {
        Self { aside: true, ..Self::new() }
    }

    /// One line at once.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let style = style(text);
        let mut out: Box<dyn io::Write> = if self.aside {
            Box::new(anstream::stderr().lock())
        } else {
            Box::new(anstream::stdout().lock())
        };
        for line in folded(text) {
            writeln!(out, "{style}{line}{style:#}")?;
        }
        out.flush()
    }

    /// A headline with the real time since the start.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub(super) fn head(&self, text: &str) -> io::Result<()> {
        self.line(&format!("\n── {text} ── {:.0} s", self.secs()))
    }

    /// Seconds since the start.
    pub(super) fn secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Columns of a line.
const WIDTH: usize = 100;

/// The text in lines that fit, broken at spaces; further lines are indented as the
/// first one is. A word that is longer than a line stays whole.
fn folded(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for whole in text.split('\n') {
        let indent: String = whole.chars().take_while(|c| *c == ' ').collect();
        let mut line = String::new();
        for word in whole.split_inclusive(' ') {
            let filled = line.chars().count() + word.trim_end().chars().count() > WIDTH;
            if filled && !line.trim().is_empty() {
                lines.push(line.trim_end().to_owned());
                line = format!("{indent}  ");
            }
            line.push_str(word);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// By the sign that a line has.
fn style(text: &str) -> Style {
    let has = |sign: char| text.contains(sign);
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    if text.trim_start().starts_with("──") {
        Style::new().bold()
    } else if has('✖') {
        color(AnsiColor::Red)
    } else if has('✉') {
        color(AnsiColor::Yellow)
    } else if has('▶') {
        color(AnsiColor::Cyan)
    } else if text.trim_start().starts_with('✔') {
        color(AnsiColor::Green)
    } else if text.trim_start().starts_with('$') {
        Style::new().dimmed()
    } else {
        Style::new()
    }
}

/// A simulated time of day, `08:17`.
pub(super) fn hour(at_ms: i64) -> String {
    timestamp(at_ms).strftime("%H:%M").to_string()
}

/// A count with its thousands set apart: `1,240`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_read_well() {
        assert_eq!([count(7), count(1240), count(1_000_000)], ["7", "1,240", "1,000,000"]);
        assert_eq!(hour(1_795_493_820_000), "04:17");
    }

    #[test]
    fn long_lines_are_folded_at_a_space() {
        let long = format!("  {}", "seven77 ".repeat(20));
        let lines = folded(&long);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH && line.starts_with("  ")));
        assert_eq!(lines.join(" ").split_whitespace().count(), 20);
        assert_eq!(folded("\na"), ["", "a"]);
        assert_eq!(folded(&"x".repeat(120)), ["x".repeat(120)]);
    }

    #[test]
    fn a_sign_decides_about_the_colour() {
        assert_eq!(style("08:00  Rust 25%"), Style::new());
        assert_eq!(style("  ✔ all"), style("✔"));
        assert_ne!(style("✖ no"), style("✔ yes"));
        assert_ne!(style("\n── Starting ── 0 s"), Style::new());
    }
}
