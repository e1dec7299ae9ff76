//! `local-cloud play`: a rollout to try by hand, with the production binaries.
//!
//! The same cloud as the demo's, with traffic and a rollout that waits to be
//! started. Words typed on standard input give orders, break things and repair
//! them; the page and `rolloutctl` in another terminal work as in production.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::latency::LatencyProxy;
use crate::postgres::PrivatePostgres;
use crate::{Deployment, Fault, FunctionFault, FunctionFaultKind, LocalCloud, widget};

use super::ctl::Ctl;
use super::follow::rust_percent;
use super::home::{Files, Folder, Home};
use super::machine::Chosen;
use super::plan::{BALANCER, Plan, RUST, RUST_FUNCTION, TESTER_HEADER, WEIGHTED_PRIORITY};
use super::screen::{Screen, count, hour};
use super::traffic::Traffic;
use super::{Signals, chosen, positive, prepare, start_database};

/// The journal's database, beside the scorers' one.
const LEDGER: &str = "rollout";

/// How often changes are looked for, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Try a rollout by hand: start it, break it, pause it, take it back.
///
/// Needs PostgreSQL and a Python environment (`make play` sees to both). Ends with
/// `quit`, at the end of standard input, or by a signal, and takes everything with
/// it. Exit codes: 0 ended, 1 could not start, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Real length of a simulated minute [default: what this machine can do, at
    /// least 1.5s]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    minute: Option<Duration>,
    /// Requests a second [default: a third of what this machine can do, at most 100]
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// Write every function's output there
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
}

/// What can be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Start,
    Pause,
    Resume,
    Rollback,
    Status,
    Errors,
    Slow,
    Outage,
    Both,
    Wrong,
    Ledger,
    Repair,
    Wait,
    Help,
    Quit,
}

/// Each word with what it does, in the order of the list that is shown.
const WORDS: [(Word, &str, &str); 15] = [
    (Word::Start, "start", "starts the rollout, as `rolloutctl start` does"),
    (Word::Pause, "pause", "keeps the share where it is; protection goes on"),
    (Word::Resume, "resume", "ends the pause"),
    (Word::Rollback, "rollback", "sends all traffic to Python and ends the run"),
    (Word::Status, "status", "shows what `rolloutctl status` shows"),
    (Word::Errors, "errors", "3 of 10 requests to Rust fail"),
    (Word::Slow, "slow", "every request to Rust takes longer than its P99 limit"),
    (Word::Outage, "outage", "every request to Rust fails"),
    (Word::Both, "both", "3 of 10 requests fail on both sides, as with a broken database"),
    (Word::Wrong, "wrong", "deploys a build of Rust that cannot reach its database"),
    (Word::Ledger, "ledger", "the journal's database does not answer any more"),
    (Word::Repair, "repair", "ends all faults and deploys the good build again"),
    (Word::Wait, "wait N", "waits N simulated minutes; for scripts"),
    (Word::Help, "help", "shows this list"),
    (Word::Quit, "quit", "stops everything that was started here"),
];

/// A line that was typed.
///
/// # Errors
/// What is not understood, and what to type.
fn word(line: &str) -> Result<Option<(Word, u32)>, String> {
    let mut parts = line.split_whitespace();
    let Some(first) = parts.next() else { return Ok(None) };
    let name = |told: &str| told.split(' ').next() == Some(first);
    let found = WORDS.iter().find(|(_, told, _)| name(told));
    let Some((word, ..)) = found else {
        return Err(format!("`{first}` is not known; `help` lists what is"));
    };
    let minutes = match (word, parts.next()) {
        (Word::Wait, Some(number)) => {
            let minutes = number.parse().ok().filter(|minutes| (1..=600).contains(minutes));
            minutes.ok_or_else(|| format!("`wait {number}`: give 1 to 600 minutes"))?
        }
        (Word::Wait, None) => 1,
        (_, None) => 0,
        (_, Some(more)) => return Err(format!("`{first}` takes nothing more; leave `{more}` out")),
    };
    Ok(Some((*word, minutes)))
}

/// Everything that was started, in the order in which it ends.
#[derive(Default)]
struct Started {
    traffic: Option<Traffic>,
    cloud: Option<LocalCloud>,
    network: Option<LatencyProxy>,
    postgres: Option<PrivatePostgres>,
}

impl Started {
    async fn clear(&mut self) {
        drop(self.traffic.take());
        if let Some(cloud) = self.cloud.take() {
            cloud.shutdown().await;
        }
        drop(self.network.take());
        drop(self.postgres.take());
    }
}

/// Plays until `quit`, the end of standard input, or a signal.
///
/// # Errors
/// What is missing or could not be started; the output names the fix.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let home = Home::find()?;
    let plan = Plan { seed: args.seed, minute: args.minute, rate: args.rate, ..Plan::long() };
    let folder = Folder::make(args.keep_logs.as_deref())?;
    let screen = Screen::new();
    let mut started = Started::default();
    let ended = tokio::select! {
        ended = play(&mut started, &home, &plan, &folder, &screen) => ended,
        _ = signals.any() => Ok(()),
    };
    started.clear().await;
    ended?;
    screen.line("Everything is stopped.")?;
    Ok(ExitCode::SUCCESS)
}

async fn play(
    started: &mut Started,
    home: &Home,
    plan: &Plan,
    folder: &Folder,
    screen: &Screen,
) -> anyhow::Result<()> {
    let Started { traffic, cloud, network, postgres } = started;
    screen.line("Starting: a database, both scorers, the controller, a load balancer.")?;
    let database = start_database(home, screen, postgres).await?;
    let chosen = chosen(cloud, home, plan, folder, &database).await?;
    let network = &*network.insert(ledger(postgres.as_ref()).await?);
    let files = folder.at(match postgres {
        Some(postgres) => postgres.url_at(network.address().port(), LEDGER),
        None => String::new(),
    });
    let topology = plan.topology(home, &files, &database, &chosen);
    let rule = topology.names().rule(BALANCER, WEIGHTED_PRIORITY);
    let region = topology.region.clone();
    prepare(home, plan, &topology, &files, &chosen).await?;
    let cloud = &*cloud.insert(LocalCloud::start(topology).await?);
    let ctl = Ctl::new(&home.rolloutctl, cloud.aws_endpoint(), &region).at(cloud.rollout_clock());
    let traffic = traffic.insert(Traffic::start(cloud, home, plan.seed, &chosen)?);
    for line in addresses(cloud, home, &files, &ctl) {
        screen.line(&line)?;
    }
    for line in words() {
        screen.line(&line)?;
    }
    let mut watch = Watch {
        cloud,
        ctl: &ctl,
        screen,
        rule,
        changes: 0,
        pages: 0,
        looked_at: i64::MIN,
        headline: String::new(),
    };
    let mut typed = lines();
    loop {
        tokio::select! {
            line = typed.recv() => {
                let Some(line) = line else { return Ok(()) };
                match word(&line) {
                    Ok(Some((Word::Quit, _))) => return Ok(()),
                    Ok(Some((Word::Wait, minutes))) => watch.wait(traffic, minutes).await?,
                    Ok(Some((word, _))) => {
                        for line in obey(word, cloud, &ctl, network, &chosen, &database).await? {
                            screen.line(&line)?;
                        }
                    }
                    Ok(None) => {}
                    Err(problem) => screen.line(&problem)?,
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => watch.look(traffic).await?,
        }
    }
}

/// A database for the journal, behind a network that can be cut.
async fn ledger(postgres: Option<&PrivatePostgres>) -> anyhow::Result<LatencyProxy> {
    let postgres = postgres.context("the database was started before")?;
    postgres.create_database(LEDGER).await?;
    let server = ([127, 0, 0, 1], postgres.port()).into();
    LatencyProxy::start(server, Duration::ZERO).await.context("a port for the journal's database")
}

/// Lines of standard input. A thread of its own: it may wait for a line when
/// everything else has ended, and must not keep the process.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn words() -> Vec<String> {
    let mut lines = vec![String::new(), "Type a word and Enter:".to_owned()];
    lines.extend(WORDS.iter().map(|(_, word, does)| format!("  {word:<9} {does}")));
    lines.push(String::new());
    lines
}

fn addresses(cloud: &LocalCloud, home: &Home, files: &Files, ctl: &Ctl) -> Vec<String> {
    let alb = cloud.alb_url(BALANCER);
    let address = home.addresses.first().map_or("0x0", String::as_str);
    let (header, value) = TESTER_HEADER;
    let mut lines = vec![
        String::new(),
        format!("The rollout's page: {}", widget::address(&cloud.aws_endpoint(), "score")),
        String::new(),
        "rolloutctl in another terminal, after pasting this:".to_owned(),
    ];
    lines.extend(ctl.environment().into_iter().map(|set| format!("  export {set}")));
    lines.extend([
        String::new(),
        "A request of your own; with the second header Rust answers, whatever its share:"
            .to_owned(),
        format!("  curl {alb}/v2/stamps/1/score/{address} \\"),
        format!("    -H 'x-api-key: {}' -H '{header}: {value}'", home.api_key),
        String::new(),
        format!("The functions write to {}", files.logs.display()),
    ]);
    lines
}

/// Carries out a word. What is said about it.
async fn obey(
    word: Word,
    cloud: &LocalCloud,
    ctl: &Ctl,
    network: &LatencyProxy,
    chosen: &Chosen,
    database: &str,
) -> anyhow::Result<Vec<String>> {
    let fault = |function: &str, kind, probability, latency_ms| {
        let group = (function == RUST_FUNCTION).then(|| RUST.to_owned());
        let function = function.to_owned();
        let from_share = None;
        Fault::Function(FunctionFault {
            function,
            group,
            kind,
            probability,
            from_share,
            latency_ms,
        })
    };
    let deploy = |url: &str| {
        let deployment = Deployment::new().env("DATABASE_URL", url);
        cloud.deploy(RUST_FUNCTION, &deployment).map_err(anyhow::Error::from)
    };
    let one = |line: &str| Ok(vec![line.to_owned()]);
    match word {
        Word::Start => ctl.said(&["start", "--yes", "--reason", "trying it"]).await,
        Word::Pause => ctl.said(&["pause", "--yes", "--reason", "trying it"]).await,
        Word::Resume => ctl.said(&["resume", "--yes", "--reason", "trying it"]).await,
        Word::Rollback => ctl.said(&["rollback", "--yes", "--reason", "trying it"]).await,
        Word::Status => ctl.said(&["status"]).await,
        Word::Errors => {
            cloud.add_fault(fault(RUST_FUNCTION, FunctionFaultKind::Error, 0.3, 0));
            one("3 of 10 requests to Rust fail now. The limit is 1%.")
        }
        Word::Slow => {
            let limit = chosen.limits_ms[2];
            cloud.add_fault(fault(RUST_FUNCTION, FunctionFaultKind::Latency, 1.0, limit));
            Ok(vec![format!("Every request to Rust takes {limit} ms longer now.")])
        }
        Word::Outage => {
            cloud.add_fault(fault(RUST_FUNCTION, FunctionFaultKind::Error, 1.0, 0));
            one("Every request to Rust fails now.")
        }
        Word::Both => {
            for function in [RUST_FUNCTION, super::plan::PYTHON_FUNCTION] {
                cloud.add_fault(fault(function, FunctionFaultKind::Error, 0.3, 0));
            }
            one("3 of 10 requests fail on both sides now. Rust is not to blame for that.")
        }
        Word::Wrong => {
            deploy("postgres://nobody@127.0.0.1:1/none")?;
            one("Deployed a build that cannot reach its database. Evidence of the old one is void.")
        }
        Word::Ledger => {
            network.swallow(true);
            one("The journal's database does not answer now. Nothing rises; protection goes on.")
        }
        Word::Repair => {
            cloud.clear_faults(None);
            network.swallow(false);
            deploy(database)?;
            one("All faults are over, and the good build is deployed.")
        }
        Word::Help => Ok(words()),
        Word::Wait | Word::Quit => Ok(Vec::new()),
    }
}

/// What has happened since the last look.
struct Watch<'a> {
    cloud: &'a LocalCloud,
    ctl: &'a Ctl,
    screen: &'a Screen,
    rule: String,
    changes: usize,
    pages: usize,
    looked_at: i64,
    headline: String,
}

impl Watch<'_> {
    /// Prints what is new; asks how it stands once a simulated minute.
    async fn look(&mut self, traffic: &mut Traffic) -> anyhow::Result<()> {
        traffic.keep_up(self.cloud);
        let now_ms = self.cloud.clock().now_ms();
        let changes = self.cloud.rule_changes();
        for change in &changes[self.changes..] {
            if change.rule == self.rule {
                let (at, percent) = (hour(change.at_ms), rust_percent(change));
                self.screen.line(&format!("{at}  ▶ Rust has {percent}% of the requests"))?;
            }
        }
        self.changes = changes.len();
        let pages = self.cloud.pages();
        for page in &pages[self.pages..] {
            let subject = page.subject.as_deref().unwrap_or("(no subject)");
            self.screen.line(&format!("{}  ✉ {subject}", hour(now_ms)))?;
        }
        self.pages = pages.len();
        let minute = now_ms.div_euclid(crate::clock::MINUTE_MS);
        if minute > self.looked_at {
            self.looked_at = minute;
            let said = self.ctl.said(&["status"]).await?;
            // It begins with a sign.
            let is_sign = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
            let headline = said.into_iter().find(|line| line.starts_with(is_sign));
            let headline = headline.unwrap_or_default();
            // Times and counts alone are no news.
            let news = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
            if news(&headline) != news(&self.headline) {
                let counts = traffic.counts();
                self.screen.line(&format!(
                    "{}  {}  ({} requests, {} failed)",
                    hour(now_ms),
                    headline,
                    count(counts.ended),
                    count(counts.hurt)
                ))?;
                self.headline = headline;
            }
        }
        Ok(())
    }

    /// Goes on looking for so many simulated minutes.
    async fn wait(&mut self, traffic: &mut Traffic, minutes: u32) -> anyhow::Result<()> {
        let until_ms = self.cloud.clock().now_ms() + i64::from(minutes) * crate::clock::MINUTE_MS;
        while self.cloud.clock().now_ms() < until_ms {
            self.look(traffic).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_or_says_what_to_type() {
        assert_eq!(word("  start "), Ok(Some((Word::Start, 0))));
        assert_eq!(word(""), Ok(None));
        assert_eq!(word("wait 12"), Ok(Some((Word::Wait, 12))));
        assert_eq!(word("wait"), Ok(Some((Word::Wait, 1))));
        for (line, problem) in [
            ("begin", "`begin` is not known"),
            ("wait x", "`wait x`: give 1 to 600"),
            ("wait 0", "`wait 0`: give 1 to 600"),
            ("pause 5", "`pause` takes nothing more"),
        ] {
            let said = word(line).expect_err(line);
            assert!(said.starts_with(problem), "{said}");
        }
    }

    #[test]
    fn the_list_fits_a_terminal_and_names_each_word_once() {
        for line in words() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for (index, (word, told, _)) in WORDS.iter().enumerate() {
            let again =
                WORDS.iter().skip(index + 1).any(|(other, name, _)| other == word || name == told);
            assert!(!again, "{told}");
        }
    }
}
