//! One try to answer a request, in the order of the contract's section 1.

use super::key::{self, Check};
use super::rate::Rate;
use super::render::render;
use super::weigh::{self, Rules};
use super::{Notes, Scorer, dedup, internal, request, unauthorized};
use crate::answer::Answer;
use crate::credential::{self, Reading, Stamp};
use crate::event::Event;
use crate::store::queries::{
    self, Asked, Change, CommunityRow, Found, Note, Outcome, Visit, WalletRow, Written,
};
use crate::store::{DbError, Lease};
use crate::time::Micros;

/// The class of SQLSTATE for a value that does not fit its column.
const DATA_EXCEPTION: &str = "22";

/// Why a try did not end in an answer.
pub(super) enum Failure {
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
pub(super) struct Memory {
    /// Whether the key is right, and has its quick hash by now.
    pub(super) slow_key: Option<bool>,
    pub(super) within_limit: Option<Result<bool, String>>,
    /// Links and stamps cannot be written: a score error with this text.
    pub(super) without_links: Option<String>,
    /// The answer whose rows were on their way when the connection broke.
    pub(super) on_its_way: Option<Answer>,
    pub(super) lost: u32,
}

/// A request that nothing stands against any more.
struct Work {
    community: CommunityRow,
    address: String,
    rules: Rules,
}

/// One try: what it has to go by, and where it leaves its traces.
pub(super) struct Attempt<'a, 'd> {
    pub(super) scorer: &'a Scorer,
    pub(super) lease: &'a mut Lease<'d>,
    pub(super) event: &'a Event,
    pub(super) now: Micros,
    pub(super) memory: &'a mut Memory,
    pub(super) notes: &'a mut Notes,
}

impl Attempt<'_, '_> {
    /// Answers, unless another request or the database is in the way.
    pub(super) async fn run(&mut self, key: &str) -> Result<Answer, Failure> {
        let (event, settings) = (self.event, &self.scorer.settings);
        let target = event.path.as_deref().and_then(request::target);
        let demo = settings.demo_scorer.as_deref();
        let wanted = target.and_then(|target| request::community_key(target.scorer, demo));
        // PostgreSQL has no text with NUL, so such a name is not there.
        let wanted = wanted.filter(|wanted| !wanted.external.contains('\0'));
        let address = target.and_then(|target| request::address(target.address));
        let prefix = key::prefix(key);
        let asked = Asked { prefix, community: wanted.as_ref(), address: address.as_deref() };
        let Some(found) = queries::read(self.lease, asked, &self.scorer.plain).await? else {
            return Ok(unauthorized());
        };
        let Found { key: row, community, wallet } = found;
        if let (Some(answer), Some(community), Some(address)) =
            (&self.memory.on_its_way, &community, &address)
            && queries::arrived(self.lease, address, community.id, self.now).await?
        {
            let why = "the connection broke before it was confirmed";
            self.notes.analytics_lost = Some(why.to_owned());
            return Ok(answer.clone());
        }
        match key::check(key, &row.hashed, row.hashed_sha256.as_deref()) {
            Check::Right => {}
            Check::Slow(hash) if slow_check(&hash, key, self.memory).await => {
                queries::migrate(self.lease, &row.id, &key::sha256_form(key)).await?;
            }
            Check::Slow(_) | Check::Wrong => return Ok(unauthorized()),
        }
        let mut visit = Visit { api_key_id: row.id, event, payload: None };
        let limit = row.rate_limit.as_deref();
        self.notes.key_is_limited = Some(limit.is_some_and(|limit| !limit.is_empty()));
        if let Some(answer) = self.check_rate(limit, prefix).await {
            return Ok(self.settle(&visit, answer));
        }
        visit.payload = match event.payload() {
            Ok(payload) => Some(payload),
            Err(text) => {
                let answer = internal(self.notes, "bad_event", text);
                return Ok(self.settle(&visit, answer));
            }
        };
        let work = match examine(event, target.is_some(), community, address, self.notes) {
            Ok(work) => work,
            Err(answer) => return Ok(self.settle(&visit, answer)),
        };
        self.score(&visit, &work, &wallet).await
    }

    /// Steps 7 to 10.
    async fn score(
        &mut self,
        visit: &Visit<'_>,
        work: &Work,
        wallet: &WalletRow,
    ) -> Result<Answer, Failure> {
        let (now, settings) = (self.now, &self.scorer.settings);
        let Work { community, address, rules } = work;
        let stamps = match self.read_stamps(&wallet.stamps, address) {
            Ok(stamps) => Ok(stamps),
            Err(StampTrouble::Fails(text)) => Err(text),
            Err(StampTrouble::Unsupported { provider, kind }) => {
                let text =
                    format!("stamp {provider} of a trusted issuer has a proof of type {kind}");
                let answer = internal(self.notes, "unsupported_proof", text);
                return Ok(self.settle(visit, answer));
            }
        };
        let deduplicated = match (stamps, &self.memory.without_links) {
            (Err(text), _) => Err(text),
            (Ok(_), _) if community.rule != "LIFO" => Err("Invalid rule".to_owned()),
            (Ok(_), Some(text)) => Err(text.clone()),
            (Ok(stamps), None) => {
                let multi = settings.multi_nullifier;
                dedup::plan(stamps, &wallet.links, address, multi, now)
                    .map_err(|failed| failed.to_string())
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
                let text = error.to_string();
                self.notes.trouble = Some(("scorer_misconfigured", text.clone()));
                let answer = Answer::error(500, "DB Error: DataError", text);
                return Ok(self.settle(visit, answer));
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
        let mut note = self.note_of(visit, &answer, scored_here);
        let behind = if scored_here.is_some() { note.take() } else { None };
        match queries::write(self.lease, change, behind).await {
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
                    self.memory.on_its_way = Some(answer);
                }
                return Err(error.into());
            }
        }
        if let Some(note) = note {
            self.lease.note(note);
        }
        Ok(answer)
    }

    /// The analytics row of an answer, if there shall be one.
    fn note_of(
        &mut self,
        visit: &Visit<'_>,
        answer: &Answer,
        scored: Option<(&str, i64)>,
    ) -> Option<Note> {
        if !self.scorer.settings.analytics {
            return None;
        }
        let Answer { status, body, description } = answer;
        let error = (*status != 200).then_some(description.as_str());
        let outcome = Outcome { status: *status, body, error, now: self.now, scored };
        Note::new(visit, outcome).unwrap_or_else(|error| {
            self.notes.analytics_lost = Some(error.to_string());
            None
        })
    }

    /// Notes an authenticated but refused request.
    fn settle(&mut self, visit: &Visit<'_>, answer: Answer) -> Answer {
        if let Some(note) = self.note_of(visit, &answer, None) {
            self.lease.note(note);
        }
        answer
    }

    /// The refusal, if the key has used up its rate.
    async fn check_rate(&mut self, limit: Option<&str>, prefix: &str) -> Option<Answer> {
        let limiter = self.scorer.limiter.as_ref()?;
        let limit = limit.filter(|limit| !limit.is_empty())?;
        let Some(rate) = Rate::parse(limit) else {
            let text = format!("rate_limit {limit:?} is no COUNT/PERIOD");
            return Some(internal(self.notes, "key_misconfigured", text));
        };
        if self.memory.within_limit.is_none() {
            self.memory.within_limit = Some(limiter.allows(rate, prefix, self.now).await);
        }
        match self.memory.within_limit.as_ref()? {
            Ok(true) => None,
            Ok(false) => {
                let form = &self.scorer.settings.rate_limit_form;
                let text = format!(
                    "You have been rate limited! Use this form to request a rate limit elevation: {form}"
                );
                Some(Answer::error(429, &text, ""))
            }
            Err(error) => Some(internal(self.notes, "rate_limit_unavailable", error.clone())),
        }
    }

    fn read_stamps(
        &mut self,
        rows: &[(String, String)],
        address: &str,
    ) -> Result<Vec<Stamp>, StampTrouble> {
        let mut stamps = Vec::new();
        let trusted = &self.scorer.settings.trusted_issuers;
        self.notes.left_out.clear();
        for (provider, json) in rows {
            match credential::read(provider, json, address, trusted, self.now) {
                Reading::Counts(stamp) => stamps.push(*stamp),
                Reading::LeftOut(reason) => self.notes.left_out.push((provider.clone(), reason)),
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

async fn slow_check(hash: &key::SlowHash, key: &str, memory: &mut Memory) -> bool {
    if let Some(known) = memory.slow_key {
        return known;
    }
    let (hash, key) = (hash.clone(), key.to_owned());
    let right = tokio::task::spawn_blocking(move || hash.check(&key)).await.unwrap_or(false);
    memory.slow_key = Some(right);
    right
}
