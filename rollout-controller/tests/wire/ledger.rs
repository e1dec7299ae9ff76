//! One journal, the same on SQLite and on PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use local_cloud::latency::LatencyProxy;
use rollout_controller::adapters::ledger::{Login, SqlLedger, migrate};
use rollout_controller::ports::{Entry, Inserted, Ledger, LedgerError, Seq, Snapshot};
use tokio::task::JoinSet;

use crate::journal::{address, ledger_at, migrated, sqlite};
use crate::peers;

pub(crate) fn entry(seq: Seq, kind: &str) -> Entry {
    Entry { seq, at_ms: 1_000 * seq, kind: kind.to_owned(), body: format!("{{\"seq\":{seq}}}") }
}

/// Everything that must hold on every database.
async fn a_journal(url: &str) {
    let ledger = ledger_at(url);
    let unready = ledger.read("scorer", 1).await.expect_err("no tables yet");
    assert!(matches!(unready, LedgerError::NotMigrated { .. }), "{unready:?}");
    let unready = ledger.history_of("scorer", &["started"], None, 1).await.unwrap_err();
    assert!(matches!(unready, LedgerError::NotMigrated { .. }), "{unready:?}");
    let unready = ledger.insert("scorer", &[entry(1, "started")], None).await.unwrap_err();
    assert!(matches!(unready, LedgerError::NotMigrated { .. }), "{unready:?}");

    let login = Login::in_url();
    let first = migrate(&address(url), &login).await.expect("tables");
    assert_eq!((first.applied.as_slice(), first.version), ([1, 2].as_slice(), 2));
    let again = migrate(&address(url), &login).await.expect("nothing to do");
    assert_eq!((again.applied.as_slice(), again.version), ([].as_slice(), 2));

    only_the_next_number_is_written(&ledger).await;
    snapshots_shorten_reading(&ledger).await;
    history_pages_backwards(&ledger).await;
    history_of_kinds_passes_over_the_rest(&ledger).await;
    pruning_keeps_the_count(&ledger).await;
    any_text_comes_back(&ledger).await;
    many_are_read_at_once(&ledger).await;
}

async fn only_the_next_number_is_written(ledger: &SqlLedger) {
    assert_eq!(ledger.read("scorer", 1).await.unwrap().entries, []);
    let batch = [entry(1, "started"), entry(2, "minute"), entry(3, "minute")];
    assert_eq!(ledger.insert("scorer", &batch, None).await.unwrap(), Inserted::Won);
    for taken in [&batch[..], &batch[1..], &batch[2..]] {
        assert_eq!(ledger.insert("scorer", taken, None).await.unwrap(), Inserted::Lost);
    }
    // The first of two is taken: the second must not be written either.
    let overlapping = [entry(3, "late"), entry(4, "late")];
    assert_eq!(ledger.insert("scorer", &overlapping, None).await.unwrap(), Inserted::Lost);
    for leaves_a_hole in [vec![entry(5, "x")], vec![entry(4, "x"), entry(6, "x")]] {
        let refused = ledger.insert("scorer", &leaves_a_hole, None).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Corrupt { .. }), "{refused:?}");
    }
    // It has the next number, and its writer read a journal that is no more.
    let stale = Entry { at_ms: 2_999, ..entry(4, "late") };
    assert_eq!(ledger.insert("scorer", &[stale], None).await.unwrap(), Inserted::Lost);
    assert_eq!(ledger.read("scorer", 1).await.unwrap().entries, batch);
    assert_eq!(ledger.read("other", 1).await.unwrap().entries, [], "journals do not mix");
    assert_eq!(ledger.insert("other", &[entry(1, "started")], None).await.unwrap(), Inserted::Won);
}

async fn snapshots_shorten_reading(ledger: &SqlLedger) {
    let snapshot = |seq| Snapshot { seq, version: 7, body: format!("fold of {seq}") };
    let next = [entry(4, "minute")];
    let won = ledger.insert("scorer", &next, Some(&snapshot(3))).await.unwrap();
    assert_eq!(won, Inserted::Won);
    let read = ledger.read("scorer", 7).await.unwrap();
    assert_eq!((read.snapshot, read.entries.as_slice()), (Some(snapshot(3)), next.as_slice()));
    let other_shape = ledger.read("scorer", 8).await.unwrap();
    assert_eq!((other_shape.snapshot, other_shape.entries.len()), (None, 4));

    let lost = ledger.insert("scorer", &next, Some(&snapshot(4))).await.unwrap();
    assert_eq!(lost, Inserted::Lost);
    let read = ledger.read("scorer", 7).await.unwrap();
    assert_eq!(read.snapshot, Some(snapshot(3)), "a lost insert leaves the snapshot too");
    ledger.insert("scorer", &[], Some(&snapshot(4))).await.unwrap();
    ledger.insert("scorer", &[], Some(&snapshot(2))).await.unwrap();
    let read = ledger.read("scorer", 7).await.unwrap();
    assert_eq!((read.snapshot, read.entries.len()), (Some(snapshot(4)), 0), "never an older one");
}

async fn history_pages_backwards(ledger: &SqlLedger) {
    let seqs = |entries: Vec<Entry>| entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(ledger.history("scorer", None, 2).await.unwrap()), [4, 3]);
    assert_eq!(seqs(ledger.history("scorer", Some(3), 100).await.unwrap()), [2, 1]);
    assert_eq!(seqs(ledger.history("scorer", Some(1), 100).await.unwrap()), [0; 0]);
}

/// Hundreds of minutes with a change here and there.
async fn history_of_kinds_passes_over_the_rest(ledger: &SqlLedger) {
    let kind = |seq: Seq| match seq % 100 {
        0 => "applied",
        1 => "intended",
        _ => "minute",
    };
    let entries: Vec<Entry> = (1..=500).map(|seq| entry(seq, kind(seq))).collect();
    for rollout in ["long", "long too"] {
        let won = ledger.insert(rollout, &entries, None).await.expect("written");
        assert_eq!(won, Inserted::Won);
    }
    let seqs = async |kinds: &[&str], before, limit| -> Vec<Seq> {
        let found = ledger.history_of("long", kinds, before, limit).await.expect("read");
        assert!(found.iter().all(|found| *found == entry(found.seq, kind(found.seq))), "{found:?}");
        found.into_iter().map(|entry| entry.seq).collect()
    };
    let both = ["intended", "applied"];
    let all = [500, 401, 400, 301, 300, 201, 200, 101, 100, 1];
    assert_eq!(seqs(&both, None, 100).await, all, "newest first, of this rollout alone");
    assert_eq!(seqs(&["applied", "intended"], None, 100).await, all, "in whatever order asked");
    // Page by page it is the same list.
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = seqs(&both, before, 3).await;
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(*last);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(seqs(&["intended"], Some(301), 2).await, [201, 101]);
    assert_eq!(seqs(&["minute"], None, 2).await, [499, 498]);
    for nothing in [&[][..], &["paused"], &["intend"], &["intended' OR '1'='1"]] {
        assert_eq!(seqs(nothing, None, 100).await, [0; 0], "{nothing:?}");
    }
    let unknown = ledger.history_of("nobody", &both, None, 100).await.expect("read");
    assert_eq!(unknown, []);
    // As many kinds as there are, each of them asked for once.
    let every = rollout_controller::domain::event::Event::CHANGES;
    assert_eq!(seqs(&every, None, 4).await, all[..4]);
}

async fn pruning_keeps_the_count(ledger: &SqlLedger) {
    ledger.insert("scorer", &[entry(5, "minute")], None).await.unwrap();
    assert_eq!(ledger.prune("scorer", "minute", 3_000).await.unwrap(), 1, "2 is old enough");
    assert_eq!(ledger.prune("scorer", "minute", 9_000).await.unwrap(), 2, "5 is in no snapshot");
    let all = Snapshot { seq: 5, version: 7, body: String::new() };
    ledger.insert("scorer", &[], Some(&all)).await.unwrap();
    assert_eq!(ledger.prune("scorer", "minute", 9_000).await.unwrap(), 0, "the last one stays");
    assert_eq!(ledger.prune("scorer", "started", 0).await.unwrap(), 0);
    let reused = ledger.insert("scorer", &[entry(2, "again")], None).await.unwrap();
    assert_eq!(reused, Inserted::Lost, "a pruned number is not free");
    assert_eq!(ledger.insert("scorer", &[entry(6, "minute")], None).await.unwrap(), Inserted::Won);
}

async fn any_text_comes_back(ledger: &SqlLedger) {
    let name = "a 'quoted' \"name\" with $1 and ünïcode";
    let odd = "{\"text\":\"'; DROP TABLE rollout_journal; --  \\u0000 \\\\' $1 $v0$ $$ 🦀\"}";
    // Short ones are written into the statement, long ones are bound.
    let texts = [odd.to_owned(), odd.repeat(2_000), "$".to_owned(), "\\".to_owned(), String::new()];
    let entries: Vec<Entry> = (1..)
        .zip(texts)
        .map(|(seq, body)| Entry { at_ms: i64::MIN, body, ..entry(seq, "o'dd $v0") })
        .collect();
    for one in &entries {
        let won = ledger.insert(name, std::slice::from_ref(one), None).await.unwrap();
        assert_eq!(won, Inserted::Won);
    }
    let snapshot = Snapshot { seq: 2, version: 7, body: odd.repeat(1_000) };
    ledger.insert(name, &[], Some(&snapshot)).await.unwrap();
    assert_eq!(ledger.read(name, 1).await.unwrap().entries, entries);
    let read = ledger.read(name, 7).await.unwrap();
    assert_eq!((read.snapshot, read.entries.as_slice()), (Some(snapshot), &entries[2..]));
}

async fn many_are_read_at_once(ledger: &SqlLedger) {
    let names: Vec<String> = (0..450).map(|number| format!("many-{number}")).collect();
    for name in names.iter().step_by(150) {
        let entries = [entry(1, "started"), entry(2, "minute"), entry(3, "minute")];
        ledger.insert(name, &entries, None).await.unwrap();
    }
    let snapshot = Snapshot { seq: 2, version: 9, body: "two".to_owned() };
    ledger.insert(&names[150], &[], Some(&snapshot)).await.unwrap();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let read = ledger.read_all(&names, 9).await;
    assert_eq!(read.len(), names.len());
    for (number, written) in read.into_iter().enumerate() {
        let written = written.expect("read");
        let expected = match number {
            0 | 300 => (None, vec![entry(1, "started"), entry(2, "minute"), entry(3, "minute")]),
            150 => (Some(snapshot.clone()), vec![entry(3, "minute")]),
            _ => (None, Vec::new()),
        };
        assert_eq!((written.snapshot, written.entries), expected, "{number}");
    }
    assert!(ledger.read_all(&[], 9).await.is_empty());
}

/// Writers that all know the same last entry: one wins each number, none is left out.
pub(crate) async fn one_winner_for_each_number(url: &str, writers: usize, rounds: Seq) {
    let mut tasks = JoinSet::new();
    let start = Arc::new(tokio::sync::Barrier::new(writers));
    for writer in 0..writers {
        let (ledger, start) = (ledger_at(url), Arc::clone(&start));
        tasks.spawn(async move {
            let mut won = 0;
            for seq in 1..=rounds {
                start.wait().await;
                let mine = Entry { body: format!("{writer}"), ..entry(seq, "turn") };
                match ledger.insert("contested", &[mine], None).await.expect("an answer") {
                    Inserted::Won => won += 1,
                    Inserted::Lost => {}
                }
            }
            (writer, won)
        });
    }
    let wins: Vec<(usize, i64)> = tasks.join_all().await;
    let sum: i64 = wins.iter().map(|(_, won)| won).sum();
    assert_eq!(sum, rounds, "wins by writer: {wins:?}");
    let entries = ledger_at(url).read("contested", 1).await.unwrap().entries;
    assert_eq!(
        entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (1..=rounds).collect::<Vec<_>>()
    );
    for (writer, won) in wins {
        let written = entries.iter().filter(|entry| entry.body == writer.to_string()).count();
        assert_eq!(i64::try_from(written).unwrap(), won, "told {won} wins, wrote {written}");
    }
}

#[tokio::test]
async fn sqlite_keeps_a_journal() {
    a_journal(&sqlite().url).await;
}

#[tokio::test]
async fn postgres_keeps_a_journal() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    a_journal(&postgres.url("postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_writers_to_a_sqlite_file_one_wins() {
    let file = sqlite();
    migrated(&file.url).await;
    one_winner_for_each_number(&file.url, 4, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_migrations_at_once_make_the_tables_once() {
    let file = sqlite();
    let postgres = peers::postgres().await;
    let urls = [Some(file.url.clone()), postgres.as_ref().map(|p| p.url("postgres"))];
    for url in urls.into_iter().flatten() {
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let url = url.clone();
            tasks.spawn(async move { migrate(&address(&url), &Login::in_url()).await });
        }
        for result in tasks.join_all().await {
            assert_eq!(result.expect("tables").version, 2);
        }
        assert_eq!(ledger_at(&url).read("scorer", 1).await.unwrap().entries, []);
    }
}

#[tokio::test]
async fn an_unreachable_database_is_not_a_missing_table() {
    // A port that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for url in [
        format!("postgres://rollout:s3cr3t@127.0.0.1:{port}/rollout"),
        "sqlite:///nowhere/at/all/ledger.db".to_owned(),
    ] {
        let error = ledger_at(&url).read("scorer", 1).await.unwrap_err();
        assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
        let told = rollout_controller::errors::chain(&error);
        assert!(!told.contains("s3cr3t") && !format!("{error:?}").contains("s3cr3t"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_came_back_is_found_again_without_an_error() {
    let Some(mut postgres) = peers::postgres().await else {
        return;
    };
    let url = postgres.url("postgres");
    migrated(&url).await;
    let ledger = ledger_at(&url);
    assert_eq!(ledger.insert("scorer", &[entry(1, "a")], None).await.unwrap(), Inserted::Won);

    postgres.stop_server();
    let down = ledger.read("scorer", 1).await.unwrap_err();
    assert!(matches!(down, LedgerError::Unreachable { .. }), "{down:?}");
    postgres.start_server().await.expect("the server");
    assert_eq!(ledger.insert("scorer", &[entry(2, "b")], None).await.unwrap(), Inserted::Won);

    // The kept connection dies unseen, as while a Lambda is frozen.
    postgres.stop_server();
    postgres.start_server().await.expect("the server");
    assert_eq!(ledger.insert("scorer", &[entry(3, "c")], None).await.unwrap(), Inserted::Won);
    assert_eq!(ledger.read("scorer", 1).await.unwrap().entries.len(), 3);
}

#[tokio::test]
async fn a_tick_makes_three_trips_and_one_for_each_rollout_that_writes() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    migrated(&postgres.url("postgres")).await;
    let server = ([127, 0, 0, 1], postgres.port()).into();
    let network = LatencyProxy::start(server, Duration::from_millis(20)).await.expect("a port");
    let ledger = ledger_at(&postgres.url_at(network.address().port(), "postgres"));
    let names: Vec<String> = (0..100).map(|number| format!("rollout-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ledger.read_all(&names[..1], 1).await.pop().expect("one").expect("read");

    let trips = || network.traffic().round_trips;
    // As long as between two ticks, to a connection: it is asked whether it lives.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let before = trips();
    let read = ledger.read_all(&names, 1).await;
    assert!(read.iter().all(Result::is_ok));
    assert_eq!(trips() - before, 3, "alive, snapshots, entries");
    let before = trips();
    for name in &names[..10] {
        // About what a minute of two routes is.
        let minute = Entry { body: "x".repeat(4_000), ..entry(1, "ticked") };
        assert_eq!(ledger.insert(name, &[minute], None).await.unwrap(), Inserted::Won);
    }
    assert_eq!(trips() - before, 10, "one for each");

    // A connection that died without a word.
    network.lose_connections();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let again = ledger.insert(names[0], &[entry(2, "ticked")], None).await;
    assert_eq!(again.expect("another connection"), Inserted::Won);
    let read = ledger.read(names[0], 1).await.expect("read");
    assert_eq!(read.entries.len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    let url = postgres.url("postgres").replace(postgres.password(), "gu3ss");
    let error = ledger_at(&url).read("scorer", 1).await.unwrap_err();
    let told = rollout_controller::errors::chain(&error);
    assert!(told.contains("password authentication failed"), "{told}");
    assert!(!format!("{error:?}{told}").contains("gu3ss"), "{told}");
}
