//! Runs what should notice a mutant, with each mutant switched on in turn.

use crate::list::Mutant;
use crate::reach::Test;
use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
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
    /// For `sh -c`. With `--list` after it it has to print its tests as libtest does, a line
    /// `NAME: test` for each, and with `--exact NAME NAME` it has to run those, up to the first
    /// that fails.
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

/// What a test may take, as many times as it takes without a mutant, and 10 s.
const PATIENCE: u32 = 5;
/// What it takes to start a program, by which a test of no length is not free.
const START: Duration = Duration::from_millis(20);
/// Tests of one program are run together up to this.
const TOGETHER: Duration = Duration::from_millis(300);

/// What each test has noticed so far.
#[derive(Clone, Default)]
struct Record {
    files: BTreeMap<PathBuf, u32>,
    functions: BTreeMap<(PathBuf, String), u32>,
    noticed: u32,
    runs: u32,
}

impl Record {
    fn note(&mut self, mutant: &Mutant) {
        *self.files.entry(mutant.file.clone()).or_default() += 1;
        *self.functions.entry(mutant.place()).or_default() += 1;
        self.noticed += 1;
    }

    /// A guess of how likely it notices this mutant: what noticed a neighbour does again.
    fn chance(&self, mutant: &Mutant) -> f64 {
        let of_function = self.functions.get(&mutant.place()).copied().unwrap_or(0);
        let of_file = self.files.get(&mutant.file).copied().unwrap_or(0);
        let of_all = f64::from(self.noticed + 1) / f64::from(self.runs + 20);
        let near = 0.3 * f64::from(of_function) + 0.03 * f64::from(of_file);
        (of_all + near).min(1.0)
    }
}

/// Tries mutants in order, each on the tests that reach it, and keeps each result as a line of
/// `kept`.
///
/// # Errors
/// If a program cannot be run, or results cannot be written.
pub fn try_all(
    mutants: &[&Mutant],
    steps: &[Step],
    tests: &[Test],
    threads: usize,
    kept: &Path,
) -> Result<()> {
    let (next, began) = (AtomicUsize::new(0), Instant::now());
    let file = Mutex::new(append_to(kept)?);
    let trial = Trial { steps, tests, records: Mutex::new(vec![Record::default(); tests.len()]) };
    in_threads(threads, || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(at) else { return Ok(()) };
            let (fate, test) = trial.of(mutant)?;
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
    })
}

struct Trial<'a> {
    steps: &'a [Step],
    tests: &'a [Test],
    /// Of each test.
    records: Mutex<Vec<Record>>,
}

impl Trial<'_> {
    /// What becomes of a mutant, and the test that noticed it.
    fn of(&self, mutant: &Mutant) -> Result<(Fate, Option<String>)> {
        for batch in self.batches(mutant)? {
            let tests = || batch.iter().filter_map(|at| self.tests.get(*at));
            let Some(step) = tests().next().and_then(|test| self.steps.get(test.step)) else {
                continue;
            };
            let names: Vec<&str> = tests().map(|test| test.name.as_str()).collect();
            let took: Duration = tests().map(|test| test.took).sum();
            let limit = took * PATIENCE + Duration::from_secs(10);
            let (ended, printed) = run(step, &names, "MUTANT", &mutant.id.to_string(), limit)?;
            let noticed = last_test(&printed).or_else(|| names.first().copied());
            let mut records = self.records.lock().map_err(|_| anyhow!("another thread failed"))?;
            for at in &batch {
                let Some((test, record)) = self.tests.get(*at).zip(records.get_mut(*at)) else {
                    continue;
                };
                record.runs += 1;
                if ended != Ended::Passed && Some(test.name.as_str()) == noticed {
                    record.note(mutant);
                }
            }
            drop(records);
            if let Some(fate) = ended.fate(step) {
                return Ok((fate, noticed.map(str::to_owned)));
            }
        }
        Ok((Fate::Missed, None))
    }

    /// The tests that reach a mutant: the likeliest to notice it for what they cost come first.
    fn batches(&self, mutant: &Mutant) -> Result<Vec<Vec<usize>>> {
        let path = mutant.file.to_string_lossy();
        let records = self.records.lock().map_err(|_| anyhow!("another thread failed"))?;
        let mut order: Vec<(f64, usize)> = Vec::new();
        for (at, (test, record)) in self.tests.iter().zip(&*records).enumerate() {
            let only = self.steps.get(test.step).and_then(|step| step.only.as_ref());
            if test.reaches(mutant.id) && only.is_none_or(|only| path.contains(only.as_str())) {
                order.push(((test.took + START).as_secs_f64() / record.chance(mutant), at));
            }
        }
        drop(records);
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(together(self.tests, order.into_iter().map(|(_, at)| at)))
    }
}

/// Tests in order, those of one program together as long as that takes no time.
fn together(tests: &[Test], order: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    // Of those that may still grow: their step, where they are, and what they take.
    let mut open: BTreeMap<usize, (usize, Duration)> = BTreeMap::new();
    for at in order {
        let Some(test) = tests.get(at) else { continue };
        let all = open.values().map(|(_, took)| *took).sum::<Duration>() + test.took;
        if all > TOGETHER {
            open.clear();
        }
        if let Some((batch, took)) = open.get_mut(&test.step) {
            if let Some(batch) = batches.get_mut(*batch) {
                batch.push(at);
            }
            *took += test.took;
        } else {
            open.insert(test.step, (batches.len(), test.took));
            batches.push(vec![at]);
        }
    }
    batches
}

/// Does the same work in several threads, up to the first error of each.
pub(crate) fn in_threads(threads: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(_) => bail!("a thread failed"),
        })
    })
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With 0.
    Passed,
    /// With another code, or by a signal.
    Failed,
    /// It took too long.
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

/// Runs tests of a step with a variable in their environment, and says how that ended and what
/// was printed.
pub(crate) fn run(
    step: &Step,
    tests: &[&str],
    variable: &str,
    value: &str,
    limit: Duration,
) -> Result<(Ended, String)> {
    let command = format!("{} --exact {}", step.command, tests.join(" "));
    let output = Command::new("timeout")
        .args(["--kill-after=1", &format!("{:.1}", limit.as_secs_f64()), "sh", "-c", &command])
        .env(variable, value)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("running timeout")?;
    let ended = match output.status.code() {
        Some(0) => Ended::Passed,
        Some(TIMED_OUT) => Ended::Stopped,
        _ => Ended::Failed,
    };
    Ok((ended, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The test that libtest began last: with one thread, and up to the first failure, the one that
/// failed or did not end.
fn last_test(printed: &str) -> Option<&str> {
    let mut begun =
        printed.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
    begun.next_back().map(|(test, _)| test)
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

#[cfg(test)]
mod tests {
    use super::{last_test, together};
    use crate::reach::Test;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn short_tests_of_one_program_run_together() {
        let test = |step, ms| Test {
            step,
            name: String::new(),
            took: Duration::from_millis(ms),
            reached: BTreeSet::new(),
        };
        let tests = [test(0, 100), test(1, 100), test(0, 100), test(0, 100), test(1, 900)];
        assert_eq!(together(&tests, 0..5), [vec![0, 2], vec![1], vec![3], vec![4]]);
    }

    #[test]
    fn the_last_test_that_began_is_the_one_that_failed() {
        let printed = "running 2 tests\ntest a::b ... ok\ntest a::c ... FAILED\n\nfailures:\n";
        assert_eq!(last_test(printed), Some("a::c"));
        assert_eq!(last_test("running 0 tests\n"), None);
    }
}
