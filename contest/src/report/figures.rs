//! The five figures.

use super::svg::{Anchor, Svg};
use super::tables::{ending, mean_and_worst, promised_fault, promised_healthy};
use super::{cell, thousands};
use crate::cell::Cell;
use crate::jobs::{MIDDLE_RATES, RATES};
use crate::policy::Kind;
use crate::worlds::catalogue;

/// Name and drawing of each figure that the cells suffice for.
pub(super) fn all(cells: &[Cell]) -> Vec<(&'static str, String)> {
    if cells.is_empty() {
        return Vec::new();
    }
    vec![
        ("promises.svg", promises(cells)),
        ("requests.svg", requests(cells)),
        ("minutes.svg", minutes(cells)),
        ("hangs.svg", hangs(cells)),
        ("duty.svg", duty(cells)),
    ]
}

/// A rectangle on the drawing and the values it stands for.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Plot {
    /// Both scales logarithmic.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let part = |value: f64, (low, high): (f64, f64)| {
            ((value.max(low) / low).ln() / (high / low).ln()).clamp(0.0, 1.0)
        };
        (
            self.left + part(x, self.x) * (self.right - self.left),
            self.bottom - part(y, self.y) * (self.bottom - self.top),
        )
    }

    fn axes(&self, svg: &mut Svg, x: &[(f64, String)], y: &[(f64, String)], names: (&str, &str)) {
        for (value, label) in x {
            let (at, _) = self.at(*value, self.y.0);
            svg.line((at, self.top), (at, self.bottom), "grid");
            svg.text(at, self.bottom + 18.0, Anchor::Middle, "n", label);
        }
        for (value, label) in y {
            let (_, at) = self.at(self.x.0, *value);
            svg.line((self.left, at), (self.right, at), "grid");
            svg.text(self.left - 8.0, at + 4.0, Anchor::End, "n", label);
        }
        svg.line((self.left, self.bottom), (self.right, self.bottom), "axis");
        svg.line((self.left, self.top), (self.left, self.bottom), "axis");
        let middle = f64::midpoint(self.left, self.right);
        svg.text(middle, self.bottom + 38.0, Anchor::Middle, "n", names.0);
        svg.text(self.left - 40.0, self.top - 12.0, Anchor::Start, "n", names.1);
    }
}

fn ticks(values: &[f64], label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    values.iter().map(|&value| (value, label(value))).collect()
}

/// A share, of which none is drawn as 0.03%.
const NONE: f64 = 0.03;

fn promises(cells: &[Cell]) -> String {
    let mut svg = Svg::new(760.0, 480.0, "False rollbacks against bad versions promoted");
    let range = (NONE, 100.0);
    let plot = Plot { left: 70.0, right: 730.0, top: 70.0, bottom: 420.0, x: range, y: range };
    let shares = ticks(&[NONE, 0.1, 1.0, 10.0, 100.0], |share| {
        if share > NONE { format!("{share}%") } else { "0".to_owned() }
    });
    let names = (
        "bad versions that complete: mean over the fault worlds and rates",
        "healthy versions rolled back: mean over the healthy worlds and rates",
    );
    plot.axes(&mut svg, &shares, &shares, names);
    let mut names: Vec<((f64, f64), usize, &str)> = Vec::new();
    for (at, policy) in Kind::ALL.into_iter().enumerate() {
        let back = mean_and_worst(cells, policy, promised_healthy, |c| c.rolled_back);
        let done = mean_and_worst(cells, policy, promised_fault, |c| c.completed);
        let (Some((back, _)), Some((done, _))) = (back, done) else { continue };
        let (back, done) = (100.0 * back, 100.0 * done);
        let point = plot.at(done, back);
        let name = policy.name();
        let says = format!("{name}: {back:.2}% rolled back, {done:.1}% promoted");
        svg.dot(point, 6.0, &format!("s{at}"), &says);
        names.push((point, at, name));
    }
    names.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    // Left end, right end and base line of what must not be written over.
    let dots = names.iter().map(|&((x, y), ..)| (x - 9.0, x + 9.0, y + 4.0));
    let mut taken: Vec<(f64, f64, f64)> = dots.collect();
    for ((x, y), at, name) in names {
        // Most dots are at the right edge: their names stand to the left.
        let width = 7.5 * name.len() as f64;
        let right = x > 500.0;
        let (near, far) = if right { (x - 11.0, x - 11.0 - width) } else { (x + 11.0, x + width) };
        let mut base = y + 4.0;
        let over = |base: f64, &&(left, end, other): &&(f64, f64, f64)| {
            (base - other).abs() < 14.0 && left < near.max(far) && end > near.min(far)
        };
        while let Some(&(.., other)) = taken.iter().find(|&box_| over(base, &box_)) {
            base = other + 14.0;
        }
        taken.push((near.min(far), near.max(far), base));
        if base > y + 5.0 {
            svg.line((x, y), (near, base - 4.0), "axis");
        }
        let anchor = if right { Anchor::End } else { Anchor::Start };
        svg.text(near, base, anchor, &format!("t{at}"), name);
    }
    svg.finish()
}

fn requests(cells: &[Cell]) -> String {
    let title = "Requests served under a fault, against the least that can show it";
    let mut svg = Svg::new(760.0, 520.0, title);
    let plot = Plot {
        left: 80.0,
        right: 730.0,
        top: 88.0,
        bottom: 440.0,
        x: (1.0, 10_000.0),
        y: (10.0, 1_000_000.0),
    };
    let tens = |values: &[f64]| ticks(values, thousands);
    plot.axes(
        &mut svg,
        &tens(&[1.0, 10.0, 100.0, 1000.0, 10_000.0]),
        &tens(&[10.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1_000_000.0]),
        ("bound ln(1/alpha)/KL, requests", "requests until rollback, median"),
    );
    for (times, label) in [(1.0, "bound"), (5.0, "5 times")] {
        let line = [10.0_f64, 10_000.0].map(|x| plot.at(x, times * x));
        svg.path(&line, "oracle dash");
        svg.text(line[1].0 - 6.0, line[1].1 - 8.0, Anchor::End, "n", label);
    }
    for (at, rate) in RATES.into_iter().enumerate() {
        for world in catalogue::all() {
            let Some(bound) = world.bound(0.01) else { continue };
            for policy in [Kind::Evidence1, Kind::Evidence2] {
                let Some(cell) = cell(cells, &world.name, rate, policy) else { continue };
                let Some(under) = cell.under_fault else { continue };
                let hollow = if policy == Kind::Evidence1 { " hollow" } else { "" };
                let (name, rate) = (policy.name(), thousands(rate));
                let says = format!("{name}, {} at {rate}: {}", world.name, thousands(under.p50));
                let point = plot.at(bound, under.p50 as f64);
                svg.dot(point, 4.5, &format!("s{at}{hollow}"), &says);
            }
        }
        let x = 90.0 + 130.0 * at as f64;
        svg.dot((x, 496.0), 4.5, &format!("s{at}"), "");
        let label = format!("{} req/min", thousands(rate));
        svg.text(x + 10.0, 500.0, Anchor::Start, &format!("t{at}"), &label);
    }
    let note = "filled: evidence-2; hollow: evidence-1. Far above the bound, lag and caps decide.";
    svg.text(20.0, 48.0, Anchor::Start, "n", note);
    svg.finish()
}

fn minutes(cells: &[Cell]) -> String {
    let mut svg = Svg::new(860.0, 480.0, "Minutes until a healthy version has all traffic");
    let plot = Plot {
        left: 70.0,
        right: 660.0,
        top: 70.0,
        bottom: 420.0,
        x: (10.0, 60_000.0),
        y: (10.0, 1000.0),
    };
    plot.axes(
        &mut svg,
        &ticks(&RATES, thousands),
        &ticks(&[10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0], thousands),
        ("requests a minute", "minutes, median; bars: 10 to 90% of evidence-2's rollouts"),
    );
    let world = catalogue::named("h_iid");
    let oracle: Vec<(f64, f64)> = RATES
        .into_iter()
        .filter_map(|rate| Some(plot.at(rate, world.oracle_minutes(rate, 0.01)?)))
        .collect();
    svg.path(&oracle, "oracle dash");
    let mut labels: Vec<(f64, String, &str)> = Vec::new();
    labels.extend(oracle.last().map(|end| (end.1, "n".to_owned(), "oracle, no bake")));
    for (at, policy) in Kind::ALL.into_iter().enumerate() {
        let mut points = Vec::new();
        for rate in RATES {
            let Some(full) = cell(cells, "h_iid", rate, policy).and_then(|cell| cell.full) else {
                continue;
            };
            if policy == Kind::Evidence2 {
                let (low, high) = (plot.at(rate, full.p10 as f64), plot.at(rate, full.p90 as f64));
                svg.line(low, high, &format!("s{at}"));
            }
            points.push(plot.at(rate, full.p50 as f64));
        }
        svg.path(&points, &format!("s{at}"));
        labels.extend(points.last().map(|end| (end.1, format!("t{at}"), policy.name())));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = 0.0_f64;
    for (y, class, name) in labels {
        // No label covers the one above it.
        lowest = (y + 4.0).max(lowest + 16.0);
        svg.text(670.0, lowest, Anchor::Start, &class, name);
    }
    svg.finish()
}

fn hangs(cells: &[Cell]) -> String {
    let mut svg = Svg::new(760.0, 460.0, "Healthy rollouts that hang, and those rolled back");
    let note =
        "mean over the healthy worlds, percent of rollouts; wide bar: hang, thin bar: rolled back";
    svg.text(20.0, 50.0, Anchor::Start, "n", note);
    let scale = |percent: f64| 520.0 * (percent / 40.0).min(1.0);
    for (at, policy) in Kind::ALL.into_iter().enumerate() {
        let y = 72.0 + 46.0 * at as f64;
        let hang = mean_and_worst(cells, policy, promised_healthy, |c| c.hangs);
        let back = mean_and_worst(cells, policy, promised_healthy, |c| c.rolled_back);
        let (Some((hang, worst)), Some((back, _))) = (hang, back) else { continue };
        svg.text(140.0, y + 20.0, Anchor::End, &format!("t{at}"), policy.name());
        svg.rect((150.0, y), (scale(100.0 * hang).max(1.0), 16.0), &format!("s{at}"));
        svg.rect((150.0, y + 20.0), (scale(100.0 * back).max(1.0), 6.0), &format!("s{at}"));
        let mut says = format!("{:.2}% hang, {:.2}% rolled back", 100.0 * hang, 100.0 * back);
        if worst.hangs.k > 0 {
            let (most, world) = (100.0 * worst.hangs.ratio(), &worst.world);
            let rate = thousands(worst.requests_per_minute);
            says.push_str(&format!("; most hang in {world} at {rate}: {most:.0}%"));
        }
        let right = 158.0 + scale(100.0 * hang.max(back));
        let (x, anchor) = if right > 250.0 { (740.0, Anchor::End) } else { (right, Anchor::Start) };
        svg.text(x, y + 13.0, anchor, "n", &says);
    }
    svg.finish()
}

fn duty(cells: &[Cell]) -> String {
    let mut svg =
        Svg::new(760.0, 420.0, "Faults that come and go, evidence-2: what becomes of them");
    let note = "minutes to rollback (median) at 600 / 6,000 req/min; done: completes, its average keeps \
                the limit of 1%; held: neither";
    svg.text(20.0, 50.0, Anchor::Start, "n", note);
    let (width, height) = (145.0, 56.0);
    for (column, severity) in catalogue::SEVERITIES.into_iter().enumerate() {
        let x = 130.0 + width * column as f64;
        let label = format!("{severity}% fail");
        svg.text(x + width / 2.0, 78.0, Anchor::Middle, "n", &label);
        for (row, period) in catalogue::PERIODS.into_iter().enumerate() {
            let y = 90.0 + height * row as f64;
            let world = catalogue::duty(period, severity);
            for (half, rate) in MIDDLE_RATES.into_iter().enumerate() {
                let Some(cell) = cell(cells, &world.name, rate, Kind::Evidence2) else { continue };
                let ending = ending(cell);
                let class = match ending.as_str() {
                    _ if cell.broken(world.expect).is_some() => "wrong",
                    "done" => "done",
                    "held" => "held",
                    _ => "back",
                };
                let x = x + 72.0 * half as f64;
                svg.rect((x, y), (69.0, height - 4.0), class);
                svg.text(x + 34.0, y + 31.0, Anchor::Middle, "", &ending);
            }
        }
    }
    for (row, period) in catalogue::PERIODS.into_iter().enumerate() {
        let y = 90.0 + height * row as f64 + 31.0;
        svg.text(118.0, y, Anchor::End, "n", &format!("1 minute in {period}"));
    }
    svg.text(130.0, 396.0, Anchor::Start, "n", "a red cell breaks its promise");
    svg.finish()
}
