//! Messages that the journal owes, each on each channel by itself.
//!
//! The outbox is part of the fold: a message is owed from the append of its
//! cause until an entry says that the channel accepted it. So a crash between
//! the two sends it again (its key removes doubles), and never loses it.

use super::event::{End, Event, Item, LoweredBy, RouteFound, Stamped, Who};
use super::explain;
use super::figures::distinct;
use super::journal::{Before, Journal};
use super::labels::Labels;
use super::message::{Channel, Page, StateChange, Topic, Urgency};
use super::phase::Phase;
use super::plan::Mode;
use super::run::Run;
use super::weight::Weight;
use super::wrong_answers::ExamplesRead;
use crate::planted::planted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A message is tried at every tick while it is younger than this, then once in
/// as long. 10 minutes.
const OFTEN_MS: i64 = 10 * 60_000;
/// A page or change that is this old helps nobody any more. 24 hours.
const GIVEN_UP_MS: i64 = 24 * 60 * 60_000;
/// The same for a page that only tells. 1 hour.
const INFO_GIVEN_UP_MS: i64 = 60 * 60_000;
/// A tick sends at most this many messages on one channel.
const MOST_A_TICK: usize = 20;

/// What is owed, and which channels are broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    owed: Vec<Owed>,
    broken: BTreeMap<Channel, Outage>,
}

/// A message, and the channels that have not accepted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Its cause.
    pub item: Item,
    /// When that was, in milliseconds.
    pub at_ms: i64,
    /// The message.
    pub what: Debt,
    /// Where it is still owed.
    pub channels: BTreeSet<Channel>,
}

/// Kinds of messages owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Debt {
    /// To people.
    Page(Page),
    /// To programs.
    Change(StateChange),
}

/// A channel that refuses or does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Since when, in milliseconds.
    pub since_ms: i64,
    /// The first error.
    pub error: String,
}

/// One message to send on one channel, and the debts that it pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Paid when it is accepted.
    pub items: Vec<Item>,
    /// The message.
    pub what: Debt,
}

impl Debt {
    /// Alarms before clears before what only tells.
    fn rank(&self) -> u8 {
        match self {
            Self::Page(page) => match page.urgency {
                Urgency::Trigger => 0,
                Urgency::Clear => 1,
                Urgency::Info => 2,
            },
            Self::Change(_) => 2,
        }
    }

    fn given_up_after_ms(&self) -> i64 {
        match self {
            Self::Page(page) if page.urgency == Urgency::Info => INFO_GIVEN_UP_MS,
            Self::Page(_) | Self::Change(_) => GIVEN_UP_MS,
        }
    }
}

impl Outbox {
    /// Whether nothing is owed anywhere.
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Everything that is owed, oldest first.
    pub fn owed(&self) -> &[Owed] {
        &self.owed
    }

    /// Channels that are broken.
    pub fn broken(&self) -> &BTreeMap<Channel, Outage> {
        &self.broken
    }

    /// Messages that a channel has not accepted, and when the oldest became due.
    pub fn waiting(&self, channel: Channel) -> Option<(usize, i64)> {
        let owed: Vec<&Owed> = self.on(channel).collect();
        let oldest = owed.iter().map(|owed| owed.at_ms).min()?;
        Some((owed.len(), oldest))
    }

    fn on(&self, channel: Channel) -> impl Iterator<Item = &Owed> {
        self.owed.iter().filter(move |owed| owed.channels.contains(&channel))
    }

    /// Everything owed on a channel, for one that does not exist.
    pub fn all_on(&self, channel: Channel) -> Vec<Item> {
        self.on(channel).map(|owed| owed.item).collect()
    }

    /// What is too old to be sent on a channel.
    pub fn too_old(&self, channel: Channel, now_ms: i64) -> Vec<Item> {
        let old = self.on(channel).filter(|owed| {
            now_ms.saturating_sub(owed.at_ms) > owed.what.given_up_after_ms()
                || planted!(GivesUpAtOnce)
        });
        old.map(|owed| owed.item).collect()
    }

    /// What to send on a channel now: alarms, then clears, then what only tells,
    /// oldest first. An alarm whose clear is owed as well is one message that
    /// only tells.
    pub fn due(&self, channel: Channel, now_ms: i64) -> Vec<Letter> {
        let mut letters: Vec<(u8, i64, Letter)> = Vec::new();
        let mut paired: BTreeSet<Item> = BTreeSet::new();
        for owed in self.on(channel).filter(|owed| is_due(owed, now_ms)) {
            if paired.contains(&owed.item) {
                continue;
            }
            let mut items = vec![owed.item];
            let mut what = owed.what.clone();
            if let Some((clear, debt)) = self.clear_of(owed, channel) {
                paired.insert(clear);
                items.push(clear);
                what = debt;
            }
            letters.push((what.rank(), owed.at_ms, Letter { items, what }));
        }
        letters.sort_by_key(|(rank, at_ms, _)| (*rank, *at_ms));
        letters.truncate(MOST_A_TICK);
        letters.into_iter().map(|(_, _, letter)| letter).collect()
    }

    /// The clear of an owed alarm, with one message that says both.
    fn clear_of(&self, alarm: &Owed, channel: Channel) -> Option<(Item, Debt)> {
        let Debt::Page(page) = &alarm.what else { return None };
        if page.urgency != Urgency::Trigger {
            return None;
        }
        let clears = self.on(channel).filter(|owed| owed.item.revision > alarm.item.revision);
        clears.into_iter().find_map(|owed| match &owed.what {
            Debt::Page(clear) if clear.urgency == Urgency::Clear && clear.key() == page.key() => {
                let text = format!("{} Resolved: {}", page.text, clear.text);
                let both = Page { urgency: Urgency::Info, text, ..page.clone() };
                Some((owed.item, Debt::Page(both)))
            }
            Debt::Page(_) | Debt::Change(_) => None,
        })
    }

    pub(super) fn note(&mut self, stamped: &Stamped) {
        match &stamped.event {
            Event::Delivered { channel, items } | Event::GivenUp { channel, items } => {
                self.paid(items, &[*channel]);
            }
            Event::ChannelFailed { channel, error } => {
                let outage = Outage { since_ms: stamped.at_ms, error: error.clone() };
                self.broken.entry(*channel).or_insert(outage);
            }
            Event::ChannelWorks { channel } => {
                self.broken.remove(channel);
            }
            Event::PageSent { revision, topic } => {
                let item = Item { revision: *revision, topic: Some(*topic) };
                self.paid(&[item], &[Channel::Pager, Channel::Chat]);
            }
            Event::Announced { revision } => {
                self.paid(&[Item { revision: *revision, topic: None }], &[Channel::Bus]);
            }
            _ => {}
        }
    }

    fn paid(&mut self, items: &[Item], channels: &[Channel]) {
        for owed in self.owed.iter_mut().filter(|owed| items.contains(&owed.item)) {
            owed.channels.retain(|channel| !channels.contains(channel));
        }
        self.owed.retain(|owed| !owed.channels.is_empty());
    }

    fn add(&mut self, revision: i64, at_ms: i64, what: Debt) {
        let (topic, channels) = match &what {
            Debt::Page(page) => (Some(page.topic), vec![Channel::Pager, Channel::Chat]),
            Debt::Change(_) => (None, vec![Channel::Bus]),
        };
        // The broken channel cannot carry the news that it is broken.
        let news_of_channel = topic == Some(Topic::ChannelBroken);
        let channels: BTreeSet<Channel> = channels
            .into_iter()
            .filter(|channel| !(news_of_channel && self.broken.contains_key(channel)))
            .collect();
        if !channels.is_empty() {
            self.owed.push(Owed { item: Item { revision, topic }, at_ms, what, channels });
        }
    }
}

fn is_due(owed: &Owed, now_ms: i64) -> bool {
    let age = now_ms.saturating_sub(owed.at_ms).max(0);
    age < OFTEN_MS || age.rem_euclid(OFTEN_MS) < 60_000
}

/// Adds what `stamped` owes.
pub(super) fn owe(journal: &mut Journal, stamped: &Stamped, before: Before) {
    if let (Event::ExamplesRead { examples }, Some(run)) = (&stamped.event, &journal.run) {
        add_examples(&mut journal.outbox, run, examples);
    }
    let pages = pages(journal, stamped, before);
    let change = change(journal, stamped, before);
    for page in pages {
        journal.outbox.add(stamped.seq, stamped.at_ms, Debt::Page(page));
    }
    if let Some(change) = change {
        journal.outbox.add(stamped.seq, stamped.at_ms, Debt::Change(change));
    }
}

/// Adds the examples to the page about the rollback, on the channels that have not
/// accepted it yet.
fn add_examples(outbox: &mut Outbox, run: &Run, examples: &ExamplesRead) {
    let Labels { old, new } = &run.terms.labels;
    for owed in &mut outbox.owed {
        if let Debt::Page(page) = &mut owed.what
            && (page.run, page.topic) == (run.number, Topic::RolledBack)
            && page.urgency != Urgency::Clear
        {
            page.text = format!("{} {}", page.text, examples.paragraph(old, new));
        }
    }
}

fn pages(journal: &Journal, stamped: &Stamped, before: Before) -> Vec<Page> {
    let run = journal.run.as_ref();
    let number = run.map_or(0, |run| run.number);
    let to = run.map_or(Weight::ZERO, |run| run.weight);
    let from = if before.run == number { before.weight } else { Weight::ZERO };
    let name = &journal.name;
    let sides = journal.labels();
    let Labels { old, new } = &sides;
    let page = |topic, urgency, title: String, text: &str| Page {
        rollout: name.clone(),
        run: number,
        revision: stamped.seq,
        topic,
        urgency,
        title,
        text: text.to_owned(),
        from: Some(from),
        to: Some(to),
        at_ms: stamped.at_ms,
    };
    match (&stamped.event, run) {
        (Event::Started { who, .. }, Some(run)) => {
            let who_short = explain::person(&who.identity);
            let shadow = match run.mode {
                Mode::Active => "",
                Mode::Shadow => " Shadow: nothing is moved.",
            };
            let stages: Vec<String> = run.terms.stages.iter().map(ToString::to_string).collect();
            let text =
                format!("\"{}\".{shadow} Stages {}. Nothing to do.", who.reason, stages.join(", "));
            let title = format!("{name}: run {number} started by {who_short}");
            let mut pages = vec![page(Topic::Started, Urgency::Info, title, &text)];
            if before.rolled_back {
                // The incident of the rollback before ends with the new start.
                let title = format!("{name}: resolved: started again by {who_short}");
                let mut clear = page(Topic::RolledBack, Urgency::Clear, title, &text);
                clear.run = before.run;
                pages.push(clear);
            }
            pages
        }
        (Event::Applied { from: was, to, cause }, Some(run)) if *to > Weight::ZERO => {
            // Half a raise that was undone: the journal's share never was another one.
            let title = if was == to {
                format!("{name}: back to {to} on {new}")
            } else {
                format!("{name}: {was} → {to} on {new}")
            };
            let next = run.terms.next_after(*to).map_or_else(String::new, |next| {
                format!(" Next: {next}, when every limit is proven for it.")
            });
            let text = format!("{}{next}", explain::sentence(&cause.text));
            vec![page(Topic::StageReached, Urgency::Info, title, &text)]
        }
        (Event::Raised { topic, text }, _) => {
            // The planned end of a pause is no alarm.
            let urgency =
                if *topic == Topic::PauseExpires { Urgency::Info } else { Urgency::Trigger };
            vec![page(*topic, urgency, title_of(name, *topic, &sides, run), text)]
        }
        // Undone before anybody looked.
        (Event::Cleared { topic: Topic::MovedBySomeoneElse, .. }, _) if !before.told_moved => {
            Vec::new()
        }
        (Event::Cleared { topic, text }, _) if *topic != Topic::PauseExpires => {
            vec![page(*topic, Urgency::Clear, resolved(name, *topic, &sides), text)]
        }
        (Event::CodeChanged { change, codes, .. }, Some(run)) if change.touches_new() => {
            let now = codes.iter().filter_map(|code| code.new.as_ref());
            let now = distinct(now.map(ToString::to_string));
            let title = format!("{name}: {new} was redeployed; {} is proven again", run.weight);
            let text = format!("{new} runs {} now. Nothing to do.", now.join(", "));
            vec![page(Topic::NewCode, Urgency::Info, title, &text)]
        }
        (Event::Finished { end: End::RolledBack, reason }, Some(run)) => {
            let came_from = run.came_from();
            let (title, traffic) = match run.mode {
                Mode::Active => (
                    if came_from > Weight::ZERO {
                        format!("{name}: rolled back, {came_from} → 0% on {new}")
                    } else {
                        format!("{name}: rolled back before its first step")
                    },
                    format!(
                        " All traffic is on {old}, read back at {}.",
                        explain::event::moment(stamped)
                    ),
                ),
                Mode::Shadow => (
                    format!("{name}: shadow run ended; it would have rolled back"),
                    " Nothing was moved.".to_owned(),
                ),
            };
            let urgency = if before.ordered { Urgency::Info } else { Urgency::Trigger };
            let mut text = format!("{}{traffic}", explain::stopped(reason));
            if let Some(examples) = &run.examples {
                text = format!("{text} {}", examples.paragraph(old, new));
            }
            let mut pages = vec![page(Topic::RolledBack, urgency, title, &text)];
            pages.extend(over_with_the_run(journal, &page));
            pages
        }
        (Event::Finished { end: End::Completed, reason }, Some(_)) => {
            let title = format!("{name}: completed, all traffic on {new}");
            let text = format!(
                "{} Minute-by-minute protection ends here; alarms remain.",
                explain::stopped(reason)
            );
            let mut pages = vec![page(Topic::Completed, Urgency::Info, title, &text)];
            pages.extend(over_with_the_run(journal, &page));
            pages
        }
        (Event::Abandoned { who, .. }, Some(_)) => over_with_the_run(journal, &page)
            .into_iter()
            .map(|mut clear| {
                let by = explain::person(&who.identity);
                clear.text = format!("{by} closed the run: \"{}\".", who.reason);
                clear
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What was triggered under a run is over with it.
fn over_with_the_run(
    journal: &Journal,
    page: &impl Fn(Topic, Urgency, String, &str) -> Page,
) -> Vec<Page> {
    let raised = journal.raised.keys().filter(|topic| **topic != Topic::PauseExpires);
    raised
        .map(|topic| {
            let title = resolved(&journal.name, *topic, &journal.labels());
            page(*topic, Urgency::Clear, title, "The run has ended.")
        })
        .collect()
}

fn change(journal: &Journal, stamped: &Stamped, before: Before) -> Option<StateChange> {
    let run: &Run = journal.run.as_ref()?;
    let reason = state_reason(&stamped.event, &run.terms.labels)?;
    Some(StateChange {
        rollout: journal.name.clone(),
        run: run.number,
        revision: stamped.seq,
        state: run.phase.words().to_owned(),
        from: if before.run == run.number { before.weight } else { Weight::ZERO },
        to: run.weight,
        reason,
        at_ms: stamped.at_ms,
    })
}

/// The title of the message that a condition is over.
fn resolved(name: &str, topic: Topic, sides: &Labels) -> String {
    let title = title_of(name, topic, sides, None);
    let what = title.strip_prefix(name).unwrap_or(&title).trim_start_matches(": ");
    format!("{name}: resolved: {what}")
}

/// One line for each condition, with the share at stake where it is known; what users
/// feel comes first.
pub(super) fn title_of(name: &str, topic: Topic, sides: &Labels, run: Option<&Run>) -> String {
    let Labels { old, new } = sides;
    let share = run.map(|run| run.weight).filter(|share| *share > Weight::ZERO);
    let on_new = share.map_or_else(String::new, |share| format!("; {share} on {new}"));
    let at = share.map_or_else(String::new, |share| format!(" at {share}"));
    let what = match topic {
        Topic::HoldingTooLong => format!("held too long{at}"),
        Topic::Blind => format!("no metrics, alarms or rules to judge by{on_new}"),
        Topic::NoTraffic => format!("no request reaches {new}{at}"),
        Topic::MovedBySomeoneElse => match run.map(|run| &run.phase) {
            Some(Phase::Moved { found, .. }) => moved(found, share.unwrap_or_default()),
            Some(_) | None => "moved by someone else".to_owned(),
        },
        Topic::HeaderRuleChanged => "testers' header rule or stickiness changed".to_owned(),
        Topic::RollbackIncomplete => match run.map(|run| &run.phase) {
            Some(Phase::RollingBack { unreached, .. }) if !unreached.is_empty() => {
                let each: Vec<String> = unreached
                    .iter()
                    .map(|route| match route.weight {
                        Some(weight) => format!("`{}` still {weight} on {new}", route.route),
                        None => format!("`{}` not reached", route.route),
                    })
                    .collect();
                format!("ROLLBACK INCOMPLETE: {}", each.join(", "))
            }
            Some(_) | None => "ROLLBACK INCOMPLETE".to_owned(),
        },
        Topic::PauseExpires => {
            let until = run.and_then(|run| run.phase.pause()?.until_ms);
            until.map_or_else(
                || "pause ends soon".to_owned(),
                |until| format!("pause ends at {}", explain::time(until, until)),
            )
        }
        Topic::BothSides => format!("{old} breaks a limit, so {new} is not blamed{on_new}"),
        Topic::WriteRefused => format!("AWS refuses the next step{on_new}"),
        Topic::NewCode => format!("it is not known which code runs{on_new}"),
        Topic::ChannelBroken => "messages do not get through".to_owned(),
        Topic::ControllerError => format!("controller failing{on_new}"),
        Topic::Started => "started".to_owned(),
        Topic::StageReached => "stage reached".to_owned(),
        Topic::RolledBack => "rolled back".to_owned(),
        Topic::Completed => "completed".to_owned(),
        Topic::Test => "test".to_owned(),
    };
    format!("{name}: {what}")
}

/// `` `public` moved by someone else: 25% → 80% ``
fn moved(found: &[RouteFound], expected: Weight) -> String {
    let mut other = found.iter().filter(|route| route.weight != Some(expected));
    match (other.next(), other.next()) {
        (Some(RouteFound { route, weight: Some(weight), .. }), None) => {
            format!("`{route}` moved by someone else: {expected} → {weight}")
        }
        (Some(_) | None, Some(_) | None) => "moved by someone else".to_owned(),
    }
}

/// Events that change the state that `status` shows, each with one sentence.
fn state_reason(event: &Event, sides: &Labels) -> Option<String> {
    match event {
        Event::Started { who, .. }
        | Event::Paused { who, .. }
        | Event::Resumed { who, .. }
        | Event::Adopted { who, .. }
        | Event::Activated { who, .. }
        | Event::Promoted { who, .. }
        | Event::Abandoned { who, .. }
        | Event::RollbackOrdered { who, .. }
        | Event::LoweredOutside { by: LoweredBy::Person { who, .. }, .. } => Some(said(who)),
        Event::Applied { cause, .. } => Some(cause.text.clone()),
        Event::PauseEnded {} => Some("the pause ended".to_owned()),
        Event::MovedByOther { .. } => Some("a share was moved by someone else".to_owned()),
        Event::FoundAtZero { .. } | Event::LoweredOutside { by: LoweredBy::Unknown, .. } => {
            Some("every rule was found at 0%".to_owned())
        }
        Event::LoweredOutside { by: LoweredBy::Protection { reason, .. }, .. } => {
            Some(format!("rolled back while the journal could not be used: {reason}"))
        }
        Event::CodeChanged { change, .. } if change.touches_new() => {
            Some(format!("{} was redeployed", sides.new))
        }
        Event::Finished { reason, .. } => Some(reason.clone()),
        Event::Raised { text, .. } | Event::Cleared { text, .. } => Some(text.clone()),
        Event::Baseline { .. }
        | Event::Ticked { .. }
        | Event::CodeChanged { .. }
        | Event::Intended { .. }
        | Event::NotApplied { .. }
        | Event::Followed { .. }
        | Event::ExamplesRead { .. }
        | Event::Delivered { .. }
        | Event::ChannelFailed { .. }
        | Event::ChannelWorks { .. }
        | Event::GivenUp { .. }
        | Event::PageSent { .. }
        | Event::Announced { .. } => None,
    }
}

/// `ada: "deploy of the gateway"`
fn said(who: &Who) -> String {
    format!("{}: \"{}\"", explain::person(&who.identity), who.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(urgency: Urgency, at_ms: i64) -> Owed {
        let page = Page {
            rollout: "score".to_owned(),
            run: 1,
            revision: 7,
            topic: Topic::Blind,
            urgency,
            title: String::new(),
            text: String::new(),
            from: None,
            to: None,
            at_ms,
        };
        let item = Item { revision: 7, topic: Some(Topic::Blind) };
        Owed { item, at_ms, what: Debt::Page(page), channels: [Channel::Pager].into() }
    }

    #[test]
    fn a_message_is_tried_each_minute_at_first_and_then_in_one_minute_of_ten() {
        let due = |after_ms: i64| is_due(&owed(Urgency::Info, 1000), 1000 + after_ms);
        let tried: Vec<i64> = (0..40).filter(|minute| due(minute * 60_000)).collect();
        assert_eq!(tried, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30]);
        assert!(due(OFTEN_MS + 59_999) && !due(OFTEN_MS + 60_000));
    }

    #[test]
    fn a_message_is_given_up_once_its_time_is_over() {
        for (urgency, after_ms) in
            [(Urgency::Info, INFO_GIVEN_UP_MS), (Urgency::Trigger, GIVEN_UP_MS)]
        {
            let owed = owed(urgency, 1000);
            let item = owed.item;
            let outbox = Outbox { owed: vec![owed], ..Outbox::default() };
            assert!(outbox.too_old(Channel::Pager, 1000 + after_ms).is_empty(), "{urgency:?}");
            assert_eq!(outbox.too_old(Channel::Pager, 1001 + after_ms), [item]);
            assert!(outbox.too_old(Channel::Chat, 1001 + after_ms).is_empty());
        }
    }
}
