//! A simulated rollout as text, CSV and a page.

use super::forecast::{Forecast, Outlook};
use super::run::{End, Played, Row};
use crate::domain::figures::count;
use crate::domain::labels::Labels;
use crate::widget::html::escape;
use std::fmt::Write as _;

/// What three numbers in a row are, see [`super::number::band`].
const BAND: &str = "Three numbers are the 10th percentile or less, the median, and the 90th \
                    percentile or more, with a confidence of 95%.";

/// For a terminal: a line for each change, then how it ended.
pub fn text(name: &str, what: &str, labels: &Labels, played: &Played) -> String {
    let new = &labels.new;
    let mut text = format!("{name}: {what}\nseed {}\n\n  minute  on {new}\n", played.seed);
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
    let _ = writeln!(text, "\n{}", end(played, labels));
    text
}

/// How it ended and what it cost, two sentences.
pub fn end(played: &Played, labels: &Labels) -> String {
    let end = match played.end {
        End::Completed => format!("Completed in minute {}.", played.minutes),
        End::RolledBack => format!("Rolled back in minute {}.", played.minutes),
        End::Open => format!(
            "Neither completed nor rolled back when the world ended in minute {}.",
            played.minutes
        ),
    };
    format!(
        "{end} {} had {} requests; {} of them failed or took longer than 500 ms.",
        labels.new,
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
pub fn html(name: &str, what: &str, labels: &Labels, played: &Played) -> String {
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
         <h2>Share of {new}, 0 to 100%, over {minutes} minutes</h2>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Share of {new} over time\">\
         <line x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\
         <line x1=\"0\" y1=\"0\" x2=\"{WIDTH}\" y2=\"0\"/><polyline points=\"{steps}\"/></svg>\
         <h2>Requests to {new} that failed or took longer than 500 ms, a minute; at most {worst}</h2>\
         <svg viewBox=\"0 0 {WIDTH} 60\" role=\"img\" aria-label=\"Requests hurt over time\">{bars}</svg>\
         <h2>What happened</h2><table><tr><th>Minute</th><th>Share</th><th></th></tr>{lines}</table></html>\n",
        name = escape(name),
        what = escape(what),
        new = escape(&labels.new),
        end = escape(&end(played, labels)),
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
        if let Some([low, middle, high]) = super::number::band(
            these.iter().map(|played| u64::from(played.minutes)).collect::<Vec<_>>(),
        ) {
            let _ = write!(text, "  minutes {low} / {middle} / {high}");
        }
        if let Some([low, middle, high]) =
            super::number::band(these.iter().map(|played| played.new.hurt).collect::<Vec<_>>())
        {
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
    let _ = writeln!(text, "\n{BAND}");
    text
}

/// Widest bar of a plan, characters.
const BAR: usize = 40;

/// A plan for a terminal.
pub fn plan(forecast: &Forecast, labels: &Labels) -> String {
    let new = &labels.new;
    let Forecast { world, requests_per_minute, start, chosen, healthy, faults, price, .. } =
        forecast;
    let mut text = format!(
        "Assumed: {world}\nTraffic: {} requests a minute on average. It would {start}.\n",
        count_of(*requests_per_minute)
    );
    for line in chosen {
        let _ = writeln!(text, "{line}.");
    }
    text.push('\n');
    let _ = writeln!(
        text,
        "Without a fault, {} rollouts: {} completed, {} rolled back, {} still open at the end",
        healthy.rollouts,
        healthy.completed,
        healthy.rolled_back,
        healthy.rollouts - healthy.completed - healthy.rolled_back
    );
    let _ = writeln!(text, "  {:>7}  {:<22}", "stage", "minutes, 10/50/90%");
    let longest = healthy.stages.iter().filter_map(|stage| stage.minutes).map(|m| m[1]).max();
    for stage in &healthy.stages {
        let Some(minutes) = stage.minutes else { continue };
        let bar = bar(minutes[1], longest.unwrap_or(1));
        let _ = writeln!(
            text,
            "  {:>5}%  {:<22}{bar}{}",
            stage.share_percent,
            three(minutes, |n| n.to_string()),
            some_of(stage.rollouts, healthy.rollouts)
        );
    }
    if let Some(minutes) = healthy.minutes {
        let _ = writeln!(text, "  {:>7}  {}", "in all", three(minutes, |n| n.to_string()));
    }
    let of = faults.first().map_or(0, |fault| fault.rollouts);
    let _ = writeln!(
        text,
        "\nWith a fault in {new}, {of} rollouts each: minutes and requests from the fault to the rollback"
    );
    let _ = writeln!(
        text,
        "  {:<46} {:>7} {:>6} {:>5}  {:<16} {:<24} of these hurt",
        "fault",
        "rolled",
        "missed",
        "held",
        "minutes",
        format!("requests to {new}")
    );
    for fault in faults {
        let Outlook { fault, rolled_back, missed, held, minutes, requests, hurt, .. } = fault;
        let _ = writeln!(
            text,
            "  {fault:<46} {rolled_back:>7} {missed:>6} {held:>5}  {:<16} {:<24} {}",
            counts(*minutes),
            counts(*requests),
            counts(*hurt)
        );
    }
    let _ = writeln!(
        text,
        "\n{BAND}\nA month with an open rollout costs ${:.2} for CloudWatch ({} metrics a minute) and ${:.2} for Lambda.",
        price.cloudwatch_a_month, price.metrics_per_tick, price.lambda_a_month
    );
    text
}

/// Nothing where all rollouts had a stage.
fn some_of(rollouts: usize, all: usize) -> String {
    if rollouts == all { String::new() } else { format!(" ({rollouts} of {all} rollouts)") }
}

fn bar(minutes: u64, longest: u64) -> String {
    let length =
        usize::try_from(minutes).unwrap_or(0) * BAR / usize::try_from(longest).unwrap_or(1).max(1);
    "█".repeat(length.max(1))
}

/// Three counts; a dash where nothing was counted.
fn counts(found: Option<[u64; 3]>) -> String {
    found.map_or_else(|| "–".to_owned(), |found| three(found, count))
}

fn three(found: [u64; 3], word: impl Fn(u64) -> String) -> String {
    found.map(word).join(" / ")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count to read")]
fn count_of(number: f64) -> String {
    count(number.max(0.0).round() as u64)
}

/// A plan as a page that needs nothing beside it.
pub fn plan_html(forecast: &Forecast, labels: &Labels) -> String {
    let Forecast { world, requests_per_minute, start, chosen, healthy, faults, price, .. } =
        forecast;
    let chosen = chosen.iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, " {}.", escape(line));
        text
    });
    let longest = healthy.minutes.map_or(1, |minutes| minutes[2]).max(1);
    #[expect(clippy::cast_precision_loss, reason = "positions in a drawing")]
    let x = |minutes: u64| minutes as f64 / longest as f64 * WIDTH;
    let (mut from, mut stages, mut y) = (0, String::new(), 0.0);
    for stage in &healthy.stages {
        let Some(minutes) = stage.minutes else { continue };
        let _ = write!(
            stages,
            "<rect x=\"{:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"18\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{}%: {} minutes{}</text>",
            x(from),
            x(minutes[1]).max(2.0),
            x(from),
            y + 33.0,
            stage.share_percent,
            three(minutes, |n| n.to_string()),
            some_of(stage.rollouts, healthy.rollouts)
        );
        from += minutes[1];
        y += 40.0;
    }
    let mut rows = String::new();
    for fault in faults {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{} of {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&fault.fault),
            fault.rolled_back,
            fault.rollouts,
            fault.missed,
            fault.held,
            counts(fault.minutes),
            counts(fault.requests),
            counts(fault.hurt)
        );
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Plan of a rollout</title>\
         <style>:root{{color-scheme:light dark}}body{{font:15px/1.45 system-ui;max-width:64rem;\
         margin:2rem auto;padding:0 1rem}}svg{{width:100%;height:auto;overflow:visible}}\
         rect{{fill:#3b82c4}}text{{font-size:13px;fill:currentColor}}\
         td,th{{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}}</style>\
         <h1>Plan of a rollout</h1><p>Assumed: {world} {requests} requests a minute on average. \
         It would {start}.{chosen}</p>\
         <h2>Without a fault: {completed} of {rollouts} completed, {rolled_back} rolled back, \
         in {all} minutes</h2>\
         <p>{BAND}</p>\
         <svg viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"Minutes in each stage\">{stages}</svg>\
         <h2>With a fault in {new}</h2><table><tr><th>Fault</th><th>Rolled back</th><th>Missed</th>\
         <th>Held</th><th>Minutes to the rollback</th><th>Requests to {new}</th><th>Of these hurt</th></tr>\
         {rows}</table>\
         <p>A month with an open rollout costs ${cloudwatch:.2} for CloudWatch ({metrics} metrics a \
         minute) and ${lambda:.2} for Lambda.</p></html>\n",
        new = escape(&labels.new),
        world = escape(world),
        requests = count_of(*requests_per_minute),
        start = escape(start),
        completed = healthy.completed,
        rollouts = healthy.rollouts,
        rolled_back = healthy.rolled_back,
        all = healthy.minutes.map_or_else(|| "–".to_owned(), |m| three(m, |n| n.to_string())),
        cloudwatch = price.cloudwatch_a_month,
        metrics = price.metrics_per_tick,
        lambda = price.lambda_a_month,
    )
}
