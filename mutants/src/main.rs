//! Mutation tests: `mutants --help`. `scripts/mutants` runs it.

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use mutants::known;
use mutants::list::{self, Mutant};
use mutants::reach;
use mutants::reasons;
use mutants::try_out::{self, Fate, Step, append_to};
use mutants::weave::{Places, SWITCHES, weave};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// All mutants of the controller in one build, switched at run time.
#[derive(Parser)]
struct Mutants {
    /// What `cargo mutants --list --json` printed.
    #[arg(long)]
    list: PathBuf,
    /// What became of each mutant, a line for each.
    #[arg(long)]
    kept: PathBuf,
    /// What is known of whole files, and why some mutants of theirs are missed: the folder of
    /// `tried.txt` and `reasons.txt`.
    #[arg(long, default_value = "mutants")]
    known: PathBuf,
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Put the mutants into a copy of the workspace.
    Weave {
        /// The workspace.
        #[arg(long)]
        from: PathBuf,
        /// The copy.
        #[arg(long)]
        to: PathBuf,
        /// The crate of the mutants, relative to the workspace.
        #[arg(long)]
        package: PathBuf,
    },
    /// Read what cargo printed about a build of the copy (`--message-format=json`), and
    /// note which mutants the compiler refuses.
    Refuse {
        /// The copy.
        #[arg(long)]
        copy: PathBuf,
    },
    /// Try mutants that were not tried yet, file by file, each on the tests that reach it.
    Try {
        /// What notices them: NAME=COMMAND, or NAME@PATH=COMMAND for those of files with this in
        /// their path only. With `--list` after it a command prints its tests as libtest does.
        #[arg(long = "step", required = true)]
        steps: Vec<String>,
        /// At once.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// At most so many.
        #[arg(long)]
        at_most: Option<usize>,
        /// Those that were missed before, in place of those that were not tried.
        #[arg(long)]
        again: bool,
        /// Where to keep which tests reach which mutants, for the same build.
        #[arg(long)]
        reach: PathBuf,
    },
    /// Print what became of them.
    Table,
}

fn main() -> Result<()> {
    let Mutants { list, kept, known, part } = Mutants::parse();
    let mutants = list::read(&list)?;
    let tried = try_out::tried(&kept)?;
    let path = known.join("tried.txt");
    let mut files = known::read(&path)?;
    match part {
        Part::Weave { from, to, package } => {
            weave_all(&mutants, &tried, &kept, &Trees { from, to, package })
        }
        Part::Refuse { copy } => refuse(&mutants, &kept, &copy),
        Part::Try { steps, threads, at_most, again, reach } => {
            let steps = steps.iter().map(|step| {
                let (name, command) = step.split_once('=').context("a step is NAME=COMMAND")?;
                let (name, only) = match name.split_once('@') {
                    Some((name, only)) => (name, Some(only.to_owned())),
                    None => (name, None),
                };
                Ok(Step { name: name.to_owned(), only, command: command.to_owned() })
            });
            let steps: Vec<Step> = steps.collect::<Result<_>>()?;
            let tests = reach::reach(&steps, threads, &reach)?;
            let mut left = known::left(&files, &mutants, &tried, again);
            left.truncate(at_most.unwrap_or(usize::MAX));
            try_out::try_all(&left, &steps, &tests, threads, &kept)?;
            known::update(&mut files, &mutants, &try_out::tried(&kept)?, &path)
        }
        Part::Table => {
            let reasons = reasons::read(&known.join("reasons.txt"))?;
            known::update(&mut files, &mutants, &tried, &path)?;
            print!("{}", known::table(&files, &mutants, &tried, &reasons));
            for key in reasons::of_no_mutant(&reasons, &mutants) {
                println!("a reason for no mutant: {key}");
            }
            Ok(())
        }
    }
}

/// Names of functions that are called while the code is built, a line for each: in the copy.
const CALLED_IN_CONST: &str = "called-in-const.txt";

struct Trees {
    from: PathBuf,
    to: PathBuf,
    package: PathBuf,
}

fn weave_all(
    mutants: &[Mutant],
    tried: &BTreeMap<String, Fate>,
    kept: &Path,
    trees: &Trees,
) -> Result<()> {
    let mut files: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        let of_file = files.entry(&mutant.file).or_default();
        if tried.get(&mutant.name) != Some(&Fate::DoesNotBuild) {
            of_file.push(mutant);
        }
    }
    let called_in_const = fs::read_to_string(trees.to.join(CALLED_IN_CONST)).unwrap_or_default();
    let called_in_const = called_in_const.lines().map(str::to_owned).collect();
    let mut places: BTreeMap<PathBuf, Places> = BTreeMap::new();
    let (mut left_out, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for (file, mutants) in files {
        let path = trees.from.join(file);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let woven = weave(&text, &mutants, &called_in_const)
            .with_context(|| format!("{}", path.display()))?;
        fs::write(trees.to.join(file), woven.text)?;
        places.insert(file.to_owned(), woven.places);
        left_out.extend(woven.left_out);
        refused.extend(woven.refused);
    }
    let src = trees.package.join("src");
    fs::write(trees.to.join(&src).join("mutant.rs"), SWITCHES)?;
    let lib = src.join("lib.rs");
    let text = fs::read_to_string(trees.from.join(&lib))?;
    fs::write(trees.to.join(&lib), format!("{text}\npub mod mutant;\n"))?;
    fs::write(trees.to.join("places.json"), serde_json::to_string(&places)?)?;
    note(mutants, kept, &left_out, &Fate::LeftOut)?;
    note(mutants, kept, &refused, &Fate::DoesNotBuild)
}

/// Notes the same fate of several.
fn note(mutants: &[Mutant], kept: &Path, ids: &BTreeSet<u32>, fate: &Fate) -> Result<()> {
    let tried = try_out::tried(kept)?;
    let mut file = append_to(kept)?;
    for mutant in mutants.iter().filter(|mutant| ids.contains(&mutant.id)) {
        if tried.get(&mutant.name) != Some(fate) {
            try_out::keep(&mut file, mutant, fate, None)?;
        }
    }
    Ok(())
}

/// What cargo prints, as far as it matters here.
#[derive(Deserialize)]
struct Printed {
    message: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: Option<Code>,
    message: String,
    level: String,
    rendered: Option<String>,
    spans: Vec<Spot>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Spot {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

/// Of a macro.
#[derive(Deserialize)]
struct Expansion {
    span: Spot,
}

impl Spot {
    /// Where it stands in the text that a person wrote.
    fn written(&self) -> &Self {
        self.expansion.as_ref().map_or(self, |expansion| expansion.span.written())
    }
}

fn refuse(mutants: &[Mutant], kept: &Path, copy: &Path) -> Result<()> {
    let places = fs::read_to_string(copy.join("places.json"))?;
    let places: BTreeMap<PathBuf, Places> = serde_json::from_str(&places)?;
    let (mut refused, mut called) = (BTreeSet::new(), BTreeSet::new());
    let mut unexplained = Vec::new();
    for line in io::stdin().lines() {
        let Ok(Printed { message: Some(message) }) = serde_json::from_str(&line?) else { continue };
        if message.level != "error" || message.spans.is_empty() {
            continue;
        }
        // A call of a function that is not `const`, where one has to be.
        if message.code.as_ref().is_some_and(|code| code.code == "E0015") {
            let name = message.message.split('`').nth(1).and_then(|path| path.rsplit("::").next());
            called.insert(name.unwrap_or_default().to_owned());
            continue;
        }
        let mut hit = BTreeSet::new();
        for primary in [true, false] {
            for spot in message.spans.iter().filter(|spot| spot.is_primary == primary) {
                let spot = spot.written();
                let here = places.get(&spot.file_name).into_iter().flatten();
                let around = here.filter(|(_, range)| {
                    range.start <= spot.byte_start && spot.byte_end <= range.end
                });
                hit.extend(around.map(|(id, _)| *id));
            }
            if !hit.is_empty() {
                break;
            }
        }
        if hit.is_empty() {
            unexplained.push(message.rendered.unwrap_or_default());
        }
        refused.extend(hit);
    }
    // What is wrong elsewhere may follow from these.
    if refused.is_empty() && called.is_empty() {
        bail!("the build failed, and not by a mutant:\n{}", unexplained.concat());
    }
    eprintln!("• {} mutants do not compile, {} functions stay const", refused.len(), called.len());
    let mut file = append_to(&copy.join(CALLED_IN_CONST))?;
    for name in called {
        writeln!(file, "{name}")?;
    }
    note(mutants, kept, &refused, &Fate::DoesNotBuild)
}
