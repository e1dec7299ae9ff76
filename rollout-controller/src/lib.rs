//! Moves traffic from one Lambda function to another, on evidence.
//!
//! A tick runs every minute, in the same words everywhere:
//!
//! ```text
//!  ledger ─► Observation ─► Assessment ─► Decision ─► WritePermit ─► StepOutcome ─► TickOutcome
//!            each part a    what the      what to do,  the intent     the write      the journal,
//!            value, or      numbers say   and why      is journalled  read back      messages last
//!            why not                      (pure)       (append)
//! ```
//!
//! The journal is the only state. An append names the revision it follows, and
//! the database's unique key decides who is first; a tick that lost touches
//! nothing. Whoever writes a weight holds a [`ports::WritePermit`]: of a successful
//! append, or one that only lowers. Where a run stands is one
//! [`Phase`](domain::phase::Phase), and how it stands one
//! [`Health`](domain::health::Health), for every reader alike.
//!
//! # Map
//!
//! ```text
//!  bin/rollout-controller   bin/rolloutctl
//!    lambda · widget     cli · replay · simulate   what AWS and people call
//!               controller · check              the flow
//!  report · config  ports ◄── adapters · world   texts; the world outside
//!                    domain                     pure, imports nothing of the above
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`domain`] | pure, imports nothing of the others: weights, evidence, journal, decisions, commands, sentences |
//! | [`controller`] | the flow: a tick, a command, a question |
//! | [`lambda`] | events in, answers, metrics, logs and traces out |
//! | [`api`] | what `rolloutctl`, page and functions say to each other |
//! | [`ports`] | what the flow needs, in our words |
//! | [`adapters`] | AWS and SQL behind the ports; foreign types stay there |
//! | [`world`] | a world in memory behind the same ports, seeded, for tests and [`simulate`] |
//! | [`report`] | status as data, the story, screens of a terminal, notifications |
//! | [`widget`] | the page on a CloudWatch dashboard, and its buttons |
//! | [`check`] | looks at all that a rollout rests on, and says what to fix |
//! | [`compare`] | the same requests to both sides before a rollout, and what their answers differ in |
//! | [`config`] | one TOML text |
//! | [`replay`] | judges recorded minutes again, with either engine; exports them |
//! | [`simulate`] | whole rollouts in described worlds, by the production tick; the forecast of a plan |
//! | [`cli`] | `rolloutctl` |
//! | [`errors`] | an error and its causes in one line |
//! | [`planted`] | mistakes that tests must find; `false` in every deployed build |
//!
//! # Invariants (tests quote them by number)
//!
//! 1. The Rust share never rises except by a journalled decision whose evidence is
//!    in the journal, one stage at a time.
//! 2. It never rises while a breach or alarm stands, data is missing, the rule was
//!    changed by someone else, the rollout is paused, or the calendar says no.
//! 3. After a rollback decision every route reaches Rust share 0, whatever fails on
//!    the way, or a page says which did not; and it stays 0.
//! 4. The shares of a rule are always exactly those intended, and nothing but
//!    weights is changed in it.
//! 5. The same tick twice, late, concurrently, or cut at any point leaves the same
//!    world as once.
//! 6. Missing data is never read as good data.
//! 7. Every person's action is in the journal with who, when, why; nothing in the
//!    journal is edited.
//! 8. The header rule wins over the weighted rule at every weight.
//! 9. Nothing that people read says more than is known: unknown is never shown as
//!    zero, incomplete never as applied, unprotected or degraded never as safe.
//! 10. Evidence older than the newest due minute, or of other code than is deployed,
//!     never raises a share.
//! 11. A page that is owed goes out on every channel that works, whatever else is
//!     broken.

pub mod adapters;
pub mod api;
pub mod check;
pub mod cli;
pub mod compare;
pub mod config;
pub mod controller;
pub mod domain;
pub mod lambda;
pub mod planted;
pub mod ports;
pub mod replay;
pub mod report;
pub mod simulate;
pub mod widget;
pub mod world;

pub use function_kit::errors;
