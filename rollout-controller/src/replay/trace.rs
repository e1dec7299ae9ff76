//! Reading a recording: one line a minute and side.

use std::collections::BTreeMap;

use super::ReplayError;
use crate::domain::minute::{CommittedMinute, Histogram, Minute, SideCounts};
use crate::domain::weight::Weight;

const LEADING: [&str; 6] =
    ["minute", "side", "weight_pct", "requests", "errors", "latency_samples"];

/// A recording in order: minutes before 0 are the old side's history.
pub(super) struct Trace {
    pub(super) history: Vec<CommittedMinute>,
    pub(super) rollout: Vec<CommittedMinute>,
    /// The newest minute recorded.
    pub(super) last_minute: Minute,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

struct Row {
    minute: i64,
    side: Side,
    weight: Weight,
    counts: SideCounts,
}

/// A minute with the sides recorded so far.
struct Gathered {
    weight: Weight,
    old: Option<SideCounts>,
    new: Option<SideCounts>,
}

impl Trace {
    /// Reads the text of a CSV file whose latencies are in so many buckets.
    pub(super) fn parse(text: &str, buckets: usize) -> Result<Self, ReplayError> {
        let mut lines = (1..).zip(text.lines());
        let header = lines.next().map_or("", |(_, header)| header);
        check_header(header, buckets)?;
        let mut minutes = BTreeMap::new();
        for (line, row) in lines.filter(|(_, row)| !row.trim().is_empty()) {
            let refused = |problem| ReplayError::Line { line, problem };
            let row = Row::parse(row, buckets).map_err(refused)?;
            gather(&mut minutes, row).map_err(refused)?;
        }
        Self::fill(&minutes)
    }

    /// A side without requests has no line, so a minute without lines had none
    /// on either side; its weight is that of the minute before.
    fn fill(minutes: &BTreeMap<i64, Gathered>) -> Result<Self, ReplayError> {
        let whole = |problem: &str| ReplayError::Trace { problem: problem.to_owned() };
        let (Some((&first, opening)), Some((&last, _))) =
            (minutes.first_key_value(), minutes.last_key_value())
        else {
            return Err(whole("has no minutes"));
        };
        // Four weeks: more is a mistake in the minute column, not a rollout.
        if last.saturating_sub(first) > 28 * 24 * 60 {
            return Err(whole("spans more than four weeks; check its minute column"));
        }
        let mut weight = opening.weight;
        let mut trace =
            Self { history: Vec::new(), rollout: Vec::new(), last_minute: Minute(last) };
        for minute in first..=last {
            let gathered = minutes.get(&minute);
            weight = gathered.map_or(weight, |gathered| gathered.weight);
            let side = |pick: fn(&Gathered) -> &Option<SideCounts>| {
                gathered.and_then(|gathered| pick(gathered).clone()).unwrap_or_default()
            };
            let committed = CommittedMinute {
                minute: Minute(minute),
                weight,
                old: side(|gathered| &gathered.old),
                new: side(|gathered| &gathered.new),
            };
            let part = if minute < 0 { &mut trace.history } else { &mut trace.rollout };
            part.push(committed);
        }
        Ok(trace)
    }
}

fn check_header(header: &str, buckets: usize) -> Result<(), ReplayError> {
    let expected = LEADING.map(str::to_owned).into_iter();
    let expected = expected.chain((0..buckets).map(|b| format!("b{b}")));
    let mut found = header.trim_start_matches('\u{feff}').trim_end().split(',');
    let refused = |problem| Err(ReplayError::Line { line: 1, problem });
    for (column, expected) in (1..).zip(expected) {
        match found.next().map(str::trim) {
            Some(name) if name == expected => {}
            Some(name) => {
                return refused(format!("column {column} is {name:?}, expected {expected:?}"));
            }
            None => return refused(format!("column {column}, {expected:?}, is missing")),
        }
    }
    match found.next() {
        Some(name) => refused(format!(
            "has a column {name:?} too many: the meta file's edges make {buckets} buckets"
        )),
        None => Ok(()),
    }
}

impl Row {
    fn parse(row: &str, buckets: usize) -> Result<Self, String> {
        let fields: Vec<&str> = row.trim_end().split(',').map(str::trim).collect();
        let wanted = LEADING.len() + buckets;
        if fields.len() != wanted {
            return Err(format!("has {} fields, expected {wanted}", fields.len()));
        }
        let number = |at: usize| -> Result<u64, String> {
            let name = LEADING.get(at).map_or_else(|| format!("b{}", at - 6), ToString::to_string);
            fields[at].parse().map_err(|_| format!("{name} is {:?}, expected a count", fields[at]))
        };
        let minute = fields[0]
            .parse()
            .map_err(|_| format!("minute is {:?}, expected a whole number", fields[0]))?;
        let side = match fields[1] {
            "old" => Side::Old,
            "new" => Side::New,
            other => return Err(format!("side is {other:?}, expected \"old\" or \"new\"")),
        };
        let weight = fields[2]
            .parse()
            .map_err(|_| format!("weight_pct is {:?}, expected a percentage", fields[2]))
            .and_then(|percent| Weight::from_percent(percent).map_err(|e| e.to_string()))?;
        let counts = (LEADING.len()..wanted).map(number).collect::<Result<_, _>>()?;
        let counts = SideCounts {
            requests: number(3)?,
            errors: number(4)?,
            latency: Histogram::new(number(5)?, counts),
        };
        Ok(Self { minute, side, weight, counts })
    }
}

fn gather(minutes: &mut BTreeMap<i64, Gathered>, row: Row) -> Result<(), String> {
    let Row { minute, side, weight, counts } = row;
    let gathered = minutes.entry(minute).or_insert(Gathered { weight, old: None, new: None });
    if gathered.weight != weight {
        let other = gathered.weight;
        return Err(format!("minute {minute} has weight {weight}, its other side {other}"));
    }
    let slot = match side {
        Side::Old => &mut gathered.old,
        Side::New => &mut gathered.new,
    };
    if slot.is_some() {
        return Err(format!("minute {minute} has this side twice"));
    }
    *slot = Some(counts);
    Ok(())
}
