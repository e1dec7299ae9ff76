//! Planted defects: mistakes that the simulation of whole histories (`survive/`) must
//! find. Each is one switch at its place in the flow, and off in every build that is
//! deployed: without the cargo feature `planted` the macro is `false`.

/// Whether this defect is planted in this thread; `false` without the feature.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($defect:ident) => {
        $crate::planted::is($crate::planted::Defect::$defect)
    };
}

#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($defect:ident) => {
        false
    };
}

pub(crate) use planted;

/// Whether this build has planted defects.
pub const COMPILED: bool = cfg!(feature = "planted");

#[cfg(feature = "planted")]
mod chosen {
    use std::cell::Cell;

    macro_rules! defects {
        ($($defect:ident, $file:literal, $what:literal;)*) => {
            /// A planted defect.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[expect(missing_docs, reason = "each says what it is by `what`")]
            pub enum Defect { $($defect),* }

            impl Defect {
                /// All of them.
                pub const ALL: &'static [Self] = &[$(Self::$defect),*];

                /// The file of its switch, below `src/`.
                pub const fn file(self) -> &'static str {
                    match self { $(Self::$defect => $file),* }
                }

                /// What goes wrong.
                pub const fn what(self) -> &'static str {
                    match self { $(Self::$defect => $what),* }
                }
            }
        };
    }

    defects! {
        NoReadBack, "adapters/alb/shift.rs", "a write is believed without reading it back";
        WritesLate, "adapters/alb/shift.rs", "a write goes out after its deadline";
        WritesOverOthers, "adapters/alb/shift.rs", "a raise is written over what someone else wrote";
        LostRaceIsWon, "ports.rs", "a lost race for the journal counts as won";
        HeaderRuleUnseen, "adapters/alb/mod.rs", "what is wrong with the header rule is not seen";
        StickinessUnseen, "adapters/alb/mod.rs", "stickiness is not seen";
        StopsAtTheFirstRoute, "controller/act.rs", "a lowering stops at the first route that fails";
        NoSecondLook, "controller/tick.rs", "no second look after being overtaken";
        NoLookForOrdersBefore, "controller/step.rs", "a raise does not look for orders outside before its write";
        NoLookForOrdersAfter, "controller/step.rs", "a raise does not look for orders outside after its write";
        StepBackDoesNotLook, "controller/step.rs", "a step back does not look for orders outside";
        HalfARaiseIsNotLookedAt, "controller/step.rs", "half a raise does not look whether a rollback overtook it";
        LateTicksDateBack, "domain/observation.rs", "a late tick dates code and shares back to its own time";
        StrangeShareIsLeft, "controller/step.rs", "without the journal a share is left that it does not have";
        NoLoweringWithoutJournal, "controller/step.rs", "a lowering whose append failed is dropped";
        OrderNotLeft, "controller/command.rs", "a rollback without the journal leaves no order";
        AnswersTooEarly, "controller/command.rs", "a command answers as done without looking";
        PromotionDoesNotGiveWay, "controller/command.rs", "a promotion that a rollback overtook stays where it landed";
        StaysBehind, "controller/command.rs", "a journal restored from an older copy stays behind after a person's command";
        NameIsLost, "domain/command.rs", "a command is journalled without its reason";
        StaleCommandCounts, "domain/command.rs", "a command counts although the person did not see what changed";
        SameCommandTwice, "domain/command.rs", "a repeated command is carried out again";
        PromotesWithoutTicks, "domain/command.rs", "a promotion goes ahead although nobody ticks";
        SettlesLiveIntent, "domain/raise.rs", "the intent of a process that may still write is settled";
        PauseIgnored, "domain/raise.rs", "a pause does not hold";
        HoldingAlarmIgnored, "domain/raise.rs", "an alarm that holds does not";
        OldTickRaises, "domain/raise.rs", "an old tick raises";
        MissingMinutesIgnored, "domain/raise.rs", "a raise does not wait for the newest minute";
        OtherCodeIgnored, "domain/raise.rs", "a raise does not ask which code runs";
        ProtectionIsNotFinished, "domain/reconcile.rs", "what protection began without the journal is not finished with it";
        CopyForgets, "domain/copy.rs", "the copy outside forgets what protection did without the journal";
        CopyIgnored, "domain/raise.rs", "a raise asks neither for the copy nor for orders";
        UnsafeRulesIgnored, "domain/raise.rs", "a raise goes over rules that are not as they must be";
        AlarmDoesNotRollBack, "domain/raise.rs", "an alarm that rolls back holds instead";
        WrongAnswersDoNotCount, "domain/engine.rs", "answers that are proven wrong do not count";
        AnswersNeedNoProof, "domain/wrong_answers/verdict.rs", "a step goes without the proof of right answers that it needs";
        BreachDoesNotRollBack, "domain/decide.rs", "a breach does not roll back";
        SkipsAStage, "domain/decide.rs", "a step goes over a stage";
        FinishesWhatMayNotRise, "domain/decide.rs", "half a raise is finished whatever speaks against it";
        NothingIsPutBack, "domain/decide.rs", "a share raised after a rollback stays";
        FutureTickCounts, "domain/decide.rs", "a tick from the future is journalled";
        PauseEndsEarly, "domain/decide.rs", "a pause with an end is over at the next tick";
        MovedIsNotTold, "domain/reconcile.rs", "a weight that someone moved is not noticed";
        OrderIsForgotten, "domain/reconcile.rs", "an order left outside is never journalled";
        OrderBlocksForEver, "domain/journal.rs", "an order that was taken in keeps every later run from rising";
        EvidenceOutlivesCode, "domain/journal.rs", "a new build inherits the old one's evidence";
        ProtectsNothing, "domain/protection.rs", "without the journal an alarm does not protect";
        CompletedIsLowered, "domain/protection.rs", "without the journal a completed run is taken back";
        SilenceIsGood, "domain/reading.rs", "a new side without requests counts as known";
        SentTwice, "controller/deliver.rs", "a message is sent twice";
        FailureIsDelivery, "controller/deliver.rs", "a message that was refused counts as accepted";
        OneChannelStopsAll, "controller/deliver.rs", "a channel that fails keeps the others waiting";
        GivesUpAtOnce, "domain/outbox.rs", "messages are given up at once";
        SnapshotForgets, "controller/store.rs", "a snapshot leaves out the commands of late";
        SafeWithoutLooking, "domain/health.rs", "the status says safe whatever the rules show";
    }

    thread_local! {
        static CHOSEN: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Whether this defect is planted in this thread.
    pub fn is(defect: Defect) -> bool {
        CHOSEN.get() == Some(defect)
    }

    /// Plants one defect, or none, in this thread.
    pub fn plant(defect: Option<Defect>) {
        CHOSEN.set(defect);
    }
}

#[cfg(feature = "planted")]
pub use chosen::{Defect, is, plant};
