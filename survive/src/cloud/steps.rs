//! Calls let go one by one: an explorer decides which of those that wait comes next, and
//! so reaches every order of them.

use super::{Came, Door, Served, State};
use crate::chance::number;
use crate::fate::{Call, Fate};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

type Deed = Box<dyn FnOnce(&mut State, i64) + Send>;

/// A call: the process that makes it, and its number there.
type Place = (u64, u32);

/// A call that waits.
struct Waiting {
    call: Call,
    deed: Option<Deed>,
    let_go: Option<Fate>,
    waker: Option<Waker>,
    /// Its process is over or gave up: only the request is left, on its way.
    alone: bool,
}

/// Calls that wait, and what each process has been answered.
#[derive(Default)]
pub struct Steps {
    /// When the processes began, in milliseconds.
    began_ms: i64,
    waiting: BTreeMap<Place, Waiting>,
    /// A hash of everything that a process was answered. Its code is deterministic, so
    /// this says where it stands. In which order calls that it made at once were answered
    /// makes no difference to it.
    views: BTreeMap<u64, u64>,
}

/// A copy has no calls: they belong to processes, which are not copied.
impl Clone for Steps {
    fn clone(&self) -> Self {
        Self { began_ms: self.began_ms, waiting: BTreeMap::new(), views: self.views.clone() }
    }
}

impl Steps {
    /// Of processes that begin now.
    pub fn beginning(began_ms: i64) -> Self {
        Self { began_ms, ..Self::default() }
    }

    /// Calls that wait, whether each is a request whose process is gone.
    pub fn waiting(&self) -> impl Iterator<Item = (Place, Call, bool)> {
        let waiting = self.waiting.iter().filter(|(_, waiting)| waiting.let_go.is_none());
        waiting.map(|(place, waiting)| (*place, waiting.call, waiting.alone))
    }

    /// Whether a process waits for one.
    pub fn waits(&self, uid: u64) -> bool {
        self.waiting().any(|((of, _), _, alone)| of == uid && !alone)
    }

    /// Where every process stands, once each waits for a call. Of one that is over and
    /// has no request on its way, only what it did is left, and that is not here.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (uid, view) in &self.views {
            let acts = self.waiting().any(|((of, _), ..)| of == *uid);
            (uid, acts.then_some(view)).hash(&mut hasher);
        }
        for (place, call, alone) in self.waiting() {
            (place, call, alone).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Calls that read or write what processes share. All others are answered at once: what
/// they say does not change while an explorer is at work.
const fn is_shared(call: Call) -> bool {
    match call {
        Call::JournalRead
        | Call::JournalAppend
        | Call::Rules
        | Call::Rule
        | Call::Modify
        | Call::OutsideRead
        | Call::CopyWrite
        | Call::OrderWrite => true,
        Call::JournalHistory
        | Call::JournalPrune
        | Call::Metrics
        | Call::Alarms
        | Call::Code
        | Call::Pager
        | Call::Chat
        | Call::Bus => false,
    }
}

/// A delay beyond every deadline of a process and the grace after it, in milliseconds.
pub const LONG_MS: i64 = 23_000;
/// Digits of a time in milliseconds since the Unix epoch.
const TIME: usize = 13;

/// A text with every time in it replaced by how many long delays it is from the beginning:
/// what passes in pauses makes no difference.
fn without_pauses(text: &str, began_ms: i64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(from) = rest.find(|one: char| one.is_ascii_digit()) {
        let digits = rest[from..].find(|one: char| !one.is_ascii_digit());
        let until = digits.map_or(rest.len(), |length| from + length);
        out.push_str(&rest[..from]);
        match rest[from..until].parse::<i64>() {
            Ok(ms) if until - from == TIME => {
                out.push('t');
                out.push_str(&delays(ms, began_ms).to_string());
            }
            _ => out.push_str(&rest[from..until]),
        }
        rest = &rest[until..];
    }
    out.push_str(rest);
    out
}

/// Long delays between the beginning and a time, which is one of an entry (soon after the
/// beginning or a delay) or a deadline (20 s after one).
const fn delays(ms: i64, began_ms: i64) -> i64 {
    (ms - began_ms + 10_000).div_euclid(LONG_MS)
}

fn hash_of(write: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    write(&mut hasher);
    hasher.finish()
}

impl State {
    /// When the processes began that an explorer lets go on, in milliseconds.
    fn began_ms(&self) -> i64 {
        self.steps.as_ref().map_or(0, |steps| steps.began_ms)
    }

    /// A hash of all journals.
    fn journals_key(&self) -> u64 {
        let began_ms = self.began_ms();
        hash_of(|hasher| {
            for (name, rows) in &self.journals {
                name.hash(hasher);
                for entry in &rows.entries {
                    let body = without_pauses(&entry.body, began_ms);
                    (entry.seq, delays(entry.at_ms, began_ms), &entry.kind, body).hash(hasher);
                }
                rows.snapshot.as_ref().map(|snapshot| snapshot.seq).hash(hasher);
            }
        })
    }

    fn rules_key(&self) -> u64 {
        hash_of(|hasher| {
            for (arn, ours) in &self.rules {
                arn.hash(hasher);
                format!("{:?}", ours.shows()).hash(hasher);
            }
        })
    }

    fn outside_key(&self) -> u64 {
        let began_ms = self.began_ms();
        hash_of(|hasher| {
            for (name, outside) in &self.outside {
                let text = without_pauses(&format!("{:?}", outside.now()), began_ms);
                (name, text).hash(hasher);
            }
        })
    }

    /// A hash of what the books know of what was done and answered.
    fn books_key(&self) -> u64 {
        let began_ms = self.began_ms();
        hash_of(|hasher| {
            for name in self.books.names() {
                without_pauses(&format!("{:?}", self.books.track(&name)), began_ms).hash(hasher);
            }
        })
    }

    /// A hash of all that processes share, of what was done, and of where each process
    /// stands, once each waits for a call.
    pub fn key(&self) -> u64 {
        let steps = self.steps.as_ref().map_or(0, Steps::key);
        let shared = [self.journals_key(), self.rules_key(), self.outside_key(), self.books_key()];
        number(steps, &shared)
    }

    /// What an answer to this call depends on.
    fn answer_key(&self, call: Call) -> u64 {
        match call {
            Call::JournalRead => self.journals_key(),
            Call::Rules | Call::Rule => self.rules_key(),
            Call::OutsideRead => self.outside_key(),
            // Won or lost: how many rows there are.
            Call::JournalAppend => {
                self.journals.values().map(|rows| rows.entries.len() as u64).sum()
            }
            _ => 0,
        }
    }
}

impl super::Cloud {
    /// Lets one waiting call go: it has its effect, or not, and is answered, or fails.
    pub fn let_go(&self, place: Place, fate: Fate) {
        let now_ms = self.time.now_ms();
        let mut state = self.state();
        let Some(steps) = &mut state.steps else { return };
        let Some(waiting) = steps.waiting.get_mut(&place) else { return };
        let (call, deed) = (waiting.call, waiting.deed.take());
        let key = number(state.answer_key(call), &[place.1.into(), call as u64, fate as u64]);
        if fate != Fate::Answered {
            state.books.faulted(place.0, call, fate);
            state.tell(now_ms, || format!("{}: {}", call.name(), fate.name()));
        }
        if let Some(deed) = deed.filter(|_| fate != Fate::FailsBefore) {
            deed(&mut state, now_ms);
        }
        let Some(steps) = &mut state.steps else { return };
        let view = steps.views.entry(place.0).or_insert(0);
        *view = view.wrapping_add(key);
        let alone = steps.waiting.get(&place).is_some_and(|waiting| waiting.alone);
        if alone {
            steps.waiting.remove(&place);
            return;
        }
        let waker = steps.waiting.get_mut(&place).and_then(|waiting| {
            waiting.let_go = Some(fate);
            waiting.waker.take()
        });
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Ends when its call was let go.
struct LetGo<'a> {
    door: &'a Door,
    place: Place,
    over: bool,
}

impl Future for LetGo<'_> {
    type Output = Fate;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Fate> {
        let mut state = self.door.cloud.state();
        let steps = state.steps.as_mut();
        let waiting = steps.and_then(|steps| steps.waiting.get_mut(&self.place));
        // The explorer is done: whoever is left goes on by itself.
        let Some(waiting) = waiting else { return Poll::Ready(Fate::Answered) };
        let Some(fate) = waiting.let_go else {
            waiting.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let place = self.place;
        if let Some(steps) = &mut state.steps {
            steps.waiting.remove(&place);
        }
        drop(state);
        self.over = true;
        Poll::Ready(fate)
    }
}

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.door.cloud.state();
        let Some(steps) = &mut state.steps else { return };
        // A request that was sent arrives, or never does; a question without a process
        // changes nothing.
        let writes = steps.waiting.get(&self.place).is_some_and(|waiting| waiting.call.writes());
        let waiting = if writes { steps.waiting.get_mut(&self.place) } else { None };
        match waiting {
            Some(waiting) => waiting.alone = true,
            None => drop(steps.waiting.remove(&self.place)),
        }
    }
}

impl Door {
    /// Makes one call when the explorer lets it go.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        call: Call,
        number_: u32,
        serve: impl FnOnce(&mut State, i64, Served) -> T + Send + 'static,
    ) -> Came<T> {
        let slot = Arc::new(Mutex::new(None));
        let into = Arc::clone(&slot);
        let deed: Deed = Box::new(move |state, now_ms| {
            let answer = serve(state, now_ms, Served { as_of_ms: now_ms, partial: false });
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some((answer, now_ms));
        });
        let fate = if is_shared(call) {
            let place = (self.me.uid, number_);
            let waiting =
                Waiting { call, deed: Some(deed), let_go: None, waker: None, alone: false };
            if let Some(steps) = &mut self.cloud.state().steps {
                steps.waiting.insert(place, waiting);
            }
            LetGo { door: self, place, over: false }.await
        } else {
            deed(&mut self.cloud.state(), self.cloud.time.now_ms());
            Fate::Answered
        };
        let answer = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (fate, answer) {
            (Fate::Answered, Some((answer, as_of_ms))) => Came::Answer(answer, as_of_ms),
            (Fate::Answered, None) => Came::Nothing,
            _ => Came::Error,
        }
    }
}
