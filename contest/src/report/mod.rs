//! What a run found, as Markdown, JSON and figures.

mod before;
mod figures;
mod svg;
mod tables;

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::goals::{self, Checked};
use crate::policy::Kind;

/// The cells of each part.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Every world at every rate, all policies.
    pub cells: Vec<Cell>,
    /// Where the first engine failed.
    pub before: Vec<Cell>,
    /// The headline figure's.
    pub headline: Vec<Cell>,
    /// Those with a number to reach.
    pub goals: Vec<Cell>,
}

/// What `results.json` holds: a cell a line, so that two runs can be compared.
fn results(found: &Found, reached: &[Checked]) -> Result<String> {
    fn list(name: &str, all: &[impl Serialize]) -> Result<String> {
        let lines: Vec<String> = all.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(format!("\"{name}\":[\n{}\n]", lines.join(",\n")))
    }
    let text = [
        list("cells", &found.cells)?,
        list("before", &found.before)?,
        list("headline", &found.headline)?,
        list("goals", &found.goals)?,
        list("reached", reached)?,
    ];
    Ok(format!("{{{}}}\n", text.join(",\n")))
}

/// What `results.json` in a folder holds; nothing where there is none.
///
/// # Errors
/// If there is one that cannot be read.
pub fn read(folder: &Path) -> Result<Found> {
    let path = folder.join("results.json");
    if !path.exists() {
        return Ok(Found::default());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
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
pub fn write(folder: &Path, found: &Found) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let Found { cells, before, headline, goals } = found;
    let reached: Vec<Checked> = goals::all()
        .iter()
        .filter_map(|goal| {
            let cell = |cells| cell(cells, goal.world, goal.requests_per_minute, Kind::Evidence2);
            Some(goal.check(cell(goals).or_else(|| cell(cells))?))
        })
        .collect();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    let mut text = tables::heading(found);
    text.push_str(&before::table(before));
    text.push_str(&before::headline(headline));
    text.push_str(&tables::all(cells, &reached));
    write("tables.md", &text)?;
    write("results.json", &results(found, &reached)?)?;
    for (name, figure) in figures::all(cells) {
        write(name, &figure)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_json() {
        let goal = Checked {
            world: "h_iid".to_owned(),
            requests_per_minute: 60.0,
            n: 1,
            missed: vec!["minutes to complete 130; reference 115".to_owned()],
        };
        let goal = [goal.clone(), goal];
        let text = results(&Found::default(), &goal).expect("text");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["reached"].as_array().map(Vec::len), Some(2));
        assert_eq!(read["cells"].as_array().map(Vec::len), Some(0));
        assert!(serde_json::from_str::<Found>(&text).is_ok(), "it is read again: {text}");
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(thousands(60_000), "60,000");
        assert_eq!(thousands(600), "600");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
