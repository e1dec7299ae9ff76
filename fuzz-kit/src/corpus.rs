//! Samples, and inputs made of them.

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bolero::{Driver, ValueGenerator};

use crate::change;

/// Longest input, in bytes.
const LONGEST: usize = 256 * 1024;
/// Most changes of one sample.
const MOST_CHANGES: usize = 5;

/// What an input is made of.
#[derive(Clone, Debug)]
pub struct Corpus {
    name: &'static str,
    samples: Arc<Vec<Vec<u8>>>,
    words: Arc<Vec<Vec<u8>>>,
    inputs: u64,
}

/// Changed inputs of a short run, unless a test says otherwise.
const INPUTS: u64 = 2_000;

impl Corpus {
    /// Without a sample yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, samples: Arc::default(), words: Arc::default(), inputs: INPUTS }
    }

    /// Adds every file below a folder.
    ///
    /// # Panics
    /// If the folder cannot be read, or has no file.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let before = self.samples.len();
        let mut folders = vec![folder.to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for entry in entries {
                let path = entry.expect("an entry of a folder").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            self = self.sample(bytes);
        }
        assert!(self.samples.len() > before, "{} has no file", folder.display());
        self
    }

    /// Adds one.
    #[must_use]
    pub fn sample(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        Arc::make_mut(&mut self.samples).push(bytes.into());
        self
    }

    /// Adds several.
    #[must_use]
    pub fn all<T: Into<Vec<u8>>>(self, samples: impl IntoIterator<Item = T>) -> Self {
        samples.into_iter().fold(self, Self::sample)
    }

    /// Words of the format, to be put anywhere.
    #[must_use]
    pub fn words(mut self, words: &[&str]) -> Self {
        let bytes = words.iter().map(|word| word.as_bytes().to_vec());
        Arc::make_mut(&mut self.words).extend(bytes);
        self
    }

    /// Changes how many changed inputs a short run tries, for a test whose inputs cost more.
    #[must_use]
    pub fn inputs(mut self, inputs: u64) -> Self {
        self.inputs = inputs;
        self
    }

    /// What it is called in reports.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn short(&self) -> u64 {
        self.inputs
    }

    /// Every sample.
    pub fn samples(&self) -> &[Vec<u8>] {
        &self.samples
    }
}

/// What a test gets; printed so that it can be read and written down again.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4_000;
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(out, "b\"{}\"", shown.escape_ascii())?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(out, " and {more} bytes more"),
        }
    }
}

impl ValueGenerator for Corpus {
    type Output = Input;

    fn generate<D: Driver>(&self, driver: &mut D) -> Option<Input> {
        let mut bytes = match self.samples.get(below(driver, self.samples.len() + 1)?) {
            Some(sample) => sample.clone(),
            // Now and then from nothing.
            None => Vec::new(),
        };
        let changes = 1 + below(driver, MOST_CHANGES)?;
        for _ in 0..changes {
            bytes = change::change(driver, bytes, &self.samples, &self.words)?;
            bytes.truncate(LONGEST);
        }
        Some(Input(bytes))
    }
}

/// A number from 0 and below `end`; 0 if there is none.
pub(crate) fn below<D: Driver>(driver: &mut D, end: usize) -> Option<usize> {
    if end <= 1 {
        return Some(0);
    }
    driver.gen_usize(Bound::Included(&0), Bound::Excluded(&end))
}
