//! Where the demo finds what it runs, and its one temporary folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::foreign;

/// The controller as Lambda function: one binary, three functions.
const CONTROLLER: &str = "rollout-controller";
/// The operators' command line.
const OPERATORS_CLI: &str = "rolloutctl";
/// The Rust scorer as Lambda function.
const SCORER: &str = "scorer-fn";

/// Programs and files that the demo needs; all of them are there.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) controller: PathBuf,
    pub(super) rolloutctl: PathBuf,
    pub(super) scorer: PathBuf,
    pub(super) python: PathBuf,
    /// Folder of the Python function.
    pub(super) python_scorer: PathBuf,
    /// Tables and rows for the scorers' database.
    pub(super) seed: PathBuf,
    /// Environment of both scorers that goes with the seed.
    pub(super) scorer_env: BTreeMap<String, String>,
    /// The key that requests carry.
    pub(super) api_key: String,
    /// Whose scores are asked for.
    pub(super) addresses: Vec<String>,
}

impl Home {
    /// Looks for everything before anything is started.
    ///
    /// # Errors
    /// What is missing, and what makes it.
    pub(super) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("finding our own program")?;
        let folder = own.parent().unwrap_or(Path::new("."));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let demo = repository.join("../scorer-fn/demo");
        let seed = demo.join("seed.sql");
        let text = read(&seed)?;
        let api_key = text
            .lines()
            .find_map(|line| line.strip_prefix("-- API key: "))
            .with_context(|| format!("{} names no API key", seed.display()))?;
        let addresses: Vec<String> =
            read(&demo.join("addresses.txt"))?.lines().map(str::to_owned).collect();
        let scorer_env = read(&demo.join("environment"))?
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            controller: program(folder, CONTROLLER)?,
            rolloutctl: program(folder, OPERATORS_CLI)?,
            scorer: program(folder, SCORER)?,
            python: foreign::python()?,
            python_scorer: repository.join("python-scorer"),
            api_key: api_key.trim().to_owned(),
            addresses,
            scorer_env,
            seed,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| {
        format!("reading {}; the demo runs from a checkout of the repository", path.display())
    })
}

/// A program of the same build as ours.
fn program(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "{} is missing: the demo runs the production binaries of the same build; run `make build`",
            path.display()
        );
    }
    Ok(path)
}

/// Where one cloud and its controller keep theirs.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) config: PathBuf,
    /// Address of the journal's database.
    pub(super) ledger: String,
    pub(super) logs: PathBuf,
}

/// Journal, configuration and logs of one demo; removed when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    temporary: TempDir,
    logs: PathBuf,
}

impl Folder {
    /// Makes it; logs go to `logs` if that is given.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn make(logs: Option<&Path>) -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix("rollout-demo-")
            .tempdir()
            .context("making a temporary folder")?;
        let logs = match logs {
            Some(folder) => folder.to_owned(),
            None => temporary.path().join("logs"),
        };
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("making the folder {}", logs.display()))?;
        Ok(Self { temporary, logs })
    }

    /// Files of the demo itself.
    pub(super) fn demo(&self) -> Files {
        self.at(self.sqlite("journal.db"))
    }

    /// Files of a rollout whose journal is in this database.
    pub(super) fn at(&self, ledger: String) -> Files {
        let config = self.temporary.path().join("rollout.toml");
        Files { config, ledger, logs: self.logs.clone() }
    }

    fn sqlite(&self, name: &str) -> String {
        format!("sqlite://{}?mode=rwc", self.temporary.path().join(name).display())
    }

    /// Files of the cloud in which this machine is measured.
    pub(super) fn measuring(&self) -> Files {
        Files {
            config: self.temporary.path().join("measuring.toml"),
            ledger: self.sqlite("measuring.db"),
            logs: self.logs.join("measuring"),
        }
    }

    /// A file of the demo's own.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Leaves everything where it is, for a person to look at; says where.
    pub(super) fn keep(self) -> PathBuf {
        let logs = self.logs;
        let _ = self.temporary.keep();
        logs
    }
}
