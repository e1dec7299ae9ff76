//! What a run found, as Markdown, JSON and figures.

mod before;
mod figures;
mod svg;
mod tables;

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::cell::Cell;
use crate::goals::{self, Checked};
use crate::policy::Kind;

/// What `results.json` holds.
#[derive(Serialize)]
struct Results<'a> {
    cells: &'a [Cell],
    /// Evidence-2 against the numbers it has to reach.
    goals: &'a [Checked],
    /// Evidence-2 where the first engine failed.
    before: &'a [Cell],
    /// Evidence-2 in all healthy worlds with a promise.
    headline: &'a [Cell],
}

/// The cell of a policy in a world at a rate.
fn cell<'a>(cells: &'a [Cell], world: &str, rate: f64, policy: Kind) -> Option<&'a Cell> {
    let same = |cell: &&Cell| {
        cell.world == world
            && cell.policy == policy
            && cell.requests_per_minute.to_bits() == rate.to_bits()
    };
    cells.iter().find(same)
}

/// `6,000`.
fn thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes `tables.md`, `results.json` and the five figures into a folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, cells: &[Cell], before: &[Cell], headline: &[Cell]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let goals: Vec<Checked> = goals::all()
        .iter()
        .filter_map(|goal| {
            let found = cell(cells, goal.world, goal.requests_per_minute, Kind::Evidence2)?;
            Some(goal.check(found))
        })
        .collect();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    let mut text = tables::heading(cells, before, headline);
    text.push_str(&before::table(before));
    text.push_str(&before::headline(headline));
    text.push_str(&tables::all(cells, &goals));
    write("tables.md", &text)?;
    let results = Results { cells, goals: &goals, before, headline };
    write("results.json", &(serde_json::to_string(&results)? + "\n"))?;
    for (name, figure) in figures::all(cells) {
        write(name, &figure)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!(thousands(60_000), "60,000");
        assert_eq!(thousands(600), "600");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
