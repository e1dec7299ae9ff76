//! Why nothing notices a mutant: what people found out about those that were missed.

use crate::list::Mutant;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Reads reasons by [`Mutant::key`]. A line that is not indented is a key, an indented one
/// the reason of all keys before it that have none yet; `#` begins a remark.
///
/// # Errors
/// If the file cannot be read, a key stands there twice, or one has no reason.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut reasons = BTreeMap::new();
    let mut without: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if line.starts_with(' ') {
            ensure!(!without.is_empty(), "a reason without a mutant: {}", line.trim());
            for key in without.drain(..) {
                let twice = reasons.insert(key.to_owned(), line.trim().to_owned());
                ensure!(twice.is_none(), "twice: {key}");
            }
        } else {
            without.push(line.trim());
        }
    }
    ensure!(without.is_empty(), "no reason: {}", without.join(", "));
    Ok(reasons)
}

/// Keys that are no mutant's any more: the code has changed.
pub fn of_no_mutant<'a>(reasons: &'a BTreeMap<String, String>, mutants: &[Mutant]) -> Vec<&'a str> {
    let there = |key: &str| mutants.iter().any(|mutant| mutant.key == key);
    reasons.keys().map(String::as_str).filter(|key| !there(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_reason_is_of_all_keys_before_it() {
        let reasons =
            parse("# remark\na: one\nb: two\n  both mean the same\n\nc: three\n  never\n");
        let reasons = reasons.expect("reasons");
        let each: Vec<(&str, &str)> =
            reasons.iter().map(|(key, reason)| (key.as_str(), reason.as_str())).collect();
        assert_eq!(
            each,
            [
                ("a: one", "both mean the same"),
                ("b: two", "both mean the same"),
                ("c: three", "never")
            ]
        );
    }

    #[test]
    fn a_key_has_one_reason() {
        for (text, why) in [
            ("a: one\n", "no reason: a: one"),
            ("  why\n", "a reason without a mutant: why"),
            ("a: one\n  x\na: one\n  y\n", "twice: a: one"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), why);
        }
    }
}
