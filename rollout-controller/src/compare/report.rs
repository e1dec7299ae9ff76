//! What the comparison found, for people and for programs.

use super::requests::Requests;
use super::{Outcome, Side};
use answers::{Difference, Kind, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `schema` of [`Report`].
pub const SCHEMA: &str = "rollout-compare/1";

/// Examples of each way to differ.
const EXAMPLES: usize = 3;

/// What `rolloutctl compare --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Form of this object; changes when a reader would break.
    pub schema: String,
    /// Different requests of the input. Each was sent twice plain and once forced.
    pub requests: usize,
    /// Requests to which both sides answered.
    pub compared: usize,
    /// Requests to which Rust answered differently.
    pub different: usize,
    /// Requests to which Python's own two answers differ. What they differ in does not
    /// count as a difference of that request.
    pub unsteady: usize,
    /// Requests that the key's rate limit refused; not compared.
    pub limited: usize,
    /// Requests without an answer of the service; not compared.
    pub unanswered: usize,
    /// Why requests have no answer: how many of each reason.
    pub reasons: BTreeMap<String, usize>,
    /// Entries of the input that were left out: no GET request.
    pub skipped: usize,
    /// Seed of the order in which the sides were asked; the same seed repeats it.
    pub seed: u64,
    /// How Rust's answers differ, most requests first.
    pub findings: Vec<Finding>,
    /// What Python's own answers differ in.
    pub own: Vec<Finding>,
    /// Differences beyond the number that is listed for one request.
    pub unlisted: usize,
}

/// One way to differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What kind of difference.
    pub kind: Kind,
    /// Where, with `*` for keys that are data.
    pub path: String,
    /// In how many requests.
    pub requests: usize,
    /// The requests with the smallest answers.
    pub examples: Vec<Example>,
}

/// A request that shows a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// Its line in the input, from 1.
    pub line: usize,
    /// Length of Python's body in bytes.
    pub bytes: usize,
    /// What Python's answer has there.
    pub python: Shape,
    /// What Rust's answer has there.
    pub rust: Shape,
    /// Both values, Python's first; only with `--show`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<[String; 2]>,
    /// Path and query of the request; only with `--show`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Report {
    /// Counts what came of the requests. `with_targets`: also say which they are.
    pub fn of(
        requests: &Requests,
        done: &BTreeMap<usize, Outcome>,
        seed: u64,
        with_targets: bool,
    ) -> Self {
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            requests: requests.asks.len(),
            compared: 0,
            different: 0,
            unsteady: 0,
            limited: 0,
            unanswered: 0,
            reasons: BTreeMap::new(),
            skipped: requests.skipped,
            seed,
            findings: Vec::new(),
            own: Vec::new(),
            unlisted: 0,
        };
        let (mut findings, mut unsteady) = (BTreeMap::new(), BTreeMap::new());
        for (n, outcome) in done {
            let Some(ask) = requests.asks.get(*n) else { continue };
            match outcome {
                Outcome::Compared { own, differences, unlisted, bytes } => {
                    report.compared += 1;
                    report.unlisted += unlisted;
                    report.different += usize::from(!differences.is_empty() || *unlisted > 0);
                    report.unsteady += usize::from(!own.is_empty());
                    let target = with_targets.then(|| ask.target.to_string());
                    let example = |difference: &Difference| Example {
                        line: ask.line,
                        bytes: *bytes,
                        python: difference.first,
                        rust: difference.second,
                        values: difference.values.clone(),
                        target: target.clone(),
                    };
                    collect(&mut findings, differences, example);
                    collect(&mut unsteady, own, example);
                }
                Outcome::Limited => report.limited += 1,
                Outcome::Unanswered { side, why } => {
                    report.unanswered += 1;
                    let side = match side {
                        Side::Python => "Python",
                        Side::Rust => "Rust",
                    };
                    *report.reasons.entry(format!("{side}: {why}")).or_default() += 1;
                }
            }
        }
        report.findings = sorted(findings);
        report.own = sorted(unsteady);
        report
    }

    /// Whether every request was compared and none differs.
    pub fn is_clean(&self) -> bool {
        self.different == 0 && self.compared == self.requests
    }

    /// For a terminal of 80 columns.
    pub fn text(&self) -> String {
        let Self { different, compared, requests, .. } = *self;
        let mut text = if different > 0 {
            format!("✖ Rust answers differently: {different} of {compared} requests.\n")
        } else if self.is_clean() {
            format!("✔ Rust and Python answer {compared} of {requests} requests the same.\n")
        } else {
            format!(
                "✖ Not proven: {compared} of {requests} requests were compared, none differs.\n"
            )
        };
        for finding in &self.findings {
            text.push_str(&finding.text("Python", "Rust"));
        }
        if self.unlisted > 0 {
            text.push_str(&format!("  and {} more differences in such answers\n", self.unlisted));
        }
        if self.unsteady > 0 {
            text.push_str(&format!(
                "• Python answers {} requests differently from itself; not held against Rust:\n",
                self.unsteady
            ));
            for finding in &self.own {
                text.push_str(&finding.text("first", "second"));
            }
        }
        if self.limited > 0 {
            text.push_str(&format!(
                "• {} requests met the key's rate limit. Lower --rate, or use a key without one.\n",
                self.limited
            ));
        }
        for (reason, count) in &self.reasons {
            text.push_str(&format!("• {count} requests without an answer of {reason}\n"));
        }
        if self.skipped > 0 {
            text.push_str(&format!("• {} entries are no GET request: left out.\n", self.skipped));
        }
        text
    }
}

impl Finding {
    fn text(&self, first: &str, second: &str) -> String {
        let plural = if self.requests == 1 { "request" } else { "requests" };
        let mut text = format!("  {} {}: {} {plural}\n", self.kind, self.path, self.requests);
        for example in &self.examples {
            let Example { line, python, rust, .. } = example;
            text.push_str(&format!("    line {line}: {first} {python}, {second} {rust}\n"));
            if let Some([a, b]) = &example.values {
                text.push_str(&format!("      {first} {a}\n      {second} {b}\n"));
            }
            if let Some(target) = &example.target {
                text.push_str(&format!("      {target}\n"));
            }
        }
        text
    }
}

fn collect(
    findings: &mut BTreeMap<(Kind, String), Finding>,
    differences: &[Difference],
    example: impl Fn(&Difference) -> Example,
) {
    for difference in differences {
        let (kind, path) = (difference.kind, difference.path.clone());
        let finding = findings.entry((kind, path.clone())).or_insert_with(|| Finding {
            kind,
            path,
            requests: 0,
            examples: Vec::new(),
        });
        finding.requests += 1;
        finding.examples.push(example(difference));
        finding.examples.sort_by_key(|example| (example.bytes, example.line));
        finding.examples.truncate(EXAMPLES);
    }
}

fn sorted(findings: BTreeMap<(Kind, String), Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings.into_values().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.requests));
    findings
}
