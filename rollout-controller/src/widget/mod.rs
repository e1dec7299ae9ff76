//! The rollout on a CloudWatch dashboard: what a custom widget asks, and what its
//! buttons press.
//!
//! The dashboard runs in a person's browser and calls two functions with that
//! person's rights: `view` to look, `command` to act. It names that person to
//! neither, so a press is journalled with the name that was typed, and says so.
//! The page is [`page`].

mod charts;
pub mod course;
pub(crate) mod html;
pub mod page;

use self::course::Course;
use self::page::{Frame, Pressed, Scene, Theme};
use crate::api::CommandOutcome;
use crate::config::Config;
use crate::controller::step::StepError;
use crate::controller::{Schedule, command, query};
use crate::domain::command::{Order, Request};
use crate::domain::minute::Minute;
use crate::errors::chain;
use crate::ports::World;
use crate::report::story::story;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Entries that are read for what happened.
const CHANGES: u32 = 100;
/// Characters of a reason or a name that are journalled.
const LONGEST_REASON: usize = 500;
/// See [`LONGEST_REASON`].
const LONGEST_NAME: usize = 80;

/// What the dashboard's configuration and our own buttons send along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Params {
    /// Which rollout.
    #[serde(default)]
    pub widget: Which,
    /// ARN of the function that takes commands; without it there are no buttons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_function: Option<String>,
    /// ARN of the function that shows the page. It knows its own; its buttons tell
    /// the command function, whose answer leads back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_function: Option<String>,
}

/// Which rollout a widget shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    /// Its name; may be left out if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
}

/// What CloudWatch adds to every call of a widget; the parts that are used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    theme: Option<String>,
    width: Option<f64>,
    time_range: TimeRange,
    forms: Forms,
    params: Params,
    /// Put there by [`with_own_arn`].
    own_arn: Option<String>,
}

/// What the dashboard shows; only a zoom of the reader's is followed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TimeRange {
    zoom: Option<Zoom>,
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Zoom {
    start: i64,
    end: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Forms {
    all: Typed,
}

/// What was typed into the page's fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    reason: String,
    name: String,
}

/// A call of a widget, whichever function it goes to.
#[derive(Clone, Debug, Deserialize)]
struct Call {
    #[serde(flatten)]
    params: Params,
    #[serde(rename = "widgetContext", default)]
    context: Context,
}

impl Call {
    fn read(event: &Value) -> Result<Self, String> {
        let mut call: Self = serde_json::from_value(event.clone()).map_err(|error| {
            format!(
                "the widget's parameters cannot be read: {error}; write {}",
                page::PARAMETERS.replace('\n', " ")
            )
        })?;
        // A button need not repeat what the widget is configured with.
        let configured = call.context.params.clone();
        let Params { widget, command_function, view_function } = &mut call.params;
        if widget.rollout.is_none() {
            widget.rollout = configured.widget.rollout;
        }
        *command_function = command_function.take().or(configured.command_function);
        *view_function = view_function.take().or(configured.view_function);
        Ok(call)
    }

    fn frame(&self) -> Frame {
        Frame {
            theme: match self.context.theme.as_deref() {
                Some("dark") => Theme::Dark,
                _ => Theme::Light,
            },
            width: self.context.width.map_or(Frame::default().width, pixels),
            zoom: self.context.time_range.zoom.map(|zoom| (zoom.start, zoom.end)),
        }
    }
}

/// A width as CloudWatch tells it, in whole pixels of a sensible screen.
fn pixels(width: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let pixels = width.clamp(280.0, 4000.0) as u32;
    pixels
}

/// Whether an event comes from a dashboard's widget.
pub fn is_widget(event: &Value) -> bool {
    event.get("widgetContext").is_some() || asks_to_describe(event)
}

/// Whether only the documentation is wanted.
pub fn asks_to_describe(event: &Value) -> bool {
    event.get("describe").is_some_and(|value| *value != false)
}

/// Tells a widget's event the ARN that it came in by, for the buttons that lead
/// back to this function. Leaves every other event alone.
#[must_use]
pub fn with_own_arn(mut event: Value, arn: &str) -> Value {
    if let Some(context) = event.get_mut("widgetContext").and_then(Value::as_object_mut) {
        context.insert("ownArn".to_owned(), arn.into());
    }
    event
}

/// The page of a rollout as HTML, or the widget's documentation. Never fails: what
/// is wrong is on the page. Never writes.
pub async fn show(world: &World, config: &Config, event: &Value) -> Value {
    if asks_to_describe(event) {
        return page::description().into();
    }
    let mut call = match Call::read(event) {
        Ok(call) => call,
        Err(problem) => return page::problem(Frame::default(), &problem).into(),
    };
    if call.params.view_function.is_none() {
        call.params.view_function = call.context.own_arn.clone();
    }
    let frame = call.frame();
    let rollout = match config.rollout(call.params.widget.rollout.as_deref()) {
        Ok(rollout) => rollout,
        Err(which) => return page::problem(frame, &which.to_string()).into(),
    };
    let flag = config.rollouts.len() > 1;
    let sight = query::sight_of(world, rollout, CHANGES, flag).await;
    let course = match &sight.run {
        None => None,
        Some(run) => {
            let entries = query::entries_of(world, rollout, run.number).await;
            let changes = story(&rollout.name, &run.terms.labels, &entries);
            let now = Minute::containing(sight.status.now);
            Some(Course::of(&rollout.name, run, &entries, &changes, now, frame.zoom))
        }
    };
    let scene = Scene {
        frame,
        status: &sight.status,
        run: sight.run.as_ref(),
        course: course.as_ref(),
        params: &Params { widget: Which { rollout: Some(rollout.name.clone()) }, ..call.params },
        runbooks: config.paging.runbooks.as_deref(),
    };
    page::render(&scene).into()
}

/// What a button sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// `pause`, `resume` or `rollback`.
    pub command: Verb,
    /// For `resume`: take over what the rules show.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// The journal revision on the page.
    pub if_revision: i64,
}

/// What can be pressed. Everything else is `rolloutctl`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "as in `Order`")]
pub enum Verb {
    Pause,
    Resume,
    Rollback,
}

impl Button {
    fn order(&self) -> Order {
        match self.command {
            Verb::Pause => Order::Pause { for_minutes: None },
            Verb::Resume => Order::Resume { adopt: self.adopt },
            Verb::Rollback => Order::Rollback,
        }
    }

    /// The same press twice, by a double click or a retry, is one command.
    fn id(&self) -> String {
        let adopt = if self.adopt { "-adopt" } else { "" };
        format!("widget-{}{adopt}-{}", self.order().name(), self.if_revision)
    }
}

/// Carries out a press and answers with a short page. Never fails: a press that
/// was not carried out says so on the page, and in the log.
pub async fn press(world: &World, config: &Config, event: &Value, schedule: Schedule) -> Value {
    if asks_to_describe(event) {
        return page::description().into();
    }
    let call = match Call::read(event) {
        Ok(call) => call,
        Err(problem) => return page::problem(Frame::default(), &problem).into(),
    };
    let frame = call.frame();
    let button: Button = match serde_json::from_value(event.clone()) {
        Ok(button) => button,
        Err(error) => {
            let problem = format!(
                "this is no press of a button on the rollout's page: {error}. The buttons send pause, resume and rollback with the revision shown; everything else is done with rolloutctl"
            );
            return page::problem(frame, &problem).into();
        }
    };
    let outcome = give(world, config, &button, &call, schedule).await;
    page::pressed(&Pressed {
        frame,
        verb: button.order().name(),
        outcome: &outcome,
        params: &call.params,
    })
    .into()
}

async fn give(
    world: &World,
    config: &Config,
    button: &Button,
    call: &Call,
    schedule: Schedule,
) -> Result<CommandOutcome, StepError> {
    let typed = &call.context.forms.all;
    let request = Request {
        rollout: call.params.widget.rollout.clone(),
        id: button.id(),
        if_revision: Some(button.if_revision),
        identity: identity(&typed.name),
        reason: reason(button.command, &typed.reason),
        dry_run: false,
        order: button.order(),
    };
    carry_out(world, config, &request, schedule).await
}

async fn carry_out(
    world: &World,
    config: &Config,
    request: &Request,
    schedule: Schedule,
) -> Result<CommandOutcome, StepError> {
    let verb = request.order.name();
    match command::command(world, config, request, schedule).await {
        Ok(answer) => {
            answer.log(request);
            Ok(answer)
        }
        Err(error) => {
            tracing::error!(
                error_type = "CommandError",
                command = verb,
                command.id = request.id,
                "{verb} was not carried out: {}",
                chain(&error)
            );
            Err(error)
        }
    }
}

/// CloudWatch does not say who looks at a dashboard, so nobody can be named for sure.
fn identity(name: &str) -> String {
    match one_line(name, LONGEST_NAME).as_str() {
        "" => "widget, no name typed, no AWS identity".to_owned(),
        name => format!("widget, name as typed: {name}, no AWS identity"),
    }
}

/// A press towards safety is not refused for an empty field; going on is.
fn reason(verb: Verb, typed: &str) -> String {
    match (one_line(typed, LONGEST_REASON), verb) {
        (empty, Verb::Pause | Verb::Rollback) if empty.is_empty() => "no reason typed".to_owned(),
        (text, _) => text,
    }
}

fn one_line(text: &str, longest: usize) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_dashboards_events_are_its_own() {
        assert!(is_widget(&json!({"describe": true})));
        assert!(is_widget(&json!({"widgetContext": {}})));
        assert!(!is_widget(&json!({"view": "status"})));
        assert!(!is_widget(&json!({"command": "pause"})));
        assert!(!is_widget(&json!("describe")));
    }

    #[test]
    fn a_button_need_not_repeat_the_widgets_parameters() {
        let event = json!({
            "command": "pause", "if_revision": 7, "viewFunction": "arn:view",
            "widgetContext": {
                "theme": "dark", "width": 320, "accountId": "111122223333",
                "params": {"widget": {"rollout": "score"}, "commandFunction": "arn:command"},
                "forms": {"all": {"reason": "noise", "name": "Ada", "other": 1}}
            }
        });
        let call = Call::read(&event).unwrap();
        assert_eq!(call.params.widget.rollout.as_deref(), Some("score"));
        assert_eq!(call.params.command_function.as_deref(), Some("arn:command"));
        assert_eq!(call.params.view_function.as_deref(), Some("arn:view"));
        assert_eq!(call.context.forms.all.name, "Ada");
        let frame = call.frame();
        assert!(frame.room() == page::Room::Narrow && frame.theme == Theme::Dark);
    }

    #[test]
    fn a_press_is_one_command_for_each_verb_and_revision() {
        let press = |command, adopt, if_revision| Button { command, adopt, if_revision };
        let ids = [
            press(Verb::Pause, false, 7).id(),
            press(Verb::Pause, false, 8).id(),
            press(Verb::Resume, false, 7).id(),
            press(Verb::Resume, true, 7).id(),
            press(Verb::Rollback, false, 7).id(),
        ];
        let mut distinct = ids.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), ids.len(), "{ids:?}");
        assert_eq!(ids[0], press(Verb::Pause, false, 7).id());
    }

    #[test]
    fn names_and_reasons_are_one_line_of_bounded_length() {
        assert_eq!(
            identity(" Ada\nLovelace "),
            "widget, name as typed: Ada Lovelace, no AWS identity"
        );
        assert_eq!(identity("\t"), "widget, no name typed, no AWS identity");
        assert_eq!(reason(Verb::Rollback, " "), "no reason typed");
        assert_eq!(reason(Verb::Resume, " "), "");
        let long = "ü".repeat(9_000);
        assert_eq!(reason(Verb::Pause, &long).chars().count(), LONGEST_REASON);
    }

    #[test]
    fn its_own_arn_is_told_to_a_widgets_event_only() {
        let event = with_own_arn(json!({"widgetContext": {"theme": "light"}}), "arn:view");
        assert_eq!(event["widgetContext"]["ownArn"], "arn:view");
        let other = json!({"view": "status"});
        assert_eq!(with_own_arn(other.clone(), "arn:view"), other);
    }
}
