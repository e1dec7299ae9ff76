//! The terminal: its size, its colours, a pager.
//!
//! `anstream` takes the colours out of what is written where they are not wanted: in
//! a pipe, with `NO_COLOR`, on a `dumb` terminal; `CLICOLOR_FORCE=1` keeps them.

use crate::report::screen::Screen;
use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use jiff::tz::TimeZone;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

/// Writes to stdout, with colours if they are wanted. A reader that has seen enough
/// (`| head`) is no error.
///
/// # Errors
/// If stdout cannot be written.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = AutoStream::auto(io::stdout().lock());
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Stdout as a screen: the terminal's size, or 80 columns without an end in a pipe.
pub(super) fn screen(explain: bool) -> Screen {
    let size = if io::stdout().is_terminal() { crossterm::terminal::size().ok() } else { None };
    let (columns, rows) = match size {
        Some((columns, rows)) if columns > 0 => (usize::from(columns), Some(usize::from(rows))),
        Some(_) | None => (80, None),
    };
    Screen {
        columns: columns.max(40),
        rows,
        unicode: is_utf8(|name| std::env::var(name).ok()),
        zone: TimeZone::system(),
        explain,
    }
}

/// Whether the locale is UTF-8; it is where nothing says otherwise.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    let mut set = set.filter(|value| !value.is_empty());
    match set.next() {
        None => true,
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
    }
}

/// Shows a text that is longer than the terminal in the reader's pager (`PAGER`, else
/// `less`); prints it where there is no terminal, no pager, or room enough.
///
/// # Errors
/// If stdout cannot be written.
pub(super) fn page(text: &str, screen: &Screen) -> io::Result<()> {
    let fits = screen.rows.is_none_or(|rows| text.lines().count() < rows);
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    if fits || !io::stdout().is_terminal() || pager.is_empty() || pager == "cat" {
        return print(text);
    }
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return print(text) };
    // Colours as they are, the end first, and no pager for what fits.
    let started = Command::new(program)
        .args(words)
        .env("LESS", std::env::var("LESS").unwrap_or_else(|_| "-RFX+G".to_owned()))
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut pager) = started else { return print(text) };
    if let Some(stdin) = pager.stdin.take() {
        let plain;
        let text = if AutoStream::choice(&io::stdout()) == ColorChoice::Never {
            plain = strip_str(text).to_string();
            &plain
        } else {
            text
        };
        // A pager that is left early closes its end.
        let _ = { stdin }.write_all(text.as_bytes());
    }
    pager.wait().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_that_says_so_is_not_utf8() {
        let of = |pairs: &'static [(&str, &str)]| {
            is_utf8(move |name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(of(&[]));
        assert!(of(&[("LANG", "C.UTF-8")]));
        assert!(of(&[("LC_ALL", ""), ("LANG", "de_DE.utf8")]));
        assert!(!of(&[("LANG", "C")]));
        assert!(!of(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")]));
    }
}
