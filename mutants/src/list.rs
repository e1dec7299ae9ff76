//! What `cargo mutants --list --json` prints.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A change of the code.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// Its number, from 1: what switches it on.
    #[serde(skip)]
    pub id: u32,
    /// File, place and change, as `cargo mutants` calls it.
    pub name: String,
    /// File and change, and a number from the second on that is called the same: what stays
    /// where lines move.
    #[serde(skip)]
    pub key: String,
    /// The file, relative to the workspace.
    pub file: PathBuf,
    /// The function that it changes, where it is in one.
    pub function: Option<Function>,
    /// What is replaced.
    pub span: Span,
    /// By what; empty to delete.
    pub replacement: String,
    /// What kind of change it is.
    pub genre: Genre,
}

/// A function.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// With the type that it belongs to.
    #[serde(rename = "function_name")]
    pub name: String,
}

impl Mutant {
    /// Its file and function.
    pub fn place(&self) -> (PathBuf, String) {
        let function = self.function.as_ref().map(|function| function.name.clone());
        (self.file.clone(), function.unwrap_or_default())
    }
}

/// From one place in a file to another.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    /// The first character.
    pub start: Place,
    /// After the last one.
    pub end: Place,
}

/// A character of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Genre {
    /// A function returns a fixed value at once.
    FnValue,
    /// Another binary operator.
    BinaryOperator,
    /// A unary operator is left out.
    UnaryOperator,
    /// A match arm is left out.
    MatchArm,
    /// A guard of a match arm is always true, or never.
    MatchArmGuard,
    /// A field of a struct is taken from its base.
    StructField,
}

/// Reads the list.
///
/// # Errors
/// If the file cannot be read or is no such list.
pub fn read(path: &Path) -> Result<Vec<Mutant>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut all: Vec<Mutant> =
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    for (id, mutant) in (1..).zip(&mut all) {
        mutant.id = id;
    }
    let mut by_place: Vec<&mut Mutant> = all.iter_mut().collect();
    by_place.sort_by_cached_key(|mutant| (mutant.file.clone(), mutant.span.start, mutant.id));
    let mut same: BTreeMap<String, u32> = BTreeMap::new();
    for mutant in by_place {
        let key = without_place(&mutant.name, &mutant.file.to_string_lossy());
        let count = same.entry(key.clone()).or_default();
        *count += 1;
        mutant.key = if *count > 1 { format!("{key} #{count}") } else { key };
    }
    Ok(all)
}

/// `a.rs: replace > with <` of `a.rs:12:9: replace > with <`.
fn without_place(name: &str, file: &str) -> String {
    let change = name.strip_prefix(file).and_then(|rest| rest.splitn(4, ':').nth(3));
    change.map_or_else(|| name.to_owned(), |change| format!("{file}:{change}"))
}

#[cfg(test)]
mod tests {
    use super::without_place;

    #[test]
    fn a_place_is_no_part_of_a_key() {
        let name = "domain/a.rs:12:9: replace Error::code -> u8 with 1: all";
        assert_eq!(
            without_place(name, "domain/a.rs"),
            "domain/a.rs: replace Error::code -> u8 with 1: all"
        );
    }
}
