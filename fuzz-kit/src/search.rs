//! One test's inputs, and what they cost.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bolero::ValueGenerator;
use bolero::generator::bolero_generator::driver::{ByteSliceDriver, Options};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::{Corpus, Input};

/// Random bytes from which one input is made; what is read beyond them is 0.
const CHOICES: usize = 4096;

/// Bytes that a test may hold at once for an input of so many: 4 MB and 256 a byte.
///
/// A parsed JSON text of one-digit numbers has 32 bytes for every two, doubled while a
/// list grows; a test may hold the text a few times over.
pub fn memory_limit(bytes: usize) -> u64 {
    4 * 1024 * 1024 + 256 * bytes as u64
}

#[derive(Default)]
struct Tally {
    inputs: u64,
    most_memory: u64,
    slowest: Duration,
    slowest_bytes: usize,
}

/// Inputs of one test so far.
pub struct Search<F> {
    corpus: Corpus,
    test: AssertUnwindSafe<F>,
    tally: AssertUnwindSafe<RefCell<Tally>>,
    time: Option<Duration>,
    /// Where each input of a long search is kept while it is tried: one that overflows the
    /// stack ends the process, and is found there.
    last: Option<PathBuf>,
}

impl<R, F: Fn(&[u8]) -> R> Search<F> {
    /// A test of these samples.
    ///
    /// # Panics
    /// If `FUZZ_SECONDS` is no number.
    pub fn new(corpus: Corpus, test: F) -> Self {
        let seconds = std::env::var("FUZZ_SECONDS").ok();
        let time = seconds.map(|text| {
            let seconds = text.parse().unwrap_or_else(|_| {
                panic!("FUZZ_SECONDS is {text:?}; give seconds for each test, such as 60")
            });
            Duration::from_secs(seconds)
        });
        let last = time.map(|_| std::env::temp_dir().join(format!("fuzz-{}.last", corpus.name())));
        Self {
            corpus,
            test: AssertUnwindSafe(test),
            tally: AssertUnwindSafe(RefCell::default()),
            time,
            last,
        }
    }

    /// What the inputs are made of.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// How long to search; none in a short run.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Tries every sample as it is.
    pub fn samples(&self) {
        for sample in self.corpus.samples() {
            self.once(&Input(sample.clone()));
        }
    }

    /// Tries the changed inputs of a short run, which are the same each time.
    ///
    /// # Panics
    /// With the first input that fails, which is printed with its number.
    pub fn same(&self) {
        for number in 0..self.corpus.short() {
            let mut choices = [0; CHOICES];
            ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut choices);
            let mut driver = ByteSliceDriver::new(&choices[..], &Options::default());
            let Some(input) = self.corpus.generate(&mut driver) else { continue };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.once(&input))) {
                eprintln!("fuzz {}: input {number} fails: {input:?}", self.corpus.name());
                resume_unwind(panic);
            }
        }
    }

    /// Tries one input.
    ///
    /// # Panics
    /// If the test does, or holds more memory than [`memory_limit`].
    pub fn once(&self, input: &Input) {
        let bytes = input.0.as_slice();
        if let Some(last) = &self.last {
            // Only a help for whoever looks; the search does not depend on it.
            let _ = std::fs::write(last, bytes);
        }
        let started = Instant::now();
        let measured = allocation_counter::measure(|| drop((self.test.0)(bytes)));
        let took = started.elapsed();
        let memory = measured.bytes_max;
        let mut tally = self.tally.0.borrow_mut();
        tally.inputs += 1;
        tally.most_memory = tally.most_memory.max(memory);
        if took > tally.slowest {
            (tally.slowest, tally.slowest_bytes) = (took, bytes.len());
        }
        drop(tally);
        let limit = memory_limit(bytes.len());
        assert!(
            memory <= limit,
            "{} bytes of memory at once for an input of {}; {limit} are allowed",
            memory,
            bytes.len()
        );
    }

    /// Says how much was tried, on standard error.
    pub fn end(&self) {
        let tally = self.tally.0.borrow();
        eprintln!(
            "fuzz {}: {} inputs, at most {} KB of memory, the slowest took {:.1} ms for {} bytes",
            self.corpus.name(),
            tally.inputs,
            tally.most_memory / 1024,
            tally.slowest.as_secs_f64() * 1000.0,
            tally.slowest_bytes,
        );
    }
}
