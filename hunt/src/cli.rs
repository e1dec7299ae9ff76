//! `hunt` on the command line, and the two sides as it starts them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use local_cloud::postgres::PrivatePostgres;
use local_cloud::{FunctionSpec, LocalCloud, Topology};

use crate::found;
use crate::known::{Known, NEVER_ASKED, OF_THE_TWIN};
use crate::run::{Hunt, Outcome, Plan};
use crate::side::{Door, Side};
use crate::wallets::{Issuers, rows};

/// Makes a build of the scorer wrong; see its `fault.rs`.
const WRONG: &str = "LOCAL_CLOUD_WRONG";
/// Longer than any machine needs for a start.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time in which a person starts the server of `--other-url`.
const A_PERSON: Duration = Duration::from_mins(15);

/// Ask Rust and another implementation the same, with random wallets and stamps.
///
/// Both have a database of their own on this machine, with the same rows. What differs in
/// answers or rows is made small, printed, and written as a recorded case, which
/// `local-cloud parity --cases DIR` replays. Without --other-… the other one is the Python
/// twin of the local cloud.
///
/// Exit codes: 0 no differences, 1 differences or an error on the way, 2 usage.
#[derive(Debug, clap::Parser)]
#[command(name = "hunt")]
pub struct Args {
    /// Seeds, with commas between them.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Cases of each seed.
    #[arg(long, short, default_value_t = 1_000)]
    n: u64,
    /// Number of the first case.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// End after so many different differences.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    most: u16,
    /// Where recorded cases are written.
    #[arg(long, value_name = "DIR", default_value = "target/hunt")]
    out: PathBuf,
    /// Our function; by default the scorer-fn beside this program.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// A variable of our function; LOCAL_CLOUD_WRONG is passed on by itself.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// The other implementation as a server: http://HOST:PORT. It must use the database whose
    /// address is written to --other-database.
    #[arg(long, value_name = "URL", conflicts_with = "other_command", requires = "other_database")]
    other_url: Option<String>,
    /// File to write the address of the other implementation's database to, with its password.
    #[arg(long, value_name = "FILE")]
    other_database: Option<PathBuf>,
    /// The other implementation as a Lambda runtime: a command line for sh, such as
    /// "python3 -m awslambdaric handlers.score".
    #[arg(long, value_name = "COMMAND")]
    other_command: Option<String>,
    /// Folder in which that command runs.
    #[arg(long, value_name = "DIR", requires = "other_command")]
    other_dir: Option<PathBuf>,
    /// A variable of that command; {database} and {issuers} stand for the address of its
    /// database and the JSON list of trusted issuers.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "other_command")]
    other_env: Vec<(String, String)>,
    /// Statements that make the tables, without rows; of a recorded set what stands before
    /// `-- ---- rows ----`.
    #[arg(long, value_name = "FILE", default_value = "scorer-fn/tests/golden-2/seed.sql")]
    schema: PathBuf,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Hunts, prints and writes.
///
/// # Errors
/// What kept the cases from being played.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let schema = schema(&args.schema)?;
    let mut environment = args.environment.clone();
    environment.extend(std::env::var(WRONG).ok().map(|wrong| (WRONG.to_owned(), wrong)));
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("scorer-fn"),
    };
    let other = other(&args)?;
    let name = other.name();
    let grounds = Grounds::new(&schema).await?;
    let mut hunt = grounds.hunt(&binary, &environment, &other).await?;
    let plan = Plan {
        seeds: args.seeds.clone(),
        from: args.from,
        cases: args.n,
        most: usize::from(args.most),
    };
    println!("Rust against {name}: {} cases of each seed of {:?}", plan.cases, plan.seeds);
    let mut failed = None;
    let outcome = hunt
        .run(&plan, |found| {
            println!("{found}");
            match found::write(&args.out, &schema, found, name) {
                Ok(directory) => println!(
                    "  again: make hunt SEEDS={} FROM={} N=1{}\n  as a recorded case: \
                     local-cloud parity --cases {}\n",
                    found.case.seed,
                    found.case.number,
                    if matches!(other, Other::Twin) { "" } else { ", and the same ARGS" },
                    directory.display()
                ),
                Err(error) => failed = Some(error),
            }
        })
        .await;
    hunt.cloud.shutdown().await;
    if let Some(error) = failed {
        return Err(error);
    }
    let outcome = outcome?;
    print!("{}", summary(&outcome, &other));
    Ok(if outcome.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The end of what is printed.
fn summary(outcome: &Outcome, other: &Other) -> String {
    let Outcome { cases, requests, different, known, found } = outcome;
    let mut text = if found.is_empty() {
        format!("✔ No differences in {requests} requests of {cases} cases.\n")
    } else {
        let count = found.len();
        format!("✖ {different} of {cases} cases differ, in {count} different ways.\n")
    };
    for known in other.known() {
        let count = outcome.known.get(known.name).copied().unwrap_or(0);
        text += &format!(
            "  Known of {}, in {count} cases: {} ({}).\n",
            other.name(),
            known.name,
            known.why
        );
    }
    debug_assert!(known.keys().all(|name| other.known().iter().any(|known| known.name == *name)));
    if matches!(other, Other::Twin) {
        text += &format!("  Not asked, since it leaves them out: {}.\n", NEVER_ASKED.join("; "));
    }
    text
}

/// Statements that make the tables.
///
/// # Errors
/// Names the file.
pub fn schema(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the schema {}", file.display()))?;
    let tables = text.split_once("-- ---- rows ----").map_or(text.as_str(), |(tables, _)| tables);
    Ok(tables.to_owned())
}

/// The other implementation.
#[derive(Clone, Debug)]
pub enum Other {
    /// The Python twin of the local cloud.
    Twin,
    /// A Lambda runtime.
    Command {
        /// For `sh`.
        line: String,
        /// Where it runs.
        directory: Option<PathBuf>,
        /// Its variables, with place holders.
        environment: Vec<(String, String)>,
    },
    /// A server.
    Url {
        /// `HOST:PORT`.
        authority: String,
        /// Where the address of its database is written.
        database: PathBuf,
    },
}

impl Other {
    fn name(&self) -> &'static str {
        match self {
            Self::Twin => "the Python twin",
            Self::Command { .. } => "the other command",
            Self::Url { .. } => "the other server",
        }
    }

    fn known(&self) -> &'static [Known] {
        match self {
            Self::Twin => &OF_THE_TWIN,
            Self::Command { .. } | Self::Url { .. } => &[],
        }
    }
}

fn other(args: &Args) -> anyhow::Result<Other> {
    if let Some(line) = &args.other_command {
        let (directory, environment) = (args.other_dir.clone(), args.other_env.clone());
        return Ok(Other::Command { line: line.clone(), directory, environment });
    }
    let (Some(url), Some(database)) = (&args.other_url, &args.other_database) else {
        return Ok(Other::Twin);
    };
    let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let authority = authority.filter(|rest| rest.contains(':') && !rest.contains(['/', '@']));
    let Some(authority) = authority else {
        bail!(
            "--other-url {url}: write http://HOST:PORT of a server on this machine, without TLS and path"
        );
    };
    Ok(Other::Url { authority: authority.to_owned(), database: database.clone() })
}

/// A database server of our own with the tables and the rows that all cases share.
#[derive(Debug)]
pub struct Grounds {
    postgres: PrivatePostgres,
    /// Databases that were made of the template.
    copies: AtomicUsize,
}

/// Database from which the sides' own are copied.
const TEMPLATE: &str = "hunt";

impl Grounds {
    /// Starts the server and makes the tables.
    ///
    /// # Errors
    /// What the server said.
    pub async fn new(schema: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("seed.sql");
        std::fs::write(&file, format!("{schema}\n{}", rows()))?;
        let postgres = PrivatePostgres::start().await?;
        postgres.create_database(TEMPLATE).await?;
        postgres.load_sql_file(TEMPLATE, &file).await?;
        Ok(Self { postgres, copies: AtomicUsize::new(0) })
    }

    /// Starts both sides. `environment`: of our function, beside what every case needs.
    ///
    /// # Errors
    /// If something cannot be started, or does not answer in time.
    pub async fn hunt(
        &self,
        binary: &Path,
        environment: &[(String, String)],
        other: &Other,
    ) -> anyhow::Result<Hunt> {
        ensure!(binary.is_file(), "the scorer {} is missing; run `make build`", binary.display());
        let rust_database = self.copy("rust").await?;
        let other_database = self.copy("other").await?;
        let issuers = Issuers::new();
        let rust = |name: &str, multi: bool| {
            let mut function = function(name, [binary.display().to_string()], &issuers, multi)
                .env("DATABASE_URL", self.postgres.url(&rust_database));
            for (name, value) in environment {
                function = function.env(name, value);
            }
            function
        };
        let mut topology = Topology::new()
            .manual_clock()
            .function(rust("rust", true))
            .function(rust("rust-single", false));
        let url = self.postgres.url(&other_database);
        let door = match other {
            Other::Url { authority, .. } => Door::Http(authority.clone()),
            Other::Twin | Other::Command { .. } => {
                for (name, multi) in [("other", true), ("other-single", false)] {
                    topology = topology.function(as_function(other, name, multi, &issuers, &url)?);
                }
                let [several, single] = ["other", "other-single"].map(str::to_owned);
                Door::Function { several, single }
            }
        };
        let mut host = None;
        if let Other::Url { authority, database } = other {
            host = Some(authority.clone());
            hand_over(database, &url, &issuers)?;
            wait_for(authority).await?;
        }
        let [several, single] = ["rust", "rust-single"].map(str::to_owned);
        let rust_url = self.postgres.admin_url(&rust_database);
        let other_url = self.postgres.admin_url(&other_database);
        Ok(Hunt {
            cloud: LocalCloud::start(topology).await?,
            other: Side::new(door, host.clone(), &other_url).await?,
            rust: Side::new(Door::Function { several, single }, host, &rust_url).await?,
            known: other.known(),
            single: !matches!(other, Other::Url { .. }),
        })
    }

    /// One more database, for a side.
    async fn copy(&self, side: &str) -> anyhow::Result<String> {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEMPLATE}_{side}_{number}");
        self.postgres.create_from_template(&name, TEMPLATE).await?;
        Ok(name)
    }
}

fn function<S: Into<String>>(
    name: &str,
    command: impl IntoIterator<Item = S>,
    issuers: &Issuers,
    multi: bool,
) -> FunctionSpec {
    let mut function = FunctionSpec::new(name, command).timeout(PATIENCE).max_environments(1);
    function.init_timeout = PATIENCE;
    for (name, value) in issuers.settings(multi) {
        function = function.env(&name, value);
    }
    function
}

fn as_function(
    other: &Other,
    name: &str,
    multi: bool,
    issuers: &Issuers,
    url: &str,
) -> anyhow::Result<FunctionSpec> {
    match other {
        Other::Twin => {
            let python =
                std::env::var("LOCAL_CLOUD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
            let command = [python.as_str(), "-m", "awslambdaric", "app.handler"];
            let twin = twin()?;
            Ok(function(name, command, issuers, multi)
                .cwd(twin)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("DATABASE_URL", url))
        }
        Other::Command { line, directory, environment } => {
            let mut made = function(name, ["sh", "-c", &format!("exec {line}")], issuers, multi)
                .env("DATABASE_URL", url);
            if let Some(directory) = directory {
                made = made.cwd(directory.clone());
            }
            let trusted = &issuers.settings(multi)["TRUSTED_IAM_ISSUERS"];
            for (name, value) in environment {
                let value = value.replace("{database}", url).replace("{issuers}", trusted);
                made = made.env(name, value);
            }
            Ok(made)
        }
        Other::Url { .. } => bail!("a server is no function"),
    }
}

/// Folder of the Python twin: that of the sources, wherever this runs.
fn twin() -> anyhow::Result<PathBuf> {
    const TWIN: &str = "local-cloud/python-scorer";
    let here = std::env::current_dir()?;
    let found = here.ancestors().map(|folder| folder.join(TWIN)).find(|folder| folder.is_dir());
    found.with_context(|| format!("{TWIN} is not below {} or a folder above it", here.display()))
}

/// Says where its database is, readable by this user alone.
fn hand_over(file: &Path, url: &str, issuers: &Issuers) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut text = format!("DATABASE_URL='{url}'\n");
    for (name, value) in issuers.settings(true) {
        if name != "DATABASE_CONNECTIONS" && name != "OTEL_SDK_DISABLED" {
            text += &format!("{name}='{value}'\n");
        }
    }
    let doing = || format!("writing {}", file.display());
    // A file that is there may be readable by others.
    if file.exists() {
        std::fs::remove_file(file).with_context(doing)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(file).and_then(|mut file| file.write_all(text.as_bytes())).with_context(doing)?;
    println!(
        "Start the other implementation with the settings in {} now; waiting for it.",
        file.display()
    );
    Ok(())
}

async fn wait_for(authority: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while let Err(error) = tokio::net::TcpStream::connect(authority).await {
        if begun.elapsed() > A_PERSON {
            bail!("nobody listens at {authority} ({error}); start the other implementation");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
