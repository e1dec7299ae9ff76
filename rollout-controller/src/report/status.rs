//! `status` as data: what on-call wants first, in this order. Is traffic safe, what
//! share goes where, must I act, why, and the one command that helps. The screens
//! ([`super::screen`], [`crate::widget`]) and `--json` show this and nothing else.

use crate::api::{
    Also, Change, CodeShown, ExampleShown, ExamplesShown, KindShown, Level, LogShown, MetricShown,
    PageShown, Reason, RouteShown, STATUS_SCHEMA, ShareShown, SideShown, Sides, Status,
    SuspicionShown, UnsentShown, WrongAnswersShown,
};
use crate::domain::code::Code;
use crate::domain::evidence::{Quantile, Rate, quantile};
use crate::domain::evidence2::MinutesLeft;
use crate::domain::explain::health::{self as words, Situation};
use crate::domain::explain::short;
use crate::domain::figures::one_in;
use crate::domain::health::{Case, Ended, Health, JournalSeen, Standpoint};
use crate::domain::journal::Journal;
use crate::domain::limits::standings;
use crate::domain::message::Channel;
use crate::domain::minute::{Histogram, Minute};
use crate::domain::phase::Phase;
use crate::domain::reconcile::found;
use crate::domain::run::Run;
use crate::domain::slo::Metric;
use crate::domain::summary::{StageSeen, Summary};
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::{ComparisonsLeft, ExamplesRead};
use jiff::Timestamp;

/// Share of looks at which an interval may miss: 95%.
const MISS: f64 = 0.05;

/// Puts together what is shown. `flag` is ` -r NAME` where several rollouts are
/// configured, else nothing.
pub fn status(
    name: &str,
    at: &Standpoint<'_>,
    health: &Health,
    flag: &str,
    changes: Vec<Change>,
) -> Status {
    let journal = match &at.journal {
        JournalSeen::Read(journal) => Some(*journal),
        JournalSeen::Prefix(..) | JournalSeen::Behind(_) | JournalSeen::Failed(_) => None,
    };
    let run = journal.and_then(|journal| journal.run.as_ref());
    let terms = run.map_or(at.terms, |run| &run.terms);
    let shows = found(terms, &at.seen.rules);
    let share = shows.split_first().and_then(|(first, rest)| {
        let same = rest.iter().all(|route| route.weight == first.weight);
        first.weight.filter(|_| same)
    });
    let sides = &terms.labels;
    let situation = Situation { run, sides, share, shows: &shows, clock_ms: at.clock_ms, flag };
    let first = &health.first;
    let advice = words::advice(first, &situation);
    let also =
        |case: &Case| Also { health: case.kind(), text: short(&words::case(case, &situation)) };
    let mut status = Status {
        schema: STATUS_SCHEMA.to_owned(),
        rollout: name.to_owned(),
        run: journal.map(|_| run.map_or(0, |run| run.number)),
        mode: run.map(|run| run.mode),
        phase: journal.map(|journal| journal.words().to_owned()),
        ended: run.is_some_and(|run| !run.is_open()),
        labels: Sides { old: terms.labels.old.clone(), new: terms.labels.new.clone() },
        health: health.kind(),
        exit_code: first.exit_code(),
        headline: short(&words::headline(first, &situation)),
        reason: reason(first, &situation),
        next: advice.command,
        advice: advice.text,
        also: health.also.iter().map(also).collect(),
        now: time(at.clock_ms),
        as_of: run.and_then(|run| run.gathered.judged_through()).and_then(Minute::start),
        last_tick_at: journal.and_then(|journal| journal.ticked_ms).map(time),
        revision: journal.map(|journal| journal.revision),
        share: ShareShown {
            journal: run.map(|run| run.weight.percent()),
            before: run.filter(|run| is_rolled_back(run)).map(|run| run.came_from().percent()),
            next: run
                .filter(|run| run.is_open())
                .and_then(|run| terms.next_after(run.weight))
                .map(Weight::percent),
            stages: terms.stages.iter().map(|stage| stage.percent()).collect(),
            reached: run.map(|run| terms.stage_number(run.weight)),
        },
        routes: RouteShown::of(&terms.routes, &at.seen.rules),
        requests: None,
        minutes: None,
        metrics: Vec::new(),
        wrong_answers: run.and_then(wrong_answers),
        suspicion: None,
        pages: journal.map(pages).unwrap_or_default(),
        unsent: journal.map(|journal| journal.outbox.owed().len() as u64),
        unsent_channels: journal.map(unsent).unwrap_or_default(),
        code: run.map(code).unwrap_or_default(),
        choices: run
            .and_then(|run| run.choices.as_ref())
            .map(|(_, text)| text.clone())
            .unwrap_or_default(),
        engine: run.map(|run| run.terms.evidence.name().to_owned()),
        changes,
    };
    if let Some(run) = run
        && let Some(summary) = run.summary()
    {
        status.requests =
            Some(Sides { old: summary.stage.requests[0], new: summary.stage.requests[1] });
        status.minutes = Some(summary.ticks);
        status.metrics = metrics(run, &summary);
        status.suspicion = Some(suspicion(&summary));
    }
    status
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn is_rolled_back(run: &Run) -> bool {
    matches!(run.phase, Phase::RolledBack { .. })
}

fn reason(first: &Case, at: &Situation<'_>) -> Reason {
    let lines: Vec<String> = words::why(first, at).iter().map(|line| short(line)).collect();
    let metric = match first {
        Case::NewOver { standing } | Case::BothOver { standing } | Case::OldOver { standing } => {
            Some(standing.metric)
        }
        Case::Safe { .. } => at.run.and_then(words::waits_for),
        _ => None,
    };
    // The total evidence of a rollback that the evidence asked for: no other end
    // claims a certainty.
    let on_evidence = lines.iter().any(|line| line.starts_with("False alarm"));
    let total = at.run.and_then(Run::summary).filter(|_| {
        on_evidence && matches!(first, Case::Idle { ended: Ended::RolledBack } | Case::RollingBack)
    });
    Reason {
        code: words::code(first, at.run).to_owned(),
        metric: metric.map(|metric| metric.label().to_owned()),
        text: lines.join(" "),
        lines,
        false_alarm_at_most_one_in: total.and_then(|total| one_in(total.rolled_back_with?)),
    }
}

fn pages(journal: &Journal) -> Vec<PageShown> {
    let each = journal.raised.iter();
    each.map(|(topic, since)| PageShown { topic: topic.name().to_owned(), since: time(*since) })
        .collect()
}

fn unsent(journal: &Journal) -> Vec<UnsentShown> {
    let each = Channel::ALL.into_iter().filter_map(|channel| {
        let (messages, oldest) = journal.outbox.waiting(channel)?;
        let outage = journal.outbox.broken().get(&channel);
        Some(UnsentShown {
            channel: channel.name().to_owned(),
            messages: messages as u64,
            oldest: time(oldest),
            error: outage.map(|outage| outage.error.clone()),
        })
    });
    each.collect()
}

fn code(run: &Run) -> Vec<CodeShown> {
    let name = |code: &Option<Code>| code.as_ref().map(ToString::to_string);
    let each = run.codes.iter();
    each.map(|code| CodeShown {
        route: code.route.clone(),
        old: name(&code.old),
        new: name(&code.new),
    })
    .collect()
}

fn suspicion(summary: &Summary) -> SuspicionShown {
    let part = part(summary.log_e, summary.rollback_at);
    let level = if summary.rolled_back_at.is_some() || part >= 1.0 {
        Level::Rollback
    } else if part >= 0.5 {
        Level::Raised
    } else {
        Level::Low
    };
    SuspicionShown {
        log_e: summary.log_e,
        log_e_rollback: summary.rollback_at,
        part: if level == Level::Rollback { 1.0 } else { part },
        level,
        lead: summary.lead.clone(),
    }
}

fn wrong_answers(run: &Run) -> Option<WrongAnswersShown> {
    let standing = run.wrong_answers()?;
    let seen = standing.seen.as_ref();
    let mut kinds: Vec<KindShown> = seen
        .iter()
        .flat_map(|seen| &seen.kinds)
        .map(|(kind, answers)| KindShown { kind: *kind, answers: *answers })
        .collect();
    kinds.sort_by_key(|shown| (std::cmp::Reverse(shown.answers), shown.kind));
    let (has, needs) = standing.proof;
    let (proven, comparisons_left) = match standing.left {
        ComparisonsLeft::Proven => (true, None),
        ComparisonsLeft::About(comparisons) => (false, Some(comparisons)),
        ComparisonsLeft::NotOnCourse | ComparisonsLeft::TooEarly => (false, None),
    };
    let rolled_back = run.gathered.wrong_answers()?.evidence().rolled_back().is_some();
    let finite = |value: f64| value.is_finite().then_some(value);
    Some(WrongAnswersShown {
        limit: standing.limit,
        required: standing.required,
        compared: seen.map(|seen| seen.compared),
        different: seen.map(|seen| seen.different),
        failed: seen.map(|seen| seen.failed),
        kinds,
        examples: run.examples.as_ref().map(examples),
        low: standing.rate.map(|rate| rate.low),
        high: standing.rate.map(|rate| rate.high),
        broken: standing.over,
        proof: part(has, needs),
        proven,
        comparisons_left,
        suspicion: if rolled_back { 1.0 } else { part(standing.log_e, standing.rollback_at) },
        log: LogShown { proof: finite(has), proof_needed: needs, against: finite(standing.log_e) },
        as_of: standing.through.and_then(Minute::start),
    })
}

fn examples(read: &ExamplesRead) -> ExamplesShown {
    let lines = read.lines().iter().map(|line| short(line)).collect();
    match read {
        ExamplesRead::Unread(why) => ExamplesShown {
            named: Vec::new(),
            other: 0,
            whole: false,
            error: Some(why.to_string()),
            lines,
        },
        ExamplesRead::Read(examples) => {
            let named = examples.named.iter().map(|example| ExampleShown {
                kind: example.kind,
                path: example.path.clone(),
                old: example.old,
                new: example.new,
                answers: example.answers,
            });
            ExamplesShown {
                named: named.collect(),
                other: examples.other,
                whole: examples.whole,
                error: None,
                lines,
            }
        }
    }
}

/// How far a number is to its threshold, 0 to 1.
fn part(has: f64, needs: f64) -> f64 {
    if needs > 0.0 && has.is_finite() {
        (has / needs).clamp(0.0, 1.0)
    } else if has > 0.0 {
        1.0
    } else {
        0.0
    }
}

fn metrics(run: &Run, summary: &Summary) -> Vec<MetricShown> {
    let standings = standings(run);
    let wanted = run.is_open() && run.terms.next_after(summary.share).is_some();
    let left = run.minutes_left();
    // What was gathered at another share proves nothing for the step after this one.
    let of_this_share = summary.share == run.weight;
    Metric::ALL
        .into_iter()
        .zip(&standings)
        .map(|(metric, standing)| {
            let at = metric.index();
            let proof = summary.proofs[at];
            let proven = of_this_share && proof.has >= proof.needs;
            let finite = |value: f64| value.is_finite().then_some(value);
            let latency = [&summary.stage.old_latency, &summary.stage.new_latency];
            let count = [summary.stage.old[at], summary.stage.new[at]];
            let [old, new] = [0, 1].map(|side| {
                let broken = [standing.old.over, standing.new.over][side];
                // Where only the newest minutes break a limit, those are shown.
                let shown = [&standing.old.rate, &standing.new.rate][side];
                let whole = Rate::new(count[side], summary.stage.dispersion[at]);
                let rate = if broken { shown } else { &whole };
                let q = of(&summary.stage, latency[side], metric);
                SideShown {
                    count: rate.k,
                    of: rate.n,
                    low: rate.low,
                    high: rate.high,
                    ms: q.as_ref().and_then(|q| q.point_ms),
                    ms_low: q.as_ref().map(|q| q.low_ms),
                    ms_high: q.as_ref().and_then(|q| q.high_ms),
                    broken,
                }
            });
            MetricShown {
                name: metric.label().to_owned(),
                limit: standing.limit,
                limit_ms: standing.limit_ms,
                old,
                new,
                proof: (wanted || proof.needs > 0.0)
                    .then(|| if of_this_share { part(proof.has, proof.needs) } else { 0.0 }),
                proven,
                minutes_left: match left[at] {
                    Some(MinutesLeft::About(minutes)) if !proven && of_this_share => Some(minutes),
                    Some(
                        MinutesLeft::About(_) | MinutesLeft::NotOnCourse | MinutesLeft::TooEarly,
                    )
                    | None => None,
                },
                suspicion: part(summary.against[at], summary.rollback_at),
                log: LogShown {
                    proof: finite(proof.has),
                    proof_needed: proof.needs,
                    against: finite(summary.against[at]),
                },
            }
        })
        .collect()
}

fn of(stage: &StageSeen, latency: &Histogram, metric: Metric) -> Option<Quantile> {
    let q = metric.quantile().filter(|_| latency.samples() > 0)?;
    Some(quantile(&stage.edges, latency, q, stage.dispersion[metric.index()], MISS))
}
