//! The hunt: case by case, until there are no more or enough is found.

use std::collections::{BTreeMap, BTreeSet};

use local_cloud::LocalCloud;
use local_cloud::parity::cases::Step;
use local_cloud::parity::compare::Via;

use crate::compare::{Difference, Judge};
use crate::found::Found;
use crate::known::Known;
use crate::shrink;
use crate::side::{Side, is_http};
use crate::wallets::{Case, Issuers, PLAIN};

/// Both sides, and what is known of the other one.
#[derive(Debug)]
pub struct Hunt {
    /// Where functions run.
    pub cloud: LocalCloud,
    /// The other implementation.
    pub other: Side,
    /// Ours.
    pub rust: Side,
    /// What the other one leaves out.
    pub known: &'static [Known],
    /// Whether a case for nullifiers of version 0 alone can be asked.
    pub single: bool,
}

/// Which cases.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each with as many cases.
    pub seeds: Vec<u64>,
    /// Number of the first case.
    pub from: u64,
    /// How many of each seed.
    pub cases: u64,
    /// Different differences after which the hunt ends.
    pub most: usize,
}

/// What came of a hunt.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Cases that were played.
    pub cases: u64,
    /// Requests in them, asked of both sides.
    pub requests: usize,
    /// Cases that differ, those with a difference that was found before among them.
    pub different: u64,
    /// Cases whose difference is gone without something that is left out on purpose.
    pub known: BTreeMap<&'static str, u64>,
    /// Every difference once, as small as it goes.
    pub found: Vec<Found>,
}

impl Hunt {
    /// Plays the cases; `each` sees every small case as it is found.
    ///
    /// # Errors
    /// If a side or its database cannot be reached.
    pub async fn run(
        &mut self,
        plan: &Plan,
        mut each: impl FnMut(&Found),
    ) -> anyhow::Result<Outcome> {
        let (judge, issuers) = (Judge::new(self.other.via()), Issuers::new());
        let mut outcome = Outcome::default();
        let mut seen: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for seed in &plan.seeds {
            for number in plan.from..plan.from.saturating_add(plan.cases) {
                let case = self.fitting(Case::new(*seed, number));
                let played = self.play(&judge, &issuers, &case).await?;
                outcome.cases += 1;
                outcome.requests += case.asks.len();
                if played.differences.is_empty() {
                    continue;
                }
                let (case, played) = match self.unexplained(&judge, &issuers, case, played).await? {
                    Explained::By(name) => {
                        *outcome.known.entry(name).or_default() += 1;
                        continue;
                    }
                    Explained::Not(case, played) => (case, played),
                };
                outcome.different += 1;
                // A case may show several faults; each that is new is shrunk by itself.
                for difference in &played.differences {
                    let key = (difference.kind, difference.place.clone());
                    if seen.contains(&key) {
                        continue;
                    }
                    let found = self.shrink(&judge, &issuers, &case, difference).await?;
                    // What comes with it is the same fault.
                    let all = found.differences.iter();
                    seen.extend(all.map(|one| (one.kind, one.place.clone())));
                    seen.insert(key);
                    each(&found);
                    outcome.found.push(found);
                    if outcome.found.len() >= plan.most {
                        return Ok(outcome);
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// The case as the other side can be asked for it.
    fn fitting(&self, mut case: Case) -> Case {
        case.multi |= !self.single;
        if self.other.via() == Via::LoadBalancer && !is_http(&case) {
            case.spelling = PLAIN;
        }
        case
    }

    async fn play(
        &mut self,
        judge: &Judge,
        issuers: &Issuers,
        case: &Case,
    ) -> anyhow::Result<Played> {
        let Self { cloud, other, rust, .. } = self;
        let (other, rust) =
            tokio::join!(other.play(cloud, issuers, case), rust.play(cloud, issuers, case));
        let (other, rust) = (other?, rust?);
        let differences = judge.compare(&other, &rust)?;
        Ok(Played { other, rust, differences })
    }

    /// Takes what is left out on purpose from the case, as far as that explains it.
    async fn unexplained(
        &mut self,
        judge: &Judge,
        issuers: &Issuers,
        mut case: Case,
        mut played: Played,
    ) -> anyhow::Result<Explained> {
        for known in self.known {
            let Some(without) = known.without(&case) else { continue };
            let again = self.play(judge, issuers, &without).await?;
            if again.differences.is_empty() {
                return Ok(Explained::By(known.name));
            }
            (case, played) = (without, again);
        }
        Ok(Explained::Not(case, played))
    }

    /// Makes the case smaller as long as it shows this difference.
    async fn shrink(
        &mut self,
        judge: &Judge,
        issuers: &Issuers,
        case: &Case,
        wanted: &Difference,
    ) -> anyhow::Result<Found> {
        let whole = case.clone();
        let mut smallest = case.clone();
        let mut shown = self.play(judge, issuers, &smallest).await?;
        'smaller: loop {
            for candidate in shrink::smaller(&smallest) {
                if self.fitting(candidate.clone()) != candidate {
                    continue;
                }
                let played = self.play(judge, issuers, &candidate).await?;
                if played.differences.iter().any(|found| found.is_like(wanted)) {
                    (smallest, shown) = (candidate, played);
                    continue 'smaller;
                }
            }
            break;
        }
        let Played { other, rust, differences } = shown;
        // As it is in the small case: at another request, with other values.
        let same = differences.iter().find(|found| found.is_like(wanted)).unwrap_or(wanted);
        Ok(Found { whole, case: smallest, other, rust, shows: same.clone(), differences })
    }
}

struct Played {
    other: Vec<Step>,
    rust: Vec<Step>,
    differences: Vec<Difference>,
}

enum Explained {
    By(&'static str),
    Not(Case, Played),
}
