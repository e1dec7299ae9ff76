//! A journal as a story: one line for each change.
//!
//! The journal has several entries for one change of share: who ordered it, the
//! intent, the outcome, the end of the run. People read one line, and two only
//! where intent and outcome differ.

use crate::api::{Change, ChangeKind};
use crate::domain::decision::CauseKind;
use crate::domain::event::{End, Event, RouteFound, Stamped};
use crate::domain::explain::event::{by, no_stop, sentence};
use crate::domain::explain::short;
use crate::domain::labels::Labels;
use crate::domain::message::Topic;
use crate::domain::weight::Weight;
use jiff::Timestamp;

/// The lines of these entries, which are in the journal's order. `sides` is what the
/// run of the first entry calls them; each start among the entries says it anew.
pub fn story<'a>(
    name: &'a str,
    sides: &'a Labels,
    events: impl IntoIterator<Item = &'a Stamped>,
) -> Vec<Change> {
    let mut story = Story { name, sides, lines: Vec::new() };
    for stamped in events {
        story.tell(stamped);
    }
    let lines = story.lines.into_iter().map(|line| line.change);
    lines.map(|change| Change { text: short(&change.text), ..change }).collect()
}

struct Story<'a> {
    name: &'a str,
    sides: &'a Labels,
    lines: Vec<Line>,
}

struct Line {
    change: Change,
    /// A change of share that this line is about and that is not over: to where, why,
    /// and how often it failed.
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    to: Weight,
    kind: CauseKind,
    tries: u32,
}

impl<'a> Story<'a> {
    fn tell(&mut self, stamped: &'a Stamped) {
        let Stamped { event, .. } = stamped;
        if let Event::Started { terms, .. } = event {
            self.sides = &terms.labels;
        }
        match event {
            Event::Promoted { to, .. } => {
                self.begin(stamped, ChangeKind::Step, *to, CauseKind::Promotion);
            }
            Event::RollbackOrdered { .. } => {
                self.begin(stamped, ChangeKind::Rollback, Weight::ZERO, CauseKind::RollBack);
            }
            Event::Intended { from, to, cause, .. } => {
                let text =
                    format!("{} decided: {}", arrow(*from, *to, cause.kind), no_stop(&cause.text));
                self.go_on(stamped, *to, cause.kind, text);
            }
            Event::Applied { from, to, cause } => {
                let why = no_stop(&cause.text);
                // The change itself is said already.
                let why = why.strip_prefix(&format!("Back to {to}: ")).unwrap_or(why);
                let text = format!("{}: {why}", arrow(*from, *to, cause.kind));
                self.go_on(stamped, *to, cause.kind, text);
            }
            Event::NotApplied { from, to, cause, routes } => {
                let routes = RouteFound::list(routes);
                let text = format!("{} failed: {routes}", arrow(*from, *to, cause.kind));
                self.go_on(stamped, *to, cause.kind, text);
                if let Some(Line { change, open: Some(open) }) = self.lines.last_mut() {
                    open.tries += 1;
                    if open.tries > 1 {
                        change.text = format!("{} ({} tries)", change.text, open.tries);
                    }
                }
            }
            Event::Finished { end: End::RolledBack, .. } if self.ends_a_rollback() => {
                if let Some(line) = self.lines.last_mut() {
                    line.change.revision = stamped.seq;
                    line.open = None;
                }
            }
            // The line before says it.
            Event::Raised { topic: Topic::MovedBySomeoneElse, .. }
                if self.last_kind() == Some(ChangeKind::Moved) => {}
            _ => self.add(stamped, kind(event), None),
        }
    }

    fn last_kind(&self) -> Option<ChangeKind> {
        self.lines.last().map(|line| line.change.kind)
    }

    /// Whether the newest line is a rollback whose end is not told yet.
    fn ends_a_rollback(&self) -> bool {
        self.lines.last().is_some_and(|line| {
            line.change.kind == ChangeKind::Rollback && line.change.text.starts_with("ROLLBACK")
        })
    }

    fn add(&mut self, stamped: &Stamped, kind: ChangeKind, open: Option<Open>) {
        let change = Change {
            revision: stamped.seq,
            at: Timestamp::from_millisecond(stamped.at_ms).unwrap_or_default(),
            by: by(&stamped.event),
            text: sentence(self.name, self.sides, stamped),
            kind,
        };
        self.lines.push(Line { change, open });
    }

    fn begin(&mut self, stamped: &Stamped, line: ChangeKind, to: Weight, kind: CauseKind) {
        self.add(stamped, line, Some(Open { to, kind, tries: 0 }));
    }

    /// The newest line, if it is about this change of share, says this now.
    fn go_on(&mut self, stamped: &Stamped, to: Weight, kind: CauseKind, text: String) {
        let same = self.lines.last().and_then(|line| line.open.as_ref());
        let same = same.is_some_and(|open| open.to == to && open.kind == kind);
        if !same {
            let line = match kind {
                CauseKind::Start | CauseKind::Evidence | CauseKind::Promotion => ChangeKind::Step,
                CauseKind::RollBack | CauseKind::PutBack => ChangeKind::Rollback,
                CauseKind::StepBack => ChangeKind::StepBack,
            };
            self.begin(stamped, line, to, kind);
        }
        if let Some(line) = self.lines.last_mut() {
            line.change.revision = stamped.seq;
            line.change.text = text;
        }
    }
}

/// `10% → 25%`, and what cannot be overlooked for a rollback.
fn arrow(from: Weight, to: Weight, kind: CauseKind) -> String {
    match kind {
        CauseKind::RollBack | CauseKind::PutBack => format!("ROLLBACK {from} → {to}"),
        CauseKind::Start | CauseKind::Evidence | CauseKind::Promotion | CauseKind::StepBack => {
            format!("{from} → {to}")
        }
    }
}

fn kind(event: &Event) -> ChangeKind {
    match event {
        Event::Started { .. } | Event::Finished { .. } | Event::Abandoned { .. } => ChangeKind::Run,
        Event::LoweredOutside { .. } | Event::FoundAtZero { .. } => ChangeKind::Rollback,
        Event::MovedByOther { .. } | Event::Adopted { .. } | Event::Followed { .. } => {
            ChangeKind::Moved
        }
        Event::Paused { .. } | Event::PauseEnded {} | Event::Resumed { .. } => ChangeKind::Pause,
        Event::CodeChanged { .. } => ChangeKind::Code,
        Event::Raised { .. } | Event::Cleared { .. } => ChangeKind::Page,
        Event::Intended { .. }
        | Event::Applied { .. }
        | Event::NotApplied { .. }
        | Event::Promoted { .. }
        | Event::RollbackOrdered { .. } => ChangeKind::Step,
        Event::Baseline { .. }
        | Event::Ticked { .. }
        | Event::Activated { .. }
        | Event::ExamplesRead { .. }
        | Event::Delivered { .. }
        | Event::ChannelFailed { .. }
        | Event::ChannelWorks { .. }
        | Event::GivenUp { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => ChangeKind::Note,
    }
}
