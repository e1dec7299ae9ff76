//! Runs histories: `survive --help`.

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use rollout_controller::domain::figures::count;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use survive::effects::{self, RARE, SAMPLE};
use survive::plan::Plan;
use survive::play::{play, play_for_effects};
use survive::protocol::{self, Explored};
use survive::shrink::{outline, shrink, story};
use survive::tally::Tally;

/// Whole histories of the controller under simulated faults.
#[derive(Parser)]
struct Survive {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Play histories; those that were played before are not played again.
    Run(Run),
    /// Print the tables of what was played.
    Tables(Tables),
    /// Tell one history, as short as it still fails.
    Story(Story),
    /// Look for every planted defect.
    Gate(Gate),
    /// Try every order of a few processes' calls.
    Protocol(Protocol),
    /// Print what the kept histories come to, a line for each: survive/src/effects.txt.
    Effects {
        /// Only say whether they still come to what was kept, up to the first that does not.
        #[arg(long)]
        check: bool,
        /// Only these seeds of those that are kept.
        seeds: Vec<u64>,
    },
}

#[derive(Args)]
struct Run {
    /// Of the first history.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Histories.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// What was played, a line for each piece.
    #[arg(long, default_value = "target/survive/pieces.jsonl")]
    kept: PathBuf,
}

#[derive(Args)]
struct Tables {
    /// See `run`.
    #[arg(long, default_value = "target/survive/pieces.jsonl")]
    kept: PathBuf,
}

#[derive(Args)]
struct Story {
    /// The history.
    seed: u64,
    /// Everything, not the short one.
    #[arg(long)]
    whole: bool,
    /// Lines at most.
    #[arg(long, default_value_t = 60)]
    lines: usize,
    /// With this planted defect.
    #[arg(long)]
    planted: Option<String>,
}

#[derive(Args)]
struct Gate {
    /// Of the first history.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Histories at most for each defect.
    #[arg(long, default_value_t = 4_000)]
    seeds: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only these defects.
    defects: Vec<String>,
}

#[derive(Args)]
struct Protocol {
    /// States of a scenario at most.
    #[arg(long, default_value_t = 3_000_000)]
    states: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Without each safeguard in turn: every one must be missed.
    #[arg(long)]
    safeguards: bool,
    /// Only scenarios with this in their name.
    #[arg(long)]
    only: Option<String>,
}

/// Every call has had every fate that it can have, wherever the rollout stood, in so
/// many histories.
const COVERED_WITHIN: u64 = 30_000;
/// Histories of a piece.
const PIECE: u64 = 200;

fn main() -> Result<()> {
    match Survive::parse().part {
        Part::Run(run) => self::run(&run),
        Part::Tables(tables) => {
            let all = sum(&kept(&tables.kept)?);
            println!("{}\n\n{}\n{}", headline(&all), all.faults(), all.coverage());
            let unreached = all.unreached();
            for (call, fate, stand) in &unreached {
                println!("not reached: {}, {}, {}", call.name(), fate.name(), stand.name());
            }
            Ok(())
        }
        Part::Story(story) => tell(&story),
        Part::Gate(gate) => self::gate(&gate),
        Part::Protocol(asked) => protocol(&asked),
        Part::Effects { check, seeds } => {
            let kept = effects::kept();
            let of_kept = || SAMPLE.chain(RARE);
            for seed in &seeds {
                ensure!(
                    of_kept().any(|one| one == *seed),
                    "the effects of seed {seed} are not kept"
                );
            }
            for seed in of_kept().filter(|one| seeds.is_empty() || seeds.contains(one)) {
                let number = play_for_effects(&Plan::of(seed)).effects;
                if !check {
                    println!("{seed} {number:016x}");
                } else if kept.get(&seed) != Some(&number) {
                    bail!("history {seed} comes to {number:016x}, which is not what was kept");
                }
            }
            Ok(())
        }
    }
}

fn kept(path: &PathBuf) -> Result<Vec<Tally>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    // A line that a killed run left half written is played again.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn sum(pieces: &[Tally]) -> Tally {
    let from = pieces.iter().map(|piece| piece.from).min().unwrap_or(0);
    let mut all = Tally { from, ..Tally::default() };
    for piece in pieces {
        all.add(piece);
    }
    all
}

fn headline(all: &Tally) -> String {
    let per = all.millis as f64 / all.seeds.max(1) as f64;
    format!(
        "{} histories, {} simulated minutes, {} calls, {} processes ended, {} stood still; \
         {} broken; {per:.1} ms a history on one core",
        count(all.seeds),
        count(all.minutes.unsigned_abs()),
        count(all.calls),
        count(all.kills),
        count(all.freezes),
        all.broken.len()
    )
}

fn run(run: &Run) -> Result<()> {
    if let Some(folder) = run.kept.parent() {
        fs::create_dir_all(folder)?;
    }
    let before = kept(&run.kept)?;
    let done: BTreeSet<u64> = before.iter().map(|piece| piece.from).collect();
    let first = run.from / PIECE * PIECE;
    let pieces: Vec<u64> = (first..run.from + run.seeds)
        .step_by(usize::try_from(PIECE)?)
        .filter(|from| !done.contains(from))
        .collect();
    let file = OpenOptions::new().create(true).append(true).open(&run.kept)?;
    let (file, next, began) = (Mutex::new(file), AtomicU64::new(0), Instant::now());
    let played = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..run.threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let piece = usize::try_from(at).ok().and_then(|at| pieces.get(at));
                    let Some(from) = piece else { break };
                    let tally = Tally::of(*from, PIECE);
                    let line = serde_json::to_string(&tally).unwrap_or_default();
                    if let Ok(mut file) = file.lock() {
                        let _ = writeln!(file, "{line}");
                    }
                    for (seed, text) in &tally.broken {
                        println!("✖ seed {seed}: {text}");
                    }
                    let all = played.fetch_add(PIECE, Ordering::Relaxed) + PIECE;
                    if at % 20 == 0 {
                        let rate = all as f64 / began.elapsed().as_secs_f64();
                        let of = pieces.len() as u64 * PIECE;
                        eprintln!("• {all} of {of} histories, {rate:.0} a second");
                    }
                }
            });
        }
    });
    let mut mine = kept(&run.kept)?;
    mine.retain(|piece| piece.from >= first && piece.from < run.from + run.seeds);
    let all = sum(&mine);
    println!("{}", headline(&all));
    let unreached = if all.seeds >= COVERED_WITHIN { all.unreached() } else { Vec::new() };
    for (call, fate, stand) in &unreached {
        println!("✖ not reached: {}, {}, {}", call.name(), fate.name(), stand.name());
    }
    if !unreached.is_empty() {
        bail!("{} cells that are possible were not reached", unreached.len());
    }
    if !all.broken.is_empty() {
        bail!("{} histories broke an invariant; `survive story SEED` tells one", all.broken.len());
    }
    Ok(())
}

fn tell(asked: &Story) -> Result<()> {
    if let Some(name) = &asked.planted {
        plant(name)?;
    }
    let plan = Plan::of(asked.seed);
    let played = play(&plan, true);
    let Some(broken) = played.broken.as_ref().filter(|_| !asked.whole) else {
        print!("{}{}", outline(&plan), story(&played, asked.lines));
        return Ok(());
    };
    let (short, played) = shrink(&plan, broken);
    print!("{}{}", outline(&short), story(&played, asked.lines));
    Ok(())
}

#[cfg(not(feature = "planted"))]
fn plant(_: &str) -> Result<()> {
    bail!("this build has no planted defects: build with `--features survive/planted`")
}

#[cfg(feature = "planted")]
fn plant(name: &str) -> Result<()> {
    rollout_controller::planted::plant(Some(defect(name)?));
    Ok(())
}

#[cfg(feature = "planted")]
fn defect(name: &str) -> Result<rollout_controller::planted::Defect> {
    use rollout_controller::planted::Defect;
    let found = Defect::ALL.iter().find(|defect| format!("{defect:?}") == name);
    found.copied().with_context(|| format!("no planted defect is called {name}"))
}

#[cfg(not(feature = "planted"))]
fn gate(_: &Gate) -> Result<()> {
    plant("")
}

#[cfg(feature = "planted")]
fn gate(gate: &Gate) -> Result<()> {
    use rollout_controller::planted::Defect;
    use survive::gate::{Found, look_for};
    let mut wanted: Vec<Defect> = gate.defects.iter().map(|n| defect(n)).collect::<Result<_>>()?;
    if wanted.is_empty() {
        wanted = Defect::ALL.to_vec();
    }
    let (next, found) = (AtomicU64::new(0), Mutex::new(Vec::<Found>::new()));
    std::thread::scope(|scope| {
        for _ in 0..gate.threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let defect = usize::try_from(at).ok().and_then(|at| wanted.get(at));
                    let Some(defect) = defect else { break };
                    let came = look_for(*defect, gate.from, gate.seeds);
                    eprintln!("• {defect:?}: {:?}", came.by);
                    if let Ok(mut found) = found.lock() {
                        found.push(came);
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|found| found.defect);
    println!("| planted defect | file | noticed by | seeds |\n|---|---|---|---:|");
    let mut missed = 0;
    for Found { defect, by } in &found {
        let (seeds, noticed) = match by {
            Some((seeds, invariant)) => (seeds.to_string(), format!("{invariant:?}")),
            None => (format!("not in {}", gate.seeds), "–".to_owned()),
        };
        missed += usize::from(by.is_none());
        println!("| {} | `{}` | {noticed} | {seeds} |", defect.what(), defect.file());
    }
    println!("\n{} of {} found", found.len() - missed, found.len());
    if missed > 0 {
        bail!("{missed} planted defects were not found");
    }
    Ok(())
}

#[cfg(not(feature = "planted"))]
fn safeguards(_: &Protocol) -> Result<()> {
    plant("")
}

#[cfg(feature = "planted")]
fn safeguards(asked: &Protocol) -> Result<()> {
    println!(
        "| without it | scenario | noticed by | states | steps of the way |\n|---|---|---|---:|---:|"
    );
    let mut held = 0;
    for (defect, name) in protocol::SAFEGUARDS {
        let came = protocol::without(*defect, name, asked.states, asked.threads);
        let (noticed, steps) = match &came.broken {
            Some((broken, _)) => (format!("{:?}", broken.invariant), came.longest.to_string()),
            None => ("–".to_owned(), "–".to_owned()),
        };
        held += usize::from(came.broken.is_none());
        let states = count(came.states);
        println!("| {} | {name} | {noticed} | {states} | {steps} |", defect.what());
    }
    if held > 0 {
        bail!("{held} safeguards can go without anything going wrong");
    }
    Ok(())
}

/// How often a long search says how far it is.
const OFTEN: Duration = Duration::from_secs(10);

fn protocol(asked: &Protocol) -> Result<()> {
    if asked.safeguards {
        return safeguards(asked);
    }
    println!(
        "| scenario | deaths | faults | writes | delays | states | steps | ends | longest | ms a step |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    let mut wrong = 0;
    for scenario in protocol::scenarios() {
        if asked.only.as_ref().is_some_and(|only| !scenario.name.contains(only.as_str())) {
            continue;
        }
        let began = Instant::now();
        let said = Cell::new(began);
        let watch = |so_far: &Explored| {
            if said.get().elapsed() >= OFTEN {
                said.set(Instant::now());
                let (states, open) = (count(so_far.states), count(so_far.open));
                eprintln!("• {}: {states} states, {open} of them open", scenario.name);
            }
        };
        let came = protocol::explore(&scenario, asked.states, asked.threads, &|| (), &watch);
        let ms = began.elapsed().as_secs_f64() * 1000.0 * asked.threads as f64;
        println!(
            "| {} | {} | {} | {} | {} | {}{} | {} | {} | {} | {:.2} |",
            scenario.name,
            scenario.deaths,
            scenario.faults,
            scenario.writes,
            scenario.delays,
            count(came.states),
            if came.whole { "" } else { ", not all" },
            count(came.steps),
            count(came.ends),
            came.longest,
            ms / came.steps.max(1) as f64
        );
        wrong += usize::from(came.broken.is_some() || !came.whole);
        if let Some((broken, told)) = &came.broken {
            println!("\n✖ {:?}: {}", broken.invariant, broken.text);
            let first_ms = told.first().map_or(0, |(at_ms, _)| *at_ms);
            for (at_ms, line) in told {
                println!("  {:>8.3} s  {line}", (at_ms - first_ms) as f64 / 1000.0);
            }
            println!();
        }
    }
    if wrong > 0 {
        bail!("{wrong} scenarios break an invariant or were not explored whole");
    }
    Ok(())
}
