//! The rollout as a page on a dashboard: HTML without scripts, written with `maud`, so
//! that nothing typed can become markup.
//!
//! In the order of whoever is on call: is traffic safe, why, what to do, what was read
//! back; then the run over time, the stage in numbers, and what happened.

use super::charts::{self, Mark, Size};
use super::course::Course;
use super::html;
use crate::api::{
    Change, ChangeKind, CommandOutcome, MetricShown, RouteShown, SideShown, Sides, Status,
    WrongAnswersShown,
};
use crate::controller::step::StepError;
use crate::domain::command::Verdict;
use crate::domain::explain::{self, health as words, hour};
use crate::domain::figures::{
    SHOW_SHARE_FROM, count, duration, latency, latency_limit, limit, percent_beside,
};
use crate::domain::health::Kind;
use crate::domain::minute::Minute;
use crate::domain::phase::Phase;
use crate::domain::run::Run;
use crate::domain::slo::Metric;
use crate::errors::chain;
use crate::report::screen::told;
use crate::widget::{Button, Params, Verb};
use maud::{Markup, html};
use serde_json::Value;

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

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Below 600 pixels: everything below each other.
    Narrow,
    /// Two small charts beside each other.
    #[default]
    Medium,
    /// From 1,100 pixels: two large charts, four small ones beside each other.
    Wide,
}

/// What the page is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Colours.
    pub theme: Theme,
    /// The widget's width in pixels.
    pub width: u32,
    /// What the dashboard shows, in milliseconds, if the reader has zoomed in.
    pub zoom: Option<(i64, i64)>,
}

impl Default for Frame {
    fn default() -> Self {
        Self { theme: Theme::Light, width: 800, zoom: None }
    }
}

impl Frame {
    /// How much room that is.
    pub fn room(self) -> Room {
        match self.width {
            0..600 => Room::Narrow,
            600..1100 => Room::Medium,
            _ => Room::Wide,
        }
    }

    /// Pixels of one of so many columns.
    fn column(self, columns: u32) -> u32 {
        let inside = self.width.clamp(280, 1632) - 24;
        (inside - (columns - 1) * 20) / columns
    }

    fn large(self) -> Size {
        match self.room() {
            Room::Narrow => Size { width: self.column(1), height: 210 },
            Room::Medium => Size { width: self.column(1), height: 220 },
            Room::Wide => Size { width: self.column(2), height: 230 },
        }
    }

    fn small(self) -> Size {
        match self.room() {
            Room::Narrow => Size { width: self.column(1), height: 150 },
            Room::Medium => Size { width: self.column(2), height: 150 },
            Room::Wide => Size { width: self.column(4), height: 150 },
        }
    }
}

/// Everything on the page.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What it is shown in.
    pub frame: Frame,
    /// The rollout, with the rules as read a moment ago.
    pub status: &'a Status,
    /// The newest run, if the journal could be read and has one.
    pub run: Option<&'a Run>,
    /// Its minutes.
    pub course: Option<&'a Course>,
    /// Where buttons lead; `widget.rollout` is set.
    pub params: &'a Params,
    /// Address of the runbooks' folder, if one is configured.
    pub runbooks: Option<&'a str>,
}

/// Changes shown; the rest is `rolloutctl history`'s.
const CHANGES: usize = 8;

/// The page.
pub fn render(scene: &Scene<'_>) -> String {
    let shown = scene.status.changes.len().saturating_sub(CHANGES);
    let shown = &scene.status.changes[shown..];
    let page = html! {
        (head(scene))
        (actions(scene))
        (facts(scene))
        @if let (Some(run), Some(course)) = (scene.run, scene.course) {
            (history_charts(scene, run, course, shown))
        }
        div class="two" {
            (stage(scene))
            (happened(scene, shown))
        }
    };
    html::document(scene.frame, &page)
}

/// How the page looks at first sight; words say the same.
fn tone(kind: Kind) -> &'static str {
    match kind {
        Kind::NotProtected | Kind::Hurting => "bad",
        Kind::Unknown => "unknown",
        Kind::Degraded => "warn",
        Kind::Safe => "ok",
        Kind::Idle => "plain",
    }
}

fn head(scene: &Scene<'_>) -> Markup {
    let Scene { status, .. } = scene;
    html! {
        div class=(format!("head {}", tone(status.health))) {
            h2 {
                span class="sign" aria-hidden="true" { (words::sign(status.health)) } " "
                (status.headline)
            }
            @for line in &status.reason.lines { p class="why" { (line) } }
            (examples(status))
            @for also in &status.also {
                p class="also" { (words::sign(also.health)) " " (also.text) }
            }
        }
    }
}

/// Where answers differed, after a rollback for it. The texts came out of a log.
fn examples(status: &Status) -> Markup {
    let examples = status.wrong_answers.as_ref().and_then(|answers| answers.examples.as_ref());
    let Some(examples) = examples else { return html! {} };
    let Sides { old, new } = &status.labels;
    html! {
        @if !examples.named.is_empty() {
            p class="why" { "Logged examples, " (old) " first, then " (new) ":" }
        }
        @for line in &examples.lines { p class="why" { (line) } }
    }
}

/// What was read back, and how old everything is.
fn facts(scene: &Scene<'_>) -> Markup {
    let Scene { status, .. } = scene;
    let now_ms = status.now.as_millisecond();
    let new = &status.labels.new;
    let share = status.share.journal.map_or("unknown".to_owned(), |share| format!("{share}%"));
    let read = status.now.strftime("%H:%M:%S");
    let run = match (status.run, &status.phase) {
        (None, _) => "run unknown".to_owned(),
        (Some(0), _) => "no run yet".to_owned(),
        (Some(run), phase) => {
            format!("run {run}, {}", phase.as_deref().unwrap_or("phase unknown"))
        }
    };
    let tick = match status.last_tick_at {
        Some(at) => format!("{} ago", duration(now_ms.saturating_sub(at.as_millisecond()))),
        None if status.revision.is_none() => "unknown".to_owned(),
        None => "none yet".to_owned(),
    };
    let revision = status.revision.map_or("unknown".to_owned(), |revision| revision.to_string());
    html! {
        p class="facts" {
            span { (new) " share by the journal " b { (share) } }
            span { (RouteShown::list(&status.routes)) ", read back " (read) }
            span { (status.rollout) ", " (run) }
            span { "last tick " b { (tick) } }
            @if let Some(judged) = status.as_of {
                span { "judged up to " (hour(judged.as_millisecond(), now_ms)) }
            }
            span { "revision " (revision) }
            span { "times in UTC" }
            @for page in &status.pages {
                span { "page open: " (page.topic) " since " (hour(page.since.as_millisecond(), now_ms)) }
            }
            @for unsent in status.unsent_channels.iter().filter(|unsent| unsent.error.is_some()) {
                span { "not sent: " (unsent.messages) " to " (unsent.channel) }
            }
        }
    }
}

fn history_charts(scene: &Scene<'_>, run: &Run, course: &Course, shown: &[Change]) -> Markup {
    if !charts::has_share(course) && course.minutes.is_empty() {
        return html! {};
    }
    let Scene { frame, status, .. } = *scene;
    let labels = [status.labels.old.as_str(), status.labels.new.as_str()];
    let (large, small) = (frame.large(), frame.small());
    let stages = &status.share.stages;
    let limits = (&run.terms.slo, run.terms.evidence.edges());
    html! {
        div class="two" {
            section {
                h3 { "Share of requests on " (labels[1]) " " small { "marks are listed below" } }
                (charts::share(course, stages, &marks(shown), labels, frame, large))
            }
            section {
                h3 { "Evidence " small { "up: proof for the next step; down: suspicion against " (labels[1]) } }
                (charts::evidence(course, labels, frame, large))
            }
        }
        p class="key" {
            span { i class="kn" {} (labels[1]) }
            span { i class="ko" {} (labels[0]) }
            span { i class="kl" {} "limit" }
            span { "one point a minute, latencies in ms; point at a minute for its counts" }
        }
        div class="four" {
            @for metric in Metric::ALL {
                section {
                    h3 {
                        (metric_title(metric)) " "
                        @if let Some(shown) = status.metrics.get(metric.index()) { (kept(shown, labels)) }
                    }
                    (charts::metric(course, metric, limits, labels, frame, small))
                }
            }
        }
    }
}

fn metric_title(metric: Metric) -> &'static str {
    match metric {
        Metric::Err => "Errors",
        Metric::P50 | Metric::P95 | Metric::P99 => metric.title(),
    }
}

/// Whether the new side keeps the limit, beside a chart's title.
fn kept(metric: &MetricShown, [old, new]: [&str; 2]) -> Markup {
    match (metric.old.broken, metric.new.broken) {
        (true, true) => html! { small class="badt" { "✖ broken on both sides" } },
        (false, true) => html! { small class="badt" { "✖ broken on " (new) } },
        (true, false) => html! { small class="badt" { "✖ broken on " (old) } },
        (false, false) if metric.new.of == 0 => html! { small { "no requests yet" } },
        (false, false) => html! { small { "✔ not broken" } },
    }
}

/// The marks of the changes that are listed, oldest first, numbered as there.
fn marks(shown: &[Change]) -> Vec<Mark> {
    let numbered = shown.iter().enumerate();
    numbered
        .map(|(at, change)| Mark {
            number: at + 1,
            minute: Minute::containing(change.at),
            rollback: change.kind == ChangeKind::Rollback,
            text: format!("{} {}", change.at.strftime("%H:%M"), told(change)),
        })
        .collect()
}

/// Rates and quantiles of the stage the evidence is at.
fn stage(scene: &Scene<'_>) -> Markup {
    let Scene { status, .. } = scene;
    let Some(requests) = &status.requests else { return html! {} };
    let (old, new) = (&status.labels.old, &status.labels.new);
    let share = status.share.before.filter(|_| status.ended).or(status.share.journal);
    let title = share.map_or_else(|| "This stage".to_owned(), |share| format!("Stage {share}%"));
    html! {
        section {
            h3 { (title) }
            table {
                thead { tr {
                    th scope="col" { "Measure" }
                    th scope="col" { (old) }
                    th scope="col" { (new) }
                    th scope="col" { "Limit" }
                    th scope="col" class="last" { (new) "'s limit is" }
                } }
                tbody {
                    tr {
                        th scope="row" { "Requests" }
                        td { (count(requests.old)) }
                        td { (count(requests.new)) }
                        td {}
                        td class="last" {}
                    }
                    @for (metric, shown) in Metric::ALL.into_iter().zip(&status.metrics) {
                        tr {
                            th scope="row" { (metric_title(metric)) }
                            td { (value(shown, &shown.old)) }
                            td { (value(shown, &shown.new)) }
                            td { (shown.limit_ms.map_or_else(|| limit(shown.limit), latency_limit)) }
                            td class="last" { (proof(status, shown)) }
                        }
                    }
                    @if let Some(answers) = &status.wrong_answers {
                        tr {
                            th scope="row" { "Wrong answers" }
                            td {}
                            td { (compared(answers)) }
                            td { (limit(answers.limit)) }
                            td class="last" { (answers_proof(status, answers)) }
                        }
                    }
                }
            }
        }
    }
}

fn value(metric: &MetricShown, side: &SideShown) -> Markup {
    let text = if side.of == 0 {
        "none yet".to_owned()
    } else if metric.limit_ms.is_some() {
        match (side.ms, side.ms_low) {
            (Some(ms), _) => latency(ms),
            (None, Some(low)) if low > 0.0 => format!("over {}", latency(low)),
            (None, _) => "none yet".to_owned(),
        }
    } else if side.count == 0 || (side.of < SHOW_SHARE_FROM && !side.broken) {
        format!("{} of {}", count(side.count), count(side.of))
    } else {
        percent_beside(side.count as f64 / side.of as f64, metric.limit)
    };
    if side.broken {
        html! { b class="badt" { "✖ " (text) } }
    } else {
        html! { (text) }
    }
}

/// Answers that differ among those compared, by kind, and calls that failed.
fn compared(answers: &WrongAnswersShown) -> Markup {
    let text = match (answers.compared, answers.different) {
        (Some(compared), Some(different)) if compared > 0 => {
            format!("{} of {} compared", count(different), count(compared))
        }
        (Some(_) | None, Some(_) | None) => "not compared".to_owned(),
    };
    html! {
        @if answers.broken { b class="badt" { "✖ " (text) } } @else { (text) }
        @if !answers.kinds.is_empty() {
            br;
            small {
                @for (at, shown) in answers.kinds.iter().enumerate() {
                    @if at > 0 { ", " }
                    (shown.kind) " " (count(shown.answers))
                }
            }
        }
        @if let Some(failed) = answers.failed.filter(|failed| *failed > 0) {
            br;
            small { (count(failed)) " not compared: the call failed" }
        }
    }
}

fn answers_proof(status: &Status, answers: &WrongAnswersShown) -> Markup {
    if answers.broken {
        return html! { b class="badt" { "✖ broken" } };
    }
    if answers.compared.unwrap_or(0) == 0 {
        return html! { "not known yet" };
    }
    match (status.ended, status.share.next) {
        (false, Some(next)) if answers.required && answers.proven => {
            html! { "✔ proven for " (next) "%" }
        }
        (false, Some(next)) if answers.required => {
            html! {
                "not broken; not proven yet for " (next) "%"
                @if let Some(left) = answers.comparisons_left {
                    ", about " (count(left)) " more comparisons"
                }
            }
        }
        (true | false, Some(_) | None) => html! { "✔ not broken" },
    }
}

fn proof(status: &Status, metric: &MetricShown) -> Markup {
    if metric.new.broken {
        return html! { b class="badt" { "✖ broken" } };
    }
    if metric.new.of == 0 {
        return html! { "not known yet" };
    }
    match (status.ended, status.share.next) {
        (false, Some(next)) if metric.proven => html! { "✔ proven for " (next) "%" },
        (false, Some(next)) => html! { "not broken; not proven yet for " (next) "%" },
        (true, _) | (false, None) => html! { "✔ not broken" },
    }
}

fn happened(scene: &Scene<'_>, shown: &[Change]) -> Markup {
    let now_ms = scene.status.now.as_millisecond();
    if shown.is_empty() && scene.status.run == Some(0) {
        return html! {};
    }
    html! {
        section {
            h3 { "What happened " small { "newest first" } }
            @if shown.is_empty() {
                p class="soft" { "The journal cannot be read." }
            } @else {
                ol {
                    @for (at, change) in shown.iter().enumerate().rev() {
                        li {
                            span class=(if change.kind == ChangeKind::Rollback { "no b" } else { "no" }) { (at + 1) }
                            span class="soft" { (hour(change.at.as_millisecond(), now_ms)) }
                            span { (told(change)) }
                        }
                    }
                }
            }
            p class="soft" { "All of it: rolloutctl history" }
        }
    }
}

/// A button that calls a function. `cwdb-action` belongs to the element before it.
fn button(label: &str, class: &str, endpoint: &str, confirm: Option<&str>, send: &Value) -> Markup {
    html! {
        button type="button" class=(format!("btn{class}")) { (label) }
        cwdb-action action="call" display="widget" endpoint=(endpoint) confirmation=[confirm] {
            (html::json(send))
        }
    }
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

/// What to do, and the buttons.
fn actions(scene: &Scene<'_>) -> Markup {
    let Scene { status, run, params, .. } = scene;
    let refresh = html! {
        @if let Some(view) = params.view_function.as_deref() {
            (button("Refresh", "", view, None, &serde_json::to_value(params).unwrap_or_default()))
        }
    };
    let advice = html! {
        @for line in status.advice.lines() { (advice_line(line)) }
    };
    let Some(command) = params.command_function.as_deref() else {
        return html! {
            div class="next" { (advice) (refresh) }
            @if run.is_some() {
                p class="soft" { "No buttons: the widget's parameter commandFunction is missing." }
            }
        };
    };
    // Without a journal only a rollback is possible, which needs no fresh sight.
    let revision = status.revision.unwrap_or(0);
    let name = &status.rollout;
    let press = |label: &str, class: &str, verb, adopt, question: String| {
        let press = Button { command: verb, adopt, if_revision: revision };
        let question = match status.revision {
            Some(revision) => format!("{question} You saw revision {revision}."),
            None => question,
        };
        button(label, class, command, Some(&question), &sends(&press, params))
    };
    let mut buttons: Vec<Markup> = Vec::new();
    if let Some(run) = run {
        let at = run.weight;
        let open = run.is_open() && run.phase.rolling_back().is_none();
        if let Phase::Moved { .. } = run.phase {
            let question =
                format!("Take over the share that the rules of '{name}' show, and go on?");
            buttons.push(press("Take over", "", Verb::Resume, true, question));
        } else if run.phase.pause().is_some() {
            let question = format!("Resume '{name}' at {at}? A reason is needed.");
            buttons.push(press("Resume", "", Verb::Resume, false, question));
        } else if open {
            let question = format!("Pause '{name}' at {at}? Protection stays on.");
            buttons.push(press(&format!("Pause at {at}"), "", Verb::Pause, false, question));
        }
    }
    let all_reached = !status.routes.is_empty() && status.routes.iter().all(|route| route.reached);
    if run.is_some_and(Run::is_open) || !all_reached {
        let question = format!("Roll back '{name}'? All traffic goes to {}.", status.labels.old);
        let rollback = press("Roll back to 0%", " btn-primary", Verb::Rollback, false, question);
        // What helps most comes first.
        match status.health {
            Kind::NotProtected | Kind::Hurting => buttons.insert(0, rollback),
            Kind::Unknown | Kind::Degraded | Kind::Safe | Kind::Idle => buttons.push(rollback),
        }
    }
    if buttons.is_empty() {
        let runbook = scene.runbooks.filter(|_| status.ended).map(|below| {
            let topic = if status.phase.as_deref() == Some("completed") {
                "completed"
            } else {
                "rolled-back"
            };
            (format!("{}/{topic}.md", below.trim_end_matches('/')), topic)
        });
        return html! {
            div class="next" { (advice) (refresh) }
            @if let Some((address, topic)) = runbook {
                p class="soft" { "Runbook " (topic) ": " (address) }
            }
        };
    }
    html! {
        div class="next" { (advice) }
        div class="act" {
            label { "Your name (journalled; AWS gives none)" input name="name" autocomplete="name" maxlength="80"; }
            label { "Reason (journalled)" input name="reason" maxlength="500"; }
            div class="buttons" { @for button in &buttons { (button) } (refresh) }
        }
    }
}

/// A line with its command set apart.
fn advice_line(line: &str) -> Markup {
    match line.find("rolloutctl ") {
        None => html! { p { (line) } },
        Some(at) => {
            let (lead, command) = line.split_at(at);
            let (command, rest) = match command.split_once("; ").or(command.split_once("   ")) {
                Some((command, rest)) => (command, Some(rest)),
                None => (command, None),
            };
            html! {
                p { (lead) code { (command) } @if let Some(rest) = rest { " " (rest) } }
            }
        }
    }
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

/// The short page after a press: the headline says what became of it.
pub fn pressed(pressed: &Pressed<'_>) -> String {
    let verb = pressed.verb;
    let not = explain::done(verb);
    let (class, sign, title, lines) = match pressed.outcome {
        Ok(answer) => {
            let mut lines: Vec<String> =
                answer.message.lines().skip(1).map(str::to_owned).collect();
            let first = answer.message.lines().next().unwrap_or_default();
            let (class, sign, title) = match answer.outcome {
                Verdict::Applied => ("ok", "✔", first.to_owned()),
                Verdict::AlreadySo => ("ok", "✔", format!("Nothing to do: {first}")),
                Verdict::Incomplete => ("bad", "✖", first.to_owned()),
                Verdict::Refused | Verdict::Stale => ("bad", "✖", format!("Not {not}: {first}")),
            };
            if !answer.routes.is_empty() {
                let read = answer.read_at.map_or_else(String::new, |at| {
                    format!(", read back {}", at.strftime("%H:%M:%S UTC"))
                });
                lines.push(format!("{}{read}", RouteShown::list(&answer.routes)));
            }
            if let Some(revision) = answer.revision {
                lines.push(format!("Now {}, revision {revision}.", answer.phase));
            }
            if !answer.changed_since.is_empty() {
                lines.push("Since the page was drawn:".to_owned());
            }
            for change in &answer.changed_since {
                lines.push(format!("{} {}", change.at.strftime("%H:%M"), told(change)));
            }
            (class, sign, title, lines)
        }
        Err(error) => {
            let lines = vec![
                format!("{}.", chain(error)),
                "Traffic is unchanged.".to_owned(),
                format!("Instead: rolloutctl {verb} --reason \"…\" --yes"),
            ];
            ("bad", "✖", format!("Not {not}."), lines)
        }
    };
    let content = html! {
        div class=(format!("head {class}")) {
            h2 { span class="sign" aria-hidden="true" { (sign) } " " (title) }
            @for line in &lines { p class="why" { (line) } }
        }
        @match pressed.params.view_function.as_deref() {
            Some(view) => {
                (button("Back to the rollout", "", view, None, &serde_json::to_value(pressed.params).unwrap_or_default()))
            }
            None => { p class="soft" { "Refresh the widget to see the rollout again." } }
        }
    };
    html::document(pressed.frame, &content)
}

/// A page that only says what is wrong.
pub fn problem(frame: Frame, text: &str) -> String {
    let content = html! {
        div class="head bad" {
            h2 { span class="sign" aria-hidden="true" { "✖" } " This widget cannot be shown." }
            p class="why" { (text) }
        }
    };
    html::document(frame, &content)
}

/// The widget's documentation, in Markdown; the first block fills the editor.
pub fn description() -> String {
    format!(
        "### Rollout\n\nOne rollout: is traffic safe, what share goes where, why, the run over time, \
         what happened; and buttons to pause, resume and roll back.\n\n\
         ```yaml\n{PARAMETERS}\n```\n\n\
         - `widget.rollout`: its name in the controller's configuration; may be left out if there is only one.\n\
         - `commandFunction`: ARN of the function that takes commands; without it the page has no buttons. \
         Who may invoke it may press them.\n\n\
         Let the widget refresh with the dashboard (`updateOn.refresh`). Presses are journalled with the name \
         that is typed: AWS tells the function no identity. CloudTrail data events of the function do.\n"
    )
}
