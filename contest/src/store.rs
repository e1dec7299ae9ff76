//! Finished cells on disk, so that a run that was cut goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cell::{self, Cell};
use crate::policy::Kind;
use crate::rollout::Conditions;
use crate::worlds::World;

/// One world at one rate of traffic, for some policies.
#[derive(Clone, Debug)]
pub struct Job {
    /// The world.
    pub world: World,
    /// Of both sides together.
    pub requests_per_minute: f64,
    /// Rollouts of each policy.
    pub n: u64,
    /// Of the first one.
    pub seed: u64,
    /// Who runs.
    pub policies: Vec<Kind>,
}

/// What a line of the file says: the cell, and which program found it.
#[derive(Serialize, Deserialize)]
struct Line {
    build: u64,
    #[serde(flatten)]
    cell: Cell,
}

type Key = (String, u64, Kind, u64, u64);

/// Finished cells.
pub struct Store {
    build: u64,
    file: Mutex<File>,
    cells: Mutex<HashMap<Key, Cell>>,
}

fn key(cell: &Cell) -> Key {
    (cell.world.clone(), cell.requests_per_minute.to_bits(), cell.policy, cell.n, cell.seed)
}

impl Store {
    /// Opens the file. Cells that another build of this program found are left out:
    /// its policies or worlds may have been others.
    ///
    /// # Errors
    /// If the file or the program itself cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("asking for this program's path")?;
        let program = std::fs::read(&program).with_context(|| format!("{}", program.display()))?;
        let mut hasher = DefaultHasher::new();
        program.hash(&mut hasher);
        let build = hasher.finish();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        // A line that was cut while it was written is no cell.
        let lines = kept.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let cells =
            lines.filter(|line| line.build == build).map(|line| (key(&line.cell), line.cell));
        let cells = Mutex::new(cells.collect());
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { build, file: Mutex::new(file), cells })
    }

    /// The cells of a job, if all are finished.
    fn of(&self, job: &Job) -> Option<Vec<Cell>> {
        let cells = self.cells.lock().expect("no panic while it is held");
        let of_policy = |&policy: &Kind| {
            let rate = job.requests_per_minute.to_bits();
            cells.get(&(job.world.name.clone(), rate, policy, job.n, job.seed)).cloned()
        };
        job.policies.iter().map(of_policy).collect()
    }

    fn add(&self, found: &[Cell]) -> Result<()> {
        let mut text = String::new();
        for cell in found {
            let line = Line { build: self.build, cell: cell.clone() };
            text.push_str(&serde_json::to_string(&line)?);
            text.push('\n');
        }
        let mut file = self.file.lock().expect("no panic while it is held");
        file.write_all(text.as_bytes()).context("keeping finished cells")?;
        let mut cells = self.cells.lock().expect("no panic while it is held");
        cells.extend(found.iter().map(|cell| (key(cell), cell.clone())));
        Ok(())
    }

    /// Runs what is not finished, on so many threads, and returns all cells in order.
    /// `told` hears of each finished job: its place, how many are left, seconds a job.
    ///
    /// # Errors
    /// If finished cells cannot be kept.
    pub fn run(
        &self,
        jobs: &[Job],
        threads: usize,
        told: impl Fn(&Job, usize) + Sync,
    ) -> Result<Vec<Cell>> {
        let open: Vec<&Job> = jobs.iter().filter(|job| self.of(job).is_none()).collect();
        let next = Mutex::new(open.iter().enumerate());
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                loop {
                    let Some((at, job)) = next.lock().expect("no panic while it is held").next()
                    else {
                        return Ok(());
                    };
                    let conditions = Conditions::new(job.requests_per_minute);
                    let seeds = job.seed..job.seed + job.n;
                    self.add(&cell::run(&job.world, conditions, &job.policies, seeds))?;
                    told(job, open.len() - at - 1);
                }
            };
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no panic in a rollout"))
        })?;
        Ok(jobs.iter().filter_map(|job| self.of(job)).flatten().collect())
    }
}
