//! The tables of a run.

use super::{Found, cell, thousands};
use crate::cell::{Cell, Quantiles};
use crate::goals::{Checked, percent};
use crate::interval::Share;
use crate::jobs::RATES;
use crate::policy::Kind;
use crate::worlds::{Expect, World, catalogue};

/// What was run.
pub(super) fn heading(found: &Found) -> String {
    let Found { cells, before, headline, goals } = found;
    let n = cells.iter().map(|cell| cell.n).max().unwrap_or_default();
    let seed = |cells: &[Cell]| cells.first().map_or(0, |cell| cell.seed);
    let sum = |cells: &[Cell]| cells.iter().map(|cell| cell.n).sum::<u64>();
    let mut text = format!(
        "# Contest of rollout policies\n\nWritten by `make contest`; `README.md` says how it is \
         done. {} rollouts in {} cells, {} a cell (a fifth of it with 20 routes), seeds from {}.",
        thousands(sum(cells)),
        thousands(cells.len()),
        thousands(n),
        thousands(seed(cells)),
    );
    let parts = [("before and after", before), ("headline", headline), ("numbers to reach", goals)];
    for (what, cells) in parts {
        if !cells.is_empty() {
            let (sum, seed) = (thousands(sum(cells)), thousands(seed(cells)));
            text.push_str(&format!(" For *{what}* {sum} more, seeds from {seed}."));
        }
    }
    text.push_str(
        " Brackets are exact 95% binomial intervals (Clopper and Pearson). Everything is about \
         simulated worlds and about models of the other policies.\n\n",
    );
    text
}

/// Everything from the cells of the full run.
pub(super) fn all(cells: &[Cell], goals: &[Checked]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    let worlds: Vec<World> = catalogue::all();
    let mut text = summary(cells, &worlds);
    text.push_str(&minutes(cells));
    text.push_str(&reached(goals));
    text.push_str(&duties(cells));
    let healthy = |w: &&World| !w.expect.is_fault();
    text.push_str(
        "## Healthy worlds: rolled back\n\nShare of rollouts that are taken back although the new \
         side is no worse; `+ h` hang (neither at the end of the horizon); `*n*` of those rolled back were at 100%, where \
         no old side can excuse an incident.\n\n",
    );
    text.push_str(&by_policy(cells, worlds.iter().filter(healthy), &|cell| {
        let hangs = cell.hangs.ratio();
        let hangs = if hangs > 0.0 { format!(" + {:.1} h", 100.0 * hangs) } else { String::new() };
        let at_full = match cell.rolled_back_at_full {
            0 => String::new(),
            n => format!(" *{n}*"),
        };
        short(cell.rolled_back) + &at_full + &hangs
    }));
    text.push_str(
        "## Faults: completed\n\nShare of rollouts that end with all users on the bad version.\n\n",
    );
    let faulty = |w: &&World| w.expect.is_fault();
    text.push_str(&by_policy(cells, worlds.iter().filter(faulty), &|cell| short(cell.completed)));
    text.push_str(
        "## Faults: minutes from fault to rollback\n\nMedian / 95%, of those rolled back; in \
         parentheses the requests that the new side served meanwhile (median).\n\n",
    );
    text.push_str(&by_policy(cells, worlds.iter().filter(faulty), &|cell| match (
        cell.delay,
        cell.under_fault,
    ) {
        (Some(delay), Some(under)) => {
            format!("{} / {} ({})", delay.p50, delay.p95, thousands(under.p50))
        }
        (_, _) => "-".to_owned(),
    }));
    text
}

fn short(share: Share) -> String {
    let Share { low, high, .. } = share;
    format!("{:.1} [{:.1}, {:.1}]", 100.0 * share.ratio(), 100.0 * low, 100.0 * high)
}

fn header(first: &str) -> String {
    let names = Kind::ALL.map(|policy| format!(" {} |", policy.name())).concat();
    format!("| {first} |{names}\n|---|{}\n", "---|".repeat(Kind::ALL.len()))
}

fn by_policy<'a>(
    cells: &[Cell],
    worlds: impl Iterator<Item = &'a World>,
    shown: &dyn Fn(&Cell) -> String,
) -> String {
    let mut text = header("world, req/min");
    for world in worlds {
        for rate in RATES {
            let row = Kind::ALL.map(|policy| {
                let found = cell(cells, &world.name, rate, policy);
                format!(" {} |", found.map_or_else(|| "-".to_owned(), shown))
            });
            if row.iter().any(|cell| cell != " - |") {
                let rate = thousands(rate);
                text.push_str(&format!("| {}, {rate} |{}\n", world.name, row.concat()));
            }
        }
    }
    text.push('\n');
    text
}

/// What a policy's cells in some worlds have in common: the mean share and the worst cell.
pub(super) fn mean_and_worst(
    cells: &[Cell],
    policy: Kind,
    worlds: impl Fn(&str) -> bool,
    share: impl Fn(&Cell) -> Share,
) -> Option<(f64, &Cell)> {
    let of_policy = || cells.iter().filter(|cell| cell.policy == policy && worlds(&cell.world));
    let n = of_policy().count();
    let worst = of_policy().max_by(|a, b| share(a).ratio().total_cmp(&share(b).ratio()))?;
    Some((of_policy().map(|cell| share(cell).ratio()).sum::<f64>() / n as f64, worst))
}

/// Whether a world's healthy rollouts have a promise.
pub(super) fn promised_healthy(name: &str) -> bool {
    is_promised(name, |expect| matches!(expect, Expect::Healthy { .. }))
}

/// Whether a world's fault must not be promoted.
pub(super) fn promised_fault(name: &str) -> bool {
    is_promised(name, |expect| matches!(expect, Expect::Fault { .. }))
}

/// The duty × severity map has a table of its own.
fn is_promised(name: &str, kind: impl Fn(Expect) -> bool) -> bool {
    !name.starts_with("f_duty") && catalogue::find(name).is_some_and(|world| kind(world.expect))
}

fn summary(cells: &[Cell], worlds: &[World]) -> String {
    let mut text = format!(
        "## In short\n\nMean over the cells of all worlds with a promise ({} worlds, all rates), and \
         the worst cell.\n\n| policy | healthy: rolled back | worst | healthy: hang | fault: \
         completed | worst |\n|---|---|---|---|---|---|\n",
        worlds.iter().filter(|w| promised_healthy(&w.name) || promised_fault(&w.name)).count()
    );
    let worst = |cell: &Cell, share: Share| {
        let (world, rate) = (&cell.world, thousands(cell.requests_per_minute));
        if share.k == 0 { "-".to_owned() } else { format!("{world}, {rate}: {}", percent(share)) }
    };
    for policy in Kind::ALL {
        let back = mean_and_worst(cells, policy, promised_healthy, |c| c.rolled_back);
        let hang = mean_and_worst(cells, policy, promised_healthy, |c| c.hangs);
        let done = mean_and_worst(cells, policy, promised_fault, |c| c.completed);
        let (Some(back), Some(hang), Some(done)) = (back, hang, done) else { continue };
        text.push_str(&format!(
            "| {} | {:.2}% | {} | {:.2}% | {:.1}% | {} |\n",
            policy.name(),
            100.0 * back.0,
            worst(back.1, back.1.rolled_back),
            100.0 * hang.0,
            100.0 * done.0,
            worst(done.1, done.1.completed),
        ));
    }
    text.push('\n');
    text
}

fn minutes(cells: &[Cell]) -> String {
    let mut text =
        "## Minutes of a healthy rollout\n\nh_iid: to the bake / to 100% / until nobody \
                    looks any more, medians.\n\n"
            .to_owned();
    text.push_str(&header("req/min"));
    let p50 = |q: Option<Quantiles>| q.map_or_else(|| "-".to_owned(), |q| q.p50.to_string());
    for rate in RATES {
        let row = Kind::ALL.map(|policy| match cell(cells, "h_iid", rate, policy) {
            Some(cell) => {
                format!(" {} / {} / {} |", p50(cell.bake), p50(cell.full), p50(cell.complete))
            }
            None => " - |".to_owned(),
        });
        text.push_str(&format!("| {} |{}\n", thousands(rate), row.concat()));
    }
    text.push('\n');
    text
}

fn reached(goals: &[Checked]) -> String {
    let missed: Vec<&Checked> = goals.iter().filter(|goal| !goal.missed.is_empty()).collect();
    let mut text = format!(
        "## Numbers to reach\n\n{} of {} cells reach every number asked of evidence-2. A share is \
         missed only if its interval excludes the number; minutes and requests may be 15% or one \
         above the reference.\n\n",
        goals.len() - missed.len(),
        goals.len()
    );
    if !missed.is_empty() {
        text.push_str("| world | req/min | n | missed |\n|---|---|---|---|\n");
        for Checked { world, requests_per_minute, n, missed } in missed {
            let (rate, missed) = (thousands(requests_per_minute), missed.join("; "));
            text.push_str(&format!("| {world} | {rate} | {n} | {missed} |\n"));
        }
        text.push('\n');
    }
    text
}

fn duties(cells: &[Cell]) -> String {
    let mut text = "## Faults that come and go: duty × severity, evidence-2\n\nMedian minutes to \
                    rollback at 600 / 6,000 requests a minute; *done*: completes (its average keeps \
                    the limit of 1%); *held*: neither.\n\n"
        .to_owned();
    let columns = catalogue::SEVERITIES.map(|severity| format!(" {severity}% fail |")).concat();
    text.push_str(&format!("| bad minutes |{columns}\n|---|---|---|---|---|\n"));
    for period in catalogue::PERIODS {
        let row = catalogue::SEVERITIES.map(|severity| {
            let name = catalogue::duty(period, severity).name;
            let found = [600.0, 6000.0].map(|rate| {
                let found = cell(cells, &name, rate, Kind::Evidence2);
                found.map_or_else(|| "-".to_owned(), ending)
            });
            format!(" {} |", found.join(" / "))
        });
        text.push_str(&format!("| 1 in {period} |{}\n", row.concat()));
    }
    text.push('\n');
    text
}

/// How most rollouts of a cell end.
pub(super) fn ending(cell: &Cell) -> String {
    let half = |share: Share| share.ratio() >= 0.5;
    match cell.delay {
        Some(delay) if half(cell.rolled_back) => delay.p50.to_string(),
        Some(_) | None if half(cell.completed) => "done".to_owned(),
        Some(_) | None => "held".to_owned(),
    }
}
