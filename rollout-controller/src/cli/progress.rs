//! How far a long computation is, on a terminal alone.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is done, of how much; the line goes away at the end.
pub(super) struct Progress {
    of: u64,
    what: &'static str,
    done: AtomicU64,
    shown: bool,
}

impl Progress {
    pub(super) fn of(of: u64) -> Self {
        Self::of_what(of, 0, "rollouts")
    }

    /// So many are done already.
    pub(super) fn of_what(of: u64, done: u64, what: &'static str) -> Self {
        Self { of, what, done: AtomicU64::new(done), shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown {
            // Nothing depends on it.
            let _ = write!(std::io::stderr(), "\r{done} of {} {}", self.of, self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}
