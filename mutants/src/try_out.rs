//! Runs what should notice a mutant, with each mutant switched on in turn.

use crate::list::Mutant;
use anyhow::{Context as _, Result, bail, ensure};
use contest::interval::Share;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A command that notices mutants: it fails.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is called.
    pub name: String,
    /// For `sh -c`.
    pub command: String,
}

/// What became of a mutant, by `cargo mutants`' name of it.
#[derive(Serialize, Deserialize)]
struct Tried {
    name: String,
    fate: Fate,
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

/// Tries mutants in order, and keeps each result as a line of `kept`.
///
/// # Errors
/// If a step fails without a mutant, or results cannot be written.
pub fn try_all(mutants: &[&Mutant], steps: &[Step], threads: usize, kept: &Path) -> Result<()> {
    let mut limits = Vec::new();
    for step in steps {
        let began = Instant::now();
        let day = Duration::from_hours(24);
        let ended = run(step, 0, day)?;
        ensure!(ended == Ended::Passed, "step `{}` fails without a mutant", step.name);
        eprintln!("• {}: {:.1} s without a mutant", step.name, began.elapsed().as_secs_f64());
        limits.push(began.elapsed() * PATIENCE + Duration::from_secs(10));
    }
    let file = append_to(kept)?;
    let (file, next, began) = (Mutex::new(file), AtomicUsize::new(0), Instant::now());
    let work = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(at) else { return Ok(()) };
            let mut fate = Fate::Missed;
            for (step, limit) in steps.iter().zip(&limits) {
                let name = step.name.clone();
                match run(step, mutant.id, *limit)? {
                    Ended::Passed => continue,
                    Ended::Failed => fate = Fate::CaughtBy(name),
                    Ended::Stopped => fate = Fate::StoppedBy(name),
                }
                break;
            }
            if fate == Fate::Missed {
                println!("missed: {}", mutant.name);
            }
            let Ok(mut file) = file.lock() else { bail!("another thread failed") };
            keep(&mut file, mutant, &fate)?;
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    Stopped,
}

/// `timeout` ends the whole process group, and says by this code that it had to.
const TIMED_OUT: i32 = 124;

fn run(step: &Step, mutant: u32, limit: Duration) -> Result<Ended> {
    let status = Command::new("timeout")
        .args(["--kill-after=1", &format!("{:.1}", limit.as_secs_f64()), "sh", "-c"])
        .arg(&step.command)
        .env("MUTANT", mutant.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("running timeout")?;
    Ok(match status.code() {
        Some(0) => Ended::Passed,
        Some(TIMED_OUT) => Ended::Stopped,
        _ => Ended::Failed,
    })
}

/// Opens a file to write lines to its end; it need not be there.
///
/// # Errors
/// If it cannot be opened.
pub fn append_to(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("opening {}", path.display()))
}

/// Keeps what became of a mutant, as a line.
///
/// # Errors
/// If it cannot be written.
pub fn keep(file: &mut File, mutant: &Mutant, fate: &Fate) -> Result<()> {
    let tried = Tried { name: mutant.name.clone(), fate: fate.clone() };
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

/// A table of what became of the mutants that were tried, and every one that was missed.
pub fn table(mutants: &[Mutant], tried: &BTreeMap<String, Fate>) -> String {
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
            Fate::Missed => missed.push(mutant.name.as_str()),
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
    for name in missed {
        out += &format!("missed: {name}\n");
    }
    out
}
