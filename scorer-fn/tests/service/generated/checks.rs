//! What must hold of every answer, and of the rows when all have been given.

use std::collections::BTreeMap;

use hunt::wallets::{Ask, Case, Plot, RULES, communities};
use serde_json::Value;

/// Why Python gives up on links.
const LINK_ERRORS: [&str; 2] =
    ["Failed to save HashScorerLinks", "Unexpected number of HashScorerLinks"];

/// The answers to a case's requests, in their order.
pub(super) type Answers = Vec<(Ask, Value)>;

/// A rule that a case breaks.
#[derive(Debug, thiserror::Error)]
#[error("{rule}: {found}")]
pub(super) struct Broken {
    rule: &'static str,
    found: String,
}

fn holds(fact: bool, rule: &'static str, found: impl FnOnce() -> String) -> Result<(), Broken> {
    if fact { Ok(()) } else { Err(Broken { rule, found: found() }) }
}

/// A score of five decimals in hundred-thousandths.
fn units(text: &Value) -> Option<i64> {
    let (whole, fraction) = text.as_str()?.split_once('.')?;
    if fraction.len() != 5 {
        return None;
    }
    format!("{whole}{fraction}").parse().ok()
}

/// Checks each answer by itself, then those that belong together.
pub(super) fn answers(case: &Case, answers: &Answers) -> Result<(), Broken> {
    for (ask, answer) in answers {
        match ask {
            Ask::Refused(status) => {
                holds(answer["statusCode"] == *status, "a refusal has its status", || {
                    format!("{answer} instead of {status}")
                })?;
            }
            Ask::Score { wallet, .. } => one(case, *wallet, answer)?,
        }
    }
    let scores: Vec<&Value> = answers
        .iter()
        .filter(|(ask, _)| matches!(ask, Ask::Score { wallet: 0, .. }))
        .map(|(_, answer)| answer)
        .collect();
    let [first, second] = scores.as_slice() else {
        return holds(false, "the first wallet asks twice", || format!("{scores:?}"));
    };
    let (first, second) = (body(first), body(second));
    let both = || format!("{first}\n{second}");
    let without_time = |body: &Value| {
        let mut body = body.clone();
        body["last_score_timestamp"] = Value::Null;
        body
    };
    let fails = !first["error"].is_null();
    match case.plot {
        Plot::Twice => holds(
            without_time(&first) == without_time(&second),
            "the same request twice gives the same score",
            both,
        ),
        // Without a score there is nothing that could rise: what could not be
        // linked may be when another wallet has taken it.
        Plot::Beside | Plot::Alone if fails => Ok(()),
        Plot::Beside => holds(
            without_time(&first) == without_time(&second),
            "a wallet keeps what it holds whoever asks meanwhile",
            both,
        ),
        Plot::Alone => holds(
            units(&second["score"]) <= units(&first["score"]),
            "a stamp added by another wallet never raises a score",
            both,
        ),
    }
}

fn body(answer: &Value) -> Value {
    answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

fn one(case: &Case, wallet: usize, answer: &Value) -> Result<(), Broken> {
    let rules = &RULES[case.rules];
    let wallet = &case.wallets[wallet];
    let body = body(answer);
    let shown = || answer.to_string();
    holds(answer["statusCode"] == 200, "a score is answered with 200", shown)?;
    holds(body["address"] == wallet.address.as_str(), "the answer is for this wallet", shown)?;
    let stamps = body["stamps"].as_object().cloned().unwrap_or_default();
    if let Some(error) = body["error"].as_str() {
        let expected = if wallet.is_undated() {
            error == "'expirationDate'"
        } else {
            LINK_ERRORS.contains(&error)
        };
        holds(expected, "an error has its reason", shown)?;
        holds(
            stamps.is_empty() && body["score"] == "0.00000" && body["passing_score"] == false,
            "an error has no score",
            shown,
        )?;
        return holds(
            body["last_score_timestamp"].is_null() && body["expiration_timestamp"].is_null(),
            "an error has no times",
            shown,
        );
    }
    holds(!wallet.is_undated(), "a stamp without a date fails the score", shown)?;
    let score = units(&body["score"]);
    let sum: Option<i64> = stamps.values().map(|stamp| units(&stamp["score"])).sum();
    holds(score.is_some() && score == sum, "the weights add up to the score", shown)?;
    holds(
        body["passing_score"] == (score >= Some(rules.threshold_units)),
        "a score passes from the threshold on",
        shown,
    )?;
    holds(body["threshold"] == rules.threshold, "the threshold is the scorer's", shown)?;
    for stamp in wallet.good() {
        let counted = stamps.get(stamp.provider).is_some_and(|entry| {
            entry["dedup"] == false && units(&entry["score"]) == Some(rules.units(stamp.provider))
        });
        let listed = stamps.get(stamp.own_provider).is_some_and(|entry| entry["dedup"] == true);
        holds(counted || listed, "a good stamp counts or is deduplicated", || {
            format!("{stamp:?} in {answer}")
        })?;
    }
    for name in stamps.keys() {
        let is_good =
            wallet.good().any(|stamp| stamp.provider == name || stamp.own_provider == name);
        holds(is_good, "no other stamp is listed", || format!("{name} in {answer}"))?;
    }
    Ok(())
}

/// The rows of one wallet in one community.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// `registry_score`.
    pub(super) score: Option<Value>,
    /// `registry_stamp`: provider, and whether the credential is that of the wallet's row.
    pub(super) stamps: BTreeMap<String, bool>,
    /// `registry_event`, in order.
    pub(super) events: Vec<Value>,
}

/// The rows of many cases: by address and community, and links by community and hash.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) wallets: BTreeMap<(String, usize), Rows>,
    pub(super) links: BTreeMap<(usize, String), Value>,
}

/// Checks that the rows say what the answers said.
pub(super) fn rows(case: &Case, answers: &Answers, database: &Database) -> Result<(), Broken> {
    for (at, wallet) in case.wallets.iter().enumerate() {
        for (community, id) in communities(case.rules).into_iter().enumerate() {
            let asked = Ask::Score { wallet: at, community };
            let mut given = answers.iter().filter(|(ask, _)| *ask == asked).map(|(_, a)| body(a));
            let rows = database.wallets.get(&(wallet.address.clone(), id));
            let Some(last) = given.next_back() else {
                holds(rows.is_none(), "a wallet that nobody asked for has no rows", || {
                    format!("{} in {id}: {rows:?}", wallet.address)
                })?;
                continue;
            };
            let before: Vec<Value> = given.collect();
            let Some(rows) = rows else {
                return holds(false, "a score has its rows", || format!("none for {last}"));
            };
            score_row(&last, rows)?;
            events(&last, &before, rows)?;
            if last["error"].is_null() {
                links(case, at, id, &last, database)?;
            }
        }
    }
    Ok(())
}

fn score_row(body: &Value, rows: &Rows) -> Result<(), Broken> {
    let shown = || format!("{body}\n{rows:?}");
    let row = rows.score.clone().unwrap_or_default();
    if !body["error"].is_null() {
        let empty = ["score", "evidence", "stamp_scores", "stamps", "expires", "at"];
        return holds(
            row["status"] == "ERROR"
                && row["error"] == body["error"]
                && empty.iter().all(|key| row[*key].is_null()),
            "the row of a failed score has the error alone",
            shown,
        );
    }
    let passing = body["passing_score"] == true;
    holds(
        row["status"] == "DONE" && row["error"].is_null() && row["score"] == u8::from(passing),
        "registry_score says whether the score passes",
        shown,
    )?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let evidence = &row["evidence"];
    let raw = number(&evidence["rawScore"]).zip(number(&body["score"]));
    holds(
        evidence["success"] == passing
            && evidence["threshold"] == body["threshold"]
            && raw.is_some_and(|(raw, score)| (raw - score).abs() < 6e-6),
        "the evidence is that of the answer",
        shown,
    )?;
    holds(row["stamps"] == body["stamps"], "registry_score lists the stamps of the answer", shown)?;
    let weights = row["stamp_scores"].as_object().cloned().unwrap_or_default();
    let counted: Vec<&String> = rows.stamps.keys().collect();
    holds(
        weights.keys().collect::<Vec<_>>() == counted && rows.stamps.values().all(|same| *same),
        "registry_stamp has the counted stamps with their credentials",
        shown,
    )?;
    for (provider, weight) in &weights {
        let shown_weight = number(&body["stamps"][provider]["score"]).zip(weight.as_f64());
        holds(
            shown_weight.is_some_and(|(shown, weight)| (shown - weight).abs() < 6e-6),
            "a stamp's weight is that of the answer",
            shown,
        )?;
    }
    for (key, column) in [("last_score_timestamp", "at"), ("expiration_timestamp", "expires")] {
        holds(same_moment(&body[key], &row[column]), "the times are those of the answer", shown)?;
    }
    Ok(())
}

fn same_moment(text: &Value, micros: &Value) -> bool {
    match text.as_str() {
        None => micros.is_null(),
        Some(text) => {
            let moment = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond);
            moment.ok() == micros.as_i64()
        }
    }
}

fn events(last: &Value, before: &[Value], rows: &Rows) -> Result<(), Broken> {
    let done = || before.iter().chain([last]).filter(|body| body["error"].is_null());
    let of =
        |action: &'static str| rows.events.iter().filter(move |event| event["action"] == action);
    let shown = || format!("{last}\n{rows:?}");
    holds(of("SCU").count() == done().count(), "each score is announced once", shown)?;
    let deduplicated = |body: &Value| {
        let stamps = body["stamps"].as_object().cloned().unwrap_or_default();
        stamps.values().filter(|stamp| stamp["dedup"] == true).count()
    };
    holds(
        of("LDP").count() == done().map(deduplicated).sum::<usize>(),
        "each deduplication is noted",
        shown,
    )?;
    if let Some(event) = of("SCU").next_back().filter(|_| last["error"].is_null()) {
        let fields = &event["data"]["fields"];
        let row = rows.score.clone().unwrap_or_default();
        holds(
            event["data"]["pk"] == row["id"]
                && fields["passport"] == row["passport"]
                && fields["stamps"] == row["stamps"]
                && fields["stamp_scores"] == row["stamp_scores"]
                && fields["evidence"] == row["evidence"],
            "the last announcement is the row",
            shown,
        )?;
    }
    Ok(())
}

fn links(
    case: &Case,
    wallet: usize,
    community: usize,
    body: &Value,
    database: &Database,
) -> Result<(), Broken> {
    let wallet = &case.wallets[wallet];
    let stamps = &body["stamps"];
    for stamp in wallet.good() {
        // Where a counted and a deduplicated stamp share a name, either may be meant.
        if case.wallets.iter().any(|one| {
            one.good().filter(|other| other.own_provider == stamp.own_provider).count() > 1
        }) {
            continue;
        }
        let taken = stamps[stamp.own_provider]["dedup"] == true;
        for nullifier in case.effective(stamp) {
            let link = database.links.get(&(community, nullifier.to_owned()));
            let holder = link.map(|link| link["address"] == wallet.address.as_str());
            holds(
                holder == Some(!taken),
                "a counted stamp's nullifiers are linked to its wallet, a deduplicated one's to another",
                || format!("{stamp:?}: {link:?} after {body}"),
            )?;
        }
    }
    Ok(())
}
