//! One request, in the order of the contract's section 1.

pub mod dedup;
pub mod key;
pub mod rate;
mod render;
pub mod request;
pub mod weigh;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::config::{Config, Settings};
use crate::credential::{self, Reading, Stamp};
use crate::event::Event;
use crate::store::queries::{
    self, Asked, Change, CommunityRow, Found, Note, Outcome, Visit, WalletRow, Written,
};
use crate::store::{Database, DbError, Lease, Trips};
use crate::time::Micros;
use key::Check;
use rate::{Limiter, Rate};
use render::render;
use weigh::Rules;

/// How often a request starts again when another one took its links, as in Python.
const TRIES: u32 = 5;

/// How often a request starts again when its connection breaks.
const CONNECTIONS: u32 = 2;

/// Longest wait before the next try at a wallet that another request is changing.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// The class of SQLSTATE for a value that does not fit its column.
const DATA_EXCEPTION: &str = "22";

/// Python's words when it gives up on the links.
const LINKS_FAILED: &str = "Failed to save HashScorerLinks";

/// The scoring service: settings and connections.
#[derive(Debug)]
pub struct Scorer {
    settings: Settings,
    database: Database,
    limiter: Option<Limiter>,
}

/// What happened, for the log. Never shown to the caller.
#[derive(Debug, Default)]
pub struct Notes {
    /// Cost in the database, over all tries.
    pub trips: Trips,
    /// Times that the request started again because of another one.
    pub retries: u32,
    /// Stamps left out: provider and reason.
    pub left_out: Vec<(String, &'static str)>,
    /// Why there is no analytics row, though one was due.
    pub analytics_lost: Option<String>,
    /// A fault on our side of the wire, or one that an operator should see.
    pub trouble: Option<(&'static str, String)>,
}

/// A request that nothing stands against any more.
struct Work {
    community: CommunityRow,
    address: String,
    rules: Rules,
}

/// Why a try did not end in an answer.
enum Failure {
    Database(DbError),
    /// Another request wrote the same links.
    Race,
    /// Another request changed the wallet since it was read, or is about to.
    Outrun,
    /// The links or stamps hold what no column can, in the words of Python's driver.
    Unstorable(String),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        if error.is_race() { Self::Race } else { Self::Database(error) }
    }
}

/// What survives a new try.
#[derive(Default)]
struct Memory {
    /// Whether the key is right, and has its quick hash by now.
    slow_key: Option<bool>,
    within_limit: Option<Result<bool, String>>,
    /// Links and stamps cannot be written: a score error with this text.
    without_links: Option<String>,
    /// The answer whose rows were on their way when the connection broke.
    on_its_way: Option<Answer>,
    lost: u32,
}

impl Scorer {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        let database = Database::new(config.source, config.limits);
        Self { settings: config.settings, database, limiter: config.limiter }
    }

    /// Whether injected faults are obeyed.
    #[cfg(feature = "faults")]
    pub fn obeys_faults(&self) -> bool {
        self.settings.faults
    }

    /// Connects to the database, for the first request to find it connected.
    ///
    /// # Errors
    /// [`DbError`] if that takes too long or is refused.
    pub async fn connect(&self) -> Result<(), DbError> {
        self.database.lease(None).await?.keep();
        Ok(())
    }

    /// Answers one request, by `until` if that can be done.
    pub async fn answer(
        &self,
        event: &Event,
        now: Micros,
        until: Option<Instant>,
    ) -> (Answer, Notes) {
        let mut notes = Notes::default();
        let mut memory = Memory::default();
        let patience = Instant::now() + self.database.limits().statement;
        let give_up = until.map_or(patience, |until| until.min(patience));
        let answer = loop {
            match self.try_once(event, now, until, &mut memory, &mut notes).await {
                Ok(answer) => break answer,
                Err(Failure::Unstorable(text)) => memory.without_links = Some(text),
                Err(Failure::Race) if memory.without_links.is_none() => {
                    notes.retries += 1;
                    if notes.retries == TRIES {
                        memory.without_links = Some(LINKS_FAILED.to_owned());
                    }
                }
                Err(Failure::Race) => {
                    let text = "a score error without links met a race".to_owned();
                    break internal(&mut notes, "race", text);
                }
                Err(Failure::Outrun) => {
                    notes.retries += 1;
                    let wait = wait_before(notes.retries);
                    if Instant::now() + wait >= give_up {
                        let text = "other requests kept changing the wallet".to_owned();
                        break unavailable(&mut notes, "wallet_busy", text);
                    }
                    tokio::time::sleep(wait).await;
                }
                Err(Failure::Database(DbError::Lost(_))) if memory.lost < CONNECTIONS => {
                    memory.lost += 1;
                    self.database.forget_idle();
                }
                Err(Failure::Database(error)) => break database_answer(&error, &mut notes),
            }
        };
        (answer, notes)
    }

    async fn try_once(
        &self,
        event: &Event,
        now: Micros,
        until: Option<Instant>,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Result<Answer, Failure> {
        // PostgreSQL has no text with NUL, so such a key or name is not there.
        let key = self.api_key(event).filter(|key| !key.contains('\0'));
        let Some(key) = key else {
            return Ok(unauthorized());
        };
        let mut lease = self.database.lease(until).await?;
        let answer = self.decide(&mut lease, key, event, now, memory, notes).await;
        notes.trips += lease.take_trips();
        if !matches!(answer, Err(Failure::Database(DbError::Lost(_) | DbError::Unavailable(_)))) {
            lease.keep();
        }
        answer
    }

    async fn decide(
        &self,
        lease: &mut Lease<'_>,
        key: &str,
        event: &Event,
        now: Micros,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Result<Answer, Failure> {
        let target = event.path.as_deref().and_then(request::target);
        let demo = self.settings.demo_scorer.as_deref();
        let wanted = target.and_then(|target| request::community_key(target.scorer, demo));
        let wanted = wanted.filter(|wanted| !wanted.external.contains('\0'));
        let address = target.and_then(|target| request::address(target.address));
        let prefix = key::prefix(key);
        let asked = Asked { prefix, community: wanted.as_ref(), address: address.as_deref() };
        let Some(found) = queries::read(lease, asked).await? else {
            return Ok(unauthorized());
        };
        let Found { key: row, community, wallet } = found;
        if let Some(answer) = memory.on_its_way.take()
            && wallet.scored_at == Some(now)
        {
            notes.analytics_lost = Some("the connection broke before it was confirmed".to_owned());
            return Ok(answer);
        }
        match key::check(key, &row.hashed, row.hashed_sha256.as_deref()) {
            Check::Right => {}
            Check::Slow(hash) if slow_check(&hash, key, memory).await => {
                queries::migrate(lease, &row.id, &key::sha256_form(key)).await?;
            }
            Check::Slow(_) | Check::Wrong => return Ok(unauthorized()),
        }
        let mut visit = Visit { api_key_id: row.id, event, payload: None };
        let limit = row.rate_limit.as_deref();
        let refused = self.check_rate(limit, prefix, now, memory, notes).await;
        if let Some(answer) = refused {
            return Ok(self.settle(lease, &visit, answer, now, notes).await);
        }
        visit.payload = match event.payload() {
            Ok(payload) => Some(payload),
            Err(text) => {
                let answer = internal(notes, "bad_event", text);
                return Ok(self.settle(lease, &visit, answer, now, notes).await);
            }
        };
        let work = match examine(event, target.is_some(), community, address, notes) {
            Ok(work) => work,
            Err(answer) => return Ok(self.settle(lease, &visit, answer, now, notes).await),
        };
        self.score(lease, &visit, &work, &wallet, now, memory, notes).await
    }

    /// Steps 7 to 10.
    #[expect(clippy::too_many_arguments, reason = "a step of one flow")]
    async fn score(
        &self,
        lease: &mut Lease<'_>,
        visit: &Visit<'_>,
        work: &Work,
        wallet: &WalletRow,
        now: Micros,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Result<Answer, Failure> {
        let Work { community, address, rules } = work;
        let stamps = match self.read_stamps(&wallet.stamps, address, now, notes) {
            Ok(stamps) => Ok(stamps),
            Err(StampTrouble::Fails(text)) => Err(text),
            Err(StampTrouble::Unsupported { provider, kind }) => {
                let text =
                    format!("stamp {provider} of a trusted issuer has a proof of type {kind}");
                let answer = internal(notes, "unsupported_proof", text);
                return Ok(self.settle(lease, visit, answer, now, notes).await);
            }
        };
        let deduplicated = match (stamps, &memory.without_links) {
            (Err(text), _) => Err(text),
            (Ok(_), _) if community.rule != "LIFO" => Err("Invalid rule".to_owned()),
            (Ok(_), Some(text)) => Err(text.clone()),
            (Ok(stamps), None) => {
                let multi = self.settings.multi_nullifier;
                dedup::plan(stamps, &wallet.links, address, multi, now)
                    .map_err(|dedup::LinkedTwice| LINKS_FAILED.to_owned())
            }
        };
        // A score error leaves what came before it: links and stamps if only the weights fail.
        let (plan, scored) = match deduplicated {
            Ok(plan) => {
                let scored = weigh::weigh(&plan, rules);
                (Some(plan), scored)
            }
            Err(text) => (None, Err(text)),
        };
        let (body, row) = match render(address, &rules.threshold, &scored, now) {
            Ok(rendered) => rendered,
            Err(error) => {
                // Numbers come from the weights, and only they can be beyond JSON.
                let answer = internal(notes, "scorer_misconfigured", error.to_string());
                return Ok(self.settle(lease, visit, answer, now, notes).await);
            }
        };
        let answer = Answer::ok(body);
        let change = Change {
            wallet,
            address,
            community_id: community.id,
            plan: plan.as_ref(),
            score: &row,
            now,
        };
        // The analytics row goes behind the score and looks whether it is there, by
        // its time. A score error has none, so there it goes when the rest is done.
        let scored_here = scored.is_ok().then_some((address.as_str(), community.id));
        let note = self.note_of(visit, &answer, now, scored_here, notes);
        let behind = note.as_ref().filter(|_| scored_here.is_some());
        let (written, noted) = queries::write(lease, change, behind).await;
        match written {
            Ok(Written::All) => {}
            Ok(Written::Outrun) => return Err(Failure::Outrun),
            Err(DbError::Refused { code, message })
                if plan.is_some() && code.starts_with(DATA_EXCEPTION) =>
            {
                // Python's driver ends the server's message with a line feed.
                return Err(Failure::Unstorable(format!("{message}\n")));
            }
            Err(error) => {
                if matches!(error, DbError::Lost(_)) {
                    memory.on_its_way = Some(answer);
                }
                return Err(error.into());
            }
        }
        let noted = match note {
            Some(note) if scored_here.is_none() => lease.note(&note).await,
            Some(_) | None => noted,
        };
        if let Err(error) = noted {
            notes.analytics_lost = Some(error.to_string());
        }
        Ok(answer)
    }

    /// The analytics row of an answer, if there shall be one.
    fn note_of(
        &self,
        visit: &Visit<'_>,
        answer: &Answer,
        now: Micros,
        scored: Option<(&str, i64)>,
        notes: &mut Notes,
    ) -> Option<Note> {
        if !self.settings.analytics {
            return None;
        }
        let Answer { status, body, description } = answer;
        let error = (*status != 200).then_some(description.as_str());
        let outcome = Outcome { status: *status, body, error, now, scored };
        Note::new(visit, outcome).unwrap_or_else(|error| {
            notes.analytics_lost = Some(error.to_string());
            None
        })
    }

    /// Notes an authenticated but refused request.
    async fn settle(
        &self,
        lease: &mut Lease<'_>,
        visit: &Visit<'_>,
        answer: Answer,
        now: Micros,
        notes: &mut Notes,
    ) -> Answer {
        if let Some(note) = self.note_of(visit, &answer, now, None, notes)
            && let Err(error) = lease.note(&note).await
        {
            notes.analytics_lost = Some(error.to_string());
        }
        answer
    }

    fn api_key<'e>(&'e self, event: &'e Event) -> Option<&'e str> {
        let key = event.header("x-api-key").filter(|key| !key.is_empty())?;
        if self.settings.demo_aliases.iter().any(|alias| alias == key) {
            return self.settings.demo_key.as_deref();
        }
        Some(key)
    }

    /// The refusal, if the key has used up its rate.
    async fn check_rate(
        &self,
        limit: Option<&str>,
        prefix: &str,
        now: Micros,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Option<Answer> {
        let limiter = self.limiter.as_ref()?;
        let limit = limit.filter(|limit| !limit.is_empty())?;
        let Some(rate) = Rate::parse(limit) else {
            let text = format!("rate_limit {limit:?} is no COUNT/PERIOD");
            return Some(internal(notes, "key_misconfigured", text));
        };
        if memory.within_limit.is_none() {
            memory.within_limit = Some(limiter.allows(rate, prefix, now).await);
        }
        match memory.within_limit.as_ref()? {
            Ok(true) => None,
            Ok(false) => {
                let form = &self.settings.rate_limit_form;
                let text = format!(
                    "You have been rate limited! Use this form to request a rate limit elevation: {form}"
                );
                Some(Answer::error(429, &text, ""))
            }
            Err(error) => Some(internal(notes, "rate_limit_unavailable", error.clone())),
        }
    }

    fn read_stamps(
        &self,
        rows: &[(String, String)],
        address: &str,
        now: Micros,
        notes: &mut Notes,
    ) -> Result<Vec<Stamp>, StampTrouble> {
        let mut stamps = Vec::new();
        notes.left_out.clear();
        for (provider, json) in rows {
            match credential::read(provider, json, address, &self.settings.trusted_issuers, now) {
                Reading::Counts(stamp) => stamps.push(*stamp),
                Reading::LeftOut(reason) => notes.left_out.push((provider.clone(), reason)),
                Reading::FailsScore(text) => return Err(StampTrouble::Fails(text)),
                Reading::Unsupported(kind) => {
                    return Err(StampTrouble::Unsupported { provider: provider.clone(), kind });
                }
            }
        }
        Ok(stamps)
    }
}

enum StampTrouble {
    Fails(String),
    Unsupported { provider: String, kind: String },
}

/// Steps 5 to 7: path, community, address, scorer.
fn examine(
    event: &Event,
    has_target: bool,
    community: Option<CommunityRow>,
    address: Option<String>,
    notes: &mut Notes,
) -> Result<Work, Answer> {
    if event.path.is_none() {
        return Err(internal(notes, "bad_event", event.path_problem.clone()));
    }
    if !has_target {
        return Err(internal(notes, "bad_event", "list index out of range".to_owned()));
    }
    let unknown = || Answer::plain_error(404, "No scorer matches the given criteria.");
    let community = community.ok_or_else(unknown)?;
    let address = address.ok_or_else(|| Answer::plain_error(400, "Invalid address."))?;
    let rules =
        Rules::of(&community).map_err(|text| internal(notes, "scorer_misconfigured", text))?;
    Ok(Work { community, address, rules })
}

/// A random time, longer from try to try, so that requests get out of step.
fn wait_before(tries: u32) -> Duration {
    let longest = LONGEST_WAIT.min(Duration::from_millis(1) * (1 << tries.min(6)));
    let random = RandomState::new().build_hasher().finish();
    Duration::from_micros(random % u64::try_from(longest.as_micros()).unwrap_or(1))
}

async fn slow_check(hash: &key::SlowHash, key: &str, memory: &mut Memory) -> bool {
    if let Some(known) = memory.slow_key {
        return known;
    }
    let (hash, key) = (hash.clone(), key.to_owned());
    let right = tokio::task::spawn_blocking(move || hash.check(&key)).await.unwrap_or(false);
    memory.slow_key = Some(right);
    right
}

fn unauthorized() -> Answer {
    Answer::plain_error(401, "Invalid API Key.")
}

fn internal(notes: &mut Notes, kind: &'static str, text: String) -> Answer {
    notes.trouble = Some((kind, text.clone()));
    Answer::internal(text)
}

/// 503 while the database is out, 500 if it refuses this request.
fn database_answer(error: &DbError, notes: &mut Notes) -> Answer {
    if error.is_outage() {
        return unavailable(notes, "database_unavailable", error.to_string());
    }
    notes.trouble = Some(("database_error", error.to_string()));
    let shown = format!("DB Error: {}", error.python_class());
    Answer::error(500, &shown, shown.clone())
}

/// As Python answers while its database is out.
fn unavailable(notes: &mut Notes, kind: &'static str, text: String) -> Answer {
    notes.trouble = Some((kind, text));
    Answer::plain_error(503, "DB Error: OperationalError")
}
