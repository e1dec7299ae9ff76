//! Samples, changed at random, for what must take any input.
//!
//! A test names its samples and what to do with each input; [`fuzz!`] hands it every
//! sample as it is, then changed ones. As an ordinary test these are so many and the same
//! ones each time, whatever the machine: a failure there was made by a change of the code.
//! With `FUZZ_SECONDS=600` (`make fuzz`) bolero searches for so long, elsewhere each time.
//!
//! An input fails by a panic, and by more memory at once than [`memory_limit`] allows for
//! its length. It is printed; in a long search bolero first looks for a smaller change that
//! still fails. An input that was a defect becomes a sample: a file beside the others.
//!
//! Random bytes are refused by the first parser they meet. Most changes therefore keep the
//! form: another number for a number, a word of the format at another place, a value of a
//! JSON text replaced, left out, doubled or nested deeply.

mod change;
mod corpus;
mod search;

pub use bolero;
pub use corpus::{Corpus, Input};
pub use search::{Search, memory_limit};

/// Tries a test with every sample and with changed ones.
///
/// The test is a `Fn(&[u8])`; what it returns is dropped. Use it in a test of its own.
#[macro_export]
macro_rules! fuzz {
    ($corpus:expr, $test:expr) => {{
        let search = $crate::Search::new($corpus, $test);
        search.samples();
        match search.time() {
            Some(time) => $crate::bolero::check!()
                .with_generator(search.corpus().clone())
                .with_test_time(time)
                .for_each(|input: &$crate::Input| search.once(input)),
            None => search.same(),
        }
        search.end();
    }};
}
