//! The numbers: quantiles of both sides, and each objective against its thresholds.

use super::drawings::{Wish, bar};
use super::html::escape;
use super::page::Scene;
use crate::domain::evidence::Quantile;
use crate::domain::explain::number::{count, limit, odds, share_with_interval};
use crate::domain::run::Run;
use crate::domain::slo::{Metric, Slo};
use crate::domain::summary::{ProofSeen, Summary};
use crate::report::stage_table::{LatencyRow, StageTable};
use std::fmt::Write as _;

pub(super) fn sections(scene: &Scene<'_>) -> String {
    let Some(run) = scene.run else {
        return String::new();
    };
    let Some(summary) = run.summary() else {
        return "<section><h3>Evidence</h3><p class=\"soft\">No minute has been judged yet.</p></section>"
            .to_owned();
    };
    stage(&summary) + &objectives(run, &summary)
}

/// A cell that names its column where the table is shown as a list.
fn cell(column: &str, html: &str) -> String {
    format!("<td data-is=\"{}\">{html}</td>", escape(column))
}

fn row(name: &str, cells: [&str; 3]) -> String {
    let [old, new, limit] = cells;
    format!(
        "<tr><th scope=\"row\">{}</th>{}{}{}</tr>",
        escape(name),
        cell("Python", &escape(old)),
        cell("Rust", &escape(new)),
        cell("limit", &escape(limit))
    )
}

/// Rates and quantiles of the stage the evidence is at.
fn stage(summary: &Summary) -> String {
    let table = StageTable::new(&summary.stage);
    let [old, new] = table.requests.map(count);
    let mut rows = row("Requests", [&old, &new, "–"]);
    let [old, new] = table.errors.map(|rate| {
        let seen = rate.ratio().map(|ratio| share_with_interval(ratio, &rate));
        seen.unwrap_or_else(|| "no data".to_owned())
    });
    rows += &row("Errors", [&old, &new, &limit(table.error_limit)]);
    for LatencyRow { quantile, old, new, limit_ms } in &table.latency {
        let [old, new] = [old, new].map(|seen| {
            let seen = seen.as_ref().map(tell);
            seen.unwrap_or_else(|| "no data".to_owned())
        });
        rows += &row(quantile, [&old, &new, &format!("{limit_ms} ms")]);
    }
    format!(
        "<section><h3>This stage, {} on Rust, up to {}</h3><table><thead><tr><th scope=\"col\">Measure</th>\
         <th scope=\"col\">Python</th><th scope=\"col\">Rust</th><th scope=\"col\">Limit</th></tr></thead>\
         <tbody>{rows}</tbody></table><p class=\"soft\">In brackets: intervals that hold at every look (95 %).</p></section>",
        summary.share, summary.minute
    )
}

/// `63 ms [50 to 80]`.
fn tell(quantile: &Quantile) -> String {
    let high = quantile.high_ms.map_or_else(|| "open".to_owned(), |ms| ms.to_string());
    let bounds = format!("[{} to {high}]", quantile.low_ms);
    match quantile.point_ms {
        Some(ms) => format!("{ms} ms {bounds}"),
        None => format!("off the scale {bounds}"),
    }
}

fn title(metric: Metric, slo: &Slo) -> String {
    match slo.limit_ms(metric) {
        None => format!("Errors ≤ {}", limit(slo.max_error_ratio)),
        Some(ms) => format!("{} ≤ {ms} ms", metric.name().to_uppercase()),
    }
}

fn objectives(run: &Run, summary: &Summary) -> String {
    let back = summary.rollback_at;
    let mut rows = String::new();
    for metric in Metric::ALL {
        let against = summary.against[metric.index()];
        let ProofSeen { has, needs } = summary.proofs[metric.index()];
        let name = title(metric, &summary.stage.slo);
        let shown = if has >= needs { "shown" } else { "not shown yet" };
        let says_for = format!("{shown}: ln G {has:.1} of {needs:.1}");
        let says_against = format!("ln E {against:.1} of {back:.1}");
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th>{}{}</tr>",
            escape(&name),
            cell(
                "safe for the next step",
                &(escape(&says_for)
                    + &bar(
                        has,
                        needs,
                        Wish::Reach,
                        &format!("{name}: safe for the next step, {says_for}")
                    ))
            ),
            cell(
                "broken",
                &(escape(&says_against)
                    + &bar(
                        against,
                        back,
                        Wish::StayBelow,
                        &format!("{name}: evidence that it is broken, {says_against}")
                    ))
            ),
        );
    }
    let total = format!("ln E {:.1} of {back:.1}", summary.log_e);
    let says = format!(
        "All objectives together: evidence against Rust, {total}, odds {}; at {back:.1} the controller rolls back",
        odds(summary.log_e)
    );
    let verdict = match summary.rolled_back_at {
        Some(minute) => format!("The evidence reached the threshold in minute {minute}."),
        None => format!("Rollback at odds {}.", odds(back)),
    };
    let stage = run
        .terms
        .next_after(summary.share)
        .map_or_else(|| "the end of the bake".to_owned(), |next| format!("the step to {next}"));
    format!(
        "<section><h3>Evidence, objective by objective</h3><p>{} {}</p>{}\
         <table><thead><tr><th scope=\"col\">Objective</th><th scope=\"col\">Safe for the next step</th>\
         <th scope=\"col\">Broken</th></tr></thead><tbody>{rows}</tbody></table>\
         <p class=\"soft\">Bars run to their thresholds, the dark marks: every left one opens {}; the right ones add up to the total above. {} minutes with traffic in this stage.</p></section>",
        escape(&format!("Against Rust in total: odds {}, {total}.", odds(summary.log_e))),
        escape(&verdict),
        bar(summary.log_e, back, Wish::StayBelow, &says),
        escape(&stage),
        count(summary.ticks.into()),
    )
}
