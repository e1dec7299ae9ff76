//! One night on call, from the deployment to the morning's `history`.

use super::scene::{PATIENCE, Scene, Setup};
use super::servers::Database;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Whether `text` fits `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut ended = !pattern.contains('*');
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ended = part.is_empty();
    }
    ended || rest.is_empty()
}

fn met<const N: usize>(pairs: [(&str, usize); N]) -> BTreeMap<String, usize> {
    pairs.map(|(name, count)| (name.to_owned(), count)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_by_script_and_the_journal_explains_each_line() {
    let setup = Setup { bell: true, ..Setup::default() };
    let Some(mut scene) = Scene::new(Database::own().await, setup).await else {
        return;
    };
    assert_eq!(scene.users_meet(10).await, met([("scorer-py", 10)]));

    // No rollout without a reason.
    let refused = scene.refused(&["start", "--yes"]).await;
    assert!(refused.contains("a reason is needed"), "{refused}");
    scene.order(&["start", "--reason", "scorer 2.4, change 1187", "--yes"]).await;
    scene.reach(1).await;
    scene.reach(5).await;

    scene.order(&["pause", "--reason", "deploy of the gateway", "--yes"]).await;
    let report = scene.minutes(6).await;
    assert_eq!(report["state"], "paused");
    assert_eq!(scene.rust_percent(), 5, "nothing moves during a pause");

    // Functions, load balancer, database and pooler end; nobody remembers anything
    // but the journal on disk, the weights in AWS and the metrics in AWS.
    scene.restart_everything().await;
    let report = scene.minute().await;
    assert_eq!(report["state"], "paused", "{report}");
    assert_eq!(scene.rust_percent(), 5);
    scene.order(&["resume", "--reason", "gateway is out", "--yes"]).await;
    scene.reach(25).await;

    // Somebody at the console.
    scene.console(40);
    let report = scene.minutes(2).await;
    assert_eq!(report["state"], "moved by someone else", "{report}");
    assert_eq!(scene.rust_percent(), 40, "nothing is written");
    assert_eq!(scene.paged("ALARM", "moved-by-someone-else"), 1);
    let plain = ["resume", "--reason", "go on", "--yes"];
    let refused = scene.refused(&plain).await;
    assert!(refused.contains("Accept it: rolloutctl resume --adopt"), "{refused}");
    let adopt = ["resume", "--adopt", "--reason", "that was me", "--yes"];
    scene.order(&adopt).await;
    let report = scene.minute().await;
    assert_eq!(report["state"], "advancing", "{report}");
    let users = scene.users_meet(40).await;
    assert!(users["scorer-py"] > 0 && users["scorer-rs"] > 0, "{users:?}");

    // Rust fails; the alarm rings before any scheduled tick could see it.
    scene.errors = 0.01;
    scene.pass_minute();
    let rolled_back = async {
        while scene.paged("ALARM", "rolled-back") == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, rolled_back).await.expect("a page");
    assert_eq!(scene.rust_percent(), 0);
    assert_eq!(scene.users_meet(10).await, met([("scorer-py", 10)]));
    scene.errors = 0.0;
    let report = scene.minutes(5).await;
    assert_eq!(report["state"], "rolled back", "{report}");
    assert_eq!(scene.rust_percent(), 0, "it stays there");

    // A hasty restart, and a considered one.
    for hasty in [
        &["start", "--yes"][..],
        &["resume", "--reason", "it was nothing", "--yes"],
        &["promote", "--to", "25%", "--force", "--reason", "it was nothing", "--yes"],
    ] {
        scene.refused(hasty).await;
        assert_eq!(scene.rust_percent(), 0, "{hasty:?}");
    }
    scene.order(&["start", "--reason", "2.4.1 with the fix", "--yes"]).await;
    scene.reach(1).await;
    assert_eq!(scene.paged("OK", "rolled-back"), 1, "the incident is closed");

    explained(&scene).await;
}

/// The whole of `rolloutctl history`, and the pages beside it.
async fn explained(scene: &Scene) {
    let history = scene.order(&["history", "--limit", "200"]).await;
    // Below the heading: revision, time, who, what.
    let sentences: Vec<String> = history
        .lines()
        .skip(1)
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words[2..].join(" ")
        })
        .collect();
    let expected = [
        "local-cloud started: \"scorer 2.4, change 1187\"",
        "tick 0% → 1%: first share for 6,000 requests a minute",
        "tick 1% → 5%: every limit is proven (* requests in * minutes, *",
        "local-cloud paused: \"deploy of the gateway\"",
        "local-cloud resumed: \"gateway is out\"",
        "tick 5% → 25%: every limit is proven (*",
        "someone moved by someone else: public shows 40%, not 25%",
        "local-cloud took over 40%: \"that was me\"",
        "tick resolved: *",
        "tick ROLLBACK 40% → 0%: Alarm `scorer-rs-errors` went to ALARM (Threshold Crossed*",
        "local-cloud started: \"2.4.1 with the fix\"",
        "tick 0% → 1%: first share for * requests a minute",
    ];
    for (n, sentence) in sentences.iter().enumerate() {
        let pattern = expected.get(n).copied().unwrap_or("nothing more");
        assert!(fits(pattern, sentence), "line {n}: {sentence}\nexpected: {pattern}\n{history}");
    }
    assert_eq!(sentences.len(), expected.len(), "{history}");

    let subjects: Vec<String> = scene.page_ids().into_iter().map(|(_, subject)| subject).collect();
    let expected = [
        "INFO: score: run 1 started by local-cloud",
        "INFO: score: 0% -> 1% on Rust",
        "INFO: score: 1% -> 5% on Rust",
        "INFO: score: 5% -> 25% on Rust",
        "ALARM: score: `public` moved by someone else: 25% -> 40%",
        "OK: score: resolved: moved by someone else",
        "ALARM: score: rolled back, 40% -> 0% on Rust",
        "OK: score: resolved: started again by local-cloud",
        "INFO: score: run 2 started by local-cloud",
        "INFO: score: 0% -> 1% on Rust",
    ];
    assert_eq!(subjects, expected);
    let changes = scene.changes();
    let ours = |share| ("ModifyRule".to_owned(), share);
    let all = [ours(1), ours(5), ours(25), ("foreign".to_owned(), 40), ours(0), ours(1)];
    assert_eq!(changes, all, "nobody else wrote anything else");
}
