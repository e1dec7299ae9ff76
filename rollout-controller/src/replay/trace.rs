//! Reading a recording: one line a minute and side.

use std::collections::BTreeMap;

use super::ReplayError;
use crate::domain::minute::{
    CommittedMinute, Contradiction, Histogram, Minute, SideCounts, contradiction,
};
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Comparisons;

const LEADING: [&str; 6] =
    ["minute", "side", "weight_pct", "requests", "errors", "latency_samples"];

/// Columns behind the buckets that may be left out: what was compared of the new side's
/// answers. Empty where it is not known.
const COMPARED: [&str; 3] = ["compared", "different", "compare_failed"];

/// A minute farther from the first step than this is a time in another count.
/// Two years.
const FARTHEST_MINUTE: i64 = 2 * 366 * 24 * 60;

/// A recording in order: minutes before 0 are the old side's history.
pub(super) struct Trace {
    /// How many routes it tells apart.
    pub(super) routes: usize,
    pub(super) history: Vec<TraceMinute>,
    pub(super) rollout: Vec<TraceMinute>,
    /// The newest minute recorded.
    pub(super) last_minute: Minute,
}

/// One minute of a recording, with one entry a route.
pub(super) struct TraceMinute {
    pub(super) minute: Minute,
    pub(super) routes: Vec<RouteRow>,
}

/// Both sides of one route in one minute.
#[derive(Clone, Default)]
pub(super) struct RouteRow {
    pub(super) weight: Weight,
    pub(super) old: SideCounts,
    pub(super) new: SideCounts,
    pub(super) comparisons: Option<Comparisons>,
}

impl TraceMinute {
    /// What was compared on all routes; `None` where it is known of none.
    pub(super) fn comparisons(&self) -> Option<Comparisons> {
        let mut known = self.routes.iter().filter_map(|row| row.comparisons.as_ref());
        let mut sum = known.next()?.clone();
        for counts in known {
            sum += counts;
        }
        Some(sum)
    }

    /// All routes summed, at the weight of the first.
    pub(super) fn together(&self) -> CommittedMinute {
        let weight = self.routes.first().map_or(Weight::ZERO, |row| row.weight);
        let (mut old, mut new) = (SideCounts::default(), SideCounts::default());
        for row in &self.routes {
            old += &row.old;
            new += &row.new;
        }
        CommittedMinute { minute: self.minute, weight, old, new }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

struct Row {
    minute: i64,
    route: usize,
    side: Side,
    weight: Weight,
    counts: SideCounts,
    comparisons: Option<Comparisons>,
}

/// A route in a minute with the sides recorded so far.
struct Gathered {
    weight: Weight,
    old: Option<SideCounts>,
    new: Option<SideCounts>,
    comparisons: Option<Comparisons>,
}

/// By minute and route.
type Minutes = BTreeMap<i64, BTreeMap<usize, Gathered>>;

/// Routes of a recording; more is a mistake.
const MOST_ROUTES: usize = 1_000;

impl Trace {
    /// Reads the text of a CSV file (RFC 4180) whose latencies are in so many
    /// buckets. A first column without a name, as a data frame's index, is passed over;
    /// a second one, `route`, counts routes from 0.
    pub(super) fn parse(text: &str, buckets: usize) -> Result<Self, ReplayError> {
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut minutes = Minutes::new();
        let mut form = None;
        for record in reader.records() {
            let record = record.map_err(|error| ReplayError::Line {
                line: error.position().map_or(1, |position| line_of(position.line())),
                problem: error.to_string(),
            })?;
            let line = record.position().map_or(1, |position| line_of(position.line()));
            let refused = |problem| ReplayError::Line { line, problem };
            let mut fields: Vec<&str> = record.iter().collect();
            let Some((skip, with_routes, compared)) = form else {
                let index = usize::from(matches!(fields[0], "" | "index" | "Unnamed: 0"));
                fields.drain(..index);
                let with_routes = fields.get(1) == Some(&"route");
                if with_routes {
                    fields.remove(1);
                }
                let compared = fields.ends_with(&COMPARED);
                if compared {
                    fields.truncate(fields.len() - COMPARED.len());
                }
                check_header(&fields, buckets).map_err(refused)?;
                form = Some((index, with_routes, compared));
                continue;
            };
            if fields.iter().all(|field| field.is_empty()) {
                continue;
            }
            fields.drain(..skip.min(fields.len()));
            let route = if with_routes && fields.len() > 1 {
                route(fields.remove(1)).map_err(refused)?
            } else {
                0
            };
            let row = Row::parse(&fields, route, buckets, compared);
            gather(&mut minutes, row.map_err(refused)?).map_err(refused)?;
        }
        if form.is_none() {
            let problem = check_header(&[], buckets).err().unwrap_or_default();
            return Err(ReplayError::Line { line: 1, problem });
        }
        Self::fill(&minutes)
    }

    /// A side without requests has no line, so a minute without lines had none
    /// on either side; its weight is that of the minute before.
    fn fill(minutes: &Minutes) -> Result<Self, ReplayError> {
        let whole = |problem: &str| ReplayError::Trace { problem: problem.to_owned() };
        let (Some((&first, _)), Some((&last, _))) =
            (minutes.first_key_value(), minutes.last_key_value())
        else {
            return Err(whole("has no minutes"));
        };
        // Four weeks: more is a mistake in the minute column, not a rollout.
        if last.saturating_sub(first) > 28 * 24 * 60 {
            return Err(whole("spans more than four weeks; check its minute column"));
        }
        let named = minutes.values().filter_map(|routes| routes.last_key_value());
        let routes = named.map(|(route, _)| route + 1).max().unwrap_or(1);
        let mut weights: Vec<Weight> = (0..routes)
            .map(|route| {
                let known = minutes.values().find_map(|routes| routes.get(&route));
                known.map_or(Weight::ZERO, |gathered| gathered.weight)
            })
            .collect();
        let last_minute = Minute(last);
        let mut trace = Self { routes, history: Vec::new(), rollout: Vec::new(), last_minute };
        for minute in first..=last {
            let gathered = minutes.get(&minute);
            let row = |(route, weight): (usize, &mut Weight)| {
                let gathered = gathered.and_then(|routes| routes.get(&route));
                *weight = gathered.map_or(*weight, |gathered| gathered.weight);
                let side = |pick: fn(&Gathered) -> &Option<SideCounts>| {
                    gathered.and_then(|gathered| pick(gathered).clone()).unwrap_or_default()
                };
                RouteRow {
                    weight: *weight,
                    old: side(|gathered| &gathered.old),
                    new: side(|gathered| &gathered.new),
                    comparisons: gathered.and_then(|gathered| gathered.comparisons.clone()),
                }
            };
            let routes = weights.iter_mut().enumerate().map(row).collect();
            let part = if minute < 0 { &mut trace.history } else { &mut trace.rollout };
            part.push(TraceMinute { minute: Minute(minute), routes });
        }
        Ok(trace)
    }
}

fn route(field: &str) -> Result<usize, String> {
    let number = field.parse::<usize>().ok().filter(|route| *route < MOST_ROUTES);
    number.ok_or_else(|| {
        format!("route is {field:?}, expected a number from 0 to {}", MOST_ROUTES - 1)
    })
}

fn line_of(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

fn name_of(column: usize) -> String {
    match LEADING.get(column) {
        Some(name) => (*name).to_owned(),
        None => format!("b{}", column - LEADING.len()),
    }
}

fn check_header(found: &[&str], buckets: usize) -> Result<(), String> {
    let wanted = LEADING.len() + buckets;
    for column in 0..wanted {
        let expected = name_of(column);
        match found.get(column) {
            Some(name) if *name == expected => {}
            Some(name) => {
                return Err(format!("column {} is {name:?}, expected {expected:?}", column + 1));
            }
            None => return Err(format!("column {}, {expected:?}, is missing", column + 1)),
        }
    }
    match found.get(wanted) {
        Some(name) => Err(format!(
            "has a column {name:?} too many: the meta file's edges make {buckets} buckets"
        )),
        None => Ok(()),
    }
}

/// A whole number, also as data frames write it: `12.0`.
fn whole(column: usize, field: &str) -> Result<i64, String> {
    let plain = field.parse::<i64>().ok();
    let float = || {
        let value = field.parse::<f64>().ok()?;
        // Up to 2^53 every whole number has its own floating-point value.
        let fits = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        fits.then_some(value as i64)
    };
    let name = name_of(column);
    plain.or_else(float).ok_or_else(|| format!("{name} is {field:?}, expected a whole number"))
}

fn count(column: usize, field: &str) -> Result<u64, String> {
    let name = name_of(column);
    u64::try_from(whole(column, field)?)
        .map_err(|_| format!("{name} is {field:?}, expected a count of 0 or more"))
}

impl Row {
    fn parse(
        fields: &[&str],
        route: usize,
        buckets: usize,
        compared: bool,
    ) -> Result<Self, String> {
        let own = LEADING.len() + buckets;
        let wanted = own + if compared { COMPARED.len() } else { 0 };
        if fields.len() != wanted {
            return Err(format!("has {} fields, expected {wanted}", fields.len()));
        }
        let minute = whole(0, fields[0])?;
        if minute.abs() > FARTHEST_MINUTE {
            return Err(format!(
                "minute is {minute}, which looks like a time since 1970; count minutes from the \
                 first step of the rollout, and those of the history below 0"
            ));
        }
        let side = match fields[1] {
            "old" => Side::Old,
            "new" => Side::New,
            other => return Err(format!("side is {other:?}, expected \"old\" or \"new\"")),
        };
        let weight = fields[2]
            .parse()
            .map_err(|_| format!("weight_pct is {:?}, expected a percentage", fields[2]))
            .and_then(|percent| Weight::from_percent(percent).map_err(|e| e.to_string()))?;
        let number = |column: usize| count(column, fields[column]);
        let (requests, errors, samples) = (number(3)?, number(4)?, number(5)?);
        let counts: Vec<u64> = (LEADING.len()..own).map(number).collect::<Result<_, _>>()?;
        if let Some(contradiction) = contradiction(requests, errors, errors, samples, &counts) {
            return Err(in_columns(contradiction));
        }
        let latency = Histogram::new(samples, counts);
        let counts = SideCounts { requests, errors, latency };
        let comparisons = comparisons(&fields[own..])?;
        if comparisons.is_some() && side == Side::Old {
            return Err("compared belongs to the new side's line; leave it empty here".to_owned());
        }
        Ok(Self { minute, route, side, weight, counts, comparisons })
    }
}

/// The last three columns; all empty where nothing is known.
fn comparisons(fields: &[&str]) -> Result<Option<Comparisons>, String> {
    if fields.iter().all(|field| field.is_empty()) {
        return Ok(None);
    }
    let mut numbers = [0; COMPARED.len()];
    for ((number, field), name) in numbers.iter_mut().zip(fields).zip(COMPARED) {
        *number = field
            .parse()
            .map_err(|_| format!("{name} is {field:?}, expected a count of 0 or more"))?;
    }
    let [compared, different, failed] = numbers;
    if different > compared {
        return Err(format!(
            "different is {different}, above compared, {compared}; export both for the same minute"
        ));
    }
    Ok(Some(Comparisons { compared, different, failed, kinds: BTreeMap::new() }))
}

/// A contradiction in the words of the columns, with the fix.
fn in_columns(contradiction: Contradiction) -> String {
    match contradiction {
        Contradiction::Buckets { sum, samples } => format!(
            "latency_samples is {samples}, and b0 to the last bucket together hold {sum}; export the buckets of the same minute"
        ),
        Contradiction::ErrorsAboveRequests { errors, requests } => format!(
            "errors is {errors}, above requests, {requests}; export both for the same minute and side"
        ),
        Contradiction::SamplesAboveRequests { samples, requests } => format!(
            "latency_samples is {samples}, above requests, {requests}; export both for the same minute and side"
        ),
        Contradiction::NoLatencies { fine } => format!(
            "latency_samples is 0, and {fine} requests had no error; export the latencies too"
        ),
    }
}

fn gather(minutes: &mut Minutes, row: Row) -> Result<(), String> {
    let Row { minute, route, side, weight, counts, comparisons } = row;
    let routes = minutes.entry(minute).or_default();
    let none = Gathered { weight, old: None, new: None, comparisons: None };
    let gathered = routes.entry(route).or_insert(none);
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
    gathered.comparisons = gathered.comparisons.take().or(comparisons);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "minute,side,weight_pct,requests,errors,latency_samples,b0,b1";

    fn read(rows: &[&str]) -> Result<Trace, String> {
        Trace::parse(&rows.join("\n"), 2).map_err(|error| error.to_string())
    }

    fn counts(trace: &Trace) -> (u64, u64, u64) {
        let old = &trace.history[0].routes[0].old;
        (old.requests, old.errors, old.latency.slower_than(0))
    }

    #[test]
    fn what_spreadsheets_and_data_frames_write_is_read() {
        let index = format!(",{HEADER}");
        let quoted = format!("\"{}\"", HEADER.replace(',', "\",\""));
        for rows in [
            [HEADER, "-1,old,0,51,2,50,40,10"],
            [HEADER, "-1.0,old,0.0,51.0,2.0,50.0,40.0,10.0"],
            [&index, "0,-1,old,0,51,2,50,40,10"],
            [&quoted, "\"-1\",\"old\",\"0\",\"51\",\"2\",\"50\",\"40\",\"10\""],
            [
                "\u{feff}minute, side, weight_pct, requests, errors, latency_samples, b0, b1\r",
                "-1, old, 0, 51, 2, 50, 40, 10\r",
            ],
        ] {
            let trace = read(&rows).unwrap_or_else(|error| panic!("{error}: {rows:?}"));
            assert_eq!(counts(&trace), (51, 2, 10), "{rows:?}");
        }
    }

    #[test]
    fn routes_are_told_apart_and_can_be_summed() {
        let header = HEADER.replace("minute,", "minute,route,");
        let rows = [
            header.as_str(),
            "0,0,old,25,30,0,30,30,0",
            "0,1,old,10,50,1,50,50,0",
            "0,1,new,10,5,0,5,5,0",
        ];
        let trace = read(&rows).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(trace.routes, 2);
        let weights: Vec<_> =
            trace.rollout[0].routes.iter().map(|row| row.weight.percent()).collect();
        assert_eq!(weights, [25.0, 10.0]);
        let together = trace.rollout[0].together();
        assert_eq!((together.old.requests, together.new.requests), (80, 5));
        let error = read(&[&header, "0,x,old,25,30,0,30,30,0"]).err().unwrap_or_default();
        assert!(error.contains("line 2: route is \"x\", expected a number from 0"), "{error}");
    }

    #[test]
    fn comparisons_may_be_left_out_and_are_the_new_sides() {
        let header = format!("{HEADER},compared,different,compare_failed");
        let rows = [&header, "0,old,10,90,0,90,90,0,,,", "0,new,10,10,0,10,10,0,6,1,2"];
        let trace = read(&rows).unwrap_or_else(|error| panic!("{error}"));
        let counts = trace.rollout[0].comparisons().expect("known");
        assert_eq!((counts.compared, counts.different, counts.failed), (6, 1, 2));
        for (row, expected) in [
            ("0,new,10,10,0,10,10,0,6,7,0", "different is 7, above compared, 6"),
            ("0,new,10,10,0,10,10,0,6,,0", "different is \"\", expected a count"),
            ("0,old,10,10,0,10,10,0,6,1,0", "belongs to the new side's line"),
            ("0,new,10,10,0,10,10,0,6", "has 9 fields, expected 11"),
        ] {
            let error = read(&[&header, row]).err().unwrap_or_default();
            assert!(error.contains(expected), "{row}: {error}");
        }
    }

    #[test]
    fn what_the_controller_would_not_take_is_refused_with_line_column_and_fix() {
        for (row, expected) in [
            (
                "28999940,old,0,51,0,51,41,10",
                "line 2: minute is 28999940, which looks like a time since 1970",
            ),
            ("1764354000,old,0,51,0,51,41,10", "count minutes from the first step"),
            ("-1,old,0,51,102,51,41,10", "line 2: errors is 102, above requests, 51"),
            ("-1,old,0,51,0,102,90,12", "line 2: latency_samples is 102, above requests, 51"),
            (
                "-1,old,0,51,0,51,0,0",
                "line 2: latency_samples is 51, and b0 to the last bucket together hold 0",
            ),
            ("-1,old,0,51,0,0,0,0", "line 2: latency_samples is 0, and 51 requests had no error"),
            ("-1,old,0,51.5,0,51,41,10", "line 2: requests is \"51.5\", expected a whole number"),
            ("-1,old,0,51,-1,51,41,10", "line 2: errors is \"-1\", expected a count of 0 or more"),
            ("-1,old,0,51,0,51,41,1e300", "line 2: b1 is \"1e300\", expected a whole number"),
            ("-1,rust,0,51,0,51,41,10", "line 2: side is \"rust\""),
            ("-1,old,0,51,0,51,41", "line 2: has 7 fields, expected 8"),
            (
                "-1,old,0,51,0,51,41,10\n-1,old,0,51,0,51,41,10",
                "line 3: minute -1 has this side twice",
            ),
        ] {
            let error = read(&[HEADER, row]).err().unwrap_or_default();
            assert!(error.contains(expected), "{row}: {error}");
        }
        for (header, expected) in [
            (HEADER.replace(",b1", ""), "column 8, \"b1\", is missing"),
            (HEADER.replace("b1", "b0"), "column 8 is \"b0\", expected \"b1\""),
            (format!("{HEADER},b2"), "has a column \"b2\" too many"),
        ] {
            let error = read(&[&header, "-1,old,0,51,0,51,41,10"]).err().unwrap_or_default();
            assert!(error.contains(expected), "{header}: {error}");
        }
    }
}
