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
    assert!(refused.contains("give a reason"), "{refused}");
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
    assert!(refused.contains("someone else moved a weight"), "{refused}");
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
    let sentences: Vec<&str> = history
        .lines()
        .map(|line| line.trim_start().splitn(3, "  ").nth(2).expect("a sentence"))
        .collect();
    let who = "arn:aws:iam::111122223333:user/local-cloud";
    let expected = [
        format!(
            "rollout 1 started by {who}: scorer 2.4, change 1187; stages 1 %, 5 %, 25 %, 50 %, 100 %"
        ),
        "history of * minutes read, 6,000 requests a minute; first stage 1 %; Latency counts as worse from * times Python's (auto, from * h)".to_owned(),
        "the code was seen: public runs scorer-rs $LATEST * beside scorer-py $LATEST *".to_owned(),
        "0 % → 1 % intended: start at 1 %: *".to_owned(),
        "0 % → 1 % applied on every route, read back".to_owned(),
        "1 % → 5 % intended: every limit is proven (* requests in * minutes, *".to_owned(),
        "1 % → 5 % applied on every route, read back".to_owned(),
        format!("paused by {who}: deploy of the gateway"),
        format!("resumed by {who}: gateway is out"),
        "5 % → 25 % intended: every limit is proven (*".to_owned(),
        "5 % → 25 % applied on every route, read back".to_owned(),
        "moved by someone else: 25 % expected, public shows 40 %".to_owned(),
        "page moved-by-someone-else: The journal says 25 %, but public shows 40 %. *".to_owned(),
        format!("40 % taken over by {who}: that was me"),
        "page moved-by-someone-else cleared: *".to_owned(),
        "40 % → 0 % intended: rollback: alarm `scorer-rs-errors` stands: Threshold Crossed*"
            .to_owned(),
        "40 % → 0 % applied on every route, read back".to_owned(),
        "ended, rolled back: rollback: alarm `scorer-rs-errors` stands: *".to_owned(),
        format!("rollout 2 started by {who}: 2.4.1 with the fix; stages *"),
        "history of * minutes read, * requests a minute; first stage 1 %; *".to_owned(),
        "the code was seen: public runs scorer-rs $LATEST * beside scorer-py $LATEST *".to_owned(),
        "0 % → 1 % intended: start at 1 %: *".to_owned(),
        "0 % → 1 % applied on every route, read back".to_owned(),
    ];
    for (n, sentence) in sentences.iter().enumerate() {
        let pattern = expected.get(n).map_or("nothing more", String::as_str);
        assert!(fits(pattern, sentence), "line {n}: {sentence}\nexpected: {pattern}\n{history}");
    }
    assert_eq!(sentences.len(), expected.len(), "{history}");

    let subjects: Vec<String> = scene.page_ids().into_iter().map(|(_, subject)| subject).collect();
    let expected = [
        "INFO: score: run 1 started",
        "INFO: score: 0 % -> 1 % on Rust",
        "INFO: score: 1 % -> 5 % on Rust",
        "INFO: score: 5 % -> 25 % on Rust",
        "ALARM: score: a weight was moved by someone else",
        "OK: score: a weight was moved by someone else",
        "ALARM: score: rolled back, 40 % -> 0 % on Rust",
        "OK: score: started again",
        "INFO: score: run 2 started",
        "INFO: score: 0 % -> 1 % on Rust",
    ];
    assert_eq!(subjects, expected);
    let changes = scene.changes();
    let ours = |share| ("ModifyRule".to_owned(), share);
    let all = [ours(1), ours(5), ours(25), ("foreign".to_owned(), 40), ours(0), ours(1)];
    assert_eq!(changes, all, "nobody else wrote anything else");
}
