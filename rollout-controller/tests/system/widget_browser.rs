//! The rollout's page in a real browser, with the real functions behind it.
//!
//! `make test-widget` installs the browser and sets `WIDGET_BROWSER`; without it
//! these tests say that they were skipped. `make screenshots` also sets `SCREENSHOTS`,
//! the folder for pictures.

use crate::stage::Stage;
use local_cloud::{ApiFaultKind, widget};
use std::path::Path;
use tokio::process::Command;

fn wanted() -> bool {
    let wanted = std::env::var_os("WIDGET_BROWSER").is_some();
    if !wanted {
        eprintln!("skipped: needs a browser; run `make test-widget`");
    }
    wanted
}

/// Runs a script of `local-cloud/widget/test` with the page's address.
async fn node(stage: &Stage, script: &str, args: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-cloud/widget/test");
    stage.agree_on_time();
    let address = widget::address(&stage.cloud.aws_endpoint(), "score");
    let output = Command::new("node")
        .arg(folder.join(script))
        .arg(address)
        .args(args)
        .output()
        .await
        .expect("node runs");
    assert!(
        output.status.success(),
        "{script} {args:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn before_during_and_after_a_rollback_it_reads_well_at_every_width() {
    if !wanted() {
        return;
    }
    let mut stage = Stage::at(62, 25).await;
    stage.minutes(2).await;
    let before =
        ["before", "Serving safely. Rust has 25%", "public 25%, read back", "Roll back to 0%"];
    node(&stage, "look.mjs", &before).await;

    stage.fail_api("ModifyRule", ApiFaultKind::Denied);
    stage.rust.errors = 0.2;
    stage.until(15, |report| report["state"] == "rolling back").await;
    stage.minutes(1).await;
    let during = [
        "during",
        "Hurting. Rollback incomplete",
        "rolloutctl rollback --direct",
        "public 25%, read back",
    ];
    node(&stage, "look.mjs", &during).await;

    stage.cloud.clear_faults(None);
    stage.minutes(1).await;
    let after = ["after", "all traffic is on Python.", "public 0%, read back"];
    node(&stage, "look.mjs", &after).await;
    stage.cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_do_what_they_say() {
    if !wanted() {
        return;
    }
    let stage = Stage::at(62, 10).await;
    node(&stage, "press.mjs", &[]).await;
    assert_eq!(stage.rust_percent(), 0);
    let history = stage.rolloutctl(&["history"]).await;
    let history = String::from_utf8(history.stdout).unwrap();
    let mut from = 0;
    for part in [
        "Ada <img src=x onerror=globalThis.hacked=1> (name as typed)  paused: \"noise on P99\"",
        "resumed: \"quiet again\"",
        "a visitor of the dashboard rolled back: \"no reason typed\"",
    ] {
        let at = history[from..].find(part);
        from += at.unwrap_or_else(|| panic!("`{part}` is not in {history}"));
    }
    stage.cloud.shutdown().await;
}
