//! Where the demo speaks: whole lines, so that a pipe shows what a terminal does.

use std::io::{self, Write as _};
use std::time::Instant;

use crate::clock::timestamp;

/// Standard output, and when it began.
#[derive(Debug)]
pub(super) struct Screen {
    started: Instant,
    out: io::Stdout,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), out: io::stdout() }
    }

    /// One line at once.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock();
        writeln!(out, "{text}")?;
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
}
