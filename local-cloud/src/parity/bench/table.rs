//! The figures as a Markdown table, and the targets that were missed.

use serde::Serialize;

use super::measure::{Condition, PLANNED, RUST, Row};
use super::median;

/// What the real Python service needed, measured when the cases were recorded
/// (loopback, plain, three stamps, one request at a time, two shared cores): the
/// twin does less, so both are shown. Each is the least and the most of its runs.
pub(super) const RECORDED: Recorded = Recorded {
    cold_ms: [1900.0, 2000.0],
    p50_ms: [44.0, 46.0],
    p95_ms: [48.0, 65.0],
    p99_ms: [51.0, 71.0],
    rss_mib: 142.0,
    round_trips: 37,
};

/// What the function promises.
pub(super) const TARGETS: Targets = Targets {
    cold_ms: 60.0,
    own_p50_ms: 4.0,
    round_trips: 2,
    latency_ms: [100.0, 200.0, 500.0],
    rss_mib: 256.0,
    cold_ratio: 20.0,
};

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Recorded {
    cold_ms: [f64; 2],
    p50_ms: [f64; 2],
    p95_ms: [f64; 2],
    p99_ms: [f64; 2],
    rss_mib: f64,
    round_trips: u64,
}

/// Each is met by a value at most as great, over TLS with SCRAM on loopback.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Targets {
    /// Process start to first answer, median.
    cold_ms: f64,
    /// `Duration` of the function's own log lines, median, where the database plans the
    /// statements once. Without that, planning alone takes most of it.
    own_p50_ms: f64,
    /// Of any request that scored, under every condition.
    round_trips: u64,
    /// P50, P95, P99 through the load balancer.
    latency_ms: [f64; 3],
    rss_mib: f64,
    /// How many times faster than recorded it starts.
    cold_ratio: f64,
}

const HEAD: [&str; 13] = [
    "database",
    "function",
    "cold start",
    "P50",
    "P95",
    "P99",
    "P50 of `Duration`",
    "round trips",
    "WAL, first score",
    "WAL, again",
    "CPU",
    "CPU, PostgreSQL",
    "memory",
];
const QUANTILES: [&str; 3] = ["P50", "P95", "P99"];

/// Whether most targets are about this row.
pub(super) fn is_judged(row: &Row) -> bool {
    is_rust(row) && row.condition == Condition::Tls
}

fn is_rust(row: &Row) -> bool {
    row.side == RUST || row.side == PLANNED
}

/// The targets that the Rust function missed.
pub(super) fn missed(rows: &[Row]) -> Vec<String> {
    let mut missed = Vec::new();
    let mut keep = |what: &str, value: f64, limit: f64, unit: &str| {
        if value > limit {
            let value = if unit.is_empty() { value.to_string() } else { format!("{value:.1}") };
            missed.push(format!("{what}: {value}{unit}, the target is {limit}{unit} at most"));
        }
    };
    for row in rows.iter().filter(|row| is_rust(row)) {
        let condition = format!("{}, {}", row.condition.title(), row.side);
        let [_, most] = row.round_trips;
        let what = format!("round trips, {condition}");
        keep(&what, most as f64, TARGETS.round_trips as f64, "");
        if !is_judged(row) {
            continue;
        }
        let cold = median(&row.cold_ms);
        keep(&format!("cold start, {condition}"), cold, TARGETS.cold_ms, " ms");
        let slowest = RECORDED.cold_ms[0] / TARGETS.cold_ratio;
        let what = format!("cold start, {} times below the recorded one", TARGETS.cold_ratio);
        keep(&what, cold, slowest, " ms");
        if row.side == PLANNED {
            // A function that logs none does not show that it keeps this.
            let own = row.own_p50_ms.unwrap_or(f64::INFINITY);
            let what = format!("P50 of the function's `Duration`, {condition}");
            keep(&what, own, TARGETS.own_p50_ms, " ms");
        }
        for warm in std::iter::once(&row.one).chain(&row.many) {
            let figures = QUANTILES.iter().zip(warm.quantiles_ms()).zip(TARGETS.latency_ms);
            for ((name, value), limit) in figures {
                let what = format!("{name}, {condition}, {} at a time", warm.environments);
                keep(&what, value, limit, " ms");
            }
        }
        keep(&format!("resident memory, {condition}"), row.peak_rss_mib, TARGETS.rss_mib, " MiB");
    }
    missed
}

/// A Markdown table: recorded, then the rows, each condition's beside each other.
pub(super) fn table(rows: &[Row]) -> String {
    let mut cells: Vec<Vec<String>> = vec![HEAD.map(str::to_owned).to_vec(), recorded()];
    cells.extend(rows.iter().map(|row| {
        let [fewest, most] = row.round_trips;
        let mut cells = vec![row.condition.title().to_owned(), row.side.to_owned()];
        cells.push(ms(median(&row.cold_ms)));
        cells.extend(row.one.quantiles_ms().map(ms));
        cells.push(row.own_p50_ms.map_or_else(String::new, ms));
        cells.push(if fewest == most { most.to_string() } else { format!("{fewest}-{most}") });
        cells.extend([row.wal_bytes_first, row.one.cost.wal_bytes].map(kib));
        cells.extend([row.one.cost.function_ms, row.one.cost.server_ms].map(ms));
        cells.push(format!("{:.0} MiB", row.peak_rss_mib));
        cells
    }));
    let mut out = markdown(&cells);
    for row in rows {
        if let Some(many) = &row.many {
            let [p50, p95, p99] = many.quantiles_ms().map(ms);
            out.push_str(&format!(
                "\n{}, {}: {} environments, {} requests a second: P50 {p50}, P95 {p95}, P99 {p99}",
                row.side,
                row.condition.title(),
                many.environments,
                many.rate
            ));
        }
    }
    let late = rows.iter().map(|row| row.one.summary.lag.p99_us).max().unwrap_or_default();
    out.push_str(&format!(
        "\n\nPython is the twin in local-cloud/python-scorer: it leaves the same rows as the real service, \
         one statement after the other as that does, and does less: it has no framework, and checks \
         no stamp's signature.\n{}`Duration` is what the function logs; the other latencies are \
         the load balancer's client's, whose requests left up to {} late (P99).\nCompare the rows \
         of one run: absolute times belong to the machine.\n",
        on_duration(rows),
        ms(late as f64 / 1e3)
    ));
    out
}

/// What the target for `Duration` is judged by, if that was measured.
fn on_duration(rows: &[Row]) -> String {
    let own = |side| {
        let row = rows.iter().find(|row| row.side == side && row.condition == Condition::Tls)?;
        row.own_p50_ms.map(ms)
    };
    let (Some(each), Some(once)) = (own(RUST), own(PLANNED)) else { return String::new() };
    format!(
        "The target for P50 of `Duration`, {} over TLS + SCRAM, is for statements that the database \
         plans once (DATABASE_FUNCTIONS=on): {once}. Without, as by default: {each}.\n",
        ms(TARGETS.own_p50_ms)
    )
}

fn recorded() -> Vec<String> {
    let range = |[least, most]: [f64; 2]| format!("{least:.0}-{most:.0} ms");
    let mut cells = vec!["plain".to_owned(), "the real Python service, recorded".to_owned()];
    cells.extend([RECORDED.cold_ms, RECORDED.p50_ms, RECORDED.p95_ms, RECORDED.p99_ms].map(range));
    cells.extend([String::new(), RECORDED.round_trips.to_string()]);
    cells.resize(HEAD.len() - 1, String::new());
    cells.push(format!("{:.0} MiB", RECORDED.rss_mib));
    cells
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn kib(bytes: f64) -> String {
    format!("{:.1} KiB", bytes / 1024.0)
}

/// Two columns of names, then figures, aligned for the terminal too.
fn markdown(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(&match column {
                0 | 1 => format!("| {cell:<width$} "),
                _ => format!("| {cell:>width$} "),
            });
        }
        out.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let line = "-".repeat(width + 1);
                out.push_str(&if column < 2 {
                    format!("| {line}")
                } else {
                    format!("| {}:", &line[1..])
                });
            }
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::measure::{PYTHON, Warm};
    use super::super::usage::Cost;
    use super::*;
    use crate::load::Summary;

    /// A row that keeps every target, with nothing to spare where that is exact.
    fn good(side: &'static str, condition: Condition) -> Row {
        let mut summary = Summary::default();
        summary.total.latency.p50_us = 100_000;
        let cost = Cost { function_ms: 1.0, server_ms: 2.0, wal_bytes: 2048.0 };
        Row {
            side,
            condition,
            cold_ms: vec![20.0, 60.0, 400.0],
            one: Warm { environments: 1, rate: 25.0, summary, cost },
            many: None,
            own_p50_ms: Some(4.0),
            round_trips: [1, 2],
            wal_bytes_first: 4096.0,
            peak_rss_mib: 10.0,
        }
    }

    #[test]
    fn each_target_is_named_when_it_is_missed_and_only_then() {
        let rows = |spoil: fn(&mut Row)| {
            let mut rows: Vec<Row> =
                Condition::ALL.map(|condition| good(PLANNED, condition)).into();
            rows.iter_mut().for_each(spoil);
            missed(&rows)
        };
        assert_eq!(rows(|_| {}), [""; 0]);
        assert_eq!(
            rows(|row| row.round_trips = [2, 3]),
            [
                "round trips, plain, rust, planned once: 3, the target is 2 at most",
                "round trips, TLS + SCRAM, rust, planned once: 3, the target is 2 at most",
                "round trips, TLS + SCRAM + 1 ms, rust, planned once: 3, the target is 2 at most",
            ]
        );
        assert_eq!(
            rows(|row| row.cold_ms[1] = 61.0),
            ["cold start, TLS + SCRAM, rust, planned once: 61.0 ms, the target is 60 ms at most"]
        );
        assert_eq!(rows(|row| row.own_p50_ms = Some(4.1)).len(), 1);
        assert_eq!(rows(|row| row.own_p50_ms = None).len(), 1, "not shown is not kept");
        assert_eq!(rows(|row| row.one.summary.total.latency.p99_us = 500_001).len(), 1);
        assert_eq!(rows(|row| row.peak_rss_mib = 257.0).len(), 1);
    }

    #[test]
    fn without_functions_the_duration_is_shown_and_not_judged() {
        let mut each = good(RUST, Condition::Tls);
        each.own_p50_ms = Some(5.5);
        let once = good(PLANNED, Condition::Tls);
        assert_eq!(missed(&[each]), [""; 0]);
        let mut each = good(RUST, Condition::Tls);
        each.own_p50_ms = Some(5.5);
        let shown = table(&[each, once]);
        assert!(
            shown.contains("DATABASE_FUNCTIONS=on): 4.0 ms. Without, as by default: 5.5 ms."),
            "{shown}"
        );
        let mut each = good(RUST, Condition::Tls);
        each.peak_rss_mib = 257.0;
        assert_eq!(missed(&[each]).len(), 1, "everything else is judged");
    }

    #[test]
    fn the_targets_are_not_the_twins() {
        let mut row = good(PYTHON, Condition::Tls);
        row.round_trips = [4, 4];
        row.cold_ms = vec![900.0];
        assert_eq!(missed(&[row]), [""; 0]);
    }

    #[test]
    fn the_table_is_markdown_with_a_cell_for_each_column() {
        let text = table(&[good(PYTHON, Condition::Plain), good(RUST, Condition::TlsFar)]);
        let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 5, "head, line, recorded, two rows: {text}");
        for line in &lines {
            assert_eq!(line.matches('|').count(), HEAD.len() + 1, "{line}");
            assert_eq!(line.chars().count(), lines[0].chars().count(), "{line}");
        }
        assert!(
            lines[4].contains("TLS + SCRAM + 1 ms") && lines[4].contains("1-2"),
            "{}",
            lines[4]
        );
    }
}
