//! `status`: what on-call wants first, in this order. Is traffic safe, what share
//! goes where, must I act, why, and the one command that helps.

use super::stage_table::StageTable;
use crate::api::{EvidenceShown, HealthShown, ProofShown, RouteShown, Status};
use crate::domain::explain::number::{count, odds};
use crate::domain::explain::{self, health as words};
use crate::domain::health::{Health, JournalSeen, Standpoint};
use crate::domain::journal::Journal;
use crate::domain::message::Channel;
use crate::domain::run::Run;
use crate::domain::slo::Metric;
use crate::domain::summary::ProofSeen;

/// Puts together what is shown.
pub fn status(name: &str, at: &Standpoint<'_>, health: &Health, history: Vec<String>) -> Status {
    let journal = match &at.journal {
        JournalSeen::Read(journal) => Some(*journal),
        JournalSeen::Prefix(..) | JournalSeen::Behind(_) | JournalSeen::Failed(_) => None,
    };
    let run = journal.and_then(|journal| journal.run.as_ref());
    let terms = run.map_or(at.terms, |run| &run.terms);
    let also = health.also.iter().map(|case| words::case(case, at.clock_ms));
    let mut status = Status {
        rollout: name.to_owned(),
        health: HealthShown {
            kind: health.kind(),
            headline: words::headline(health, at.clock_ms),
            exit_code: health.first.exit_code(),
            next: words::next(health.first.next()),
            also: also.collect(),
        },
        state: journal.map(|journal| journal.words().to_owned()),
        ended: run.is_some_and(|run| !run.is_open()),
        run: journal.map(|_| run.map_or(0, |run| run.number)),
        mode: None,
        revision: journal.map(|journal| journal.revision),
        weight_percent: run.map(|run| run.weight.percent()),
        stage: run.map(|run| (run.terms.stage_number(run.weight), run.terms.stages.len())),
        routes: RouteShown::of(&terms.routes, &at.seen.rules),
        why: why(journal, run),
        choices: Vec::new(),
        code: Vec::new(),
        evidence: None,
        table: None,
        standing_pages: journal.map(standing_pages).unwrap_or_default(),
        unsent_messages: journal.map(|journal| journal.outbox.owed().len()),
        unsent: journal.map(unsent).unwrap_or_default(),
        last_tick_ms: journal.and_then(|journal| journal.ticked_ms),
        history,
    };
    if let Some(run) = run {
        fill(&mut status, run);
    }
    status
}

fn why(journal: Option<&Journal>, run: Option<&Run>) -> String {
    match (journal, run) {
        (None, _) => "the journal cannot be used, so run, stage and share are not known".to_owned(),
        (Some(_), None) => "no rollout has been started".to_owned(),
        (Some(_), Some(run)) if run.is_open() => match &run.refused {
            None => explain::last_decision(run),
            Some(refused) => {
                format!("{}. {}", explain::last_decision(run), explain::refused(refused))
            }
        },
        (Some(_), Some(run)) => explain::ended(run),
    }
}

fn standing_pages(journal: &Journal) -> Vec<String> {
    let each = journal.raised.iter();
    each.map(|(topic, since)| format!("{} since {}", topic.name(), explain::clock_time(*since)))
        .collect()
}

fn unsent(journal: &Journal) -> Vec<String> {
    let each = Channel::ALL.into_iter().filter_map(|channel| {
        let (messages, oldest) = journal.outbox.waiting(channel)?;
        let error = journal.outbox.broken().get(&channel).map(|outage| outage.error.as_str());
        let error = error.map_or(String::new(), |error| format!(": {error}"));
        Some(format!(
            "{} for {}, the oldest of {}{error}",
            count(messages as u64),
            channel.name(),
            explain::clock_time(oldest)
        ))
    });
    each.collect()
}

fn fill(status: &mut Status, run: &Run) {
    status.mode = Some(format!("{:?}", run.mode).to_lowercase());
    status.code = run
        .codes
        .iter()
        .map(|code| {
            let side = |code: &Option<crate::domain::code::Code>| {
                code.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string)
            };
            format!("{}: {} beside {}", code.route, side(&code.new), side(&code.old))
        })
        .collect();
    status.choices = run.choices.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
    let Some(summary) = run.summary() else { return };
    let proof = |(metric, proof): (Metric, ProofSeen)| ProofShown {
        metric,
        has: proof.has,
        needs: proof.needs,
    };
    status.evidence = Some(EvidenceShown {
        engine: run.terms.evidence.name().to_owned(),
        log_e: summary.log_e,
        log_e_rollback: summary.rollback_at,
        lead: summary.lead.clone(),
        odds: odds(summary.log_e),
        proofs: Metric::ALL.into_iter().zip(summary.proofs).map(proof).collect(),
        gate_ticks: summary.ticks,
        judged: summary.minute.to_string(),
    });
    status.table = Some(StageTable::new(&summary.stage).render());
}

impl Status {
    /// For a terminal. Icons stand beside words, so colour is never the only signal.
    pub fn render(&self) -> String {
        let unknown = || "unknown".to_owned();
        let icon = words::icon(self.health.kind);
        let mut lines = vec![field("Health:", &format!("{icon} {}", self.health.headline))];
        lines.extend(self.health.also.iter().map(|also| field("", also)));
        lines.push(field("Next:", &self.health.next));
        let run = match self.run {
            None => "run unknown".to_owned(),
            Some(0) => "not started".to_owned(),
            Some(run) => format!("run {run}"),
        };
        let mode = self.mode.as_ref().map_or(String::new(), |mode| format!(", {mode}"));
        lines.push(field("Name:", &format!("{} ({run}{mode})", self.rollout)));
        if let (Some(state), Some(1..)) = (&self.state, self.run) {
            lines.push(field("Phase:", state));
        }
        lines.push(field("Why:", &self.why));
        if let Some((stage, of)) = self.stage {
            lines.push(field("Stage:", &format!("{stage}/{of}")));
        }
        let share =
            self.weight_percent.map_or_else(unknown, |percent| format!("{percent} % on Rust"));
        if self.run != Some(0) {
            lines.push(field("  Journal:", &share));
        }
        for route in &self.routes {
            lines.push(field(
                &format!("  {}:", route.route),
                &format!("{} shown by the rule", route.shows),
            ));
        }
        if let Some(evidence) = &self.evidence {
            let proofs: Vec<String> = evidence
                .proofs
                .iter()
                .map(|ProofShown { metric, has, needs }| {
                    let icon = if has >= needs { "✔" } else { "◌" };
                    format!("{icon} {} {has:.1}/{needs:.1}", metric.name())
                })
                .collect();
            lines.push(field(
                "Against:",
                &format!(
                    "odds {} (ln E {:.2}, rollback at {:.2}), led by {}",
                    evidence.odds, evidence.log_e, evidence.log_e_rollback, evidence.lead
                ),
            ));
            lines.push(field(
                "For:",
                &format!(
                    "{} after {} minutes, up to {}",
                    proofs.join("  "),
                    count(evidence.gate_ticks.into()),
                    evidence.judged
                ),
            ));
        }
        for page in &self.standing_pages {
            lines.push(field("Page:", &format!("⚠ {page}")));
        }
        for choice in &self.choices {
            lines.push(field("Normal here:", choice));
        }
        for code in &self.code {
            lines.push(field("Code:", code));
        }
        let revision = self.revision.map_or_else(unknown, |revision| revision.to_string());
        lines.push(field("Revision:", &revision));
        for unsent in &self.unsent {
            lines.push(field("Unsent:", &format!("⚠ {unsent}")));
        }
        let mut text = lines.join("\n");
        text.push('\n');
        if let Some(table) = &self.table {
            text.push('\n');
            text.push_str(table);
        }
        if !self.history.is_empty() {
            text.push('\n');
            text.push_str(&self.history.join("\n"));
            text.push('\n');
        }
        text
    }
}

fn field(name: &str, value: &str) -> String {
    format!("{name:<12} {value}")
}
