//! What two sides did with one request, compared as clients and as other readers of the
//! tables see it.

use std::fmt;

use answers::{Answer, Comparer, Rules, Show};
use local_cloud::parity::cases::Step;
use local_cloud::parity::compare::{self as recorded, Via};

/// Kind of what differs in the tables.
pub const ROWS: &str = "rows";

/// One difference of two sides at one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which request of the case, from 0.
    pub step: usize,
    /// `status`, `number`, `missing`, …, or `envelope`, `rows`.
    pub kind: &'static str,
    /// A member of the body, a header, a part of the envelope, or a table.
    pub place: String,
    /// What the other side has there, and Rust.
    pub values: [Option<String>; 2],
}

impl Difference {
    /// Whether both are the same fault, as far as that can be seen.
    pub fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.place == other.place
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, kind, place, values } = self;
        let [other, rust] = values.each_ref().map(|value| short(value.as_deref()));
        write!(out, "request {}: {kind} {place}: {other}; Rust: {rust}", step + 1)
    }
}

/// Values are made up and may be shown, but a row is longer than a line.
fn short(value: Option<&str>) -> String {
    const MOST: usize = 60;
    let value = value.unwrap_or("nothing");
    let mut chars = value.chars();
    let start: String = chars.by_ref().take(MOST).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

/// Compares by the rules of live comparison, and rows as the recorded cases are.
#[derive(Debug)]
pub struct Judge {
    comparer: Comparer,
    /// How the other side is asked. HTTP shows no envelope.
    via: Via,
}

impl Judge {
    /// For another side that is asked so.
    pub fn new(via: Via) -> Self {
        let comparer = Comparer::new(&Rules::default()).expect("the default rules make sense");
        Self { comparer, via }
    }

    /// Everything that differs, request by request.
    ///
    /// # Errors
    /// A result that is no answer to a load balancer.
    pub fn compare(&self, other: &[Step], rust: &[Step]) -> anyhow::Result<Vec<Difference>> {
        let mut all = Vec::new();
        for (step, (other, rust)) in other.iter().zip(rust).enumerate() {
            all.extend(self.one(step, other, rust)?);
        }
        Ok(all)
    }

    fn one(&self, step: usize, other: &Step, rust: &Step) -> anyhow::Result<Vec<Difference>> {
        let mut all = Vec::new();
        let read = |step: &Step| Answer::from_alb(step.response.to_string().as_bytes());
        let found = self.comparer.compare(&read(other)?, &read(rust)?, Show::Values);
        for difference in found.differences {
            let [first, second] = difference.values.unwrap_or_default();
            let some = |text: String| Some(text).filter(|text| !text.is_empty());
            all.push(Difference {
                step,
                kind: difference.kind.name(),
                place: difference.path,
                values: [some(first), some(second)],
            });
        }
        if self.via == Via::Event {
            let found = recorded::envelopes(other, &rust.response);
            all.extend(found.into_iter().map(|found| Difference {
                step,
                kind: "envelope",
                place: found.what,
                values: [found.expected, found.found],
            }));
        }
        let found = recorded::changes_differ(other, &rust.writes, self.via);
        all.extend(found.into_iter().map(|found| Difference {
            step,
            kind: ROWS,
            place: found.what,
            values: [found.expected, found.found],
        }));
        Ok(all)
    }
}
