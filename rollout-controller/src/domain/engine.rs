//! The engine of a run: evidence-2, or evidence-1 for runs that began with it.
//!
//! A run ends with the engine that it began with, so both are here for good; what
//! the rest of the domain asks of an engine is this module's.

use super::evidence::{self, ConfigError, EvidenceConfig, HoldReason, Stage};
use super::evidence2::{self, Choices, Hold, Position, Settings, Stages, Unproven, Verdict, Words};
use super::gathered::Gathered;
use super::labels::Labels;
use super::minute::Edges;
use super::plan::Terms;
use super::run::Run;
use super::slo::Slo;
use super::weight::Weight;
use super::wrong_answers::{self, Judge, OTHERS, Objective};
use crate::planted::planted;
use serde::{Deserialize, Serialize};

/// How a run's limits are tested. Journalled with the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Method {
    /// For new runs.
    Two(Evidence2),
    /// For runs that began with it, and where it is chosen. Journals that name no
    /// engine mean this one.
    One(Box<EvidenceConfig>),
}

/// What is set about evidence-2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence2 {
    engine: Name,
    /// The five settings.
    pub settings: Settings,
    /// Bounds between latency buckets, milliseconds. Contain the limits.
    pub edges_ms: Edges,
    /// The objective for compared answers; `None`: they are not read. Journals that name
    /// none mean that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_answers: Option<Objective>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Name {
    #[serde(rename = "evidence-2")]
    Evidence2,
}

impl Method {
    /// Evidence-2 with these settings.
    pub fn two(settings: Settings, edges_ms: Edges) -> Self {
        let wrong_answers = None;
        Self::Two(Evidence2 { engine: Name::Evidence2, settings, edges_ms, wrong_answers })
    }

    /// The same with wrong answers as an objective. Evidence-1 has none: it is kept for
    /// runs that began with it.
    #[must_use]
    pub fn with_wrong_answers(self, objective: Objective) -> Self {
        match self {
            Self::Two(two) => Self::Two(Evidence2 { wrong_answers: Some(objective), ..two }),
            Self::One(_) => self,
        }
    }

    /// The objective for compared answers, if there is one.
    pub fn wrong_answers(&self) -> Option<&Objective> {
        match self {
            Self::One(_) => None,
            Self::Two(Evidence2 { wrong_answers, .. }) => wrong_answers.as_ref(),
        }
    }

    /// Bounds between latency buckets, milliseconds.
    pub fn edges(&self) -> &Edges {
        match self {
            Self::One(config) => &config.edges_ms,
            Self::Two(Evidence2 { edges_ms, .. }) => edges_ms,
        }
    }

    /// As in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::One(_) => "evidence-1",
            Self::Two(_) => "evidence-2",
        }
    }
}

/// What evidence-2 chose from the old side's last day, once, before the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// The planned shares with the bake.
    pub stages: Vec<Weight>,
    /// Margins, tolerances, edges and noise.
    pub choices: Choices,
    /// The same for people, one sentence each.
    pub text: Vec<String>,
}

/// A tested limit's answer, with the sentence that was made of it where routes and
/// limits were at hand: what a journal is read for in a year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said<T> {
    /// In numbers.
    pub why: T,
    /// For people, without a full stop.
    pub text: String,
}

impl<T> Said<T> {
    fn new(why: T, text: &str) -> Self {
        Self { why, text: no_full_stop(text) }
    }
}

fn no_full_stop(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

/// The evidence that a rollback rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "named after the engines")]
pub enum Breach {
    Two(Box<Said<evidence2::Breach>>),
    WrongAnswers(Box<Said<wrong_answers::Breach>>),
    One(evidence::Breach),
}

/// What was shown before a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "named after the engines")]
pub enum Proof {
    Two(Box<Said<evidence2::Proven>>),
    One(evidence::Proof),
}

/// Why nothing follows yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "named after the engines")]
pub enum Missing {
    Two(Box<Said<Hold>>),
    WrongAnswers(Box<Said<wrong_answers::Hold>>),
    One(HoldReason),
}

impl Missing {
    /// Whether everything is proven and only minutes are missing.
    pub fn is_only_time(&self) -> bool {
        match self {
            Self::One(HoldReason::TooShort { .. } | HoldReason::Baking { .. }) => true,
            Self::Two(said) => matches!(said.why, Hold::TooShort { .. }),
            Self::WrongAnswers(_)
            | Self::One(
                HoldReason::NoTraffic
                | HoldReason::NoTrafficOnNew { .. }
                | HoldReason::EarlierStage { .. }
                | HoldReason::SharedIncident { .. }
                | HoldReason::UnderSuspicion { .. }
                | HoldReason::NotProven { .. },
            ) => false,
        }
    }

    /// Whether nothing was bad: proof, or the first minutes, are only not there yet.
    fn is_only_missing(&self) -> bool {
        match self {
            Self::Two(said) => matches!(
                said.why,
                Hold::NotProven { .. }
                    | Hold::TooShort { .. }
                    | Hold::FirstMinutes
                    | Hold::EarlierStage { .. }
            ),
            Self::One(_) | Self::WrongAnswers(_) => false,
        }
    }
}

/// What the evidence says about the present share. What follows from it, with
/// calendars, pauses and alarms, is [`decide`](super::decide)'s.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Says {
    /// The new side breaks a limit or is worse than the old one.
    Breach(Breach),
    /// The next step, or completion, is proven.
    Proven(Proof),
    /// Neither.
    Unproven(Missing),
}

/// Why there is no engine for a run, or why it refused minutes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each is its cause")]
pub enum EngineError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    One(#[from] evidence::JudgeError),
    #[error(transparent)]
    Two(#[from] evidence2::FoldError),
    #[error(transparent)]
    Choices(#[from] evidence2::EngineError),
    #[error(transparent)]
    Stages(#[from] evidence2::StagesError),
    #[error(transparent)]
    History(#[from] evidence2::HistoryError),
    /// A state of one engine, terms of the other.
    #[error("the evidence was gathered by another engine than the run's")]
    OtherEngine,
}

/// The engine of a run's terms.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named after the engines")]
pub enum Engine {
    One(Box<evidence::Engine>),
    Two(Box<evidence2::Engine>),
}

impl Engine {
    /// For these terms. `choices`: what the old side's day decided; without them
    /// nothing is compared with the old side's own tails.
    ///
    /// # Errors
    /// [`EngineError`] if terms or choices do not pass today's checks.
    pub fn new(terms: &Terms, choices: Option<&Choices>) -> Result<Self, EngineError> {
        match &terms.evidence {
            Method::One(config) => {
                let engine = evidence::Engine::new((**config).clone(), terms.slo)?;
                Ok(Self::One(Box::new(engine)))
            }
            Method::Two(Evidence2 { settings, edges_ms, .. }) => {
                let stages = Stages::new(terms.stages.clone())?;
                let choices = choices
                    .cloned()
                    .unwrap_or_else(|| Choices::without_history(terms.routes.len()));
                let (slo, edges) = (terms.slo, edges_ms.clone());
                let engine = evidence2::Engine::new(*settings, slo, edges, stages, choices)?;
                let engine = match terms.evidence.wrong_answers() {
                    Some(_) => engine.with_share(OTHERS),
                    None => engine,
                };
                Ok(Self::Two(Box::new(engine)))
            }
        }
    }

    /// The limits.
    pub fn slo(&self) -> &Slo {
        match self {
            Self::One(engine) => engine.slo(),
            Self::Two(engine) => engine.slo(),
        }
    }

    /// Bounds between latency buckets, milliseconds.
    pub fn edges(&self) -> &Edges {
        match self {
            Self::One(engine) => &engine.config().edges_ms,
            Self::Two(engine) => engine.edges(),
        }
    }

    /// What the evidence means for a run.
    pub fn says(&self, run: &Run) -> Says {
        match self {
            Self::One(engine) => says_one(engine, run),
            Self::Two(engine) => match run.judge() {
                Ok(Some(judge)) => with_wrong_answers(says_two(engine, run), &judge, run),
                // The engine has the same shares, so it is not here that they are refused.
                Ok(None) | Err(_) => says_two(engine, run),
            },
        }
    }
}

/// What a run's terms say about wrong answers; `None` if they are no objective.
///
/// # Errors
/// [`EngineError`] if the terms do not pass today's checks.
pub fn judge(terms: &Terms) -> Result<Option<Judge>, EngineError> {
    match &terms.evidence {
        Method::One(_) => Ok(None),
        Method::Two(method) => Ok(Judge::of(method, &terms.stages)?),
    }
}

/// What the engine says, and what the comparisons say beside it. A breach of either rolls
/// back; a step needs both.
fn with_wrong_answers(says: Says, judge: &Judge, run: &Run) -> Says {
    let Some(timeline) = run.gathered.wrong_answers() else { return says };
    let at = Position { share: run.weight, baked: run.baked };
    let words = answer_words(&run.terms.labels);
    match (says, judge.verdict(timeline.evidence(), at)) {
        (says @ Says::Breach(_), _) | (says, wrong_answers::Verdict::Free) => says,
        (says, wrong_answers::Verdict::Breach(_)) if planted!(WrongAnswersDoNotCount) => says,
        (_, wrong_answers::Verdict::Breach(breach)) => {
            let text = words.breach(&breach);
            Says::Breach(Breach::WrongAnswers(Box::new(Said::new(breach, &text))))
        }
        (says, wrong_answers::Verdict::Hold(hold)) => {
            let tells_more = match &says {
                Says::Proven(_) | Says::Breach(_) => true,
                Says::Unproven(missing) => {
                    missing.is_only_time() || (hold.is_bad() && missing.is_only_missing())
                }
            };
            if tells_more {
                let text = words.hold(&hold);
                Says::Unproven(Missing::WrongAnswers(Box::new(Said::new(hold, &text))))
            } else {
                says
            }
        }
    }
}

fn answer_words(labels: &Labels) -> wrong_answers::Words<'_> {
    wrong_answers::Words { old: &labels.old, new: &labels.new }
}

/// The breach of comparisons that were gathered without a journal, if there is one.
pub(super) fn wrong_answers_without_journal(
    timeline: &wrong_answers::Timeline,
    terms: &Terms,
) -> Option<Breach> {
    let breach = timeline.evidence().rolled_back()?.clone();
    let text = answer_words(&terms.labels).breach(&breach);
    Some(Breach::WrongAnswers(Box::new(Said::new(breach, &text))))
}

fn says_one(engine: &evidence::Engine, run: &Run) -> Says {
    let not_yet = HoldReason::EarlierStage { weight: run.weight };
    let Some((evidence, judged)) = run.gathered.one() else {
        return Says::Unproven(Missing::One(not_yet));
    };
    let Some(judged) = judged else {
        // A latched engine also speaks where the newest minute made no judgement.
        return match evidence.rolled_back_at() {
            Some(_) => Says::Breach(Breach::One(engine.latched_breach(evidence, run.weight))),
            None => Says::Unproven(Missing::One(not_yet)),
        };
    };
    let stage = Stage { weight: run.weight, next: run.terms.next_after(run.weight) };
    match engine.stage_gate(evidence, judged, stage) {
        evidence::Says::Breach { breach } => Says::Breach(Breach::One(breach)),
        _ if evidence.rolled_back_at().is_some() => {
            Says::Breach(Breach::One(engine.latched_breach(evidence, run.weight)))
        }
        evidence::Says::Proven { proof } => Says::Proven(Proof::One(proof)),
        evidence::Says::Unproven { reason } => Says::Unproven(Missing::One(reason)),
    }
}

fn says_two(engine: &evidence2::Engine, run: &Run) -> Says {
    let names = route_names(&run.terms);
    let words = words(&run.terms.labels, &names);
    let Some(timeline) = run.gathered.two() else {
        let hold = Hold::EarlierStage { newest: None };
        let text = words.hold(engine, &hold);
        return Says::Unproven(Missing::Two(Box::new(Said::new(hold, &text))));
    };
    let at = Position { share: run.weight, baked: run.baked };
    let verdict = engine.verdict(timeline.evidence(), at);
    says_in_words(engine, &words, verdict)
}

fn says_in_words(engine: &evidence2::Engine, words: &Words<'_>, verdict: Verdict) -> Says {
    let text = words.verdict(engine, &verdict);
    match verdict {
        Verdict::Breach(breach) => Says::Breach(Breach::Two(Box::new(Said::new(breach, &text)))),
        Verdict::Proven(proven) => {
            let because = Words::because(&proven);
            Says::Proven(Proof::Two(Box::new(Said::new(proven, &because))))
        }
        Verdict::Unproven(why) => Says::Unproven(Missing::Two(Box::new(first(&why, &text)))),
    }
}

fn first(why: &Unproven, text: &str) -> Said<Hold> {
    Said::new(*why.reason(), text)
}

/// The breach of evidence that was gathered without a journal, if there is one.
pub(super) fn breach_without_journal(
    engine: &evidence2::Engine,
    evidence: &evidence2::Evidence,
    terms: &Terms,
) -> Option<Breach> {
    let breach = *evidence.rolled_back()?;
    let names = route_names(terms);
    let text = words(&terms.labels, &names).breach(engine, &breach);
    Some(Breach::Two(Box::new(Said::new(breach, &text))))
}

/// What evidence-2 chooses from the old side's day: margins, tolerances, and the
/// stages with their bake.
///
/// # Errors
/// [`EngineError`] if terms and history do not fit.
pub fn choose(
    terms: &Terms,
    method: &Evidence2,
    history: &evidence2::History,
) -> Result<Chosen, EngineError> {
    let Evidence2 { settings, edges_ms, .. } = method;
    let choices = evidence2::Engine::choose(settings, &terms.slo, edges_ms, history)?;
    // Who plans a single step wants no bake before it.
    let stages = if terms.stages.len() > 1 {
        Stages::with_bake(terms.stages.clone(), choices.requests_per_minute)?
    } else {
        Stages::new(terms.stages.clone())?
    };
    let planned = stages.shares().to_vec();
    let (slo, edges) = (terms.slo, edges_ms.clone());
    let engine = evidence2::Engine::new(*settings, slo, edges, stages, choices.clone())?;
    let names = route_names(terms);
    let text = words(&terms.labels, &names)
        .choices(&engine)
        .iter()
        .map(|line| no_full_stop(line))
        .collect();
    Ok(Chosen { stages: planned, choices, text })
}

fn route_names(terms: &Terms) -> Vec<String> {
    terms.routes.iter().map(|route| route.name.clone()).collect()
}

fn words<'a>(Labels { old, new }: &'a Labels, routes: &'a [String]) -> Words<'a> {
    Words { old, new, routes, clock: evidence2::Clock::Utc }
}

impl Gathered {
    /// Whether the evidence has reached a rollback. It stays so.
    pub fn is_rolled_back(&self) -> bool {
        self.one().is_some_and(|(evidence, _)| evidence.rolled_back_at().is_some())
            || self.two().is_some_and(|timeline| timeline.evidence().rolled_back().is_some())
            || self
                .wrong_answers()
                .is_some_and(|timeline| timeline.evidence().rolled_back().is_some())
    }

    /// Minutes of the present stage that count for the next step.
    pub fn ticks(&self) -> u32 {
        match (self.one(), self.two()) {
            (Some((evidence, _)), _) => evidence.gate_ticks(),
            (None, Some(timeline)) => timeline.evidence().ticks(),
            (None, None) => 0,
        }
    }
}
