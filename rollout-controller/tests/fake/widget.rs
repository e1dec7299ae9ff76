//! The page on a dashboard, asked and pressed as CloudWatch does it, in a pretend
//! world with real decisions behind it.

use crate::pretend::{Night, config};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::weight::Weight;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::widget::with_own_arn;
use serde_json::{Value, json};

const VIEW: &str = "arn:aws:lambda:eu-west-1:111122223333:function:rollout-view";
const COMMAND: &str = "arn:aws:lambda:eu-west-1:111122223333:function:rollout-command";

fn context(typed: &Value) -> Value {
    json!({
        "dashboardName": "rollouts", "widgetId": "widget-16", "accountId": "111122223333",
        "theme": "light", "width": 800, "height": 600,
        "forms": {"all": typed},
        "params": {"widget": {"rollout": "score"}, "commandFunction": COMMAND},
    })
}

async fn ask(night: &Night, door: Door, event: Value, own: &str) -> String {
    let event = with_own_arn(event, own);
    let page = answer(door, &night.world, &night.config, &event, None).await.unwrap();
    page.as_str().expect("a string of HTML").to_owned()
}

pub(crate) async fn page(night: &Night) -> String {
    let event = json!({
        "widget": {"rollout": "score"}, "commandFunction": COMMAND,
        "widgetContext": context(&json!({}))
    });
    let page = ask(night, Door::View, event, VIEW).await;
    assert_harmless(&page);
    page
}

/// Presses the button with this label as a dashboard would: the JSON inside its
/// `cwdb-action`, with what was typed.
async fn press(night: &Night, page: &str, label: &str, typed: Value) -> String {
    let mut event = action(page, label);
    event["widgetContext"] = context(&typed);
    let answer = ask(night, Door::Command, event, COMMAND).await;
    assert_harmless(&answer);
    answer
}

fn action(page: &str, label: &str) -> Value {
    let after = page.split(&format!(">{label}</button>")).nth(1);
    let after = after.unwrap_or_else(|| panic!("no button {label} in {page}"));
    assert!(after.starts_with("<cwdb-action "), "{after}");
    let (open, rest) = after.split_once('>').unwrap();
    assert!(open.contains("confirmation=\""), "{open}");
    serde_json::from_str(rest.split("</cwdb-action>").next().unwrap()).unwrap()
}

/// No script, no handler, no reference, nothing a dashboard would strip, and
/// every element closed.
pub(crate) fn assert_harmless(page: &str) {
    let lower = page.to_lowercase();
    for forbidden in ["<script", "<iframe", "<use", "javascript:", " id=", "href=", "url("] {
        assert!(!lower.contains(forbidden), "{forbidden} in {page}");
    }
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("a stray < in {page}"));
        for attribute in tag.split('"').step_by(2) {
            assert!(!attribute.contains(" on"), "a handler: {tag}");
        }
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{page}");
        } else if !tag.ends_with('/') && !matches!(name, "input" | "br") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    for svg in page.split("<svg ").skip(1) {
        assert!(svg.starts_with("class=\"") && svg.contains("role=\"img\" aria-label=\""), "{svg}");
    }
}

#[tokio::test]
async fn before_a_start_it_says_so_and_offers_no_button() {
    let night = Night::new(config());
    let page = page(&night).await;
    assert!(page.contains("Not started. All traffic is on Python."), "{page}");
    assert!(page.contains("public 0%"), "{page}");
    assert!(page.contains("score, no run yet"), "{page}");
    assert!(page.contains("class=\"head plain\""), "{page}");
    assert!(!page.contains(COMMAND.replace("rollout-command", "x").as_str()));
    assert!(!page.contains("Roll back to 0%"), "{page}");
    assert!(page.contains(&format!("endpoint=\"{VIEW}\"")), "refresh");
}

#[tokio::test]
async fn during_a_rollout_the_first_lines_answer_what_on_call_asks() {
    let night = Night::started(config()).await;
    night.until_weight(60, 10.0).await;
    night.minutes(2).await;
    let page = page(&night).await;
    let order = [
        "Serving safely. Rust has 10%; no limit is broken up to ",
        "Nothing to do. To stop it:",
        ">Pause at 10%</button>",
        ">Roll back to 0%</button>",
        "share by the journal <b>10%</b>",
        "public 10%, read back ",
        "Share of requests on Rust",
        "1% from ",
        "Evidence",
        "proven: next step",
        "full: rollback",
        "limit 1%",
        "limit 500 ms",
        "Stage 10%",
        "Errors</th>",
        "P99</th>",
        "What happened",
        "5% → 10%: every limit is proven",
    ];
    let mut from = 0;
    for part in order {
        let at = page[from..].find(part);
        from += at.unwrap_or_else(|| panic!("`{part}` is missing or too early in {page}"));
    }
    assert_eq!(page.matches("class=\"chart\"").count(), 6, "share, evidence, and each limit");
    assert!(page.contains(" · Rust 0 of "), "hover names a minute's counts: {page}");
}

#[tokio::test]
async fn a_press_is_carried_out_and_journalled_with_the_typed_name_and_no_identity() {
    let night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    let shown = page(&night).await;
    let typed = json!({"name": "Ada <b>", "reason": "noise & <script>alert(1)</script>"});
    let done = press(&night, &shown, "Pause at 5%", typed.clone()).await;
    assert!(done.contains("Paused at 5%. Protection stays on."), "{done}");
    assert!(done.contains("public 5%, read back "), "{done}");
    assert!(done.contains("Back to the rollout"), "{done}");
    assert!(done.contains(&format!("endpoint=\"{VIEW}\"")), "{done}");
    let pause = night.run().await.phase.pause().cloned().expect("paused");
    assert_eq!(pause.who.identity, "widget, name as typed: Ada <b>, no AWS identity");
    assert_eq!(pause.who.reason, "noise & <script>alert(1)</script>");

    // A double click is one command.
    let revision = night.journal().await.revision;
    let again = press(&night, &shown, "Pause at 5%", typed).await;
    assert!(again.contains("Nothing to do: this command was applied before"), "{again}");
    assert_eq!(night.journal().await.revision, revision);

    let paused = page(&night).await;
    assert!(paused.contains("paused"), "{paused}");
    let refused = press(&night, &paused, "Resume", json!({})).await;
    assert!(refused.contains("Not resumed: a reason is needed"), "{refused}");
    let resumed = press(&night, &paused, "Resume", json!({"reason": "quiet again"})).await;
    assert!(resumed.contains("Resumed at 5%."), "{resumed}");
    assert!(night.run().await.phase.pause().cloned().is_none());
}

#[tokio::test]
async fn a_press_on_an_old_page_is_refused_with_what_changed() {
    let night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    let old = page(&night).await;
    night.order(Order::Resume { adopt: false }).await;
    night.order(Order::Pause { for_minutes: None }).await;
    let stale = press(&night, &old, "Resume", json!({"reason": "go on"})).await;
    assert!(stale.contains("Not resumed: it changed after you looked"), "{stale}");
    assert!(stale.contains("Since the page was drawn:") && stale.contains(" resumed: "), "{stale}");
    assert!(night.run().await.phase.pause().cloned().is_some());
}

#[tokio::test]
async fn a_rollback_always_counts_even_from_a_page_of_the_run_before() {
    let night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    let old = page(&night).await;
    let done = press(&night, &old, "Roll back to 0%", json!({})).await;
    assert!(
        done.contains("Rolled back. All traffic is on Python.") && done.contains("public 0%"),
        "{done}"
    );
    let after = page(&night).await;
    assert!(after.contains("Rolled back"), "{after}");
    assert!(!after.contains("Roll back to 0%</button>"), "{after}");
    let twice = press(&night, &old, "Roll back to 0%", json!({})).await;
    assert!(twice.contains("Nothing to do:"), "{twice}");

    night.order(Order::Start).await;
    night.until_weight(60, 5.0).await;
    let counts = press(&night, &old, "Roll back to 0%", json!({})).await;
    assert!(counts.contains("Rolled back. All traffic is on Python."), "{counts}");
    assert!(night.shows("public").abs() < f64::EPSILON);
    let revision = night.journal().await.revision;
    press(&night, &old, "Roll back to 0%", json!({})).await;
    assert_eq!(night.journal().await.revision, revision, "and once is once");
}

#[tokio::test]
async fn somebody_elses_change_offers_to_adopt_it() {
    let night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    let to = Weight::from_percent(25.0).unwrap();
    night.pretend.console_change("public", to);
    night.minutes(2).await;
    let moved = page(&night).await;
    assert!(moved.contains("Moved by someone else"), "{moved}");
    let done = press(&night, &moved, "Take over", json!({"reason": "it was me"})).await;
    assert!(done.contains("Taken over: 25% instead of 5%."), "{done}");
    assert_eq!(night.run().await.weight, to);
}

#[tokio::test]
async fn when_the_ledger_is_down_the_page_says_so_and_rollback_still_works() {
    let night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    let before = page(&night).await;
    night.pretend.state().trouble.ledger_down = true;
    let blind = page(&night).await;
    assert!(blind.contains("Unknown"), "{blind}");
    let failed = press(&night, &before, "Pause at 5%", json!({})).await;
    assert!(failed.contains("Not paused."), "{failed}");
    let done = press(&night, &before, "Roll back to 0%", json!({})).await;
    assert!(done.contains("Rolled back. All traffic is on Python."), "{done}");
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told_on_a_page() {
    let night = Night::new(config());
    let unknown = json!({"widget": {"rollout": "<i>"}, "widgetContext": {}});
    let told = ask(&night, Door::View, unknown, VIEW).await;
    assert!(told.contains("no rollout is called `&lt;i&gt;`; known: score"), "{told}");
    let odd = json!({"widget": 7, "widgetContext": {}});
    assert!(ask(&night, Door::View, odd, VIEW).await.contains("cannot be read"));
    for event in [
        json!({"command": "start", "if_revision": 0, "widgetContext": {}}),
        json!({"command": "rollback", "widgetContext": {}}),
    ] {
        let told = ask(&night, Door::Command, event, COMMAND).await;
        assert!(told.contains("this is no press"), "{told}");
    }
    assert_eq!(night.journal().await.revision, 0);
    let without = json!({"widgetContext": {}});
    let started = Night::started(config()).await;
    let told = ask(&started, Door::View, without, VIEW).await;
    assert!(told.contains("commandFunction is missing"), "{told}");
}

#[tokio::test]
async fn both_functions_describe_themselves_and_do_nothing() {
    let night = Night::started(config()).await;
    let revision = night.journal().await.revision;
    for door in [Door::View, Door::Command] {
        let event = json!({"describe": true, "command": "rollback", "if_revision": 1});
        let text = ask(&night, door, event, VIEW).await;
        let block = text.split("```").nth(1).unwrap();
        assert!(
            block.starts_with("yaml\nwidget:\n  rollout: score\ncommandFunction: arn:"),
            "{block}"
        );
    }
    assert_eq!(night.journal().await.revision, revision);
}

#[tokio::test]
async fn a_narrow_dark_widget_gets_lists_in_dark_colours() {
    let night = Night::started(config()).await;
    let event = json!({"widgetContext": {"theme": "dark", "width": 320}});
    let page = ask(&night, Door::View, event, VIEW).await;
    assert!(page.contains("class=\"rw cwdb-no-default-styles dark narrow\""), "{page}");
}
