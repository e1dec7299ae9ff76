//! What functions print: a ring in memory, a file if wanted, and metrics in
//! the embedded metric format.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::pool::Pool;
use crate::clock::timestamp;
use crate::metrics::emf;

const RING_LINES: usize = 2000;

/// One line of output.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// Counted from 1 in the function's log.
    pub number: u64,
    /// Simulated milliseconds since 1970.
    pub at_ms: i64,
    /// Number of the environment that printed it.
    pub environment: u64,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// The line without its end.
    pub text: String,
}

#[derive(Debug)]
pub(super) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    newest: VecDeque<LogLine>,
    file: Option<File>,
    printed: u64,
}

impl Log {
    /// A log that also appends to `path`, if it can be opened.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let file = path.and_then(|path| {
            if let Some(dir) = path.parent() {
                let _ = std::fs::create_dir_all(dir);
            }
            File::options().create(true).append(true).open(&path).map_or_else(
                |error| {
                    eprintln!("local-cloud: cannot write {}: {error}", path.display());
                    None
                },
                Some,
            )
        });
        Self { inner: Mutex::new(Inner { newest: VecDeque::new(), file, printed: 0 }) }
    }

    fn push(&self, at_ms: i64, environment: u64, stream: &'static str, text: String) {
        let mut inner = self.inner.lock().expect("log lock");
        if let Some(file) = &mut inner.file {
            let at = timestamp(at_ms);
            // A full disk must not stop the function.
            let _ = writeln!(file, "{at} [{environment}] {stream} {text}");
        }
        if inner.newest.len() == RING_LINES {
            inner.newest.pop_front();
        }
        inner.printed += 1;
        let number = inner.printed;
        inner.newest.push_back(LogLine { number, at_ms, environment, stream, text });
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.inner.lock().expect("log lock").newest.iter().cloned().collect()
    }
}

/// Reads output until the process closes it.
pub(super) async fn pump(
    output: impl AsyncRead + Unpin,
    pool: Arc<Pool>,
    environment: u64,
    stream: &'static str,
) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if stream == "stdout" {
            for (namespace, name, dimensions, values) in emf::parse(&text) {
                // Simulated time, not the stamp in the line: the function's clock is the wall's.
                let at_ms = pool.clock.now_ms();
                for value in values {
                    pool.metrics.count(&namespace, &name, &dimensions, at_ms, value);
                }
            }
        }
        pool.log.push(pool.clock.now_ms(), environment, stream, text);
    }
}
