//! `status` on a terminal: read in five seconds, at 80 columns and 24 rows.
//!
//! Four blocks, always in this order: headline (health, reason, next command), share
//! (bar, each route as read back), table, last changes; then one line of ages. Wide
//! terminals get more columns, not longer lines. Signs and words say everything;
//! colour repeats it, and is taken out where it is not wanted (`anstream`).

mod bar;
mod explain;
mod history;
mod style;
mod table;

pub use history::history;
pub use style::{Style, display_width, paint};

use crate::api::{Change, ChangeKind, RouteShown, Status};
use crate::domain::explain::{health as words, hour, short};
use crate::domain::figures::duration;
use crate::domain::health::Kind;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Where a screen is shown.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Columns, 40 or more.
    pub columns: usize,
    /// Rows; `None`: as many as it takes.
    pub rows: Option<usize>,
    /// Whether it shows more letters than ASCII has.
    pub unicode: bool,
    /// The reader's time zone, beside UTC.
    pub zone: TimeZone,
    /// Also ranges, logarithms, families and full names.
    pub explain: bool,
}

impl Default for Screen {
    /// A pipe: 80 columns of UTF-8, times in UTC.
    fn default() -> Self {
        Self { columns: 80, rows: None, unicode: true, zone: TimeZone::UTC, explain: false }
    }
}

/// Changes shown below the table.
const CHANGES: usize = 3;
/// From so many columns on the last changes are beside the table.
const BESIDE: usize = 170;
/// Below so many columns there are no bars.
const BARS_FROM: usize = 60;
/// From so many rows on the last changes are shown.
const CHANGES_FROM_ROWS: usize = 24;

/// The whole screen, with styles, each line ending in a newline. What fits is shown:
/// changes go first, then what else holds, then the space between.
pub fn status(status: &Status, screen: &Screen) -> String {
    let Some(rows) = screen.rows.filter(|_| !screen.explain) else {
        return finished(&lines(status, screen, CHANGES, usize::MAX, true), screen);
    };
    // The last row is the prompt's.
    let room = rows.saturating_sub(1);
    let changes = if rows < CHANGES_FROM_ROWS { 0 } else { CHANGES };
    let tries = [
        (changes, usize::MAX, true),
        (changes.min(2), usize::MAX, true),
        (changes.min(1), usize::MAX, true),
        (0, usize::MAX, true),
        (0, 2, true),
        (0, 2, false),
        (0, 1, false),
        (0, 0, false),
    ];
    let mut shown = Vec::new();
    for (changes, also, spaced) in tries {
        shown = lines(status, screen, changes, also, spaced);
        if shown.len() <= room {
            break;
        }
    }
    finished(&shown, screen)
}

/// With so many changes, so many other things that hold, and empty lines or not.
fn lines(
    status: &Status,
    screen: &Screen,
    most_changes: usize,
    most_also: usize,
    spaced: bool,
) -> Vec<String> {
    let mut lines = vec![title(status, screen)];
    lines.extend(headline(status, screen, most_also));
    lines.push(String::new());
    let mut body = share(status, screen);
    let table = table::table(status, screen);
    if !table.is_empty() {
        body.push(String::new());
        body.extend(table);
        if let Some(text) = table::about_answers(status) {
            body.extend(wrap(&text, screen.columns.min(BODY)));
        }
        body.extend(table::examples(status, screen.columns.min(BODY)));
    }
    if screen.columns >= BESIDE {
        let room = screen.columns - BODY - 3;
        lines.extend(beside(body, changes(status, room, usize::MAX, true)));
        lines.push(String::new());
    } else {
        lines.extend(body);
        lines.push(String::new());
        let changes = changes(status, screen.columns, most_changes, false);
        if !changes.is_empty() {
            lines.extend(changes);
            lines.push(String::new());
        }
    }
    lines.extend(notes(status, screen));
    lines.extend(ages(status, screen).lines().map(str::to_owned));
    if screen.explain {
        lines.push(String::new());
        lines.extend(explain::lines(status, screen));
    }
    if !spaced {
        lines.retain(|line| !line.is_empty());
    }
    lines
}

/// Columns of share and table where the changes are beside them.
const BODY: usize = 128;

fn finished(lines: &[String], screen: &Screen) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if screen.unicode { text } else { style::ascii(&text) }
}

/// `score · run 7 · advancing                    14:32 UTC (15:32 CET)`
fn title(status: &Status, screen: &Screen) -> String {
    let mut left = vec![status.rollout.clone()];
    match (status.run, &status.phase) {
        (None, _) => left.push("run unknown".to_owned()),
        (Some(0), _) => left.push("no run yet".to_owned()),
        (Some(run), phase) => {
            left.push(format!("run {run}"));
            let shadow = status.mode == Some(crate::domain::plan::Mode::Shadow);
            let phase = phase.clone().unwrap_or_default();
            let phase = if shadow && !status.ended { format!("shadow, {phase}") } else { phase };
            let seen = if status.reason.code == "no_tick" { ", when last seen" } else { "" };
            left.push(format!("{phase}{seen}"));
        }
    }
    if screen.columns >= 120
        && let Some(engine) = &status.engine
    {
        left.push(engine.clone());
    }
    let left = left.join(" · ");
    let right = clock(status.now, screen);
    let room = screen.columns.saturating_sub(display_width(&left));
    if room <= display_width(&right) {
        return paint(Style::Soft, &clipped(&left, screen.columns));
    }
    format!("{}{}", paint(Style::Soft, &left), paint(Style::Soft, &format!("{right:>room$}")))
}

/// `14:32 UTC (15:32 CET)`, the second only where it differs.
fn clock(now: Timestamp, screen: &Screen) -> String {
    let utc = now.to_zoned_datetime(TimeZone::UTC);
    let local = now.to_zoned_datetime(screen.zone.clone());
    let shown = utc.strftime("%H:%M UTC").to_string();
    if local.offset() == utc.offset() {
        return shown;
    }
    format!("{shown} ({})", local.strftime("%H:%M %Z"))
}

/// The colour of a health.
pub(crate) fn tone(kind: Kind) -> Style {
    match kind {
        Kind::NotProtected | Kind::Hurting => Style::Bad,
        Kind::Unknown => Style::Unknown,
        Kind::Degraded => Style::Warn,
        Kind::Safe => Style::Good,
        Kind::Idle => Style::Plain,
    }
}

/// Health, why, what to do.
fn headline(status: &Status, screen: &Screen, most_also: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let sign = words::sign(status.health);
    for (at, line) in wrap(&status.headline, screen.columns - 2).into_iter().enumerate() {
        let lead = if at == 0 { sign } else { " " };
        lines.push(paint(tone(status.health), &format!("{lead} {line}")));
    }
    let indented = |text: &str| {
        let wrapped = wrap(text, screen.columns - 2).into_iter();
        wrapped.map(|line| format!("  {line}")).collect::<Vec<_>>()
    };
    for line in &status.reason.lines {
        lines.extend(indented(line));
    }
    for also in status.also.iter().take(most_also) {
        let text = format!("{} {}", words::sign(also.health), also.text);
        lines.extend(indented(&text).into_iter().map(|line| paint(tone(also.health), &line)));
    }
    if let Some(more) = status.also.len().checked_sub(most_also).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more: --explain"));
    }
    lines.extend(status.advice.lines().flat_map(indented));
    lines
}

/// The bar and what each route shows.
fn share(status: &Status, screen: &Screen) -> Vec<String> {
    let mut lines = Vec::new();
    let width = screen.columns.min(BODY);
    match status.share.journal {
        Some(percent) => {
            let before = status.share.before.filter(|before| *before > percent);
            let said = match before {
                Some(before) => format!("{percent}% (was {before})"),
                None => format!("{percent}%"),
            };
            if width >= BARS_FROM {
                // Beside the label, and the longest that is said: `100% (was 99.9)`.
                let label = display_width(&status.labels.new) + 2;
                let bar = bar::share(percent, &status.share.stages, width - label - 15);
                lines.push(format!("{}  {}  {said}", status.labels.new, bar.cells));
                lines.push(format!("{}{}", " ".repeat(label), bar.scale));
            } else {
                let stages: Vec<String> =
                    status.share.stages.iter().map(ToString::to_string).collect();
                let text = format!("{}  {said}, stages {}", status.labels.new, stages.join(" "));
                lines.extend(wrap(&text, width));
            }
        }
        None if status.run == Some(0) => {}
        None => {
            let share = common_share(&status.routes);
            let new = &status.labels.new;
            let text = format!("{new}  {share} by the rules; stage, run and revision: unknown");
            lines.extend(wrap(&text, width));
        }
    }
    let read = status.now.to_zoned_datetime(TimeZone::UTC).strftime("%H:%M:%S");
    let text = format!("{} · read back {read}", routes(status));
    lines.extend(wrap(&text, width));
    lines
}

/// The share that all rules show, or that they differ.
fn common_share(routes: &[RouteShown]) -> String {
    match routes.split_first() {
        Some((first, rest)) if rest.iter().all(|route| route.shows == first.shows) => {
            first.shows.clone()
        }
        Some(_) => "different shares".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// More routes than these are summed up.
const ROUTES: usize = 6;

fn routes(status: &Status) -> String {
    let leaving = matches!(status.phase.as_deref(), Some("rolling back"));
    if status.routes.len() > ROUTES {
        let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
        for route in &status.routes {
            match kinds.iter_mut().find(|(shows, _)| *shows == route.shows) {
                Some((_, names)) => names.push(&route.name),
                None => kinds.push((&route.shows, vec![&route.name])),
            }
        }
        kinds.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        let each: Vec<String> = kinds
            .into_iter()
            .map(|(shows, names)| match names.as_slice() {
                [one] => format!("{one} {shows}"),
                many => format!("{} routes {shows}", many.len()),
            })
            .collect();
        return each.join(" · ");
    }
    let each: Vec<String> = status
        .routes
        .iter()
        .map(|route| {
            let mark = match (leaving, route.reached) {
                (false, _) => "",
                (true, true) => " ✔",
                (true, false) => " ✖",
            };
            let error =
                route.error.as_deref().map_or_else(String::new, |why| format!(" ({})", short(why)));
            format!("{} {}{error}{mark}", route.name, route.shows)
        })
        .collect();
    each.join(" · ")
}

/// The last changes, newest first: one line each, or as many as it takes.
fn changes(status: &Status, room: usize, most: usize, whole: bool) -> Vec<String> {
    let now_ms = status.now.as_millisecond();
    let newest = status.changes.iter().rev().take(most);
    let lines: Vec<String> = newest
        .flat_map(|change| {
            let at = hour(change.at.as_millisecond(), now_ms);
            let text = told(change);
            let told = if whole {
                wrap(&text, room - display_width(&at) - 2)
            } else {
                vec![clipped(&text, room.saturating_sub(display_width(&at) + 2))]
            };
            let blank = " ".repeat(display_width(&at));
            let style = if change.kind == ChangeKind::Rollback { Style::Bad } else { Style::Plain };
            told.into_iter()
                .enumerate()
                .map(|(row, line)| format!("{}  {line}", if row == 0 { &at } else { &blank }))
                .map(|line| paint(style, &line))
                .collect::<Vec<_>>()
        })
        .collect();
    lines
}

/// `ada paused: "…"`; what the controller did has no subject.
pub fn told(change: &Change) -> String {
    match change.by.as_str() {
        "tick" | "someone" => change.text.clone(),
        _ if change.text.contains(&change.by) => change.text.clone(),
        by => format!("{by} {}", change.text),
    }
}

/// Pages that are not resolved, and messages that did not get through.
fn notes(status: &Status, screen: &Screen) -> Vec<String> {
    let now_ms = status.now.as_millisecond();
    let mut lines = Vec::new();
    if !status.pages.is_empty() {
        let each: Vec<String> = status
            .pages
            .iter()
            .map(|page| {
                format!("{} since {}", page.topic, hour(page.since.as_millisecond(), now_ms))
            })
            .collect();
        lines.extend(wrap(&format!("Pages open: {}", each.join(", ")), screen.columns));
    }
    for unsent in &status.unsent_channels {
        // What was sent a moment ago is not late.
        if unsent.error.is_some() {
            let text = format!(
                "Not sent: {} to {} ({})",
                unsent.messages,
                unsent.channel,
                unsent.error.as_deref().unwrap_or_default()
            );
            lines.push(clipped(&text, screen.columns));
        }
    }
    lines
}

/// `Last tick 6 s ago · judged up to 14:29 · revision 118 · details: --explain`
fn ages(status: &Status, screen: &Screen) -> String {
    let now_ms = status.now.as_millisecond();
    let mut parts = Vec::new();
    parts.push(match status.last_tick_at {
        None if status.revision.is_none() => "Last tick unknown".to_owned(),
        None => "No tick yet".to_owned(),
        Some(at) => {
            format!("Last tick {} ago", duration(now_ms.saturating_sub(at.as_millisecond())))
        }
    });
    if let Some(judged) = status.as_of {
        parts.push(format!("judged up to {}", hour(judged.as_millisecond(), now_ms)));
    }
    parts.push(match status.revision {
        Some(revision) => format!("revision {revision}"),
        None => "revision unknown".to_owned(),
    });
    if !screen.explain {
        parts.push("details: --explain".to_owned());
    }
    let line = parts.join(" · ");
    let lines: Vec<String> =
        wrap(&line, screen.columns).iter().map(|line| paint(Style::Soft, line)).collect();
    lines.join("\n")
}

/// Several rollouts, worst first; the exit code is the worst one's.
pub fn overview(rollouts: &[Status], screen: &Screen) -> String {
    let mut all: Vec<&Status> = rollouts.iter().collect();
    all.sort_by_key(|status| status.health);
    let mut lines = Vec::new();
    if let Some(first) = all.first() {
        let left = format!("{} rollouts", all.len());
        let right = clock(first.now, screen);
        let room = screen.columns.saturating_sub(left.len());
        lines.push(paint(Style::Soft, &format!("{left}{right:>room$}")));
    }
    let longest = |pick: &dyn Fn(&Status) -> usize| all.iter().map(|status| pick(status)).max();
    let name = longest(&|status| display_width(&status.rollout)).unwrap_or(0);
    for status in &all {
        let share = match status.share.journal {
            Some(percent) => format!("{percent}%"),
            None => common_share(&status.routes),
        };
        let stage = match status.share.reached {
            Some(reached) => format!("{reached} of {}", status.share.stages.len()),
            None => String::new(),
        };
        let why = status.reason.lines.first().unwrap_or(&status.headline);
        let kind = words::kind(status.health).to_lowercase();
        let mut row = String::new();
        let _ = write!(
            row,
            "{} {:name$}  {kind:<14}  {share:>5}  {stage:<7}  ",
            words::sign(status.health),
            status.rollout
        );
        row.push_str(why);
        lines.push(paint(tone(status.health), &clipped(&row, screen.columns)));
    }
    if let Some(next) = all.iter().find_map(|status| status.next.as_deref()) {
        lines.push(String::new());
        lines.push(format!("Next: {next}"));
    }
    finished(&lines, screen)
}

/// A line that is too long ends in `…`.
pub(crate) fn clipped(line: &str, columns: usize) -> String {
    if display_width(line) <= columns {
        return line.to_owned();
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Words into lines of at most so many columns; a longer word stays whole.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let room = columns.saturating_sub(display_width(&line) + 1);
        if !line.is_empty() && display_width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// The same, with words that are longer than a line cut.
pub(crate) fn wrap_all(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for whole in wrap(text, columns) {
        let mut line = String::new();
        for letter in whole.chars() {
            if display_width(&format!("{line}{letter}")) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
        lines.push(line);
    }
    lines
}

/// Two blocks side by side.
fn beside(left: Vec<String>, right: Vec<String>) -> Vec<String> {
    let rows = left.len().max(right.len());
    let mut lines = Vec::new();
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    for _ in 0..rows {
        let line = left.next().unwrap_or_default();
        let pad = " ".repeat(BODY.saturating_sub(display_width(&line)));
        match right.next() {
            Some(more) => lines.push(format!("{line}{pad}   {more}")),
            None => lines.push(line),
        }
    }
    lines
}
