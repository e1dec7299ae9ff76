//! A simulated rollout as text, CSV and a page.

use super::run::{End, Played, Row};
use crate::domain::explain::number::count;
use crate::widget::html::escape;
use std::fmt::Write as _;

/// For a terminal: a line for each change, then how it ended.
pub fn text(name: &str, what: &str, played: &Played) -> String {
    let mut text = format!("{name}: {what}\nseed {}\n\n  minute  on Rust\n", played.seed);
    for row in changes(played) {
        let share = row.share.to_string();
        for deed in &row.people {
            let _ = writeln!(text, "{:>8}  {share:>7}  {deed}", row.minute);
        }
        let _ = writeln!(text, "{:>8}  {share:>7}  {}", row.minute, sentence(row));
        for page in &row.pages {
            let _ = writeln!(text, "{:>8}  {share:>7}  page: {page}", row.minute);
        }
    }
    let _ = writeln!(text, "\n{}", end(played));
    text
}

/// How it ended and what it cost, two sentences.
pub fn end(played: &Played) -> String {
    let end = match played.end {
        End::Completed => format!("Completed in minute {}.", played.minutes),
        End::RolledBack => format!("Rolled back in minute {}.", played.minutes),
        End::Open => format!(
            "Neither completed nor rolled back when the world ended in minute {}.",
            played.minutes
        ),
    };
    format!(
        "{end} Rust had {} requests; {} of them failed or took longer than 500 ms.",
        count(played.new.requests),
        count(played.new.hurt)
    )
}

/// Minutes in which something changed.
fn changes(played: &Played) -> impl Iterator<Item = &Row> {
    let before = std::iter::once(None).chain(played.rows.iter().map(Some));
    played.rows.iter().zip(before).filter_map(|(row, before)| {
        let same = before.is_some_and(|before| {
            before.did == row.did && matches!(row.did, "hold" | "idle" | "skipped")
        });
        let quiet = row.people.is_empty() && row.pages.is_empty();
        (!same || !quiet).then_some(row)
    })
}

/// Without the rollout's name, which stands above.
fn sentence(row: &Row) -> &str {
    row.message.split_once(": ").map_or(row.message.as_str(), |(_, rest)| rest)
}

/// One line a minute, RFC 4180.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn csv(played: &Played) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "minute",
        "at",
        "share_percent",
        "did",
        "requests",
        "failed",
        "hurt",
        "message",
    ])?;
    for row in &played.rows {
        writer.write_record([
            row.minute.to_string(),
            row.at.to_string(),
            row.share.percent().to_string(),
            row.did.to_owned(),
            row.new.requests.to_string(),
            row.new.failed.to_string(),
            row.new.hurt.to_string(),
            sentence(row).to_owned(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 160.0;

/// A page that needs nothing beside it: the share over time, requests hurt below,
/// and what happened.
pub fn html(name: &str, what: &str, played: &Played) -> String {
    let last = f64::from(played.minutes.max(1));
    let x = |minute: u32| f64::from(minute) / last * WIDTH;
    let mut steps = String::new();
    let mut level = HEIGHT;
    for row in &played.rows {
        let y = HEIGHT - row.share.ratio() * HEIGHT;
        let _ = write!(steps, "{:.1},{level:.1} {:.1},{y:.1} ", x(row.minute), x(row.minute));
        level = y;
    }
    #[expect(clippy::cast_precision_loss, reason = "heights of a drawing")]
    let worst = played.rows.iter().map(|row| row.new.hurt).max().unwrap_or(0).max(1) as f64;
    let mut bars = String::new();
    for row in played.rows.iter().filter(|row| row.new.hurt > 0) {
        #[expect(clippy::cast_precision_loss, reason = "heights of a drawing")]
        let height = row.new.hurt as f64 / worst * 60.0;
        let _ = write!(
            bars,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>minute {}: {} of {}</title></rect>",
            x(row.minute),
            60.0 - height,
            (WIDTH / last).max(0.5),
            row.minute,
            count(row.new.hurt),
            count(row.new.requests)
        );
    }
    let mut lines = String::new();
    for row in changes(played) {
        for what in row.people.iter().map(String::as_str).chain([sentence(row)]) {
            let _ = write!(
                lines,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                row.minute,
                row.share,
                escape(what)
            );
        }
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{name}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:15px/1.45 system-ui;max-width:60rem;\
         margin:2rem auto;padding:0 1rem}}svg{{width:100%;height:auto;overflow:visible}}\
         polyline{{fill:none;stroke:#3b82c4;stroke-width:2}}rect{{fill:#c2502f}}\
         line{{stroke:#8888}}td{{padding:.2rem .6rem .2rem 0;vertical-align:top}}</style>\
         <h1>{name}</h1><p>{what}</p><p><strong>{end}</strong> Seed {seed}.</p>\
         <h2>Share of Rust, 0 to 100 %, over {minutes} minutes</h2>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Share of Rust over time\">\
         <line x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\
         <line x1=\"0\" y1=\"0\" x2=\"{WIDTH}\" y2=\"0\"/><polyline points=\"{steps}\"/></svg>\
         <h2>Requests to Rust that failed or took longer than 500 ms, a minute; at most {worst}</h2>\
         <svg viewBox=\"0 0 {WIDTH} 60\" role=\"img\" aria-label=\"Requests hurt over time\">{bars}</svg>\
         <h2>What happened</h2><table><tr><th>Minute</th><th>Share</th><th></th></tr>{lines}</table></html>\n",
        name = escape(name),
        what = escape(what),
        end = escape(&end(played)),
        seed = played.seed,
        minutes = played.minutes,
    )
}

/// Many rollouts of one world in a few lines.
pub fn many(name: &str, what: &str, all: &[Played]) -> String {
    let ended = |end: End| all.iter().filter(|played| played.end == end).collect::<Vec<_>>();
    let mut text = format!("{name}: {what}\n{} rollouts\n\n", all.len());
    for (word, end) in
        [("completed", End::Completed), ("rolled back", End::RolledBack), ("open", End::Open)]
    {
        let these = ended(end);
        let share = super::number::share(these.len(), all.len());
        let _ = write!(text, "{word:>12}  {:>5}  {share:>8}", these.len());
        if let Some([low, middle, high]) = super::number::percentiles(
            these.iter().map(|played| u64::from(played.minutes)).collect::<Vec<_>>(),
        ) {
            let _ = write!(text, "  minutes {low} / {middle} / {high}");
        }
        if let Some([low, middle, high]) = super::number::percentiles(
            these.iter().map(|played| played.new.hurt).collect::<Vec<_>>(),
        ) {
            let _ = write!(
                text,
                "  requests hurt {} / {} / {}",
                count(low),
                count(middle),
                count(high)
            );
        }
        text.push('\n');
    }
    text.push_str("\nThree numbers are the 10th, 50th and 90th percentile.\n");
    text
}
