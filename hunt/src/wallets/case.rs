//! One case: wallets, their stamps, the links that are there, and who asks when.

use std::fmt;
use std::fmt::Write as _;

use scorer_fn::credential::eip712::keccak;
use scorer_fn::score::key::hex;
use serde_json::{Value, json};

use super::random::Random;
use super::world::{Issuers, PROVIDERS, RULES};

/// When stamps end. The last two are one moment in two spellings.
pub const ENDS: [&str; 4] = [
    "2099-06-01T12:34:56.789Z",
    "2098-01-01T02:00:00+02:00",
    "2097-03-04T05:06:07.500Z",
    "2097-03-04T05:06:07.5Z",
];

/// Why a stamp does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// Nobody trusts its issuer.
    ForeignIssuer,
    /// It is of another wallet.
    ForeignWallet,
    /// Changed after it was signed.
    Tampered,
    /// Without nullifiers.
    NoHash,
    /// Its row is marked as deleted.
    Deleted,
    /// There is a revocation of its row.
    Revoked,
    /// A later row of type 2, itself expired, has its place.
    Superseded,
    /// A bad proof stands before the good one.
    BadProofFirst,
    /// A number beyond a double.
    Huge,
    /// The whole score fails.
    Undated,
}

const FLAWS: [Flaw; 10] = [
    Flaw::Expired,
    Flaw::ForeignIssuer,
    Flaw::ForeignWallet,
    Flaw::Tampered,
    Flaw::NoHash,
    Flaw::Deleted,
    Flaw::Revoked,
    Flaw::Superseded,
    Flaw::BadProofFirst,
    Flaw::Huge,
];

/// A stamp of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Of the row.
    pub provider: &'static str,
    /// Of the credential.
    pub own_provider: &'static str,
    /// What is known of whoever holds it, at least one.
    pub nullifiers: Vec<String>,
    /// The one nullifier is called `hash`.
    pub is_hash: bool,
    /// ISO 8601.
    pub expires: &'static str,
    /// Which of the trusted issuers.
    pub issuer: usize,
    /// Why it does not count; `None`: it does.
    pub flaw: Option<Flaw>,
}

/// A wallet with its stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// `0x` and 40 digits in lower case.
    pub address: String,
    /// At most one of a provider.
    pub stamps: Vec<Stamp>,
}

impl Wallet {
    /// Those that count.
    pub fn good(&self) -> impl Iterator<Item = &Stamp> {
        self.stamps.iter().filter(|stamp| stamp.flaw.is_none())
    }

    /// Whether its whole score fails.
    pub fn is_undated(&self) -> bool {
        self.stamps.iter().any(|stamp| stamp.flaw == Some(Flaw::Undated))
    }
}

/// A link that is there before anybody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What is held.
    pub nullifier: String,
    /// The holder: a wallet of the case, or a stranger.
    pub address: String,
    /// Since when it is free again.
    pub expires: &'static str,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For the score of a wallet in the first or second community.
    Score {
        /// Which of the case's.
        wallet: usize,
        /// 0 or 1.
        community: usize,
    },
    /// One that is refused, with its status.
    Refused(u16),
}

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// The first wallet asks twice.
    Twice,
    /// The first wallet asks, then another one, then the first again.
    Beside,
    /// The first wallet asks alone in one community, and after another wallet in
    /// the other.
    Alone,
}

/// Wallets in a database, and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Together with the number, where it comes from.
    pub seed: u64,
    /// Counted from 0.
    pub number: u64,
    /// Whether nullifiers of every version count.
    pub multi: bool,
    /// Which of [`RULES`].
    pub rules: usize,
    /// What the requests are meant to show.
    pub plot: Plot,
    /// Two, until it is shrunk.
    pub wallets: Vec<Wallet>,
    /// Each in both communities.
    pub links: Vec<Link>,
    /// In their order.
    pub asks: Vec<Ask>,
    /// How the requests are spelt.
    pub spelling: usize,
}

impl Case {
    /// The case with this number; it depends on nothing else than the seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::of_case(seed, number);
        let address = |who: &str| {
            let hash = keccak(format!("case {seed} {number} {who}").as_bytes());
            format!("0x{}", hex(&hash[12..]))
        };
        let pool: Vec<String> = (0..6)
            .map(|at| format!("v{}:{seed:x}-{number:x}-{at}", usize::from(random.chance(20))))
            .collect();
        let wallets: Vec<Wallet> = ["a", "b"]
            .into_iter()
            .map(|who| Wallet { address: address(who), stamps: stamps(&mut random, &pool) })
            .collect();
        let stranger = address("stranger");
        let mut links = Vec::new();
        for nullifier in &pool {
            let holder = match random.below(10) {
                0 => &wallets[0].address,
                1 => &wallets[1].address,
                2 => &stranger,
                _ => continue,
            };
            let expires =
                if random.chance(35) { "2021-01-01T00:00:00Z" } else { "2096-01-01T00:00:00Z" };
            let (nullifier, address) = (nullifier.clone(), holder.clone());
            links.push(Link { nullifier, address, expires });
        }
        let ask = |wallet, community| Ask::Score { wallet, community };
        let (plot, mut asks) = match random.below(3) {
            0 => (Plot::Twice, vec![ask(0, 0), ask(0, 0)]),
            1 => (Plot::Beside, vec![ask(0, 0), ask(1, 0), ask(0, 0)]),
            _ => (Plot::Alone, vec![ask(0, 0), ask(1, 1), ask(0, 1)]),
        };
        if random.chance(15) {
            let status = *random.pick(&[400, 401, 404, 500]);
            asks.insert(random.below(asks.len() + 1), Ask::Refused(status));
        }
        let (multi, rules) = (random.chance(80), random.below(RULES.len()));
        let spelling = random.below(6);
        Self { seed, number, multi, rules, plot, wallets, links, asks, spelling }
    }

    /// What a stamp's nullifiers come to under the case's setting.
    pub fn effective<'s>(&self, stamp: &'s Stamp) -> Vec<&'s str> {
        let all = stamp.nullifiers.iter().map(String::as_str);
        all.filter(|nullifier| self.multi || nullifier.starts_with("v0")).collect()
    }

    /// Statements that put the case into the database.
    pub fn sql(&self, issuers: &Issuers, community_ids: [usize; 2]) -> String {
        let mut sql = String::new();
        for wallet in &self.wallets {
            for stamp in &wallet.stamps {
                stamp.insert(&wallet.address, issuers, &mut sql);
            }
        }
        for link in &self.links {
            for community in community_ids {
                let _ = write!(
                    sql,
                    "INSERT INTO registry_hashscorerlink (hash, address, expires_at, community_id) \
                     VALUES ('{}', '{}', '{}', {community});",
                    link.nullifier, link.address, link.expires,
                );
            }
        }
        sql
    }
}

fn stamps(random: &mut Random, pool: &[String]) -> Vec<Stamp> {
    let undated = random.chance(3);
    let mut stamps = Vec::new();
    for provider in PROVIDERS {
        if !random.chance(40) {
            continue;
        }
        let is_hash = random.chance(25);
        let count = if is_hash { 1 } else { *random.pick(&[1, 1, 1, 2, 2, 3]) };
        let flaw = match random.below(100) {
            0..25 => Some(*random.pick(&FLAWS)),
            _ if undated && stamps.is_empty() => Some(Flaw::Undated),
            _ => None,
        };
        stamps.push(Stamp {
            provider,
            own_provider: if random.chance(5) { "Elsewhere" } else { provider },
            nullifiers: (0..count).map(|_| random.pick(pool).clone()).collect(),
            is_hash,
            expires: ENDS[random.below(ENDS.len())],
            issuer: random.below(2),
            flaw,
        });
    }
    stamps
}

impl Stamp {
    /// The credential as its row has it.
    fn credential(&self, wallet: &str, issuers: &Issuers) -> Value {
        let expires = match self.flaw {
            Some(Flaw::Expired) => "2024-01-01T00:00:00Z",
            _ => self.expires,
        };
        let issuer = match self.flaw {
            Some(Flaw::ForeignIssuer) => issuers.foreign(),
            _ => issuers.trusted(self.issuer),
        };
        let subject = match self.flaw {
            Some(Flaw::NoHash) => json!({"hash": "", "nullifiers": []}),
            _ if self.is_hash => json!({"hash": self.nullifiers[0]}),
            _ => json!({"nullifiers": self.nullifiers}),
        };
        let id = match self.flaw {
            Some(Flaw::ForeignWallet) => "0x00",
            _ => wallet,
        };
        let mut credential = issuer.credential(id, self.own_provider, &subject, expires);
        match self.flaw {
            Some(Flaw::Tampered) => credential["issuanceDate"] = json!("2025-01-02T03:04:06Z"),
            Some(Flaw::BadProofFirst) => {
                let good = credential["proof"].take();
                let mut bad = good.clone();
                bad["proofValue"] = json!(format!("0x{}", "11".repeat(65)));
                credential["proof"] = json!([bad, good]);
            }
            Some(Flaw::Undated) => {
                credential.as_object_mut().map(|members| members.remove("expirationDate"));
            }
            _ => {}
        }
        credential
    }

    fn insert(&self, wallet: &str, issuers: &Issuers, sql: &mut String) {
        let mut json = self.credential(wallet, issuers).to_string();
        if self.flaw == Some(Flaw::Huge) {
            json.replace_range(..1, "{\"extra\": 1e400, ");
        }
        let deleted = match self.flaw {
            Some(Flaw::Deleted) => "'2025-03-01T00:00:00Z'",
            _ => "NULL",
        };
        let mut row = |kind: u8, at: &str, json: &str, deleted: &str| {
            let _ = write!(
                sql,
                "INSERT INTO ceramic_cache_ceramiccache (address, provider, stamp, created_at, updated_at, type, \
                 deleted_at, compose_db_save_status, compose_db_stream_id, proof_value) VALUES \
                 ('{wallet}', '{}', '{json}', '{at}', '{at}', {kind}, {deleted}, '', '', '');",
                self.provider,
            );
        };
        row(1, "2025-02-01T00:00:00Z", &json, deleted);
        match self.flaw {
            Some(Flaw::Superseded) => {
                let later = json.replace("\"expirationDate\":\"20", "\"expirationDate\":\"19");
                row(2, "2025-02-02T00:00:00Z", &later, "NULL");
            }
            Some(Flaw::Revoked) => {
                let _ = write!(
                    sql,
                    "INSERT INTO ceramic_cache_revocation (proof_value, ceramic_cache_id) \
                     SELECT '', id FROM ceramic_cache_ceramiccache \
                      WHERE address = '{wallet}' AND provider = '{}';",
                    self.provider,
                );
            }
            _ => {}
        }
    }
}

/// The case as a story, for whoever has to find out why it failed.
impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, number, plot, rules, multi, .. } = self;
        let nullifiers = if *multi { "of every version" } else { "of version 0" };
        writeln!(
            out,
            "case {number} of seed {seed} ({plot:?}, rules {rules}, nullifiers {nullifiers})"
        )?;
        for (at, wallet) in self.wallets.iter().enumerate() {
            writeln!(out, "  wallet {at} is {}", wallet.address)?;
            for stamp in &wallet.stamps {
                let flaw = stamp.flaw.map_or_else(|| "good".to_owned(), |flaw| format!("{flaw:?}"));
                let Stamp { provider, own_provider, nullifiers, expires, .. } = stamp;
                writeln!(
                    out,
                    "    {provider} ({own_provider}), {flaw}, {nullifiers:?}, until {expires}"
                )?;
            }
        }
        for Link { nullifier, address, expires } in &self.links {
            writeln!(out, "  {nullifier} is linked to {address} until {expires}")?;
        }
        writeln!(out, "  requests: {:?}", self.asks)
    }
}
