//! What became of all mutants of a file, kept in the repository as long as the file stays as it
//! is: so a run over the whole code can be made in pieces, on one machine and another.

use crate::list::Mutant;
use crate::try_out::Fate;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Git's name of its content, the first twelve digits.
    blob: String,
    /// Mutants that something noticed.
    pub caught: u64,
    /// Mutants that the compiler refuses.
    pub do_not_compile: u64,
    /// Mutants that cannot be switched.
    pub cannot_be_switched: u64,
    /// [Keys](Mutant::key) of those that nothing noticed.
    pub missed: BTreeSet<String>,
}

impl Known {
    fn note(&mut self, mutant: &Mutant, fate: &Fate) {
        match fate {
            Fate::DoesNotBuild => self.do_not_compile += 1,
            Fate::LeftOut => self.cannot_be_switched += 1,
            Fate::CaughtBy(_) | Fate::StoppedBy(_) => self.caught += 1,
            Fate::Missed => {
                self.missed.insert(mutant.key.clone());
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.caught += other.caught;
        self.do_not_compile += other.do_not_compile;
        self.cannot_be_switched += other.cannot_be_switched;
        self.missed.extend(other.missed.iter().cloned());
    }
}

/// What is known of files, by their paths in the workspace.
pub type Files = BTreeMap<PathBuf, Known>;

const HEAD: &str = "\
# What became of the mutants of each file, as long as it is this one: `scripts/mutants` tries
# those of the others. After new tests `AGAIN=1 scripts/mutants` tries the missed ones again.
";

/// Reads what is known of files that are still the same.
///
/// # Errors
/// If the file is there and cannot be read, or Git does not answer.
pub fn read(path: &Path) -> Result<Files> {
    if !path.exists() {
        return Ok(Files::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut files = parse(&text).with_context(|| format!("{}", path.display()))?;
    let blobs = blobs()?;
    files.retain(|file, known| blobs.get(file) == Some(&known.blob));
    Ok(files)
}

/// Adds files all of whose mutants were tried, takes out of the missed ones what was caught
/// since, and keeps that.
///
/// # Errors
/// If the file cannot be written, or Git does not answer.
pub fn update(
    files: &mut Files,
    mutants: &[Mutant],
    tried: &BTreeMap<String, Fate>,
    path: &Path,
) -> Result<()> {
    let blobs = blobs()?;
    for (file, mutants) in by_file(mutants) {
        if let Some(known) = files.get_mut(file) {
            for mutant in mutants {
                let Some(fate) = tried.get(&mutant.name) else { continue };
                if *fate != Fate::Missed && known.missed.remove(&mutant.key) {
                    known.note(mutant, fate);
                }
            }
            continue;
        }
        let fates = mutants.iter().map(|mutant| Some((mutant, tried.get(&mutant.name)?)));
        if let Some(fates) = fates.collect::<Option<Vec<_>>>() {
            let Some(blob) = blobs.get(file) else { bail!("{} is not in Git", file.display()) };
            let mut known = Known { blob: blob.clone(), ..Known::default() };
            for (mutant, fate) in fates {
                known.note(mutant, fate);
            }
            files.insert(file.to_owned(), known);
        }
    }
    fs::write(path, print(files)).with_context(|| format!("writing {}", path.display()))
}

/// Which mutants are left, or with `again` which were missed.
pub fn left<'a>(
    files: &Files,
    mutants: &'a [Mutant],
    tried: &BTreeMap<String, Fate>,
    again: bool,
) -> Vec<&'a Mutant> {
    let is_left = |mutant: &&Mutant| match (files.get(&mutant.file), tried.get(&mutant.name)) {
        (Some(known), _) => again && known.missed.contains(&mutant.key),
        (None, Some(fate)) => again && *fate == Fate::Missed,
        (None, None) => !again,
    };
    mutants.iter().filter(is_left).collect()
}

/// A table of what became of all mutants, and every one that was missed with the reason, where
/// one is known.
pub fn table(
    files: &Files,
    mutants: &[Mutant],
    tried: &BTreeMap<String, Fate>,
    reasons: &BTreeMap<String, String>,
) -> String {
    let mut all = Known::default();
    let (mut whole, mut not_tried) = (0, 0);
    for (file, mutants) in by_file(mutants) {
        if let Some(known) = files.get(file) {
            all.add(known);
            whole += 1;
            continue;
        }
        for mutant in mutants {
            match tried.get(&mutant.name) {
                Some(fate) => all.note(mutant, fate),
                None => not_tried += 1,
            }
        }
    }
    let (with, without): (Vec<&String>, Vec<&String>) =
        all.missed.iter().partition(|key| reasons.contains_key(*key));
    let mut out = "| mutants | |\n|---|---:|\n".to_owned();
    for (row, count) in [
        ("caught", all.caught),
        ("missed, with a reason", with.len() as u64),
        ("missed", without.len() as u64),
        ("do not compile", all.do_not_compile),
        ("cannot be switched", all.cannot_be_switched),
        ("not tried", not_tried),
    ] {
        let _ = writeln!(out, "| {row} | {count} |");
    }
    let ran = all.caught + all.missed.len() as u64;
    let percent = all.caught as f64 / ran.max(1) as f64 * 100.0;
    let _ = writeln!(
        out,
        "\n{} of {ran} caught: {percent:.1}%; all mutants of {whole} files of {} were tried",
        all.caught,
        by_file(mutants).len()
    );
    for key in without {
        let _ = writeln!(out, "missed, and no reason is known: {key}");
    }
    for key in with {
        let _ = writeln!(out, "missed: {key}\n    {}", reasons.get(key).map_or("", |why| why));
    }
    out
}

fn by_file(mutants: &[Mutant]) -> BTreeMap<&Path, Vec<&Mutant>> {
    let mut files: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        files.entry(&mutant.file).or_default().push(mutant);
    }
    files
}

/// What the files of the last commit are.
fn blobs() -> Result<BTreeMap<PathBuf, String>> {
    let output = Command::new("git").args(["ls-tree", "-r", "HEAD"]).output().context("git")?;
    ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout)?;
    let lines = printed.lines().filter_map(|line| {
        let (before, path) = line.split_once('\t')?;
        Some((path.into(), before.rsplit(' ').next()?.get(..12)?.to_owned()))
    });
    Ok(lines.collect())
}

fn print(files: &Files) -> String {
    let mut out = HEAD.to_owned();
    for (file, known) in files {
        let Known { blob, caught, do_not_compile, cannot_be_switched, missed } = known;
        let file = file.display();
        let _ = writeln!(
            out,
            "\n{file} {blob}\n  {caught} caught, {do_not_compile} do not compile, \
             {cannot_be_switched} cannot be switched"
        );
        for key in missed {
            let change = key.strip_prefix(&format!("{file}: ")).unwrap_or(key);
            let _ = writeln!(out, "  missed: {change}");
        }
    }
    out
}

fn parse(text: &str) -> Result<Files> {
    let mut files = Files::new();
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut next = lines.next();
    while let Some(line) = next {
        let (file, blob) = line.split_once(' ').with_context(|| format!("no file: {line}"))?;
        let counts = lines.next().unwrap_or_default().trim();
        let mut known = Known { blob: blob.to_owned(), ..Known::default() };
        for part in counts.split(", ") {
            let (count, what) =
                part.split_once(' ').with_context(|| format!("no counts: {counts}"))?;
            let count = count.parse().with_context(|| format!("no count: {part}"))?;
            match what {
                "caught" => known.caught = count,
                "do not compile" => known.do_not_compile = count,
                "cannot be switched" => known.cannot_be_switched = count,
                _ => bail!("not known: {part}"),
            }
        }
        next = lines.next();
        while let Some(change) = next.and_then(|line| line.strip_prefix("  missed: ")) {
            known.missed.insert(format!("{file}: {change}"));
            next = lines.next();
        }
        files.insert(file.into(), known);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{Files, Known, left, parse, print, table};
    use crate::list::{Genre, Mutant, Place, Span};
    use crate::try_out::Fate;
    use std::collections::{BTreeMap, BTreeSet};

    fn mutant(id: u32, file: &str) -> Mutant {
        let place = Place { line: 1, column: 1 };
        Mutant {
            id,
            name: format!("{file}:1:1: change {id}"),
            key: format!("{file}: change {id}"),
            file: file.into(),
            function: None,
            span: Span { start: place, end: place },
            replacement: String::new(),
            genre: Genre::FnValue,
        }
    }

    fn files() -> Files {
        let missed = BTreeSet::from(["a.rs: change 1".to_owned(), "a.rs: change 2".to_owned()]);
        let a = Known {
            blob: "0123456789ab".to_owned(),
            caught: 7,
            do_not_compile: 2,
            cannot_be_switched: 1,
            missed,
        };
        let b = Known { blob: "ba9876543210".to_owned(), caught: 3, ..Known::default() };
        Files::from([("a.rs".into(), a), ("b.rs".into(), b)])
    }

    #[test]
    fn what_is_kept_is_read() {
        assert_eq!(parse(&print(&files())).expect("files"), files());
        for (text, why) in [
            ("a.rs", "no file: a.rs"),
            ("a.rs 01", "no counts: "),
            ("a.rs 01\n  x caught", "no count: x caught"),
            ("a.rs 01\n  3 lost", "not known: 3 lost"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), why);
        }
    }

    #[test]
    fn what_is_known_is_not_tried_and_what_was_missed_only_again() {
        let mutants = [mutant(1, "a.rs"), mutant(3, "a.rs"), mutant(4, "c.rs"), mutant(5, "c.rs")];
        let tried = BTreeMap::from([("c.rs:1:1: change 4".to_owned(), Fate::Missed)]);
        let numbers = |again| -> Vec<u32> {
            left(&files(), &mutants, &tried, again).iter().map(|mutant| mutant.id).collect()
        };
        assert_eq!(numbers(false), [5]);
        assert_eq!(numbers(true), [1, 4]);
    }

    #[test]
    fn the_table_says_what_was_missed_and_what_was_not_tried() {
        let mutants = [mutant(1, "a.rs"), mutant(4, "c.rs"), mutant(5, "c.rs")];
        let tried = BTreeMap::from([("c.rs:1:1: change 4".to_owned(), Fate::Missed)]);
        let reasons = BTreeMap::from([("a.rs: change 2".to_owned(), "never".to_owned())]);
        assert_eq!(
            table(&files(), &mutants, &tried, &reasons),
            "| mutants | |\n|---|---:|\n| caught | 7 |\n| missed, with a reason | 1 |\n\
             | missed | 2 |\n| do not compile | 2 |\n| cannot be switched | 1 |\n\
             | not tried | 1 |\n\n\
             7 of 10 caught: 70.0%; all mutants of 1 files of 2 were tried\n\
             missed, and no reason is known: a.rs: change 1\n\
             missed, and no reason is known: c.rs: change 4\n\
             missed: a.rs: change 2\n    never\n"
        );
    }
}
