//! What is done already, so that a run which was killed goes on.
//!
//! JSON lines: what is compared, then one line for each request with its number. No
//! path, header or value is in it.

use super::Outcome;
use super::requests::Ask;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "rollout-compare-state/1";

/// What a state file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Form of the file.
    schema: String,
    /// The load balancer.
    url: String,
    /// How many requests.
    requests: usize,
    /// Hash of their targets, in order.
    targets: String,
    /// The rules of the comparison.
    rules: answers::Rules,
    /// Seed of the order in which sides are asked.
    pub seed: u64,
}

impl Subject {
    /// Of this run.
    pub fn new(url: &str, asks: &[Ask], rules: &answers::Rules, seed: u64) -> Self {
        // FNV-1a: any change of the file shall be noticed, nobody attacks it.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for ask in asks {
            for byte in ask.target.to_string().bytes().chain([b'\n']) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self {
            schema: SCHEMA.to_owned(),
            url: url.to_owned(),
            requests: asks.len(),
            targets: format!("{hash:016x}"),
            rules: rules.clone(),
            seed,
        }
    }
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refuses.
    #[error("the state file {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process writes it.
    #[error("the state file {0} is in use by another run; wait for it or give another --state")]
    InUse(PathBuf),
    /// It is of other requests, another load balancer, or other rules.
    #[error(
        "the state file {0} belongs to other requests, another --url, --seed or other rules; give another --state"
    )]
    OfAnother(PathBuf),
    /// It is not one.
    #[error("{0} is not a state file of `rolloutctl compare`; give another --state")]
    NotOne(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Line {
    n: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

/// An open state file.
#[derive(Debug)]
pub struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens or makes it. What it has, by the request's number from 0.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(
        path: &Path,
        subject: &Subject,
    ) -> Result<(Self, BTreeMap<usize, Outcome>), StateError> {
        let io = |source| StateError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let mut reader = BufReader::new(&file);
        let mut head = String::new();
        let mut kept = reader.read_line(&mut head).map_err(io)?;
        let mut done = BTreeMap::new();
        if head.ends_with('\n') {
            let found: Subject =
                serde_json::from_str(&head).map_err(|_| StateError::NotOne(path.to_owned()))?;
            if found != *subject {
                return Err(StateError::OfAnother(path.to_owned()));
            }
            let mut text = String::new();
            // A line without an end was cut off by a kill: that request is sent again.
            while reader.read_line(&mut text).map_err(io)? > 0 && text.ends_with('\n') {
                let line: Line =
                    serde_json::from_str(&text).map_err(|_| StateError::NotOne(path.to_owned()))?;
                kept += text.len();
                done.insert(line.n, line.outcome);
                text.clear();
            }
        } else if serde_json::to_string(subject).is_ok_and(|own| own.starts_with(&head)) {
            // New, or cut off by a kill before the first request.
            kept = 0;
        } else {
            return Err(StateError::NotOne(path.to_owned()));
        }
        file.set_len(kept as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let mut state = Self { file, path: path.to_owned() };
        if kept == 0 {
            state.append(subject)?;
        }
        Ok((state, done))
    }

    /// Notes what came of request `n`.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn note(&mut self, n: usize, outcome: &Outcome) -> Result<(), StateError> {
        self.append(&Line { n, outcome: without_values(outcome) })
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), StateError> {
        let io = |source| StateError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_string(line).map_err(|error| io(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(io)
    }
}

fn without_values(outcome: &Outcome) -> Outcome {
    let mut bare = outcome.clone();
    match &mut bare {
        Outcome::Compared { own, differences, .. } => {
            for difference in own.iter_mut().chain(differences) {
                difference.values = None;
            }
        }
        Outcome::Limited | Outcome::Unanswered { .. } => {}
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(seed: u64) -> Subject {
        let target = http::Uri::from_static("/a");
        let ask = Ask { line: 1, target, headers: Vec::new() };
        Subject::new("http://lb", &[ask], &answers::Rules::default(), seed)
    }

    #[test]
    fn a_cut_line_is_dropped_and_a_foreign_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut state, done) = StateFile::open(&path, &subject(1)).unwrap();
        assert!(done.is_empty());
        state.note(0, &Outcome::Limited).unwrap();
        assert!(matches!(StateFile::open(&path, &subject(1)), Err(StateError::InUse(_))));
        drop(state);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut state, done) = StateFile::open(&path, &subject(1)).unwrap();
            assert!(done.is_empty(), "{cut}");
            state.note(0, &Outcome::Limited).unwrap();
            drop(state);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{cut}");
        }
        assert!(matches!(StateFile::open(&path, &subject(2)), Err(StateError::OfAnother(_))));
        std::fs::write(&path, "my notes").unwrap();
        assert!(matches!(StateFile::open(&path, &subject(1)), Err(StateError::NotOne(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"my notes");
    }
}
