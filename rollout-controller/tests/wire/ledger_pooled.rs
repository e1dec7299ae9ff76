//! The journal behind a transaction pooler, the stand-in for RDS Proxy.
//!
//! One client alone hides the danger: only with more clients than servers does a
//! statement meet somebody else's.

use rollout_controller::adapters::ledger::SqlLedger;
use rollout_controller::ports::{Entry, Inserted, Ledger};
use tokio::task::JoinSet;

use crate::journal::{ledger_at, migrated};
use crate::ledger::{entry, one_winner_for_each_number};
use crate::peers;

/// Clients of the pooler, which has two servers.
const CLIENTS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn of_several_writers_behind_a_pooler_one_wins() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    let Some(pooler) = peers::pgbouncer(&postgres).await else {
        return;
    };
    migrated(&postgres.url("postgres")).await;
    one_winner_for_each_number(&pooler.url("postgres"), CLIENTS, 20).await;
}

/// A client that keeps its connection from here on. All at once they may take longer
/// than a connection may on a busy machine.
async fn connected(url: &str) -> SqlLedger {
    let ledger = ledger_at(url);
    for _ in 0..10 {
        match ledger.read("nobody", 1).await {
            Ok(_) => return ledger,
            Err(error) => eprintln!("not connected yet: {error}"),
        }
    }
    panic!("no connection through the pooler");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_behind_a_pooler_reads_the_rows_of_another() {
    let Some(postgres) = peers::postgres().await else {
        return;
    };
    let Some(pooler) = peers::pgbouncer(&postgres).await else {
        return;
    };
    migrated(&postgres.url("postgres")).await;
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let ledger = connected(&pooler.url("postgres")).await;
        tasks.spawn(async move {
            let name = format!("rollout-{client}");
            let mine = |seq| Entry { body: format!("{name} {seq}"), ..entry(seq, "minute") };
            for seq in 1..=30 {
                let won = ledger.insert(&name, &[mine(seq)], None).await.expect("written");
                assert_eq!(won, Inserted::Won, "nobody else writes {name}");
                let written: Vec<Entry> = (1..=seq).map(mine).collect();
                let read = ledger.read(&name, 1).await.expect("read");
                assert_eq!(read.entries, written);
                let newest = ledger.history(&name, None, 1).await.expect("read");
                assert_eq!(newest, [mine(seq)]);
                // Its text differs with the number of kinds.
                let kinds = &["applied", "minute", "paused"][..usize::from(seq % 2 == 0) + 2];
                let newest = ledger.history_of(&name, kinds, None, 1).await.expect("read");
                assert_eq!(newest, [mine(seq)]);
                if seq % 10 == 0 {
                    assert_eq!(ledger.prune(&name, "minute", 0).await.expect("pruned"), 0);
                }
            }
        });
    }
    tasks.join_all().await;
}
