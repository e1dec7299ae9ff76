//! What many histories came to, kept in pieces so that a long run can be resumed.

use crate::fate::{Call, Fate, Stand, absent, impossible};
use crate::plan::Plan;
use crate::play::play;
use rollout_controller::domain::figures::count;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// Histories from one seed on, and what they came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Simulated minutes.
    pub minutes: i64,
    /// Calls that were made.
    pub calls: u64,
    /// Processes that were ended.
    pub kills: u64,
    /// Processes that stood still.
    pub freezes: u64,
    /// Seeds that broke an invariant, and which.
    pub broken: Vec<(u64, String)>,
    /// Milliseconds of one core.
    pub millis: u64,
    /// Cells by the positions of call, fate and stand.
    pub cells: BTreeMap<String, u64>,
}

impl Tally {
    /// Plays these seeds.
    pub fn of(from: u64, seeds: u64) -> Self {
        let began = Instant::now();
        let mut tally = Self { from, seeds, ..Self::default() };
        for seed in from..from + seeds {
            let played = play(&Plan::of(seed), false);
            tally.minutes += played.minutes;
            tally.calls += played.calls;
            tally.kills += played.kills;
            tally.freezes += played.freezes;
            if let Some(broken) = played.broken {
                let text = format!("{:?}: {}", broken.invariant, broken.text);
                tally.broken.push((seed, text));
            }
            for (cell, count) in &played.cells {
                *tally.cells.entry(key(*cell)).or_insert(0) += count;
            }
        }
        tally.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tally
    }

    /// Takes in another piece.
    pub fn add(&mut self, other: &Self) {
        self.from = self.from.min(other.from);
        self.seeds += other.seeds;
        self.minutes += other.minutes;
        self.calls += other.calls;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.millis += other.millis;
        self.broken.extend(other.broken.iter().cloned());
        for (cell, count) in &other.cells {
            *self.cells.entry(cell.clone()).or_insert(0) += count;
        }
    }

    /// How often a cell was reached.
    pub fn cell(&self, call: Call, fate: Fate, stand: Stand) -> u64 {
        self.cells.get(&key((call, fate, stand))).copied().unwrap_or(0)
    }

    /// Cells that are possible and were not reached.
    pub fn unreached(&self) -> Vec<(Call, Fate, Stand)> {
        let all = Call::ALL.into_iter().flat_map(|call| {
            Fate::ALL.into_iter().flat_map(move |fate| Stand::ALL.map(|stand| (call, fate, stand)))
        });
        all.filter(|(call, fate, stand)| {
            impossible(*call, *fate).is_none()
                && absent(*call, *stand).is_none()
                && self.cell(*call, *fate, *stand) == 0
        })
        .collect()
    }

    /// Faults by kind, as a table.
    pub fn faults(&self) -> String {
        let mut text = table_head(&Fate::ALL.map(Fate::name));
        for call in Call::ALL {
            text.push_str(&format!("\n| {} |", call.name()));
            for fate in Fate::ALL {
                let all: u64 = Stand::ALL.iter().map(|s| self.cell(call, fate, *s)).sum();
                match impossible(call, fate) {
                    Some(_) => text.push_str(" – |"),
                    None => text.push_str(&format!(" {} |", count(all))),
                }
            }
        }
        text.push('\n');
        text
    }

    /// For each call and where the rollout stood: how many of its possible fates came
    /// up, and the rarest of them.
    pub fn coverage(&self) -> String {
        let mut text = table_head(&Stand::ALL.map(Stand::name));
        for call in Call::ALL {
            text.push_str(&format!("\n| {} |", call.name()));
            for stand in Stand::ALL {
                if absent(call, stand).is_some() {
                    text.push_str(" – |");
                    continue;
                }
                let fates = Fate::ALL.iter().filter(|fate| impossible(call, **fate).is_none());
                let counts: Vec<u64> = fates.map(|fate| self.cell(call, *fate, stand)).collect();
                let reached = counts.iter().filter(|count| **count > 0).count();
                let rarest = count(counts.iter().min().copied().unwrap_or(0));
                text.push_str(&format!(" {reached}/{}, {rarest} |", counts.len()));
            }
        }
        text.push_str("\n\nImpossible:\n\n");
        for call in Call::ALL {
            for fate in Fate::FAULTS {
                if let Some(why) = impossible(call, fate) {
                    text.push_str(&format!("- {}, {}: {why}\n", call.name(), fate.name()));
                }
            }
            for stand in Stand::ALL {
                if let Some(why) = absent(call, stand) {
                    text.push_str(&format!("- {}, {}: {why}\n", call.name(), stand.name()));
                }
            }
        }
        text
    }
}

/// The first two lines of a table whose rows are calls.
fn table_head(columns: &[&str]) -> String {
    let rule = "---:|".repeat(columns.len());
    format!("| call | {} |\n|---|{rule}", columns.join(" | "))
}

fn key((call, fate, stand): (Call, Fate, Stand)) -> String {
    format!("{}/{}/{}", call.name(), fate.name(), stand.name())
}
