//! Which tests reach which mutants: no other test can notice one.

use crate::try_out::{Ended, Step, in_threads, run};
use anyhow::{Context as _, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A test of a step.
#[derive(Debug, Serialize, Deserialize)]
pub struct Test {
    /// The number of its step, from 0.
    pub step: usize,
    /// What its program calls it.
    pub name: String,
    /// How long it takes without a mutant, in a program of its own.
    pub took: Duration,
    /// Numbers of the mutants that it reaches.
    pub reached: BTreeSet<u32>,
}

impl Test {
    /// Whether it comes to where this mutant is.
    pub fn reaches(&self, mutant: u32) -> bool {
        self.reached.contains(&mutant)
    }
}

/// No test takes longer than this without a mutant.
const LIMIT: Duration = Duration::from_mins(10);

/// Runs each test of all steps by itself, and keeps what it reaches in a file, for the same
/// build.
///
/// # Errors
/// If one test in a hundred fails without a mutant, or a file cannot be read or written.
pub fn reach(steps: &[Step], threads: usize, kept: &Path) -> Result<Vec<Test>> {
    if kept.exists() {
        let text = fs::read_to_string(kept)?;
        return serde_json::from_str(&text).with_context(|| format!("{}", kept.display()));
    }
    let mut listed = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let names = list(step)?;
        ensure!(!names.is_empty(), "step `{}` has no tests", step.name);
        listed.extend(names.into_iter().map(|name| (at, step, name)));
    }
    let (next, tests) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    in_threads(threads, || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((at, step, name)) = listed.get(number) else { return Ok(()) };
            let file = kept.with_extension(number.to_string());
            let began = Instant::now();
            let path = file.to_string_lossy();
            let (ended, printed) = run(step, &[name], "MUTANT_REACHED", &path, LIMIT)?;
            let took = began.elapsed();
            if ended != Ended::Passed {
                eprintln!("• left out, it fails without a mutant: {name}\n{printed}");
                continue;
            }
            let bytes = if file.exists() { fs::read(&file)? } else { Vec::new() };
            let reached = (0..).zip(bytes).filter(|(_, byte)| *byte != 0);
            let reached = reached.map(|(id, _)| id).collect();
            let _ = fs::remove_file(&file);
            let mut tests = tests.lock().map_err(|_| anyhow!("another thread failed"))?;
            tests.push(Test { step: *at, name: name.clone(), took, reached });
        }
    })?;
    let tests = tests.into_inner().map_err(|_| anyhow!("another thread failed"))?;
    let failed = listed.len() - tests.len();
    ensure!(failed * 100 < listed.len(), "{failed} tests fail without a mutant");
    for (at, step) in steps.iter().enumerate() {
        let of_step = || tests.iter().filter(|test| test.step == at);
        let took: Duration = of_step().map(|test| test.took).sum();
        eprintln!("• {}: {} tests, {:.1} s", step.name, of_step().count(), took.as_secs_f64());
    }
    fs::write(kept, serde_json::to_string(&tests)?)?;
    Ok(tests)
}

/// The names of a step's tests.
fn list(step: &Step) -> Result<Vec<String>> {
    let output = Command::new("sh")
        .args(["-c", &format!("{} --list", step.command)])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("listing the tests of {}", step.name))?;
    ensure!(
        output.status.success(),
        "{} does not list its tests: {}",
        step.name,
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout)?;
    Ok(printed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
