//! What `--explain` adds: logarithms, families, code, choices, identities by name.

use super::{Screen, wrap};
use crate::api::Status;
use crate::domain::figures::{count, false_alarm};

pub(super) fn lines(status: &Status, screen: &Screen) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(suspicion) = &status.suspicion {
        lines.push(format!(
            "Evidence against {}: ln E {:.2}, rollback at {:.2}; led by {}",
            status.labels.new, suspicion.log_e, suspicion.log_e_rollback, suspicion.lead
        ));
        for metric in &status.metrics {
            let number = |value: Option<f64>| {
                value.map_or_else(|| "not finite".to_owned(), |value| format!("{value:.2}"))
            };
            lines.push(format!(
                "  {:<7} proof ln G {} of {:.2}, against ln E {}",
                metric.name,
                number(metric.log.proof),
                metric.log.proof_needed,
                number(metric.log.against)
            ));
        }
        if let Some(answers) = &status.wrong_answers {
            let number = |value: Option<f64>| {
                value.map_or_else(|| "not finite".to_owned(), |value| format!("{value:.2}"))
            };
            lines.push(format!(
                "  answers proof ln G {} of {:.2}, against ln E {}, a fifth of the budget",
                number(answers.log.proof),
                answers.log.proof_needed,
                number(answers.log.against)
            ));
        }
        let bound = status.reason.false_alarm_at_most_one_in;
        if let Some(rollouts) = bound {
            lines.extend(wrap(
                &format!(
                    "If {} kept its limits, evidence this strong would turn up in at most 1 of {} rollouts.",
                    status.labels.new,
                    count(rollouts)
                ),
                screen.columns,
            ));
        } else {
            let at = false_alarm(suspicion.log_e_rollback);
            let at = at.trim_start_matches("False alarm: ").trim_end_matches('.');
            lines.push(format!("A rollback would be a false alarm in {at} rollouts."));
        }
        lines.push("Likely ranges hold at every look together, with 95%.".to_owned());
    }
    if let Some(minutes) = status.minutes {
        lines.push(format!("Minutes that count for the next step: {minutes}"));
    }
    if let Some(engine) = &status.engine {
        lines.push(format!("Engine: {engine}"));
    }
    for code in &status.code {
        let name = |code: &Option<String>| code.clone().unwrap_or_else(|| "unknown".to_owned());
        lines.push(format!(
            "Code on {}: {} {}, {} {}",
            code.route,
            status.labels.new,
            name(&code.new),
            status.labels.old,
            name(&code.old)
        ));
    }
    lines.extend(status.choices.iter().map(|choice| format!("Normal here: {choice}")));
    lines
}
