//! What must hold.

/// What must hold, each with a name for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A raise has an intent of its own process in the journal.
    RaiseIsJournalled,
    /// No request to raise leaves after the intent's deadline, by its process's clock.
    RaiseIsInTime,
    /// Nothing rises after a rollback that its process could know of.
    NothingRisesAfterARollback,
    /// An order outside the journal is looked for before and after every raise.
    OrdersAreLookedFor,
    /// Nothing rises while paused, by whomever.
    APauseHolds,
    /// A raise rests on the newest minute that is due, in a tick that is not old.
    EvidenceIsFresh,
    /// A raise rests on minutes at its share, on the code that is deployed.
    EvidenceIsOfThisCode,
    /// Where a step needs proof of right answers, answers were compared at its share.
    AnswersAreCompared,
    /// Nothing rises while an alarm of ours stands, is missing or was not read.
    AlarmsHold,
    /// Nothing rises over rules that are not as they must be, or that someone moved.
    RulesAreSafe,
    /// One stage at a time, unless a person forces it.
    OneStageAtATime,
    /// Nothing rises without the copy outside the journal, or with an order there.
    TheCopyIsOpen,
    /// Shares are exactly those intended, and nothing else in the rule changes.
    OnlyWeightsChange,
    /// Nothing is lowered without a reason, and no finished run is moved.
    LoweringHasAReason,
    /// The intent of a process that may still write is not settled by another.
    LiveIntentsStay,
    /// A process that was overtaken while it raised looks again before it ends.
    OvertakenLooksAgain,
    /// What was answered as done is in the journal with who and why.
    AnswersAreJournalled,
    /// A rollback answered as done was seen at 0 on every route.
    AnswersAreTrue,
    /// A repeated command is one command.
    OneCommandOnce,
    /// A tick that sees a rollback alarm stand, and is hindered by nothing that it needs
    /// for that, leaves no share.
    AlarmsRollBack,
    /// A message is not sent again by someone who could know that it was accepted.
    NoMessageTwice,
    /// No message is given up before its time.
    NoMessageIsGivenUpEarly,
    /// The journal has no holes, goes forward in time, and judges each minute in order.
    TheJournalIsInOrder,
    /// Nothing that people read says safe where something could not be read.
    StatusClaimsNoMore,
    /// An answered rollback is journalled with who and why once the journal works.
    RollbacksAreJournalledLater,
    /// Every message that the journal owes has arrived on each channel.
    EveryPageArrives,
    /// What is owed goes out on each channel that works, whatever the others do.
    WorkingChannelsWork,
    /// A share that is not the journal's is told at the next tick.
    StrangeSharesAreTold,
    /// A share that was raised after a rollback is put back at the next tick.
    RaisedSharesArePutBack,
    /// A lowering goes on to every route even if one fails.
    EveryRouteIsTried,
    /// After a person's order the copy outside is not ahead of the journal.
    TheCopyFollowsPeople,
    /// The copy outside says what protection did without the journal, until the journal
    /// has it.
    ProtectionIsRemembered,
    /// What protection began without the journal is finished by the next tick that has it.
    ProtectionIsFinished,
    /// What a person ordered without having seen the newest change does not count.
    StaleCommandsDoNotCount,
    /// A snapshot says what its entries say.
    SnapshotsAreTheFold,
    /// A healthy service gets to 100%.
    HealthyCompletes,
    /// A bad one ends at 0%.
    BadEndsAtZero,
    /// The controller's own code does not fail.
    NothingFails,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// When, in milliseconds.
    pub at_ms: i64,
    /// What happened, one sentence.
    pub text: String,
}
