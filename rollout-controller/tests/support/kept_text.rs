//! Texts that are kept in `tests/data`, to be read by people and held against what is so now.
//!
//! A test that differs from its text was broken, or changes what is said on purpose:
//! `KEEP=1` in its environment keeps the new text, and the difference is read in review.

use std::path::Path;

/// Holds `now` against the file of this name.
///
/// # Panics
/// At the first line that differs.
pub(crate) fn holds(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    if std::env::var_os("KEEP").is_some() {
        std::fs::write(path, now).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = now.lines().zip(kept.lines()).enumerate().find(|(_, (now, kept))| now != kept);
    if let Some((at, (now, kept))) = differs {
        let line = at + 1;
        panic!("{file}, line {line}: now\n{now}\nand kept is\n{kept}\nKEEP=1 keeps what is so now");
    }
    let (now, kept) = (now.lines().count(), kept.lines().count());
    assert_eq!(now, kept, "lines of {file}; KEEP=1 keeps what is so now");
}
