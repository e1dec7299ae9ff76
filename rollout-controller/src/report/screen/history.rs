//! `history`: one line for each change, oldest first.

use super::{Screen, Style, display_width, finished, paint, wrap};
use crate::api::{ChangeKind, History};
use crate::domain::explain::hour;

/// The whole screen. `run` is told in the heading if it is known.
pub fn history(history: &History, screen: &Screen) -> String {
    let now_ms = history.now.as_millisecond();
    let heading = format!("{}, times in UTC, newest last", history.rollout);
    let mut lines = vec![paint(Style::Soft, &heading)];
    let rows: Vec<[String; 4]> = history
        .changes
        .iter()
        .map(|change| {
            [
                change.revision.to_string(),
                hour(change.at.as_millisecond(), now_ms),
                change.by.clone(),
                change.text.clone(),
            ]
        })
        .collect();
    let width = |at: usize, least: usize| {
        rows.iter().map(|row| display_width(&row[at])).max().unwrap_or(0).max(least)
    };
    let (revision, time, by) = (width(0, 4), width(1, 5), width(2, 6));
    for (row, change) in rows.iter().zip(&history.changes) {
        let [seq, at, who, text] = row;
        let lead = format!("{seq:>revision$}  {at:>time$}  {who:<by$}  ");
        let indent = display_width(&lead);
        // In a pipe every change is one line; on a terminal a long one goes on below itself.
        let wide = screen.rows.is_none() || screen.columns < indent + 20;
        let room = if wide { usize::MAX } else { screen.columns - indent };
        let told = wrap(text, room).join(&format!("\n{}", " ".repeat(indent)));
        let line = format!("{lead}{told}");
        lines.push(match change.kind {
            ChangeKind::Rollback => paint(Style::Bad, &line),
            ChangeKind::Run
            | ChangeKind::Step
            | ChangeKind::StepBack
            | ChangeKind::Pause
            | ChangeKind::Moved
            | ChangeKind::Code
            | ChangeKind::Page
            | ChangeKind::Note => line,
        });
    }
    if history.changes.is_empty() {
        lines.push("Nothing yet.".to_owned());
    }
    if let Some(before) = history.earlier {
        lines.push(paint(Style::Soft, &format!("earlier: rolloutctl history --before {before}")));
    }
    finished(&lines, screen)
}
