//! The file that describes recordings: settings they share, and for each the
//! decisions on record.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Agreement, Decision, EvidenceConfig, Replay, ReplayError, Slo, Weight};
use crate::domain::minute::Edges;

/// Largest difference of `ln E` that rounding in the file explains.
const LOG_E_TOLERANCE: f64 = 1e-5;

/// What all recordings share.
#[derive(Deserialize)]
pub(super) struct Meta {
    edges_ms: Vec<f64>,
    pub(super) metric_lag_minutes: u32,
    /// Evidence-2's recordings have their own.
    #[serde(default)]
    stages_pct: Option<Vec<f64>>,
    bake_minutes: u32,
    #[serde(default)]
    pub(super) slo: Slo,
    #[serde(default)]
    pub(super) traces: BTreeMap<String, Recorded>,
}

/// What is on record about one recording. Only what is there is compared.
#[derive(Deserialize)]
pub(super) struct Recorded {
    pub(super) rel_edges_ms: Option<RelativeEdgesMs>,
    stages_pct: Option<Vec<f64>>,
    start_pct: Option<f64>,
    expect: Option<Expect>,
    reference_end: Option<String>,
    reference_decisions: Option<Vec<RecordedDecision>>,
}

/// What every right implementation of evidence-2 agrees on.
#[derive(Deserialize)]
struct Expect {
    /// `complete`, `rollback` or `hold`.
    end: String,
    /// The judged minute of that end.
    judged_minute_between: Option<[i64; 2]>,
    /// A sentence that begins with another end that is right, too.
    also_right: Option<String>,
    /// Sentences: an end, `rollback before minute N` or `advance beyond N %`.
    #[serde(default)]
    never: Vec<String>,
}

/// Edges of the comparison of P50, P95 and P99 with the old side.
#[derive(Deserialize)]
pub(super) struct RelativeEdgesMs {
    pub(super) old: [Option<f64>; 3],
    new: [Option<f64>; 3],
}

#[derive(Deserialize)]
struct RecordedDecision {
    minute: i64,
    verdict: String,
    log_e: Option<f64>,
    /// A name, or in evidence-2's recordings a number that nothing depends on.
    lead: Option<serde_json::Value>,
    to: Option<f64>,
}

impl Meta {
    pub(super) fn config(&self) -> Result<EvidenceConfig, ReplayError> {
        let default = EvidenceConfig::default();
        Ok(EvidenceConfig {
            edges_ms: self.edges()?,
            bake_ticks: self.bake_minutes,
            min_gate_ticks: default.min_gate_ticks.min(self.bake_minutes),
            ..default
        })
    }

    pub(super) fn edges(&self) -> Result<Edges, ReplayError> {
        Edges::new(self.edges_ms.clone()).map_err(ReplayError::Edges)
    }

    /// Those of the recording, else those of all.
    pub(super) fn stages(&self, recorded: Option<&Recorded>) -> Result<Vec<Weight>, ReplayError> {
        let refused = |problem: String| ReplayError::Stages { problem };
        let own = recorded.and_then(|recorded| recorded.stages_pct.as_ref());
        let stages: Vec<Weight> = own
            .or(self.stages_pct.as_ref())
            .ok_or_else(|| refused("is missing; list the shares of the stages".to_owned()))?
            .iter()
            .map(|&percent| Weight::from_percent(percent).map_err(ReplayError::Stage))
            .collect::<Result<_, _>>()?;
        for (low, high) in stages.iter().zip(stages.iter().skip(1)) {
            if low >= high {
                return Err(refused(format!("has {high} after {low}; they must rise")));
            }
        }
        if stages.last() != Some(&Weight::FULL) {
            return Err(refused("must end in 100".to_owned()));
        }
        Ok(stages)
    }
}

impl Recorded {
    pub(super) fn is_of_evidence2(&self) -> bool {
        self.expect.is_some()
    }

    /// The share of the first minute.
    pub(super) fn start(&self) -> Option<Result<Weight, ReplayError>> {
        self.start_pct.map(|percent| Weight::from_percent(percent).map_err(ReplayError::Stage))
    }

    /// `None` when nothing is on record.
    pub(super) fn compare(&self, replay: &Replay) -> Option<Agreement> {
        if let Some(expect) = &self.expect {
            let differences = expect.differences(replay);
            return Some(Agreement { agrees: differences.is_empty(), differences });
        }
        let decisions = self.reference_decisions.as_ref()?;
        let mut differences = Vec::new();
        for (at, recorded) in decisions.iter().enumerate() {
            match replay.decisions.get(at) {
                Some(found) => recorded.compare(found, &mut differences),
                None => differences.push(format!(
                    "{} on record at minute {} did not come",
                    recorded.verdict, recorded.minute
                )),
            }
        }
        for found in replay.decisions.iter().skip(decisions.len()) {
            differences
                .push(format!("{} at minute {} is not on record", found.verdict, found.minute));
        }
        self.compare_end(replay, &mut differences);
        self.compare_edges(replay, &mut differences);
        Some(Agreement { agrees: differences.is_empty(), differences })
    }

    fn compare_end(&self, replay: &Replay, differences: &mut Vec<String>) {
        let ended = |name| matches!(name, "complete" | "rollback");
        let found = match replay.end {
            super::End::Complete => "complete",
            super::End::Rollback => "rollback",
            super::End::Running => "running",
        };
        if let Some(recorded) = self.reference_end.as_deref()
            && (ended(recorded) || ended(found))
            && recorded != found
        {
            differences.push(format!("the end is {found}, on record {recorded}"));
        }
    }

    fn compare_edges(&self, replay: &Replay, differences: &mut Vec<String>) {
        let Some(recorded) = &self.rel_edges_ms else {
            return;
        };
        for (q, name) in ["P50", "P95", "P99"].into_iter().enumerate() {
            let recorded = recorded.old[q].zip(recorded.new[q]).map(|(old, new)| [old, new]);
            let found = replay.rel_edges_ms[q];
            let same = match (found, recorded) {
                (Some(found), Some(recorded)) => {
                    found.iter().zip(recorded).all(|(a, b)| (a - b).abs() <= 1e-9 * b)
                }
                (found, recorded) => found.is_none() && recorded.is_none(),
            };
            if !same {
                differences.push(format!("the {name} edges are {found:?}, on record {recorded:?}"));
            }
        }
    }
}

impl Expect {
    fn differences(&self, replay: &Replay) -> Vec<String> {
        let mut differences = Vec::new();
        let last = replay.decisions.last().map(|decision| decision.minute);
        let end = match replay.end {
            super::End::Complete => "complete",
            super::End::Rollback => "rollback",
            super::End::Running => "hold",
        };
        let also = self.also_right.as_deref().unwrap_or_default();
        // At the end of a healthy file a slower engine is right, too.
        let not_yet =
            end == "hold" && (also.starts_with("hold") || also.starts_with("not completed"));
        if !not_yet {
            if end != self.end {
                differences.push(format!("the end is {end}, on record {}", self.end));
            } else if let Some([from, until]) = self.judged_minute_between
                && !last.is_some_and(|minute| (from..=until).contains(&minute))
            {
                let found = last.map_or("none".to_owned(), |minute| minute.to_string());
                differences
                    .push(format!("{end} at minute {found}, on record between {from} and {until}"));
            }
        }
        for never in &self.never {
            if let Some(happened) = happened(never, end, replay) {
                differences.push(format!("{happened}, and on record never: {never}"));
            }
        }
        differences
    }
}

/// What a replay did of what it must not.
fn happened(never: &str, end: &str, replay: &Replay) -> Option<String> {
    let minute = replay.decisions.last().map_or(0, |decision| decision.minute);
    if never == end {
        return Some(format!("{end} at minute {minute}"));
    }
    if let Some(before) = never.strip_prefix("rollback before minute ") {
        let early = before.parse().is_ok_and(|before: i64| minute < before);
        return (end == "rollback" && early).then(|| format!("rollback at minute {minute}"));
    }
    let beyond = never.strip_prefix("advance beyond ")?.strip_suffix(" %")?;
    let beyond: f64 = beyond.parse().ok()?;
    let reached = replay.decisions.iter().map(|decision| decision.to).fold(0.0, f64::max);
    (reached > beyond).then(|| format!("advance to {reached}%"))
}

impl RecordedDecision {
    fn compare(&self, found: &Decision, differences: &mut Vec<String>) {
        let at = |minute: i64, verdict: &str| format!("{verdict} at minute {minute}");
        if self.minute != found.minute || self.verdict != found.verdict {
            let recorded = at(self.minute, &self.verdict);
            differences.push(format!("{}, on record {recorded}", at(found.minute, found.verdict)));
            return;
        }
        let here = at(found.minute, found.verdict);
        if let Some(log_e) = self.log_e
            && (log_e - found.log_e).abs() > LOG_E_TOLERANCE
        {
            differences.push(format!("{here}: ln E is {}, on record {log_e}", found.log_e));
        }
        if let Some(lead) = self.lead.as_ref().and_then(serde_json::Value::as_str)
            && lead != found.lead
        {
            differences.push(format!("{here}: the lead is {}, on record {lead}", found.lead));
        }
        if let Some(to) = self.to
            && (to - found.to).abs() > 1e-9
        {
            differences.push(format!("{here}: the step is to {}%, on record {to}%", found.to));
        }
    }
}
