//! One request, in the order of the contract's section 1.

pub mod dedup;
pub mod key;
pub mod rate;
mod render;
pub mod request;
pub mod weigh;

use crate::answer::Answer;
use crate::config::{Config, Settings};
use crate::credential::{self, Reading, Stamp};
use crate::event::Event;
use crate::store::queries::{self, CommunityRow, Outcome, Visit, Wallet, Written};
use crate::store::{Database, DbError, Trips, Tx};
use crate::time::Micros;
use key::Check;
use rate::{Limiter, Rate};
use render::render;
use weigh::Rules;

/// How often a request starts again when another one took its links, as in Python.
const TRIES: u32 = 5;

/// The class of SQLSTATE for a value that does not fit its column.
const DATA_EXCEPTION: &str = "22";

/// Python's words when it gives up on the links.
const LINKS_FAILED: &str = "Failed to save HashScorerLinks";

/// Whether a try may still write links and stamps.
enum Links {
    Write,
    /// They cannot be written: a score error with this text.
    GiveUp(String),
}

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
    /// Times that the request started again.
    pub retries: u32,
    /// Stamps left out: provider and reason.
    pub left_out: Vec<(String, &'static str)>,
    /// A fault on our side of the wire, or one that an operator should see.
    pub trouble: Option<(&'static str, String)>,
}

/// A request that nothing stands against any more.
struct Work {
    community: CommunityRow,
    address: String,
    rules: Rules,
    now: Micros,
}

/// Why a try did not end in an answer.
enum Failure {
    Database(DbError),
    /// Another request changed the same rows.
    Race,
    /// The links or stamps hold what no column can, in the words of Python's driver.
    Unstorable(String),
}

/// How steps 7 to 10 end, if nothing fails.
enum Scored {
    /// The score and all that belongs to it are written.
    Written(Answer),
    /// Too late for a clean refusal: what is written has to go.
    Refused(Answer),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        if error.is_race() { Self::Race } else { Self::Database(error) }
    }
}

/// What survives a new try: the slow key check and the count are not repeated.
#[derive(Default)]
struct Memory {
    slow_key: Option<bool>,
    within_limit: Option<Result<bool, String>>,
}

impl Scorer {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        let database = Database::new(config.source, config.limits);
        Self { settings: config.settings, database, limiter: config.limiter }
    }

    /// Whether injected faults are obeyed.
    pub fn obeys_faults(&self) -> bool {
        self.settings.faults
    }

    /// Connects to the database, for the first request to find it connected.
    ///
    /// # Errors
    /// [`DbError`] if that takes too long or is refused.
    pub async fn connect(&self) -> Result<(), DbError> {
        self.database.begin().await?.rollback().await.map(drop)
    }

    /// Answers one request.
    pub async fn answer(&self, event: &Event, now: Micros) -> (Answer, Notes) {
        let mut notes = Notes::default();
        let mut memory = Memory::default();
        let mut reconnected = false;
        let mut links = Links::Write;
        let answer = loop {
            match self.try_once(event, now, &links, &mut memory, &mut notes).await {
                Ok(answer) => break answer,
                Err(Failure::Unstorable(text)) => links = Links::GiveUp(text),
                Err(Failure::Race) if matches!(links, Links::Write) => {
                    notes.retries += 1;
                    if notes.retries == TRIES {
                        links = Links::GiveUp(LINKS_FAILED.to_owned());
                    }
                }
                Err(Failure::Race) => {
                    break internal(
                        &mut notes,
                        "race",
                        "a score error without links met a race".to_owned(),
                    );
                }
                // Nothing was committed, so once more on a fresh connection.
                Err(Failure::Database(DbError::Lost(_))) if !reconnected => reconnected = true,
                Err(Failure::Database(error)) => break database_answer(&error, &mut notes),
            }
        };
        (answer, notes)
    }

    async fn try_once(
        &self,
        event: &Event,
        now: Micros,
        links: &Links,
        memory: &mut Memory,
        notes: &mut Notes,
    ) -> Result<Answer, Failure> {
        let Some(key) = self.api_key(event) else {
            return Ok(unauthorized());
        };
        let target = event.path.as_deref().and_then(request::target);
        let demo = self.settings.demo_scorer.as_deref();
        let wanted = target.and_then(|target| request::community_key(target.scorer, demo));
        // PostgreSQL has no text with NUL, so such a key or name is not there.
        if key.contains('\0') {
            return Ok(unauthorized());
        }
        let wanted = wanted.filter(|wanted| !wanted.external.contains('\0'));

        let mut tx = self.database.begin().await?;
        let admitted = queries::admit(&mut tx, key::prefix(key), wanted.as_ref()).await;
        let Some((row, community)) = admitted.map_err(|error| spent(&tx, notes, error))? else {
            notes.trips += tx.commit().await?;
            return Ok(unauthorized());
        };
        let migrate = match key::check(key, &row.hashed, row.hashed_sha256.as_deref()) {
            Check::Right => None,
            Check::Slow(hash) if slow_check(&hash, key, memory).await => {
                Some(key::sha256_form(key))
            }
            Check::Slow(_) | Check::Wrong => {
                notes.trips += tx.commit().await?;
                return Ok(unauthorized());
            }
        };
        let analytics = self.settings.analytics;
        let mut visit = Visit { api_key_id: row.id, migrate, analytics, event, payload: None };
        let limit = row.rate_limit.as_deref();
        let refused = self.check_rate(limit, key::prefix(key), now, memory, notes).await;
        if let Some(answer) = refused {
            return settle(tx, &visit, answer, now, notes).await;
        }
        visit.payload = match event.payload() {
            Ok(payload) => Some(payload),
            Err(text) => {
                let answer = internal(notes, "bad_event", text);
                return settle(tx, &visit, answer, now, notes).await;
            }
        };
        let work = match examine(event, target, community, now, notes) {
            Ok(work) => work,
            Err(answer) => return settle(tx, &visit, answer, now, notes).await,
        };
        match self.score(&mut tx, &visit, &work, links, notes).await {
            Ok(Scored::Written(answer)) => {
                notes.trips += tx.commit().await?;
                Ok(answer)
            }
            Ok(Scored::Refused(answer)) => {
                // Take the passport back, then note the visit.
                notes.trips += tx.rollback().await?;
                settle(self.database.begin().await?, &visit, answer, now, notes).await
            }
            Err(Failure::Database(error)) => Err(spent(&tx, notes, error).into()),
            Err(again @ (Failure::Race | Failure::Unstorable(_))) => {
                notes.trips += tx.rollback().await?;
                Err(again)
            }
        }
    }

    /// Steps 7 to 10.
    async fn score(
        &self,
        tx: &mut Tx<'_>,
        visit: &Visit<'_>,
        work: &Work,
        links: &Links,
        notes: &mut Notes,
    ) -> Result<Scored, Failure> {
        let Work { community, address, rules, now } = work;
        let now = *now;
        let (passport_id, rows) = queries::lock_passport(tx, address, community.id).await?;
        let stamps = match self.read_stamps(&rows, address, now, notes) {
            Ok(stamps) => Ok(stamps),
            Err(StampTrouble::Fails(text)) => Err(text),
            Err(StampTrouble::Unsupported { provider, kind }) => {
                let text =
                    format!("stamp {provider} of a trusted issuer has a proof of type {kind}");
                return Ok(Scored::Refused(internal(notes, "unsupported_proof", text)));
            }
        };
        let deduplicated = match (stamps, links) {
            (Err(text), _) => Err(text),
            (Ok(_), _) if community.rule != "LIFO" => Err("Invalid rule".to_owned()),
            (Ok(_), Links::GiveUp(text)) => Err(text.clone()),
            (Ok(stamps), Links::Write) => {
                self.deduplicate(tx, stamps, community.id, address, now).await?
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
        let rendered = render(address, &rules.threshold, &scored, now);
        let (body, row) = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                // Numbers come from the weights, and only they can be beyond JSON.
                let text = error.to_string();
                return Ok(Scored::Refused(internal(notes, "scorer_misconfigured", text)));
            }
        };
        let answer = Answer::ok(body);
        let outcome = Outcome { status: 200, body: &answer.body, error: None };
        let wallet = Wallet { address, community_id: community.id, passport_id };
        match queries::write(tx, wallet, plan.as_ref(), &row, visit, outcome, now).await {
            Ok(Written::All) => Ok(Scored::Written(answer)),
            Ok(Written::LinksTaken) => Err(Failure::Race),
            Err(DbError::Refused { code, message })
                if plan.is_some() && code.starts_with(DATA_EXCEPTION) =>
            {
                // Python's driver ends the server's message with a line feed.
                Err(Failure::Unstorable(format!("{message}\n")))
            }
            Err(error) => Err(error.into()),
        }
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

    async fn deduplicate(
        &self,
        tx: &mut Tx<'_>,
        stamps: Vec<Stamp>,
        community_id: i64,
        address: &str,
        now: Micros,
    ) -> Result<Result<dedup::Plan, String>, DbError> {
        let multi = self.settings.multi_nullifier;
        let hashes: Vec<String> =
            stamps.iter().flat_map(|stamp| dedup::nullifiers(stamp, multi)).cloned().collect();
        let links = if hashes.is_empty() {
            Vec::new()
        } else {
            queries::links(tx, community_id, hashes).await?
        };
        let plan = dedup::plan(stamps, &links, address, multi, now);
        Ok(plan.map_err(|dedup::LinkedTwice| LINKS_FAILED.to_owned()))
    }
}

enum StampTrouble {
    Fails(String),
    Unsupported { provider: String, kind: String },
}

/// Steps 5 to 7: path, community, address, scorer.
fn examine(
    event: &Event,
    target: Option<request::Target<'_>>,
    community: Option<CommunityRow>,
    now: Micros,
    notes: &mut Notes,
) -> Result<Work, Answer> {
    if event.path.is_none() {
        return Err(internal(notes, "bad_event", event.path_problem.clone()));
    }
    let target =
        target.ok_or_else(|| internal(notes, "bad_event", "list index out of range".to_owned()))?;
    let unknown = || Answer::plain_error(404, "No scorer matches the given criteria.");
    let community = community.ok_or_else(unknown)?;
    let invalid = || Answer::plain_error(400, "Invalid address.");
    let address = request::address(target.address).ok_or_else(invalid)?;
    let rules =
        Rules::of(&community).map_err(|text| internal(notes, "scorer_misconfigured", text))?;
    Ok(Work { community, address, rules, now })
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

/// Notes an authenticated but refused request, and ends its transaction.
async fn settle(
    mut tx: Tx<'_>,
    visit: &Visit<'_>,
    answer: Answer,
    now: Micros,
    notes: &mut Notes,
) -> Result<Answer, Failure> {
    let error = Some(answer.description.as_str());
    let outcome = Outcome { status: answer.status, body: &answer.body, error };
    let done = queries::note(&mut tx, visit, outcome, now).await;
    done.map_err(|error| spent(&tx, notes, error))?;
    notes.trips += tx.commit().await?;
    Ok(answer)
}

/// Counts what a failed transaction cost, and passes its error on.
fn spent(tx: &Tx<'_>, notes: &mut Notes, error: DbError) -> DbError {
    notes.trips += tx.trips();
    error
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
    let class = error.python_class();
    let (status, kind) =
        if error.is_outage() { (503, "database_unavailable") } else { (500, "database_error") };
    notes.trouble = Some((kind, error.to_string()));
    let shown = format!("DB Error: {class}");
    Answer::error(status, &shown, shown.clone())
}
