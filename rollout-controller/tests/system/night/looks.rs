//! What operators do and see in a scene, and what came out of it.

use super::scene::Scene;
use crate::journal;
use local_cloud::Page;
use rollout_controller::adapters::ledger::SqlLedger;
use rollout_controller::controller::store;
use rollout_controller::domain::event::Stamped;
use rollout_controller::domain::journal::Journal;
use rollout_controller::ports::Ledger as _;
use serde_json::Value;
use std::process::Output;

impl Scene {
    // -------------------------------------------------------------- operators

    pub(crate) async fn rolloutctl(&self, args: &[&str]) -> Output {
        let names = self.cloud.names();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rolloutctl"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("AWS_ENDPOINT_URL", self.cloud.aws_endpoint())
            .env("AWS_REGION", &names.region)
            .env("AWS_ACCESS_KEY_ID", "TEST")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.output().await.expect("rolloutctl runs")
    }

    /// A command that must be carried out; what it printed.
    pub(crate) async fn order(&self, args: &[&str]) -> String {
        let output = self.rolloutctl(args).await;
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// A command that must be refused; what it printed.
    pub(crate) async fn refused(&self, args: &[&str]) -> String {
        let output = self.rolloutctl(args).await;
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("text")
    }

    // ---------------------------------------------------------- what came out

    /// All messages so far, those before a restart too.
    pub(crate) fn pages(&self) -> Vec<Page> {
        self.earlier_pages.iter().cloned().chain(self.cloud.pages()).collect()
    }

    /// Id and subject of each page so far.
    pub(crate) fn page_ids(&self) -> Vec<(String, String)> {
        let pages = self.pages().into_iter().map(|page| {
            let body: Value = serde_json::from_str(&page.message).expect("JSON");
            let id = body["rollout"]["id"].as_str().expect("an id").to_owned();
            (id, page.subject.unwrap_or_default())
        });
        pages.collect()
    }

    /// Subjects of pages with this state word and topic, such as `ALARM`, `blind`.
    pub(crate) fn paged(&self, word: &str, topic: &str) -> usize {
        let about = |page: &Page| {
            let body: Value = serde_json::from_str(&page.message).expect("JSON");
            body["NewStateValue"] == word && body["rollout"]["topic"] == topic
        };
        self.pages().iter().filter(|page| about(page)).count()
    }

    fn ledger(&self) -> SqlLedger {
        journal::ledger_at(&self.database.direct)
    }

    pub(crate) async fn journal(&self) -> Journal {
        let loaded = store::load(&self.ledger(), "score").await;
        loaded.expect("a journal").journal
    }

    /// Every event so far, oldest first.
    pub(crate) async fn events(&self) -> Vec<Stamped> {
        let entries = self.ledger().history("score", None, u32::MAX >> 1).await;
        let entries = entries.expect("entries");
        let events = entries.iter().rev().map(|entry| store::event_of("score", entry));
        events.collect::<Result<_, _>>().expect("events")
    }
}
