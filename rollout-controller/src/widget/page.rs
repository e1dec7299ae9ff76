//! The rollout as a page on a dashboard: HTML without scripts.
//!
//! In the order of whoever is on call: is traffic safe, what share as read back,
//! did the controller act or must I, why, the one command; then the numbers.

use super::html::{self, document, entry, escape};
use super::{drawings, evidence, headline};
use crate::api::{CommandOutcome, Status};
use crate::controller::step::StepError;
use crate::domain::command::Verdict;
use crate::domain::event::Stamped;
use crate::domain::explain::{self, clock_time, health as words};
use crate::domain::minute::Minute;
use crate::domain::phase::Phase;
use crate::domain::run::Run;
use crate::errors::chain;
use crate::widget::{Button, Params, Verb};
use serde_json::Value;
use std::fmt::Write as _;

/// Parameters of the widget, as the dashboard's editor wants them.
pub const PARAMETERS: &str = "widget:\n  rollout: score\ncommandFunction: arn:aws:lambda:eu-west-1:111122223333:function:rollout-command";

/// The dashboard's colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    #[default]
    Light,
    /// Light on dark.
    Dark,
}

/// What the page is shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Colours.
    pub theme: Theme,
    /// Fewer than 480 pixels: tables become lists.
    pub narrow: bool,
}

/// Everything on the page.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What it is shown in.
    pub frame: Frame,
    /// How the rollout stands, with the rules as read a moment ago.
    pub status: &'a Status,
    /// The newest run, if the journal could be read and has one.
    pub run: Option<&'a Run>,
    /// What happened, oldest first.
    pub changes: &'a [Stamped],
    /// Where buttons lead; `widget.rollout` is set.
    pub params: &'a Params,
}

/// Changes shown; the rest is `rolloutctl history`'s.
const CHANGES: usize = 8;

/// The page.
pub fn render(scene: &Scene<'_>) -> String {
    let mut page = head(scene);
    page.push_str(&actions(scene));
    page.push_str("<div class=\"grid\">");
    page.push_str(&evidence::sections(scene));
    page.push_str(&timeline(scene));
    page.push_str("</div>");
    document(scene.frame, &page)
}

fn head(scene: &Scene<'_>) -> String {
    let Scene { status, run, .. } = scene;
    let tone = headline::Tone::of(status.health.kind);
    let mut list = String::new();
    let shows: Vec<String> = status
        .routes
        .iter()
        .map(|route| format!("{} shows {}", route.route, route.shows))
        .collect();
    let stage = match status.stage {
        Some((0, _)) | None => String::new(),
        Some((at, of)) => format!(", stage {at} of {of}"),
    };
    let share = match status.weight_percent {
        Some(percent) => format!("{percent} % by the journal{stage}"),
        None => "unknown by the journal".to_owned(),
    };
    list.push_str(&entry(
        "Share of Rust",
        &escape(&format!("{share}; read back just now: {}", shows.join(", "))),
    ));
    list.push_str(&entry("Must I act?", &escape(headline::act(status, *run))));
    if let Some(who) = run.and_then(headline::acted) {
        list.push_str(&entry("Acting", &escape(who)));
    }
    list.push_str(&entry("Why", &escape(&status.why)));
    for also in &status.health.also {
        list.push_str(&entry("Also", &escape(also)));
    }
    for page in &status.standing_pages {
        list.push_str(&entry("Page", &escape(&format!("⚠ {page}"))));
    }
    let tick = status.last_tick_ms.map_or_else(
        || "no tick has decided yet".to_owned(),
        |ms| format!("last tick {}", clock_time(ms)),
    );
    let revision = status
        .revision
        .map_or_else(|| "unknown".to_owned(), |revision| format!("revision {revision}"));
    list.push_str(&entry("Journal", &escape(&format!("{revision}, {tick}"))));
    for code in &status.code {
        list.push_str(&entry("Code", &escape(code)));
    }
    for unsent in &status.unsent {
        list.push_str(&entry("Unsent", &escape(&format!("⚠ {unsent}"))));
    }
    list.push_str(&entry("Command", &format!("<pre>{}</pre>", escape(&status.health.next))));
    format!(
        "<div class=\"head {class}\"><h2><span class=\"icon\" aria-hidden=\"true\">{icon}</span> {safe}</h2>\
         <p class=\"soft\">{}</p></div><dl>{list}</dl>",
        escape(&run_line(status)),
        class = tone.class(),
        icon = words::icon(status.health.kind),
        safe = escape(&status.health.headline),
    )
}

/// `score: advancing (run 2, active)`
fn run_line(status: &Status) -> String {
    let name = &status.rollout;
    match (status.run, &status.state, &status.mode) {
        (Some(0), ..) => format!("{name}: not started"),
        (Some(run), Some(phase), Some(mode)) => format!("{name}: {phase} (run {run}, {mode})"),
        (None, ..) | (Some(_), None, _) | (Some(_), _, None) => {
            format!("{name}: run and phase are unknown")
        }
    }
}

/// A button that calls a function. `cwdb-action` belongs to the element before it.
fn button(label: &str, class: &str, endpoint: &str, confirm: Option<&str>, send: &Value) -> String {
    let confirmation =
        confirm.map_or_else(String::new, |text| format!(" confirmation=\"{}\"", escape(text)));
    format!(
        "<button type=\"button\" class=\"btn{class}\">{label}</button>\
         <cwdb-action action=\"call\" display=\"widget\" endpoint=\"{endpoint}\"{confirmation}>{send}</cwdb-action>",
        label = escape(label),
        endpoint = escape(endpoint),
        send = html::json(send),
    )
}

/// What a button sends: the press, and what the command function needs to lead back.
fn sends(button: &Button, params: &Params) -> Value {
    let mut value = serde_json::to_value(params).unwrap_or_default();
    let press = serde_json::to_value(button).unwrap_or_default();
    if let (Some(value), Value::Object(press)) = (value.as_object_mut(), press) {
        value.extend(press);
    }
    value
}

fn actions(scene: &Scene<'_>) -> String {
    let Scene { status, run, params, .. } = scene;
    let refresh = params.view_function.as_deref().map_or_else(String::new, |view| {
        let send = serde_json::to_value(params).unwrap_or_default();
        button("Refresh", "", view, None, &send)
    });
    let Some(run) = run else { return refresh };
    let Some(command) = params.command_function.as_deref() else {
        return format!(
            "<p class=\"soft\">No buttons: the widget's parameter commandFunction is missing.</p>{refresh}"
        );
    };
    let Some(revision) = status.revision else { return refresh };
    let (name, at) = (&status.rollout, run.weight);
    let press = |label: &str, class: &str, verb, adopt, question: String| {
        let press = Button { command: verb, adopt, if_revision: revision };
        let question = format!("{question} You saw journal revision {revision}.");
        button(label, class, command, Some(&question), &sends(&press, params))
    };
    let mut buttons = String::new();
    let open = run.is_open() && run.phase.rolling_back().is_none();
    if let Phase::Moved { .. } = run.phase {
        let question = format!("Take over the weight that the rules of '{name}' show, and go on?");
        buttons += &press("Resume and adopt", "", Verb::Resume, true, question);
    } else if run.phase.pause().is_some() {
        let question = format!("Resume '{name}' at {at}? A reason is needed.");
        buttons += &press("Resume", "", Verb::Resume, false, question);
    } else if open {
        let question = format!("Pause '{name}' at {at}? Breaches and alarms still roll back.");
        buttons += &press("Pause", "", Verb::Pause, false, question);
    }
    let all_reached = status.routes.iter().all(|route| route.reached);
    if run.is_open() || !all_reached {
        let question = format!("Roll '{name}' back from {at} to 0 %, all traffic to Python?");
        buttons += &press("Roll back to 0 %", " btn-primary", Verb::Rollback, false, question);
    }
    if buttons.is_empty() {
        return refresh;
    }
    format!(
        "<div class=\"act\"><label>Your name (journalled; AWS tells us none)<input name=\"name\" autocomplete=\"name\" maxlength=\"80\"></label>\
         <label>Reason (journalled)<input name=\"reason\" maxlength=\"500\"></label>\
         <div>{buttons}{refresh}</div></div>"
    )
}

fn timeline(scene: &Scene<'_>) -> String {
    let mut section = "<section><h3>What happened</h3>".to_owned();
    if let Some(run) = scene.run {
        let newest = scene.changes.last().map_or(0, |change| change.at_ms);
        let newest = newest.max(scene.status.last_tick_ms.unwrap_or(0));
        section += &drawings::steps(&run.timeline, Minute(newest.div_euclid(60_000)));
    }
    if scene.changes.is_empty() {
        section += "<p class=\"soft\">Nothing yet, or the journal cannot be read.</p>";
    } else {
        section += "<ol>";
        for change in scene.changes.iter().rev().take(CHANGES) {
            let _ = write!(
                section,
                "<li><span class=\"soft\">{} · revision {}</span><br>{}</li>",
                escape(&clock_time(change.at_ms)),
                change.seq,
                escape(&explain::event::sentence(&change.event))
            );
        }
        section += "</ol>";
    }
    section + "<p class=\"soft\">All of it: rolloutctl history</p></section>"
}

/// What became of a press.
#[derive(Clone, Copy, Debug)]
pub struct Pressed<'a> {
    /// What it is shown in.
    pub frame: Frame,
    /// Which button.
    pub verb: &'a str,
    /// What the command function answered, or why it could not.
    pub outcome: &'a Result<CommandOutcome, StepError>,
    /// Where "back" leads.
    pub params: &'a Params,
}

/// The short page after a press.
pub fn pressed(pressed: &Pressed<'_>) -> String {
    let verb = pressed.verb;
    let mut list = String::new();
    let (tone, title) = match pressed.outcome {
        Ok(answer) => {
            let (tone, word) = match answer.outcome {
                Verdict::Applied => (headline::Tone::Ok, "done"),
                Verdict::AlreadySo => (headline::Tone::Ok, "already so"),
                Verdict::Incomplete => {
                    (headline::Tone::Bad, "incomplete: not every route shows it")
                }
                Verdict::Refused => (headline::Tone::Bad, "refused, nothing was done"),
                Verdict::Stale => (headline::Tone::Bad, "stale, nothing was done"),
            };
            list += &entry("What", &escape(&answer.message));
            let shows: Vec<String> = answer
                .routes
                .iter()
                .map(|route| format!("{} shows {}", route.route, route.shows))
                .collect();
            if !shows.is_empty() {
                list += &entry("Read back", &escape(&shows.join(", ")));
            }
            list += &entry("Now", &escape(&answer.place()));
            for line in &answer.changed_since {
                list += &entry("Since then", &escape(line));
            }
            (tone, format!("{verb}: {word}"))
        }
        Err(error) => {
            list += &entry("Why", &escape(&chain(error)));
            let command = format!("rolloutctl {verb} --reason \"…\" --yes");
            list += &entry("Instead", &format!("<pre>{}</pre>", escape(&command)));
            (headline::Tone::Bad, format!("{verb} was not carried out"))
        }
    };
    let back = match pressed.params.view_function.as_deref() {
        Some(view) => {
            let send = serde_json::to_value(pressed.params).unwrap_or_default();
            button("Back to the rollout", "", view, None, &send)
        }
        None => "<p class=\"soft\">Refresh the widget to see the rollout again.</p>".to_owned(),
    };
    let content = format!(
        "<div class=\"head {}\"><h2><span class=\"icon\" aria-hidden=\"true\">{}</span> {}</h2></div><dl>{list}</dl>{back}",
        tone.class(),
        tone.icon(),
        escape(&title)
    );
    document(pressed.frame, &content)
}

/// A page that only says what is wrong.
pub fn problem(frame: Frame, text: &str) -> String {
    let content = format!(
        "<div class=\"head bad\"><h2><span class=\"icon\" aria-hidden=\"true\">✖</span> This widget cannot be shown</h2><p>{}</p></div>",
        escape(text)
    );
    document(frame, &content)
}

/// The widget's documentation, in Markdown; the first block fills the editor.
pub fn description() -> String {
    format!(
        "### Rollout\n\nHow one rollout stands: is traffic safe, what share goes where, why, the evidence, \
         what happened; and buttons to pause, resume and roll back.\n\n\
         ```yaml\n{PARAMETERS}\n```\n\n\
         - `widget.rollout`: its name in the controller's configuration; may be left out if there is only one.\n\
         - `commandFunction`: ARN of the function that takes commands; without it the page has no buttons. \
         Who may invoke it may press them.\n\n\
         Let the widget refresh with the dashboard (`updateOn.refresh`). Presses are journalled with the name \
         that is typed: AWS tells the function no identity. CloudTrail data events of the function do.\n"
    )
}
