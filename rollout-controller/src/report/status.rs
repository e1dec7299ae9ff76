//! `status`: what on-call wants first, in this order. Is traffic safe, what share
//! goes where, must I act, why, and the one command that stops it.

use super::stage_table::StageTable;
use crate::api::{EvidenceShown, RouteShown, Standing, Status};
use crate::domain::decision::{Decision, Hold};
use crate::domain::event::End;
use crate::domain::explain;
use crate::domain::explain::number::{count, odds};
use crate::domain::journal::Journal;
use crate::domain::run::Run;
use crate::domain::slo::Metric;

/// Puts together what is shown. `routes` are as read right now.
pub fn status(
    journal: &Journal,
    routes: Vec<RouteShown>,
    readable: bool,
    stages: usize,
    history: Vec<String>,
) -> Status {
    let mut status = Status {
        rollout: journal.name.clone(),
        standing: if readable { Standing::Fine } else { Standing::Unknown },
        state: "not started".to_owned(),
        run: 0,
        mode: "-".to_owned(),
        revision: journal.revision,
        weight_percent: 0.0,
        stage: (0, stages),
        routes,
        why: "no rollout has been started".to_owned(),
        next: "rolloutctl start --reason \"…\"".to_owned(),
        evidence: None,
        table: None,
        standing_pages: Vec::new(),
        unsent_messages: journal.outbox.len(),
        last_tick_ms: None,
        history,
    };
    if let Some(run) = &journal.run {
        fill(&mut status, run, readable);
    }
    status
}

fn fill(status: &mut Status, run: &Run, readable: bool) {
    status.state = run.state_name().to_owned();
    status.run = run.number;
    status.mode = format!("{:?}", run.mode).to_lowercase();
    status.weight_percent = run.weight.percent();
    status.stage = (run.terms.stage_number(run.weight), run.terms.stages.len());
    status.standing = standing(run, readable);
    status.why = match &run.end {
        Some((_, reason, at)) => format!("{reason} ({})", explain::clock_time(*at)),
        None => explain::last_decision(run),
    };
    status.next = next(run).to_owned();
    status.standing_pages = run
        .raised
        .iter()
        .map(|(topic, since)| format!("{} since {}", topic.name(), explain::clock_time(*since)))
        .collect();
    status.last_tick_ms = run.last.as_ref().map(|(_, at)| *at);
    let (Some(judged), Ok(engine)) = (&run.judged, run.engine()) else {
        return;
    };
    status.evidence = Some(EvidenceShown {
        log_e: judged.log_e,
        log_e_rollback: engine.rollback_threshold(),
        lead: judged.lead,
        odds: odds(judged.log_e),
        gates: Metric::ALL.into_iter().map(|m| (m, judged.log_gates[m.index()])).collect(),
        log_gate_open: engine.gate_threshold(),
        gate_ticks: judged.gate_ticks,
        judged: judged.minute.to_string(),
    });
    status.table = Some(StageTable::new(&engine, &run.evidence).render());
}

fn standing(run: &Run, readable: bool) -> Standing {
    match &run.end {
        Some((End::RolledBack, ..)) => return Standing::RolledBack,
        Some((End::Completed, ..)) if readable => return Standing::Fine,
        Some((End::Completed, ..)) => return Standing::Unknown,
        None => {}
    }
    if run.rolling_back.is_some() {
        return Standing::RolledBack;
    }
    if !readable {
        return Standing::Unknown;
    }
    if run.pause.is_some() || run.moved.is_some() || run.would_have.is_some() {
        return Standing::Holding;
    }
    match &run.last {
        Some((decision, _)) if decision.is_blind() => match decision {
            Decision::Hold { reason: Hold::NoHistory { .. } } => Standing::Holding,
            _ => Standing::Unknown,
        },
        Some((Decision::Hold { reason }, _)) => match reason {
            Hold::Evidence { .. } | Hold::NotJudgedYet | Hold::InFlight { .. } => Standing::Fine,
            Hold::MovedByOther
            | Hold::RulesUnreadable { .. }
            | Hold::RulesUnsafe { .. }
            | Hold::Paused { .. }
            | Hold::AlarmsUnreadable { .. }
            | Hold::Alarm { .. }
            | Hold::Blind { .. }
            | Hold::NoHistory { .. }
            | Hold::Calendar { .. }
            | Hold::ShadowRolledBack => Standing::Holding,
        },
        Some((_, _)) | None => Standing::Fine,
    }
}

fn next(run: &Run) -> &'static str {
    match &run.end {
        Some((End::RolledBack, ..)) => "study the cause; `rolloutctl start` begins a new rollout",
        Some((End::Completed, ..)) => "nothing; see the runbook for decommissioning Python",
        None if run.rolling_back.is_some() => {
            "if a route does not reach 0 %: rolloutctl rollback --direct"
        }
        None if run.moved.is_some() => {
            "rolloutctl resume --adopt, or set the weight back; to be safe: rolloutctl rollback"
        }
        None if run.pause.is_some() => "rolloutctl resume --reason \"…\"",
        None => "nothing; to stop: rolloutctl pause, to be safe: rolloutctl rollback",
    }
}

impl Status {
    /// For a terminal. Icons stand beside words, so colour is never the only signal.
    pub fn render(&self) -> String {
        let mut lines = vec![
            field("Name:", &format!("{} (run {}, {})", self.rollout, self.run, self.mode)),
            field("Status:", &format!("{} {}", self.standing.icon(), self.state)),
            field("Why:", &self.why),
            field("Next:", &self.next),
            field("Stage:", &format!("{}/{}", self.stage.0, self.stage.1)),
            field("  Journal:", &format!("{} % on Rust", self.weight_percent)),
        ];
        for route in &self.routes {
            lines.push(field(
                &format!("  {}:", route.route),
                &format!("{} shown by the rule", route.shows),
            ));
        }
        if let Some(evidence) = &self.evidence {
            let gates: Vec<String> = evidence
                .gates
                .iter()
                .map(|(metric, log)| {
                    let icon = if *log >= evidence.log_gate_open { "✔" } else { "◌" };
                    format!("{icon} {} {log:.1}/{:.1}", metric.name(), evidence.log_gate_open)
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
                    gates.join("  "),
                    count(evidence.gate_ticks.into()),
                    evidence.judged
                ),
            ));
        }
        for page in &self.standing_pages {
            lines.push(field("Page:", &format!("⚠ {page}")));
        }
        lines.push(field("Revision:", &self.revision.to_string()));
        if self.unsent_messages > 0 {
            lines.push(field(
                "Outbox:",
                &format!("⚠ {} messages not sent yet", self.unsent_messages),
            ));
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
