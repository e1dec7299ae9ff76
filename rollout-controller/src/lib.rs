//! Moves traffic from one Lambda function to another, on evidence.
//!
//! A tick runs every minute: `observe → judge → decide → act → record`.
//!
//! ```text
//!  ledger ──► observe ──► judge ──► decide ──► append ──► act ──► append ──► messages
//!             reads only   pure      pure      the intent  one write  what the   pages,
//!             a failed read is       carries   first       and read   world      announced
//!             something seen         its why               back       became     changes
//! ```
//!
//! The journal is the only state. An append names the revision it follows, and
//! the database's unique key decides who is first; a tick that lost touches
//! nothing. Whoever writes a weight holds a [`ports::Turn`], which only a
//! successful append can make.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | [`domain`] | pure: weights, evidence, journal, decisions, commands |
//! | [`ports`] | what a tick needs, in our words |
//! | [`observe`], [`act`], [`messages`] | the three that touch the world |
//! | [`tick`], [`command`], [`view`] | the three doors, [`doors`] tells them apart |
//! | [`protect`] | protection while the ledger is down |
//! | [`doctor`] | looks at all that a rollout rests on, and says what to mend |
//! | [`retention`], [`telemetry`], [`emf`] | old minutes; logs and traces; metrics |
//! | [`errors`] | an error and its causes in one line |
//! | [`report`] | one rendering each for log, page, terminal, widget |
//! | [`adapters`] | AWS and SQL behind the ports; foreign types stay there |
//! | [`world`] | a pretend world behind the same ports, seeded |
//! | [`config`], [`wire`] | one TOML text, and the real world put together from it |
//! | [`cli`], [`replay`], [`vectors`] | `rolloutctl` |
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

pub mod act;
pub mod adapters;
pub mod cli;
pub mod command;
pub mod config;
pub mod doctor;
pub mod domain;
pub mod doors;
pub mod emf;
pub mod errors;
pub mod journal_io;
pub mod messages;
pub mod observe;
pub mod ports;
pub mod protect;
pub mod replay;
pub mod report;
pub mod retention;
pub mod telemetry;
pub mod tick;
pub mod vectors;
pub mod view;
pub mod widget;
pub mod wire;
pub mod world;
