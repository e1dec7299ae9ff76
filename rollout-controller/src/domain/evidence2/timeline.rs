//! Minutes that arrive late or change: judged again as if read so at first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::domain::minute::Minute;

use super::engine::{Engine, Evidence, FoldError};
use super::reading::Reading;

/// A minute is read again until it is this old, in minutes: one call of
/// `GetMetricData` reads them all.
const REREAD: i64 = 12;
/// What arrives later than this is lost: what ended hours ago hurts no user now.
const LATE: i64 = 180;
/// Readings of a minute that are taken while it is young, so that counts which
/// trickle in do not fill the journal; the one at its last look always counts.
const MOST_REVISIONS: u8 = 3;
/// Minutes over which it is noted how often metrics were not final at first.
const NOTED: i64 = 60;

/// The evidence, and as much of the past as may still change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Everything that cannot change any more.
    settled: Evidence,
    /// What came after it, in the order of arrival.
    recent: VecDeque<Entry>,
    /// Both together.
    now: Evidence,
    /// Minutes that settled without being known.
    unknown: Vec<Unknown>,
    /// Minutes of the last hour that were not final when they were read first.
    unsteady: Vec<Minute>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    Minute { reading: Reading, revisions: u8 },
    Late { reading: Reading, known_before: Vec<bool>, entry: bool },
    Lost { through: Minute },
    NewCode { from: Minute },
}

/// A minute that settled without being known, and what is needed to bet on it
/// when it arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unknown {
    minute: Minute,
    known: Vec<bool>,
    entry: bool,
}

/// What came of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The next minute.
    New,
    /// A young minute was other than first read; everything since was folded again.
    Revised,
    /// A minute that was not known arrived after its last look.
    Late,
    /// Nothing new in it, or too late to count.
    Ignored,
}

impl Timeline {
    /// At the start of a rollout.
    pub fn start(engine: &Engine) -> Self {
        let settled = engine.start();
        let now = settled.clone();
        let (recent, unknown, unsteady) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { settled, recent, now, unknown, unsteady }
    }

    /// The evidence as it is now.
    pub const fn evidence(&self) -> &Evidence {
        &self.now
    }

    /// Minutes of the last hour that were not known, or changed, after they were
    /// first read. From 4 on the metrics need a longer lag.
    pub fn unsteady_minutes(&self) -> usize {
        self.unsteady.len()
    }

    /// Minutes worth reading again: those that may still change, and the unknown
    /// ones that may still arrive.
    pub fn rereadable(&self) -> impl Iterator<Item = Minute> {
        let young = self.recent.iter().filter_map(|entry| match entry {
            Entry::Minute { reading, .. } => Some(reading.minute),
            Entry::Late { .. } | Entry::Lost { .. } | Entry::NewCode { .. } => None,
        });
        self.unknown.iter().map(|unknown| unknown.minute).chain(young)
    }

    /// Takes a reading of any minute: the next one, one read before, one long due.
    ///
    /// # Errors
    /// [`FoldError`]; nothing is changed then.
    pub fn read(&mut self, engine: &Engine, reading: Reading) -> Result<Read, FoldError> {
        let newest = self.now.newest_minute();
        if newest.is_none_or(|newest| reading.minute > newest) {
            return self.read_next(engine, reading);
        }
        let age = newest.map_or(0, |newest| newest.since(reading.minute));
        let young = self.recent.iter().position(|entry| match entry {
            Entry::Minute { reading: known, .. } => known.minute == reading.minute,
            Entry::Late { .. } | Entry::Lost { .. } | Entry::NewCode { .. } => false,
        });
        if let Some(at) = young {
            return self.revise(engine, at, reading, age);
        }
        let unknown = self.unknown.iter().position(|u| u.minute == reading.minute);
        match unknown {
            Some(at) if age <= LATE && reading.is_complete() => {
                engine.fits(&self.now, &reading)?;
                let Unknown { known, entry, .. } = self.unknown.remove(at);
                self.push(engine, Entry::Late { reading, known_before: known, entry })?;
                Ok(Read::Late)
            }
            Some(_) | None => Ok(Read::Ignored),
        }
    }

    /// New code runs on a side; see [`Engine::restart_proof`].
    pub fn restart_proof(&mut self, engine: &Engine, from: Minute) {
        // Cannot fail: only readings are checked.
        let _ = self.push(engine, Entry::NewCode { from });
    }

    /// Everything up to this minute is lost; see [`Engine::fold_lost`].
    pub fn lose(&mut self, engine: &Engine, through: Minute) {
        let _ = self.push(engine, Entry::Lost { through });
        self.settle(engine);
    }

    fn read_next(&mut self, engine: &Engine, reading: Reading) -> Result<Read, FoldError> {
        let minute = reading.minute;
        let complete = reading.is_complete();
        self.push(engine, Entry::Minute { reading, revisions: 0 })?;
        self.unsteady.retain(|noted| minute.since(*noted) < NOTED);
        if !complete {
            self.unsteady.push(minute);
        }
        self.settle(engine);
        Ok(Read::New)
    }

    fn push(&mut self, engine: &Engine, entry: Entry) -> Result<(), FoldError> {
        entry.fold(engine, &mut self.now)?;
        self.recent.push_back(entry);
        Ok(())
    }

    fn revise(
        &mut self,
        engine: &Engine,
        at: usize,
        reading: Reading,
        age: i64,
    ) -> Result<Read, FoldError> {
        engine.fits(&self.now, &reading)?;
        let Entry::Minute { reading: before, revisions } = &mut self.recent[at] else {
            return Ok(Read::Ignored);
        };
        let reading = reading.or_as_read_before(before);
        let last_look = age + 1 >= REREAD;
        if reading == *before || (*revisions >= MOST_REVISIONS && !last_look) {
            return Ok(Read::Ignored);
        }
        let minute = reading.minute;
        *before = reading;
        *revisions = revisions.saturating_add(1);
        if !self.unsteady.contains(&minute) {
            self.unsteady.push(minute);
        }
        let latched = self.now.rolled_back;
        let mut now = self.settled.clone();
        for entry in &self.recent {
            entry.fold(engine, &mut now)?;
        }
        now.keep_rollback(latched);
        self.now = now;
        Ok(Read::Revised)
    }

    /// Folds what cannot change any more.
    fn settle(&mut self, engine: &Engine) {
        let Some(newest) = self.now.newest_minute() else { return };
        while let Some(entry) = self.recent.front() {
            if let Entry::Minute { reading, .. } = entry {
                if newest.since(reading.minute) < REREAD {
                    break;
                }
                if !reading.is_complete() {
                    let (minute, known) = (reading.minute, reading.known());
                    let entry = self.settled.begins_stage(reading.share);
                    self.unknown.push(Unknown { minute, known, entry });
                }
            }
            if entry.fold(engine, &mut self.settled).is_err() {
                // It was folded before, so it fits.
                break;
            }
            self.recent.pop_front();
        }
        self.settled.keep_rollback(self.now.rolled_back);
        self.unknown.retain(|unknown| newest.since(unknown.minute) <= LATE);
    }
}

impl Entry {
    fn fold(&self, engine: &Engine, evidence: &mut Evidence) -> Result<(), FoldError> {
        match self {
            Self::Minute { reading, .. } => engine.fold(evidence, reading),
            Self::Late { reading, known_before, entry } => {
                engine.fold_late(evidence, reading, known_before, *entry)
            }
            Self::Lost { through } => {
                engine.fold_lost(evidence, *through);
                Ok(())
            }
            Self::NewCode { from } => {
                engine.restart_proof(evidence, *from);
                Ok(())
            }
        }
    }
}
