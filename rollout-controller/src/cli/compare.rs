//! `rolloutctl compare`: both sides asked the same, before Rust has traffic.

use super::progress::Progress;
use super::remote::{REFUSED, block_on};
use crate::adapters::alb::Alb;
use crate::adapters::aws::Aws;
use crate::compare::analytics::{self, Wanted};
use crate::compare::client::Client;
use crate::compare::report::Report;
use crate::compare::requests::{self, Format};
use crate::compare::run::{Plan, run as compare};
use crate::compare::state::{StateFile, Subject};
use crate::config;
use crate::domain::route::HeaderRule;
use crate::errors::chain;
use crate::ports::{SystemClock, Traffic as _};
use answers::{Comparer, Rules, Show};
use anyhow::{Context as _, bail};
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Exit code of differences.
const DIFFERENT: u8 = 1;
/// Exit code of input that makes no sense, as clap's.
const BAD_INPUT: u8 = 2;
/// Exit code if not every request was compared and none differs.
const NOT_PROVEN: u8 = 30;

/// Ask Python and Rust the same, and list what their answers differ in.
///
/// For the time before a rollout, while the rule gives Rust nothing. Each request is
/// sent three times: plain, then plain and with the header that reaches Rust, in random
/// order. Only GET. Every call counts against the key's rate limit and is scored, so both
/// sides write what they write for any request. No value of an answer is printed
/// without --show; keys come from the environment and are never printed or stored.
///
/// Exit codes: 0 no differences, 1 differences (or an error on the way), 2 input that
/// makes no sense, 30 not every request was compared, 40 refused: Rust has traffic.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl compare --config rollout.toml --requests paths.txt --url https://api.example.com --key-env SCORER_KEY\n  rolloutctl compare --config rollout.toml --requests access.log.gz --format alb-log --url https://api.example.com --key-env SCORER_KEY --state compare.state\n  rolloutctl compare --config rollout.toml --from-analytics --since 6h --limit 500 --url https://api.example.com --key-env SCORER_KEY\n  rolloutctl compare --from-analytics --list > paths.txt"
)]
pub struct Compare {
    /// What to send: a file, or - for standard input.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "from_analytics",
        conflicts_with = "from_analytics"
    )]
    requests: Option<PathBuf>,
    /// Send the paths of recent score requests, read from the service's table
    /// account_accountapikeyanalytics. Needs a login that may only read.
    #[arg(long, conflicts_with = "format")]
    from_analytics: bool,
    /// Variable of the environment with that database's address:
    /// postgres://USER:PASSWORD@HOST:5432/DATABASE; TLS is verified unless it says sslmode.
    #[arg(
        long,
        default_value = "ANALYTICS_DATABASE_URL",
        value_name = "VARIABLE",
        requires = "from_analytics"
    )]
    database_env: String,
    /// How far back to look for paths.
    #[arg(
        long,
        default_value = "24h",
        value_parser = humantime::parse_duration,
        value_name = "DURATION",
        requires = "from_analytics"
    )]
    since: Duration,
    /// Most different paths, newest first.
    #[arg(
        long,
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        value_name = "COUNT",
        requires = "from_analytics"
    )]
    limit: u32,
    /// Only print the paths, for a file: they hold people's addresses.
    #[arg(long, requires = "from_analytics")]
    list: bool,
    /// The load balancer: https://HOST.
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    url: Option<String>,
    /// How the requests are written; gzip is recognised.
    #[arg(long, value_enum, default_value = "paths")]
    format: Format,
    /// Most requests a second, such as 5/s, or a minute, such as 30/m.
    #[arg(long, default_value = "5/s", value_parser = interval, value_name = "RATE")]
    rate: Duration,
    /// Most requests that wait for an answer at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Variable of the environment that holds the API key, sent as x-api-key.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// A header and the variable that holds its value, such as x-tenant=TENANT.
    #[arg(long, value_name = "HEADER=VARIABLE")]
    header_env: Vec<String>,
    /// Print paths and values, too: answers hold people's data.
    #[arg(long)]
    show: bool,
    /// Where to note what is done; a run that was stopped goes on from there. Not with
    /// --from-analytics, whose paths are others a minute later: --list them first.
    #[arg(long, value_name = "FILE", conflicts_with = "from_analytics")]
    state: Option<PathBuf>,
    /// Seed of the order in which the sides are asked.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long one answer may take.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    timeout: Duration,
    /// The controller's configuration: the header, the rules to look at, and
    /// [rollout.compare].
    #[arg(long, value_name = "FILE", env = "ROLLOUT_CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Which rollout of the configuration; needed only if it has several.
    #[arg(long, short = 'r', env = "ROLLOUT_NAME")]
    rollout: Option<String>,
    /// Which of its routes; needed only if it has several.
    #[arg(long)]
    route: Option<String>,
    /// Compare although it is not known that plain requests reach Python, or known that
    /// they may not.
    #[arg(long)]
    anyway: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let fix = "give a number of requests a second or a minute, such as 5/s or 30/m";
    let (count, unit) = text.split_once('/').ok_or(fix)?;
    let secs = match unit {
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(fix.to_owned()),
    };
    let count: f64 = count.parse().map_err(|_| fix)?;
    let every = secs / count;
    if count > 0.0 && (0.000_1..=3600.0).contains(&every) {
        Ok(Duration::from_secs_f64(every))
    } else {
        Err("give more than one request an hour, and at most 10000/s".to_owned())
    }
}

/// What the configuration says about it.
struct Subjects {
    rules: Rules,
    header: (HeaderName, HeaderValue),
    /// Why plain requests may not reach Python, or forced ones not Rust.
    doubt: Option<String>,
}

/// Compares and prints.
///
/// # Errors
/// If the state file cannot be written, or stdout fails. Input that makes no sense is
/// printed here: it has an exit code of its own.
pub fn run(args: &Compare) -> anyhow::Result<ExitCode> {
    block_on(async {
        if args.list {
            return match listed(args).await {
                Ok(paths) => {
                    super::out(&paths)?;
                    Ok(ExitCode::SUCCESS)
                }
                Err(error) => Ok(bad(&error)),
            };
        }
        let subjects = match subjects(args).await {
            Ok(subjects) => subjects,
            Err(error) => return Ok(bad(&error)),
        };
        if let Some(doubt) = &subjects.doubt
            && !args.anyway
        {
            eprintln!(
                "✖ Not compared: {doubt}.\n  Traffic is unchanged. Compare while the rule gives Rust nothing, or add --anyway."
            );
            return Ok(ExitCode::from(REFUSED));
        }
        match prepared(args, &subjects).await {
            Ok(prepared) => go(args, prepared).await,
            Err(error) => Ok(bad(&error)),
        }
    })
}

fn bad(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(BAD_INPUT)
}

/// Reads the configuration, and asks the rule.
async fn subjects(args: &Compare) -> anyhow::Result<Subjects> {
    let Some(file) = &args.config else {
        return Ok(Subjects {
            rules: Rules::default(),
            header: (
                HeaderName::from_static("x-use-rust-scorer"),
                HeaderValue::from_static("true"),
            ),
            doubt: Some(
                "without --config the rule's share is unknown, and plain requests may reach Rust"
                    .to_owned(),
            ),
        });
    };
    let config = config::load(file)?;
    let rollout = config.rollout(args.rollout.as_deref())?;
    let routes = &rollout.terms.routes;
    let names = || routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>().join(", ");
    let route = match (&args.route, routes.as_slice()) {
        (Some(name), routes) => routes.iter().find(|route| route.name == *name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let route = route.with_context(|| format!("say which route with --route: {}", names()))?;
    let Some(HeaderRule { header, value, .. }) = &route.header_rule else {
        bail!(
            "route {} has no [rollout.route.header_rule], so no header reaches Rust; add it",
            route.name
        );
    };
    let header: HeaderName = header.parse().context("the header rule's `header`")?;
    let value: HeaderValue = value.parse().context("the header rule's `value`")?;
    let doubt = match Alb::new(Aws::new(), Arc::new(SystemClock)).read(route).await {
        Err(error) => {
            Some(format!("the rule of {} cannot be read ({})", route.name, chain(&error)))
        }
        Ok(seen) if !seen.share.is_reached() => Some(format!(
            "{} sends {} to Rust, so plain requests may reach it",
            route.name, seen.share
        )),
        Ok(seen) => seen
            .header_rule
            .first()
            .map(|wrong| format!("the header may not reach Rust on {}: {wrong}", route.name)),
    };
    Ok(Subjects { rules: rollout.compare.clone(), header: (header, value), doubt })
}

/// Everything that is needed before the first request.
struct Prepared {
    requests: requests::Requests,
    client: Client,
    comparer: Comparer,
    state: Option<StateFile>,
    done: BTreeMap<usize, crate::compare::Outcome>,
}

/// The newest paths, one on each line.
async fn listed(args: &Compare) -> anyhow::Result<String> {
    let requests = requests::noted(&noted_paths(args).await?)?;
    let lines: Vec<String> = requests.asks.iter().map(|ask| ask.target.to_string()).collect();
    Ok(lines.join("\n") + "\n")
}

async fn noted_paths(args: &Compare) -> anyhow::Result<Vec<String>> {
    let url = variable(&args.database_env)?;
    let wanted = Wanted { since: args.since, limit: args.limit };
    let paths = analytics::paths(&url, wanted).await?;
    if paths.is_empty() {
        bail!(
            "account_accountapikeyanalytics has no score request of the last {}; give a longer --since",
            humantime::format_duration(args.since)
        );
    }
    Ok(paths)
}

/// The requests, from wherever the arguments say.
async fn asked(args: &Compare, force: &HeaderName) -> anyhow::Result<requests::Requests> {
    let read = |from: &mut dyn std::io::Read| requests::read(from, args.format, force);
    match &args.requests {
        None => Ok(requests::noted(&noted_paths(args).await?)?),
        Some(stdin) if stdin.as_os_str() == "-" => Ok(read(&mut std::io::stdin().lock())?),
        Some(path) => {
            let mut file =
                File::open(path).with_context(|| format!("opening {}", path.display()))?;
            Ok(read(&mut file)?)
        }
    }
}

async fn prepared(args: &Compare, subjects: &Subjects) -> anyhow::Result<Prepared> {
    let common = common(args)?;
    let requests = asked(args, &subjects.header.0).await?;
    let url = args.url.as_deref().context("--url: give the load balancer's address")?;
    let client = Client::new(url, common, subjects.header.clone(), args.timeout, args.rate)?;
    let comparer = Comparer::new(&subjects.rules).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("[rollout.compare]: {}", all.join("; "))
    })?;
    let subject = Subject::new(url, &requests.asks, &subjects.rules, args.seed);
    let (state, done) = match &args.state {
        None => (None, BTreeMap::new()),
        Some(path) => {
            let (state, done) = StateFile::open(path, &subject)?;
            (Some(state), done)
        }
    };
    Ok(Prepared { requests, client, comparer, state, done })
}

/// A value that is not to be an argument, where every process of the machine sees it.
fn variable(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.with_context(|| format!("the variable {name} is not set; export it first"))
}

/// The headers of every request, whose values are in the environment.
fn common(args: &Compare) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for pair in &args.header_env {
        let pair = pair.split_once('=').context("--header-env: write HEADER=VARIABLE")?;
        wanted.push(pair);
    }
    wanted.extend(args.key_env.as_deref().map(|variable| ("x-api-key", variable)));
    let mut common = Vec::new();
    for (name, of) in wanted {
        let value = variable(of)?;
        let name: HeaderName =
            name.parse().with_context(|| format!("--header-env: {name:?} is no header's name"))?;
        // Not the error's own text, which could show the value.
        let Ok(mut value) = HeaderValue::from_str(&value) else {
            bail!("the variable {of} holds what no header can carry");
        };
        value.set_sensitive(true);
        common.push((name, value));
    }
    Ok(common)
}

async fn go(args: &Compare, mut prepared: Prepared) -> anyhow::Result<ExitCode> {
    let Prepared { requests, client, comparer, state, done } = &mut prepared;
    let total = requests.asks.len();
    let before = done.values().filter(|outcome| outcome.is_final()).count();
    if before > 0 {
        eprintln!("{before} of {total} requests were compared before; going on.");
    }
    let progress = Progress::of_what(total as u64, before as u64, "requests");
    let plan = Plan {
        asks: &requests.asks,
        concurrency: usize::from(args.concurrency),
        seed: args.seed,
        comparer,
        show: if args.show { Show::Values } else { Show::Shapes },
    };
    compare(&plan, client, done, state.as_mut(), || progress.one_more()).await?;
    drop(progress);
    let report = Report::of(requests, done, args.seed, args.show);
    if args.json {
        super::out(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    } else {
        super::terminal::print(&report.text())?;
    }
    Ok(ExitCode::from(if report.different > 0 {
        DIFFERENT
    } else if report.is_clean() {
        0
    } else {
        NOT_PROVEN
    }))
}
