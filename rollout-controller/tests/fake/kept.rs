//! Journals that releases before this one wrote, kept in `tests/data/journals`, and what
//! the newest of those releases can read.
//!
//! An upgrade meets them in the middle of a run, and so does a downgrade: the older
//! program goes on with what the newer one wrote. `KEEP_JOURNALS=2026-12-24 cargo test …
//! --test fake kept` writes those of today into a folder of that name, at a release.

use crate::pretend::{Night, config_with};
use rollout_controller::config::Config;
use rollout_controller::controller::store;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::engine::Method;
use rollout_controller::domain::event::Event;
use rollout_controller::domain::journal::Journal;
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{Entry, Inserted, Snapshot, World};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A journal as its tables hold it, and what it means.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Settings of the rollout's TOML.
    settings: String,
    /// Tables of the rollout's TOML.
    tables: String,
    routes: Vec<String>,
    means: Meaning,
    snapshot: Option<Row>,
    entries: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    seq: i64,
    /// Of an entry: its time. Of a snapshot: its version.
    at_ms: i64,
    kind: String,
    body: Value,
}

/// What must not change by an upgrade.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Meaning {
    revision: i64,
    phase: String,
    share_percent: f64,
    /// Messages that nobody has taken yet.
    owed: usize,
    engine: String,
}

impl Meaning {
    fn of(journal: &Journal) -> Self {
        let run = journal.run.as_ref().expect("a run");
        Self {
            revision: journal.revision,
            phase: journal.words().to_owned(),
            share_percent: run.weight.percent(),
            owed: usize::from(!journal.outbox.is_empty()),
            engine: match &run.terms.evidence {
                Method::Two(_) => "evidence-2".to_owned(),
                Method::One(_) => "evidence-1".to_owned(),
            },
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals")
}

/// Every kept journal: release, story, journal.
fn kept() -> Vec<(String, String, Kept)> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let releases = list(&folder());
    let files = releases.iter().flat_map(|release| {
        let stories = list(release);
        stories.into_iter().map(move |story| (name(release), name(&story), story))
    });
    files
        .map(|(release, story, path)| {
            let text = std::fs::read_to_string(&path).expect("readable");
            let kept = serde_json::from_str(&text);
            (release, story, kept.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect()
}

/// A world that goes on where a kept journal ends. Its rules show the journal's share.
async fn world_of(kept: &Kept, with_snapshot: bool) -> Night {
    let routes: Vec<&str> = kept.routes.iter().map(String::as_str).collect();
    let night = Night::new(config_with(&kept.settings, &kept.tables, &routes));
    night.pretend.alarm("rs", AlarmState::Ok);
    let last_ms = kept.entries.last().expect("entries").at_ms;
    while night.pretend.now().as_millisecond() <= last_ms {
        night.pretend.pass_minute();
    }
    let entries: Vec<Entry> = kept
        .entries
        .iter()
        .map(|row| Entry {
            seq: row.seq,
            at_ms: row.at_ms,
            kind: row.kind.clone(),
            body: row.body.to_string(),
        })
        .collect();
    let snapshot = kept.snapshot.as_ref().filter(|_| with_snapshot).map(|row| Snapshot {
        seq: row.seq,
        version: row.at_ms,
        body: row.body.to_string(),
    });
    let inserted = night.world.ledger.insert("score", &entries, snapshot.as_ref()).await;
    assert_eq!(inserted.expect("written"), Inserted::Won);
    let share = Weight::from_percent(kept.means.share_percent).expect("a share");
    for route in &kept.routes {
        night.pretend.console_change(route, share);
    }
    night
}

#[tokio::test]
async fn a_journal_of_an_older_release_means_the_same_and_goes_on() {
    let kept = kept();
    assert!(kept.len() >= 6, "the journals are there");
    for (release, story, kept) in kept {
        for with_snapshot in [true, false] {
            let what = format!("{release}/{story}, snapshot {with_snapshot}");
            let night = world_of(&kept, with_snapshot).await;
            let loaded = store::load(&*night.world.ledger, "score").await.expect("read");
            assert!(loaded.broken.is_none(), "{what}: {:?}", loaded.broken);
            assert_eq!(Meaning::of(&loaded.journal), kept.means, "{what}");
            night.minutes(3).await;
            let after = night.journal().await;
            let ended = ["completed", "rolled back"].contains(&kept.means.phase.as_str());
            assert!(ended || after.revision > kept.means.revision, "{what}: ticks go on");
            // It still protects.
            night.pretend.alarm("rs", AlarmState::Alarm);
            night.minutes(3).await;
            if !ended {
                assert!(night.shows(&kept.routes[0]).abs() < f64::EPSILON, "{what}: rolled back");
            }
        }
    }
}

// ------------------------------------------------------------- what is written

const ALARM: &str = "[rollout.alarms]\nrollback_on = [\"rs\"]";

/// Stories of today: settings, routes, name, and the night at its end.
async fn stories() -> Vec<(&'static str, &'static str, Vec<&'static str>, Night)> {
    let mut all = Vec::new();
    for (settings, name) in [("", "advancing"), ("engine = \"evidence-1\"", "advancing-evidence-1")]
    {
        let night = begun(settings, &["public"]).await;
        night.until_weight(200, 10.0).await;
        night.minutes(2).await;
        all.push((name, settings, vec!["public"], night));
    }
    let night = begun("", &["public", "internal"]).await;
    night.until_weight(200, 25.0).await;
    night.order(Order::Pause { for_minutes: Some(600) }).await;
    night.minutes(2).await;
    all.push(("paused-at-25", "", vec!["public", "internal"], night));

    let night = begun("", &["public"]).await;
    night.until_weight(200, 25.0).await;
    night.pretend.state().new.error_ratio = 0.4;
    night.until(60, |report| report.state == "rolled back").await;
    all.push(("rolled-back", "", vec!["public"], night));

    let night = begun("", &["public"]).await;
    night.until(300, |report| report.state == "completed").await;
    all.push(("completed", "", vec!["public"], night));

    // A channel is broken, minutes are late, new code comes, someone else moves the rule.
    let night = begun("", &["public"]).await;
    night.until_weight(200, 10.0).await;
    night.pretend.state().trouble.channels_broken.insert(Channel::Pager);
    let now = Minute(night.pretend.now().as_millisecond().div_euclid(60_000));
    night.pretend.state().trouble.minutes_broken.insert(now);
    night.minutes(4).await;
    night.pretend.deploy(2);
    night.minutes(3).await;
    let five = Weight::from_percent(5.0).unwrap();
    night.pretend.console_change("public", five);
    night.minutes(3).await;
    all.push(("moved-by-someone-else", "", vec!["public"], night));
    all
}

async fn begun(settings: &str, routes: &[&str]) -> Night {
    let config: Config = config_with(settings, ALARM, routes);
    let night = Night::new(config);
    night.pretend.alarm("rs", AlarmState::Ok);
    night.hour_of_python();
    night.order(Order::Start).await;
    night
}

async fn rows(world: &World) -> (Option<Row>, Vec<Row>) {
    let written = world.ledger.read("score", store::SNAPSHOT_VERSION).await.expect("read");
    let json = |text: &str| serde_json::from_str(text).expect("JSON");
    let snapshot = written.snapshot.map(|snapshot| Row {
        seq: snapshot.seq,
        at_ms: snapshot.version,
        kind: "snapshot".to_owned(),
        body: json(&snapshot.body),
    });
    let mut entries = world.ledger.history("score", None, u32::MAX).await.expect("read");
    entries.reverse();
    let row = |entry: &Entry| Row {
        seq: entry.seq,
        at_ms: entry.at_ms,
        kind: entry.kind.clone(),
        body: json(&entry.body),
    };
    (snapshot, entries.iter().map(row).collect())
}

/// Names of the members of each kind of event, by kind.
fn members<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let names = row.body.as_object().into_iter().flat_map(|body| body.keys().cloned());
        all.entry(row.kind.clone()).or_default().extend(names);
    }
    all
}

/// Kinds that the newest kept release did not know. It stops reading at one of them and
/// goes on protecting without its journal, so a new kind costs a downgrade the run's steps:
/// write it only where nothing else will do, and say so here until the next release.
const NEW_KINDS: [&str; 0] = [];

#[tokio::test]
async fn what_is_written_today_can_be_read_by_the_release_before() {
    let stories = stories().await;
    if let Some(release) = std::env::var_os("KEEP_JOURNALS") {
        let folder = folder().join(release);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, settings, routes, night) in &stories {
            let (snapshot, entries) = rows(&night.world).await;
            let kept = Kept {
                settings: (*settings).to_owned(),
                tables: ALARM.to_owned(),
                routes: routes.iter().map(|route| (*route).to_owned()).collect(),
                means: Meaning::of(&night.journal().await),
                snapshot,
                entries,
            };
            let text = serde_json::to_string(&kept).expect("JSON");
            std::fs::write(folder.join(format!("{name}.json")), text + "\n").expect("written");
        }
    }
    let kept = kept();
    let newest = kept.iter().map(|(release, ..)| release).max().expect("a release");
    let of_newest = kept.iter().filter(|(release, ..)| release == newest);
    let known = members(of_newest.flat_map(|(.., kept)| &kept.entries));
    let mut written = BTreeMap::new();
    for (.., night) in &stories {
        let (_, entries) = rows(&night.world).await;
        for (kind, names) in members(&entries) {
            let all: &mut BTreeSet<String> = written.entry(kind).or_default();
            all.extend(names);
        }
    }
    for (kind, names) in &written {
        if NEW_KINDS.contains(&kind.as_str()) {
            continue;
        }
        let before = known.get(kind).unwrap_or_else(|| panic!("{newest} knows no event `{kind}`"));
        // New members are ignored by the older release; those it needs must not go.
        let gone: Vec<&String> = before.difference(names).collect();
        let optional = |name: &&&String| {
            let kept = kept.iter().filter(|(release, ..)| release == newest);
            let mut rows =
                kept.flat_map(|(.., kept)| &kept.entries).filter(|row| row.kind == *kind);
            rows.any(|row| row.body.get(name.as_str()).is_none())
        };
        let gone: Vec<_> = gone.iter().filter(|name| !optional(name)).collect();
        assert!(gone.is_empty(), "`{kind}` is written without {gone:?}, which {newest} needs");
    }
    assert!(written.contains_key(Event::TICKED) && written.len() >= 10, "{:?}", written.keys());
}
