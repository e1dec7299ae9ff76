//! One line for each limit: both sides, the limit, proof and suspicion.

use super::{BARS_FROM, BODY, Screen, Style, bar, display_width, paint, wrap, wrap_all};
use crate::api::{Level, MetricShown, SideShown, Sides, Status, WrongAnswersShown};
use crate::domain::explain::hour;
use crate::domain::figures::{
    SHOW_SHARE_FROM, count, estimate, latency, latency_limit, limit, percent_beside,
};
use jiff::SignedDuration;

/// From so many columns on the likely ranges are shown.
const RANGES_FROM: usize = 120;
/// Below so many columns limits and suspicion are left out.
const WHOLE_FROM: usize = 54;
/// Columns that a side's label may take: with two of them a line has 80.
const LABEL: usize = 12;
/// From this age on it is said when answers were compared last.
const STALE: SignedDuration = SignedDuration::from_mins(15);
/// Cells of a proof's bar.
const PROOF: usize = 10;

/// A cell, and what its colour means.
#[derive(Default)]
struct Cell(String, Option<Style>);

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text, None)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(text.to_owned(), None)
    }
}

/// The table; nothing before anything was judged.
pub(super) fn table(status: &Status, screen: &Screen) -> Vec<String> {
    let Some(requests) = &status.requests else { return Vec::new() };
    let ranges = screen.explain || screen.columns >= RANGES_FROM;
    let bars = screen.columns >= BARS_FROM && (!ranges || screen.columns >= RANGES_FROM);
    let proof = !status.ended && status.metrics.iter().any(|metric| metric.proof.is_some());
    let stale = status.reason.code == "no_tick";
    // Where little fits: both sides and the proof.
    let whole = screen.columns >= WHOLE_FROM;
    let labels = &status.labels;
    let mut rows: Vec<Vec<Cell>> = Vec::new();

    let mut head: Vec<Cell> = vec![match status.as_of.filter(|_| stale) {
        Some(at) => {
            format!("as of {}", hour(at.as_millisecond(), status.now.as_millisecond())).into()
        }
        None => "".into(),
    }];
    for label in [&labels.old, &labels.new] {
        head.push(label.as_str().into());
        if ranges {
            head.push("likely range".into());
        }
    }
    if whole {
        head.push("limit".into());
    }
    if proof {
        head.push(match status.share.next {
            Some(next) if bars => format!("proof for {next}%").into(),
            Some(_) | None => "proof".into(),
        });
    }
    if whole {
        head.push("suspicion".into());
    }
    let heads = heads(&head, labels);
    let number = heads.len();
    rows.extend(heads);

    let mut row: Vec<Cell> = vec!["requests".into()];
    for requests in [requests.old, requests.new] {
        row.push(count(requests).into());
        if ranges {
            row.push("".into());
        }
    }
    rows.push(row);

    for metric in &status.metrics {
        let mut row: Vec<Cell> = vec![metric.name.as_str().into()];
        for side in [&metric.old, &metric.new] {
            row.push(value(metric, side));
            if ranges {
                row.push(range(metric, side).into());
            }
        }
        if whole {
            row.push(limit_of(metric).into());
        }
        if proof {
            row.push(proof_of(metric, bars));
        }
        if whole {
            let bar = if bars { bar::suspicion(metric.suspicion) } else { String::new() };
            row.push(bar.into());
        }
        rows.push(row);
    }
    if let Some(answers) = &status.wrong_answers {
        let mut row: Vec<Cell> = vec!["answers".into(), "".into()];
        if ranges {
            row.push("".into());
        }
        row.push(compared(answers));
        if ranges {
            row.push(compared_range(answers).into());
        }
        if whole {
            row.push(limit(answers.limit).into());
        }
        if proof {
            row.push(if answers.required {
                proof_cell(answers.proof, answers.proven, None, bars)
            } else {
                "not required".into()
            });
        }
        if whole {
            let bar = if bars { bar::suspicion(answers.suspicion) } else { String::new() };
            row.push(bar.into());
        }
        rows.push(row);
    }
    if whole {
        rows.push(together(status, ranges, proof, bars));
    }

    aligned(&rows, number, screen.columns.min(BODY), stale.then_some(Style::Soft))
}

/// The head in as many rows as its longest label needs; the last row is full.
fn heads(head: &[Cell], labels: &Sides<String>) -> Vec<Vec<Cell>> {
    let lines = |Cell(text, _): &Cell| {
        let is_label = *text == labels.old || *text == labels.new;
        wrap_all(text, if is_label { LABEL } else { usize::MAX })
    };
    let cells: Vec<Vec<String>> = head.iter().map(lines).collect();
    let most = cells.iter().map(Vec::len).max().unwrap_or(0);
    let row = |at: usize| {
        let cell = |lines: &Vec<String>| {
            let from = most - lines.len();
            at.checked_sub(from)
                .and_then(|at| lines.get(at))
                .map_or_else(Cell::default, |line| line.as_str().into())
        };
        cells.iter().map(cell).collect()
    };
    (0..most).map(row).collect()
}

/// All limits: the emptiest proof, and the whole suspicion.
fn together(status: &Status, ranges: bool, proof: bool, bars: bool) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec!["together".into(), "".into(), "".into(), "".into()];
    if ranges {
        row.extend(["".into(), "".into()]);
    }
    if proof {
        let least = status.metrics.iter().filter(|metric| metric.proof.is_some()).min_by(|a, b| {
            let part = |metric: &MetricShown| metric.proof.unwrap_or(1.0);
            part(a).total_cmp(&part(b))
        });
        let open: Vec<&MetricShown> = status.metrics.iter().filter(|m| !m.proven).collect();
        let longest = open.iter().map(|metric| metric.minutes_left).max_by_key(|left| {
            // One without an estimate is the longest.
            left.unwrap_or(u64::MAX)
        });
        let answers = status.wrong_answers.as_ref();
        let missing = answers.filter(|answers| answers.required && !answers.proven);
        row.push(match (least, missing) {
            (None, _) => Cell::default(),
            // How long comparisons take is not known in minutes.
            (Some(metric), Some(answers)) => {
                let part = answers.proof.min(metric.proof.unwrap_or(0.0));
                proof_cell(part, false, None, bars)
            }
            (Some(metric), None) => {
                let proven = open.is_empty();
                proof_cell(metric.proof.unwrap_or(0.0), proven, longest.flatten(), bars)
            }
        });
    }
    row.push(match &status.suspicion {
        None => Cell::default(),
        Some(suspicion) => {
            let word = match suspicion.level {
                Level::Rollback => "full",
                Level::Low | Level::Raised => suspicion.level.word(),
            };
            let style = match suspicion.level {
                Level::Low => None,
                Level::Raised => Some(Style::Warn),
                Level::Rollback => Some(Style::Bad),
            };
            let bar = if bars { bar::suspicion(suspicion.part) + " " } else { String::new() };
            Cell(format!("{bar}{word}"), style)
        }
    });
    row
}

/// `0 of 598`, `27% ✖`, `50 ms`.
fn value(metric: &MetricShown, side: &SideShown) -> Cell {
    let text = if side.of == 0 {
        "none".to_owned()
    } else if metric.limit_ms.is_some() {
        match side.ms {
            Some(ms) => latency(ms),
            None => match side.ms_low {
                Some(low) if low > 0.0 => format!("over {}", latency(low)),
                Some(_) | None => "none".to_owned(),
            },
        }
    } else if side.count == 0 || (side.of < SHOW_SHARE_FROM && !side.broken) {
        format!("{} of {}", count(side.count), count(side.of))
    } else {
        percent_beside(side.count as f64 / side.of as f64, metric.limit)
    };
    if side.broken { Cell(format!("{text} ✖"), Some(Style::Bad)) } else { text.into() }
}

/// `0 of 412`, `0.3% ✖`, `not compared`: answers that differ among those compared.
fn compared(answers: &WrongAnswersShown) -> Cell {
    let (Some(compared), Some(different)) = (answers.compared, answers.different) else {
        return "not compared".into();
    };
    if compared == 0 {
        return "not compared".into();
    }
    let text = if different == 0 || (compared < SHOW_SHARE_FROM && !answers.broken) {
        format!("{} of {}", count(different), count(compared))
    } else {
        percent_beside(different as f64 / compared as f64, answers.limit)
    };
    if answers.broken { Cell(format!("{text} ✖"), Some(Style::Bad)) } else { text.into() }
}

fn compared_range(answers: &WrongAnswersShown) -> String {
    match (answers.low, answers.high) {
        (Some(low), Some(high)) => percents(low, high),
        (Some(_) | None, _) => String::new(),
    }
}

/// What the row of answers cannot hold: kinds, and calls that failed.
pub(super) fn about_answers(status: &Status) -> Option<String> {
    let answers = status.wrong_answers.as_ref()?;
    let kinds: Vec<String> = answers
        .kinds
        .iter()
        .map(|shown| format!("{} {}", shown.kind, count(shown.answers)))
        .collect();
    let differ = (!kinds.is_empty()).then(|| format!("answers differ in {}", kinds.join(", ")));
    let failed = answers.failed.filter(|failed| *failed > 0).map(|failed| {
        let calls = if failed == 1 { "call" } else { "calls" };
        format!("{} {calls} to {} failed, so not compared", count(failed), status.labels.old)
    });
    // What was compared long ago says nothing of now.
    let ended = answers
        .as_of
        .zip(status.as_of)
        .filter(|(last, judged)| !status.ended && judged.duration_since(*last) > STALE);
    let ended = ended.map(|(last, _)| {
        format!("last compared at {}", hour(last.as_millisecond(), status.now.as_millisecond()))
    });
    let parts: Vec<String> = differ.into_iter().chain(failed).chain(ended).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// What the rollback's examples say, under their own heading.
pub(super) fn examples(status: &Status, columns: usize) -> Vec<String> {
    let examples = status.wrong_answers.as_ref().and_then(|answers| answers.examples.as_ref());
    let Some(examples) = examples else { return Vec::new() };
    let Sides { old, new } = &status.labels;
    let mut lines = Vec::new();
    if !examples.named.is_empty() {
        lines.push(format!("logged examples, {old} first, then {new}:"));
    }
    lines.extend(examples.lines.iter().flat_map(|line| wrap(line, columns)));
    lines
}

/// `0.01 to 0.3%`, `63 to 100 ms`, `at least 40 ms`.
fn range(metric: &MetricShown, side: &SideShown) -> String {
    if side.of == 0 {
        return String::new();
    }
    if metric.limit_ms.is_some() {
        return match (side.ms_low, side.ms_high) {
            (None, _) => String::new(),
            (Some(low), Some(high)) if low <= 0.0 => format!("up to {}", latency_limit(high)),
            (Some(low), Some(high)) => format!("{low} to {}", latency_limit(high)),
            (Some(low), None) => format!("at least {}", latency_limit(low)),
        };
    }
    percents(side.low, side.high)
}

fn percents(low: f64, high: f64) -> String {
    let number = |ratio: f64| {
        let percent = ratio * 100.0;
        let shown = if percent < 0.1 { format!("{percent:.2}") } else { format!("{percent:.1}") };
        let shown = shown.trim_end_matches('0').trim_end_matches('.').to_owned();
        if shown.is_empty() { "0".to_owned() } else { shown }
    };
    format!("{} to {}%", number(low), number(high))
}

fn limit_of(metric: &MetricShown) -> String {
    metric.limit_ms.map_or_else(|| limit(metric.limit), latency_limit)
}

fn proof_of(metric: &MetricShown, bars: bool) -> Cell {
    match metric.proof {
        None => Cell::default(),
        Some(part) => proof_cell(part, metric.proven, metric.minutes_left, bars),
    }
}

fn proof_cell(part: f64, proven: bool, left: Option<u64>, bars: bool) -> Cell {
    let said = match (proven, left) {
        (true, _) => "proven".to_owned(),
        (false, Some(minutes)) => match estimate(minutes) {
            Some(minutes) => format!("~{minutes} min"),
            None => ">3 h".to_owned(),
        },
        (false, None) => "waits".to_owned(),
    };
    let bar = if bars { bar::proof(part, proven, PROOF) + " " } else { String::new() };
    Cell(format!("{bar}{said}"), proven.then_some(Style::Good))
}

/// Columns as wide as their widest cell, two spaces apart; one apart where it would
/// not fit. The first rows are heads.
fn aligned(rows: &[Vec<Cell>], heads: usize, columns: usize, all: Option<Style>) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |at: usize| {
        rows.iter().filter_map(|row| row.get(at)).map(|cell| display_width(&cell.0)).max()
    };
    let widths: Vec<usize> = (0..count).map(|at| widest(at).unwrap_or(0)).collect();
    let sum: usize = widths.iter().sum();
    let gaps = count.saturating_sub(1);
    let gap = if sum + 3 * gaps <= columns.min(110) {
        3
    } else if sum + 2 * gaps <= columns {
        2
    } else {
        1
    };
    rows.iter()
        .enumerate()
        .map(|(number, row)| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let pad = " ".repeat(width.saturating_sub(display_width(&cell.0)) + gap);
                let style = if number < heads { Some(Style::Soft) } else { cell.1 };
                line.push_str(&paint(all.or(style).unwrap_or(Style::Plain), &cell.0));
                line.push_str(&pad);
            }
            line.trim_end().to_owned()
        })
        .collect()
}
