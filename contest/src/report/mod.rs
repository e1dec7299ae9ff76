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

/// What `results.json` holds: a cell a line, so that two runs can be compared.
fn results(lists: [(&str, &[impl Serialize]); 3], goals: &[Checked]) -> Result<String> {
    let list = |name: &str, lines: Vec<String>| format!("\"{name}\":[\n{}\n]", lines.join(",\n"));
    let mut text = Vec::new();
    for (name, cells) in lists {
        let lines = cells.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        text.push(list(name, lines));
    }
    let lines = goals.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    text.push(list("goals", lines));
    Ok(format!("{{{}}}\n", text.join(",\n")))
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
    let lists = [("cells", cells), ("before", before), ("headline", headline)];
    write("results.json", &results(lists, &goals)?)?;
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
        let goals = [goal.clone(), goal];
        let none: &[Cell] = &[];
        let text = results([("cells", none), ("before", none), ("headline", none)], &goals);
        let read: serde_json::Value = serde_json::from_str(&text.expect("text")).expect("JSON");
        assert_eq!(read["goals"].as_array().map(Vec::len), Some(2));
        assert_eq!(read["cells"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(thousands(60_000), "60,000");
        assert_eq!(thousands(600), "600");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
