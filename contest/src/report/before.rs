//! What the second engine was made for, before and after.

use super::{cell, thousands};
use crate::cell::Cell;
use crate::goals::percent;
use crate::interval::Share;
use crate::policy::Kind;

/// What happens, and what the first engine did about it, in the words of the report
/// that asked for a second one.
const ROWS: [(&str, &str); 8] = [
    (
        "a service that is down one whole minute in ten, 6,000 req/min",
        "promoted in 100% of rollouts",
    ),
    (
        "a healthy rollout with an incident near the last step",
        "hangs at 100% for ever (2% of bursty rollouts)",
    ),
    ("shared incident during the bake", "rolled back in 100%"),
    ("+1 point of errors that begins at 100%", "held for 8 to 24 hours; 0.1 to 1% rolled back"),
    ("two identical services whose latency drifts (AR(1), sd 20%)", "23 to 32% rolled back"),
    ("two healthy routes, one a stage behind for six minutes", "100% rolled back"),
    ("late minutes", "never read again"),
    ("minutes to 100%, default settings, 60 / 600 / 6,000 req/min", "172 / 39 / 35"),
];

/// The table; empty without cells.
pub(super) fn table(cells: &[Cell]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    let of = |world: &str, rate: f64| cell(cells, world, rate, Kind::Evidence2);
    let shares = |world: &str, rates: &[f64], what: &str, share: &dyn Fn(&Cell) -> Share| {
        let shown = rates.iter().filter_map(|&rate| {
            let found = of(world, rate)?;
            Some(format!("{} at {}", percent(share(found)), thousands(rate)))
        });
        format!("{what} {}", shown.collect::<Vec<_>>().join(", "))
    };
    let middle = [600.0, 6000.0];
    let median = |rate| {
        let minutes = of("h_iid", rate).and_then(|cell| cell.full).map(|q| q.p50);
        minutes.map_or_else(|| "-".to_owned(), |minutes| minutes.to_string())
    };
    let first_seen = |world: &str, rate: f64| of(world, rate).and_then(|c| c.delay);
    let after_full: Vec<String> = middle
        .iter()
        .filter_map(|&rate| first_seen("f_e1@full", rate).map(|delay| delay.p50.to_string()))
        .collect();
    let bake = of("h_iid", 60.0)
        .into_iter()
        .chain(of("h_iid", 600.0))
        .chain(of("h_iid", 6000.0))
        .filter_map(|cell| cell.bake.map(|q| q.p50.to_string()));
    let bake: Vec<String> = bake.collect();
    let now = [
        shares("f_flap10_100", &[6000.0], "promoted in", &|c| c.completed),
        format!(
            "{}; {}",
            shares("h_burst", &[6000.0], "hangs in", &|c| c.hangs),
            shares("h_burst", &[6000.0], "rolled back", &|c| c.rolled_back)
        ),
        shares("h_inc100", &middle, "rolled back", &|c| c.rolled_back),
        format!(
            "{}; {}; rolled back after {} minutes (median)",
            shares("f_e1@full", &middle, "completes in", &|c| c.completed),
            shares("f_e1@full", &middle, "rolled back", &|c| c.rolled_back),
            after_full.join(" and ")
        ),
        shares("h_same_ar20", &middle, "rolled back", &|c| c.rolled_back),
        shares("h_simpson", &middle, "rolled back", &|c| c.rolled_back),
        format!(
            "read again for 12 minutes, and judged as if read so at first; {} (+1 point of \
             errors, half of the minutes at first with a quarter of them)",
            shares("f_e1_trickle", &[600.0], "promoted in", &|c| c.completed)
        ),
        format!(
            "{} / {} / {} to 100%, after a bake that begins at {}",
            median(60.0),
            median(600.0),
            median(6000.0),
            bake.join(" / ")
        ),
    ];
    let least = thousands(cells.iter().map(|cell| cell.n).min().unwrap_or_default());
    let most = thousands(cells.iter().map(|cell| cell.n).max().unwrap_or_default());
    let n = if least == most { most } else { format!("{least} to {most}") };
    let mut text = format!(
        "## Before and after\n\n{n} rollouts a cell on seeds of their own; the first column is \
         the measurement that asked for a second engine.\n\n\
         | what happens | evidence-1 | evidence-2 |\n|---|---|---|\n"
    );
    for ((what, before), now) in ROWS.iter().zip(now) {
        text.push_str(&format!("| {what} | {before} | {now} |\n"));
    }
    text.push('\n');
    text
}

/// The headline figure; empty without cells.
pub(super) fn headline(cells: &[Cell]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    let sum = |share: &dyn Fn(&Cell) -> Share| {
        let (k, n) = cells.iter().fold((0, 0), |(k, n), cell| {
            let share = share(cell);
            (k + share.k, n + share.n)
        });
        Share::new(k, n)
    };
    let (rolled_back, hangs) = (sum(&|cell| cell.rolled_back), sum(&|cell| cell.hangs));
    let mut worst: Vec<&Cell> = cells.iter().filter(|cell| cell.rolled_back.k > 0).collect();
    worst.sort_by_key(|cell| std::cmp::Reverse(cell.rolled_back.k));
    let exact = |share: Share| {
        format!(
            "{} of {} ({:.3}% [{:.3}, {:.3}])",
            share.k,
            thousands(share.n),
            100.0 * share.ratio(),
            100.0 * share.low,
            100.0 * share.high
        )
    };
    let mut text = format!(
        "## Headline\n\nHealthy rollouts of evidence-2 in {} healthy worlds at 600 and 6,000 \
         requests a minute: {} rolled back, {} hang.\n\n",
        cells.iter().map(|cell| &cell.world).collect::<std::collections::BTreeSet<_>>().len(),
        exact(rolled_back),
        exact(hangs)
    );
    if !worst.is_empty() {
        text.push_str("| where rollouts were rolled back | req/min | how many |\n|---|---|---|\n");
        for cell in worst {
            let rate = thousands(cell.requests_per_minute);
            text.push_str(&format!("| {} | {rate} | {} |\n", cell.world, exact(cell.rolled_back)));
        }
        text.push('\n');
    }
    text
}
