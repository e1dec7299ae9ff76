//! Runs what should notice a mutant, with each mutant switched on in turn.

use crate::list::Mutant;
use crate::reasons::of_no_mutant;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use contest::interval::Share;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A command that notices mutants: it fails.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is called.
    pub name: String,
    /// Only for mutants of files with this in their path.
    pub only: Option<String>,
    /// For `sh -c`. Of a test program, `--exact NAME` after it has to run one test.
    pub command: String,
}

/// What became of a mutant, by `cargo mutants`' name of it.
#[derive(Serialize, Deserialize)]
struct Tried {
    name: String,
    fate: Fate,
    /// The test that failed, where a test did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<String>,
}

/// How a mutant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The compiler refuses it.
    DoesNotBuild,
    /// It cannot be switched: see [`Woven::left_out`](crate::weave::Woven::left_out).
    LeftOut,
    /// This step failed.
    CaughtBy(String),
    /// This step did not end.
    StoppedBy(String),
    /// Every step passed.
    Missed,
}

/// A step may take this many times as long as without a mutant, and 10 s.
const PATIENCE: u32 = 5;

/// How many tests that noticed neighbours are run before all steps.
const FIRST: usize = 6;
/// Only those that are as quick as this.
const QUICK: Duration = Duration::from_millis(500);
/// A mutant of the same function says as much as so many of the same file.
const NEAR: u32 = 20;

/// Tests that noticed mutants: what noticed a neighbour is likely to notice this one too, and
/// one test costs less than all those before it.
#[derive(Default)]
struct Noticed(BTreeMap<Test, Record>);

/// Number of its step, and its name.
type Test = (usize, String);

#[derive(Default)]
struct Record {
    files: BTreeMap<PathBuf, u32>,
    functions: BTreeMap<(PathBuf, String), u32>,
    runs: u32,
    spent: Duration,
}

impl Noticed {
    fn note(&mut self, mutant: &Mutant, test: Test) {
        let record = self.0.entry(test).or_default();
        *record.files.entry(mutant.file.clone()).or_default() += 1;
        *record.functions.entry(mutant.place()).or_default() += 1;
    }

    fn ran(&mut self, test: &Test, took: Duration) {
        if let Some(record) = self.0.get_mut(test) {
            record.runs += 1;
            record.spent += took;
        }
    }

    /// What is likely to notice a mutant, the likeliest first.
    fn likely(&self, mutant: &Mutant) -> Vec<Test> {
        let place = mutant.place();
        let mut likely: Vec<(u32, &Test)> = Vec::new();
        for (test, record) in &self.0 {
            let of_file = record.files.get(&mutant.file).copied().unwrap_or(0);
            let of_function = record.functions.get(&place).copied().unwrap_or(0);
            if of_file > 0 && record.spent <= QUICK * record.runs {
                likely.push((of_file + of_function * NEAR, test));
            }
        }
        likely.sort_by_key(|(votes, _)| Reverse(*votes));
        likely.into_iter().take(FIRST).map(|(_, test)| test.clone()).collect()
    }
}

/// Tries mutants in order, and keeps each result as a line of `kept`.
///
/// # Errors
/// If a step fails without a mutant, or results cannot be written.
pub fn try_all(mutants: &[&Mutant], steps: &[Step], threads: usize, kept: &Path) -> Result<()> {
    let mut limits = Vec::new();
    for step in steps {
        let began = Instant::now();
        let day = Duration::from_hours(24);
        let (ended, test) = run(step, None, 0, day)?;
        let test = test.unwrap_or_default();
        ensure!(ended == Ended::Passed, "step `{}` fails without a mutant: {test}", step.name);
        eprintln!("• {}: {:.1} s without a mutant", step.name, began.elapsed().as_secs_f64());
        limits.push(began.elapsed() * PATIENCE + Duration::from_secs(10));
    }
    let file = append_to(kept)?;
    let (file, next, began) = (Mutex::new(file), AtomicUsize::new(0), Instant::now());
    let noticed = Mutex::new(Noticed::default());
    let work = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(at) else { return Ok(()) };
            let (fate, test) = try_one(mutant, steps, &limits, &noticed)?;
            if fate == Fate::Missed {
                println!("missed: {}", mutant.name);
            }
            let Ok(mut file) = file.lock() else { bail!("another thread failed") };
            keep(&mut file, mutant, &fate, test)?;
            drop(file);
            if at % 50 == 49 {
                let each = began.elapsed().as_secs_f64() / (at + 1) as f64;
                eprintln!("• {} of {} mutants, {each:.1} s each", at + 1, mutants.len());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => bail!("a thread failed"),
        })
    })
}

/// What becomes of a mutant, and the test that noticed it.
fn try_one(
    mutant: &Mutant,
    steps: &[Step],
    limits: &[Duration],
    noticed: &Mutex<Noticed>,
) -> Result<(Fate, Option<String>)> {
    let lock = || noticed.lock().map_err(|_| anyhow!("another thread failed"));
    let likely = lock()?.likely(mutant);
    for test in likely {
        let (Some(step), Some(limit)) = (steps.get(test.0), limits.get(test.0)) else { continue };
        let began = Instant::now();
        let (ended, _) = run(step, Some(&test.1), mutant.id, *limit)?;
        lock()?.ran(&test, began.elapsed());
        if let Some(fate) = ended.fate(step) {
            lock()?.note(mutant, test.clone());
            return Ok((fate, Some(test.1)));
        }
    }
    let path = mutant.file.to_string_lossy();
    for (at, (step, limit)) in steps.iter().zip(limits).enumerate() {
        if step.only.as_ref().is_some_and(|only| !path.contains(only.as_str())) {
            continue;
        }
        let (ended, test) = run(step, None, mutant.id, *limit)?;
        if let Some(fate) = ended.fate(step) {
            if let Some(test) = &test {
                lock()?.note(mutant, (at, test.clone()));
            }
            return Ok((fate, test));
        }
    }
    Ok((Fate::Missed, None))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    Stopped,
}

impl Ended {
    /// Of the mutant, if that is known after this step.
    fn fate(self, step: &Step) -> Option<Fate> {
        match self {
            Self::Passed => None,
            Self::Failed => Some(Fate::CaughtBy(step.name.clone())),
            Self::Stopped => Some(Fate::StoppedBy(step.name.clone())),
        }
    }
}

/// `timeout` ends the whole process group, and says by this code that it had to.
const TIMED_OUT: i32 = 124;

/// Runs a step, or one test of it, and says which test it ended with.
fn run(
    step: &Step,
    test: Option<&str>,
    mutant: u32,
    limit: Duration,
) -> Result<(Ended, Option<String>)> {
    let command = match test {
        Some(test) => format!("{} --exact {test}", step.command),
        None => step.command.clone(),
    };
    let output = Command::new("timeout")
        .args(["--kill-after=1", &format!("{:.1}", limit.as_secs_f64()), "sh", "-c", &command])
        .env("MUTANT", mutant.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("running timeout")?;
    let ended = match output.status.code() {
        Some(0) => Ended::Passed,
        Some(TIMED_OUT) => Ended::Stopped,
        _ => Ended::Failed,
    };
    Ok((ended, last_test(&String::from_utf8_lossy(&output.stdout))))
}

/// The test that libtest began last: with one thread, and up to the first failure, the one that
/// failed or did not end.
fn last_test(printed: &str) -> Option<String> {
    let mut begun =
        printed.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
    begun.next_back().map(|(test, _)| test.to_owned())
}

/// Opens a file to write lines to its end; it need not be there.
///
/// # Errors
/// If it cannot be opened.
pub fn append_to(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("opening {}", path.display()))
}

/// Keeps what became of a mutant and which test noticed it, as a line.
///
/// # Errors
/// If it cannot be written.
pub fn keep(file: &mut File, mutant: &Mutant, fate: &Fate, test: Option<String>) -> Result<()> {
    let tried = Tried { name: mutant.name.clone(), fate: fate.clone(), test };
    Ok(writeln!(file, "{}", serde_json::to_string(&tried)?)?)
}

/// Reads what was tried before; a line that a killed run left half written does not count.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn tried(kept: &Path) -> Result<BTreeMap<String, Fate>> {
    if !kept.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(kept).with_context(|| format!("reading {}", kept.display()))?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Tried>(line).ok());
    Ok(lines.map(|tried| (tried.name, tried.fate)).collect())
}

/// A table of what became of the mutants that were tried, and every one that was missed
/// with the reason, where one is known.
pub fn table(
    mutants: &[Mutant],
    tried: &BTreeMap<String, Fate>,
    reasons: &BTreeMap<String, String>,
) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut caught, mut missed) = (0, Vec::new());
    for mutant in mutants {
        let Some(fate) = tried.get(&mutant.name) else { continue };
        let row = match fate {
            Fate::DoesNotBuild => "does not compile".to_owned(),
            Fate::LeftOut => "cannot be switched".to_owned(),
            Fate::CaughtBy(step) => format!("caught by {step}"),
            Fate::StoppedBy(_) => "does not end".to_owned(),
            Fate::Missed => "missed".to_owned(),
        };
        *counts.entry(row).or_default() += 1;
        match fate {
            Fate::CaughtBy(_) | Fate::StoppedBy(_) => caught += 1,
            Fate::Missed => missed.push(mutant),
            Fate::DoesNotBuild | Fate::LeftOut => {}
        }
    }
    let share = Share::new(caught, caught + missed.len() as u64);
    let mut out = "| mutants | |\n|---|---:|\n".to_owned();
    for (row, count) in counts {
        out += &format!("| {row} | {count} |\n");
    }
    let percent = |ratio: f64| ratio * 100.0;
    out += &format!(
        "\n{} of {} caught: {:.1}% (exact 95% interval {:.1} to {:.1})\n",
        share.k,
        share.n,
        percent(share.ratio()),
        percent(share.low),
        percent(share.high)
    );
    for mutant in missed {
        out += &match reasons.get(&mutant.key) {
            Some(reason) => format!("missed: {}\n    {reason}\n", mutant.name),
            None => format!("missed, and no reason is known: {}\n", mutant.name),
        };
    }
    for key in of_no_mutant(reasons, mutants) {
        out += &format!("a reason for no mutant: {key}\n");
    }
    out
}
