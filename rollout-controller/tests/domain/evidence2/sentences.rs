//! What people read: word for word, and held against what was counted.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence::Count;
use rollout_controller::domain::evidence2::{
    Clock, Engine, Hold, Lead, Position, Proven, Reading, Rules, Settings, Verdict, Words,
};
use rollout_controller::domain::minute::{Edges, Minute, SideCounts};
use rollout_controller::domain::slo::{Metric, Slo};
use rollout_controller::domain::weight::Weight;

use crate::evidence2::extremes::{engine_of_routes, parts};
use crate::evidence2::{
    engine, engine_for, fast, one_route, percent, stages, steady_history, timed,
};

const WORDS: Words<'static> = Words { old: "Python", new: "Rust", routes: &[], clock: Clock::Utc };

/// 14:00 of some day.
const AT_14_00: i64 = 29_018_280;

/// What these minutes at one share come to.
fn verdict_after(
    engine: &Engine,
    share: f64,
    minutes: i64,
    counts: impl Fn(i64) -> (SideCounts, SideCounts),
) -> Verdict {
    let mut evidence = engine.start();
    let at = Position { share: percent(share), baked: false };
    for minute in 0..minutes {
        let (old, new) = counts(minute);
        let reading = one_route(AT_14_00 + minute, at.share, old, new);
        engine.fold(&mut evidence, &reading).unwrap();
    }
    engine.verdict(&evidence, at)
}

/// The sentence for them.
fn sentence(share: f64, minutes: i64, counts: impl Fn(i64) -> (SideCounts, SideCounts)) -> String {
    let engine = engine();
    WORDS.verdict(&engine, &verdict_after(&engine, share, minutes, counts))
}

/// Every reason for which nothing follows.
fn holds(engine: &Engine, verdict: &Verdict) -> Vec<String> {
    let Verdict::Unproven(why) = verdict else { return Vec::new() };
    why.reasons().iter().map(|hold| WORDS.hold(engine, hold)).collect()
}

#[test]
fn sentences_word_for_word() {
    let cases = [
        (
            sentence(25.0, 5, |m| (fast(240, 0), fast(78, if m > 2 { 8 } else { 0 }))),
            "Rust failed 16 of 156 requests, Python none of 480. Suspicion is raised; not enough \
             to roll back.",
        ),
        (
            sentence(50.0, 12, |m| (fast(600, 0), fast(600, if m == 4 { 600 } else { 0 }))),
            "14:04 was bad: all requests failed. Free to step at 14:19 if it stays good.",
        ),
        (
            sentence(50.0, 9, |m| (fast(600, if m == 7 { 90 } else { 0 }), fast(600, 0))),
            "Python broke the error limit at 14:07: 90 of 600 requests failed; waiting for 2 good \
             minutes.",
        ),
        (
            sentence(50.0, 9, |m| {
                let bad = if m == 8 { 90 } else { 0 };
                (fast(600, bad), fast(600, bad))
            }),
            "Python and Rust both broke the error limit at 14:08; waiting for 3 good minutes.",
        ),
        (
            sentence(1.0, 1, |_| (fast(600, 0), fast(600, 0))),
            "First minutes at this share are not in yet; metrics arrive a little late.",
        ),
        (
            sentence(1.0, 2, |_| (fast(600, 0), fast(600, 0))),
            "Proven; the stage lasts at least 2 minutes (1 of 2).",
        ),
        (
            sentence(1.0, 4, |_| (fast(600, 0), fast(40, 0))),
            "1% → 5%: every limit is proven (160 requests in 4 minutes, none failed).",
        ),
        (
            sentence(90.0, 12, |_| (fast(600, 0), fast(6000, 0))),
            "Baking: 11 of 30 minutes, all limits kept so far.",
        ),
        (
            sentence(10.0, 2, |_| (fast(90, 0), fast(6, 0))),
            "Not proven yet for 25%: P99. 6 requests so far; no estimate yet.",
        ),
        (
            sentence(10.0, 4, |_| (fast(600, 0), SideCounts::default())),
            "No request reached Rust for 4 minutes; about 267 were expected.",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_thousand_requests_are_told_as_a_share_and_fewer_as_they_are() {
    let suspicion = |requests: u64, old: u64, old_errors: u64| {
        sentence(25.0, 5, |m| {
            let errors = |errors| if m > 2 { errors } else { 0 };
            (fast(old, errors(old_errors)), fast(requests, errors(requests / 20)))
        })
    };
    let one_bad = |requests: u64| {
        sentence(50.0, 12, |m| {
            (fast(requests, 0), fast(requests, if m == 4 { requests / 3 } else { 0 }))
        })
    };
    let more = "Suspicion is raised; not enough to roll back.";
    assert_eq!(
        suspicion(500, 500, 1),
        format!("Rust failed 5% of 1,000 requests, Python 0.2%. {more}")
    );
    assert_eq!(
        suspicion(500, 499, 1),
        format!("Rust failed 5% of 1,000 requests, Python 2 of 998. {more}")
    );
    let free = "Free to step at 14:19 if it stays good.";
    assert_eq!(one_bad(999), format!("14:04 was bad: 333 of 999 requests failed. {free}"));
    assert_eq!(one_bad(1_000), format!("14:04 was bad: 33% of requests failed. {free}"));
}

#[test]
fn a_single_step_names_no_bake_when_it_completes() {
    let bake = Some((Weight::FULL, 30));
    let errors = Count { k: 0, n: 9_000 };
    let (share, minutes, error_minutes) = (Weight::FULL, 30, 30);
    let proven = Proven { share, next: None, minutes, errors, error_minutes, bake };
    assert_eq!(Words::because(&proven), "every limit kept at 100% for 30 minutes");
}

#[test]
fn rollbacks_word_for_word() {
    let outage = sentence(25.0, 9, |m| (fast(240, 0), fast(78, if m > 5 { 78 } else { 0 })));
    assert!(outage.starts_with("Rust failed 156 of 156 requests, Python none of 480, limit 1%. False alarm: at most 1 in "), "{outage}");
    let slow = sentence(50.0, 30, |m| {
        let new = if m > 5 { timed(0, &[(12, 480), (14, 120)]) } else { fast(600, 0) };
        (fast(600, 0), new)
    });
    assert!(slow.starts_with("Rust is slower than Python: "), "{slow}");
    assert!(slow.contains(" would be normal. False alarm: "), "{slow}");
    let p99 = sentence(50.0, 30, |_| (fast(600, 0), timed(0, &[(9, 576), (22, 24)])));
    assert!(p99.contains("P99: 4% took over 500 ms, limit 1%.") || p99.contains("slower"), "{p99}");
    let flapping =
        sentence(1.0, 100, |m| (fast(6000, 0), fast(60, if m % 10 == 7 { 60 } else { 0 })));
    assert!(flapping.contains("False alarm: "), "{flapping}");
}

/// Two routes of which the small one fails on the new side, and on the old one at times.
fn small_route_fails(old_errors: u64) -> String {
    let names = ["public".to_owned(), "internal".to_owned()];
    let requests = [600_000, 600];
    let engine = engine_of_routes(&requests);
    let mut evidence = engine.start();
    for minute in 0..60 {
        let mut counts: Vec<_> =
            requests.iter().map(|&n| (fast(n / 2, 0), fast(n / 2, 0))).collect();
        counts[1] = (fast(300, old_errors), fast(300, 90));
        let parts = parts(percent(50.0), &counts);
        engine.fold(&mut evidence, &Reading::of_parts(Minute(minute), parts)).unwrap();
    }
    let breach = evidence.rolled_back().expect("a third of a route fails");
    assert!(matches!(breach.lead, Lead::Route { .. }), "{breach:?}");
    Words { routes: &names, ..WORDS }.broken(&engine, breach)
}

#[test]
fn a_route_that_fails_alone_is_named() {
    let told = "`internal` (1 of 2 routes) fails 30% on Rust, ";
    assert_eq!(small_route_fails(0), format!("{told}none on Python."));
    assert_eq!(small_route_fails(3), format!("{told}1% on Python."));
}

#[test]
fn completion_tells_the_bake_and_the_watch() {
    let engine = engine();
    let mut evidence = engine.start();
    let mut at = Position { share: percent(50.0), baked: false };
    for minute in 0..60 {
        let old = if at.share == Weight::FULL { SideCounts::default() } else { fast(600, 0) };
        let reading = one_route(AT_14_00 + minute, at.share, old, fast(6000, 1));
        engine.fold(&mut evidence, &reading).unwrap();
        let verdict = engine.verdict(&evidence, at);
        if let Verdict::Proven(Proven { next, .. }) = verdict {
            let Some(next) = next else {
                assert_eq!(
                    WORDS.verdict(&engine, &verdict),
                    "Completed: every limit kept at 90% for 30 minutes and at 100% for 5."
                );
                return;
            };
            at = Position { share: next, baked: next == Weight::FULL };
        }
    }
    panic!("a sound service did not complete");
}

#[test]
fn a_bake_waits_for_the_whole_run_although_its_newest_minutes_are_good() {
    let engine = engine();
    let of_the_run = |minutes: i64| {
        let verdict = verdict_after(&engine, 90.0, minutes, |minute| {
            (fast(600, 0), fast(6_000, if minute == 10 { 2_400 } else { 0 }))
        });
        holds(&engine, &verdict).into_iter().find(|hold| hold.starts_with("Over this"))
    };
    let told = "Over this run 1.3% of requests failed in an average minute, limit 1%.";
    assert_eq!(of_the_run(30).as_deref(), Some(told));
    for (minutes, waits) in [(10, false), (11, true), (39, true), (40, false)] {
        assert_eq!(of_the_run(minutes).is_some(), waits, "{minutes} minutes");
    }
}

#[test]
fn a_bad_minute_is_told_with_the_limit_that_was_set() {
    let slo = Slo { p95_ms: 1_000.0, p99_ms: 2_000.0, ..Slo::default() };
    let history = steady_history(60, &fast(600, 0));
    let engine = engine_for(slo, &history, Settings::default(), stages(&[50.0, 100.0]));
    assert_eq!(engine.slo(), &slo);
    let verdict = verdict_after(&engine, 50.0, 12, |minute| {
        let new = if minute == 4 { timed(0, &[(27, 600)]) } else { fast(600, 0) };
        (fast(600, 0), new)
    });
    let holds = holds(&engine, &verdict);
    for told in [
        "14:04 was bad: all requests took over 1 s. Free to step at 14:19 if it stays good.",
        "9.1% of requests took over 1 s at this share, limit 5%.",
        "9.1% of requests took over 2 s at this share, limit 1%.",
    ] {
        assert!(holds.iter().any(|hold| hold == told), "{told}: {holds:?}");
    }
}

#[test]
fn choices_are_told_with_their_source() {
    let told = WORDS.choices(&engine());
    assert_eq!(told, ["Latency counts as worse from 1.6 times Python's (auto, from 1 h)."]);
}

/// What was counted in each minute.
struct Counted {
    minute: i64,
    share: Weight,
    old: SideCounts,
    new: SideCounts,
}

impl Counted {
    /// Bad among counted of a metric.
    fn of(side: &SideCounts, metric: Metric) -> (u64, u64) {
        let count = Rules::new(&Slo::default(), &Edges::default()).counts(side)[metric.index()];
        (count.k, count.n)
    }
}

/// A rollout with random trouble, followed closed loop; checks every sentence.
fn check_sentences(seed: u64) -> Result<(), TestCaseError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let engine = engine();
    let mut evidence = engine.start();
    let mut at = Position { share: percent(1.0), baked: false };
    let rpm = [60_u64, 600, 6000, 60_000][rng.random_range(0..4)];
    let trouble = rng.random_range(0..6);
    let rate = [0.0, 0.004, 0.012, 0.05, 0.3, 1.0][rng.random_range(0..6)];
    let period = rng.random_range(2..40);
    let incident = rng.random_range(0..120);
    let mut counted: Vec<Counted> = Vec::new();
    for minute in 0..90 {
        let active = match trouble {
            0 => false,
            1 => true,
            2 => minute % period == 0,
            3 => minute > 20,
            4 => rng.random::<f64>() < 0.1,
            _ => at.share >= percent(25.0),
        };
        let mut draw = |n: u64, rate: f64| {
            (0..n.min(3000)).filter(|_| rng.random::<f64>() < rate).count() as u64
        };
        let n_new = rpm * u64::from(at.share.tenths()) / 1000;
        let n_old = rpm - n_new;
        let (bad_new, bad_old) =
            (draw(n_new, if active { rate } else { 0.001 }), draw(n_old, 0.001));
        let old_bad = (incident..incident + 5).contains(&minute);
        let slow = trouble % 2 == 1 && active && seed.is_multiple_of(3);
        let bucket = if slow { 22 } else { 9 };
        let slow_new = if slow { bad_new } else { 0 };
        let new =
            timed(if slow { 0 } else { bad_new }, &[(9, n_new - slow_new), (bucket, slow_new)]);
        let old = fast(n_old, if old_bad { n_old / 4 } else { bad_old });
        counted.push(Counted { minute, share: at.share, old: old.clone(), new: new.clone() });
        let reading = one_route(minute, at.share, old, new);
        engine.fold(&mut evidence, &reading).unwrap();
        let verdict = engine.verdict(&evidence, at);
        check(&engine, &verdict, &counted)?;
        match verdict {
            Verdict::Breach(_) | Verdict::Proven(Proven { next: None, .. }) => break,
            Verdict::Proven(Proven { next: Some(next), .. }) => {
                at = Position { share: next, baked: next == Weight::FULL };
            }
            Verdict::Unproven(_) => {}
        }
    }
    Ok(())
}

/// Numbers of a text, in order: `1,240` is one, the `50` of `P50` is none.
fn numbers(text: &str) -> Vec<f64> {
    let mut found = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || "();:→`".contains(c)) {
        let word = word.trim_end_matches([',', '.', '%', ';']).replace(',', "");
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            found.extend(word.parse::<f64>().ok());
        }
    }
    found
}

/// A measured share and the limit said beside it.
fn beside_limit(text: &str) -> Option<(f64, f64)> {
    let (before, after) = text.split_once("limit ")?;
    let limit = numbers(after.split(['.', ';']).next().unwrap_or_default()).first().copied();
    let limit = limit.or_else(|| numbers(after).first().copied())?;
    let share = before
        .split_whitespace()
        .filter_map(|word| word.strip_suffix('%'))
        .find_map(|word| word.parse::<f64>().ok())?;
    Some((share, limit))
}

fn check(engine: &Engine, verdict: &Verdict, counted: &[Counted]) -> Result<(), TestCaseError> {
    let words = Words { clock: Clock::Counted, ..WORDS };
    let text = words.verdict(engine, verdict);
    prop_assert!(text.len() <= 140, "{} characters: {text}", text.len());
    for never in ["NaN", "inf", "0.0%", " 0%", "-1"] {
        prop_assert!(!text.contains(never), "{text}");
    }
    prop_assert_eq!(
        text.contains("False alarm"),
        matches!(verdict, Verdict::Breach(_)),
        "{}",
        text
    );
    // Without and with the minutes in which the old side broke the limit, too: those
    // do not count unless the new side was worse.
    let rules = Rules::new(engine.slo(), engine.edges());
    let of_stage = |share: Weight| {
        let first = counted.iter().rposition(|c| c.share != share).map_or(0, |at| at + 1);
        let sum = |all: bool| {
            let stage = counted[first..].iter().filter(|c| {
                let old = rules.counts(&c.old)[Metric::Err.index()];
                all || !rules.visible(Metric::Err, old)
            });
            stage.fold((0, 0), |(k, n), c| (k + c.new.errors, n + c.new.requests))
        };
        (sum(false), sum(true))
    };
    match verdict {
        Verdict::Breach(breach) => {
            let certain = text.split("at most 1 in ").nth(1).map(|tail| numbers(tail)[0]);
            if let Some(certain) = certain {
                prop_assert!(certain <= breach.log_e.exp(), "{text}: {}", breach.log_e.exp());
                prop_assert!(certain >= 100.0 && certain >= 0.89 * breach.log_e.exp(), "{text}");
            }
            prop_assert!(breach.log_e >= engine.settings().rollback_threshold());
            let since = breach.spell.since.map_or(0, |Minute(minute)| minute);
            let seen = counted.iter().filter(|c| c.minute >= since);
            match breach.lead {
                Lead::Limit(Metric::Err)
                | Lead::OldSide(Metric::Err)
                | Lead::Minutes(Metric::Err) => {
                    let (k, n) =
                        seen.fold((0, 0), |(k, n), c| (k + c.new.errors, n + c.new.requests));
                    prop_assert_eq!((breach.spell.new.k, breach.spell.new.n), (k, n), "{}", text);
                    if let Some(said) = text.strip_prefix("Rust failed ") {
                        let said = numbers(said);
                        let few = !text.starts_with("Rust failed ") || n < 1000;
                        if few && !matches!(breach.lead, Lead::Minutes(_)) {
                            prop_assert_eq!((said[0], said[1]), (k as f64, n as f64), "{}", text);
                        }
                    }
                }
                _ => {}
            }
            if let Some((share, limit)) = beside_limit(&text) {
                prop_assert!(share > limit, "{text}");
            }
        }
        Verdict::Proven(proven) => {
            let ((fewest, few), (most, all)) = of_stage(proven.share);
            if proven.next.is_some() {
                let said = numbers(text.split_once('(').unwrap().1);
                prop_assert!(few as f64 <= said[0] && said[0] <= all as f64, "{}", text);
                let failed = if text.contains("none failed") { 0.0 } else { said[2] };
                prop_assert!(fewest as f64 <= failed && failed <= most as f64, "{}", text);
                if few == all {
                    prop_assert_eq!(text.contains("none failed"), most == 0, "{}", text);
                }
            }
        }
        Verdict::Unproven(why) => {
            for hold in why.reasons() {
                let text = words.hold(engine, hold);
                if let Some((share, limit)) = beside_limit(&text) {
                    prop_assert!(share > limit, "{text}");
                }
                match hold {
                    Hold::RecentlyBad { last, metric, bad_minutes, mean, .. } => {
                        let minute = &counted[usize::try_from(last.minute.0).unwrap()];
                        let (k, n) = Counted::of(&minute.new, *metric);
                        says_the_minute(&text, k, n, *bad_minutes == 1)?;
                        // What the text counts is in the last 15 minutes, and it was bad.
                        let recent = &counted[counted.len().saturating_sub(15)..];
                        let bad = recent.iter().filter(|c| {
                            let (k, n) = Counted::of(&c.new, *metric);
                            k as f64 > engine.slo().limits()[metric.index()] * n as f64
                        });
                        prop_assert!(bad.count() >= *bad_minutes as usize, "{text}");
                        prop_assert!(*mean > engine.slo().limits()[metric.index()], "{text}");
                        if *bad_minutes > 1 {
                            let said = numbers(&text)[0];
                            prop_assert!((said - f64::from(*bad_minutes)).abs() < 0.5, "{text}");
                        }
                    }
                    Hold::OldSideBad { minute, metric, old, both, .. } => {
                        let seen = &counted[usize::try_from(minute.0).unwrap()];
                        let (k, n) = Counted::of(&seen.old, *metric);
                        prop_assert_eq!((old.k, old.n), (k, n), "{}", text);
                        if !both {
                            says_the_minute(&text, k, n, true)?;
                        }
                    }
                    Hold::WholeRun { metric, mean, minutes, bad_minutes, .. } => {
                        let limit = engine.slo().limits()[metric.index()];
                        let shares = counted.iter().filter_map(|c| {
                            let (k, n) = Counted::of(&c.new, *metric);
                            (k as f64 > limit * n as f64).then_some(k as f64 / n as f64)
                        });
                        // Visibly bad minutes are some of those above the limit.
                        let most = shares.sum::<f64>() / *minutes as f64;
                        prop_assert!(*mean <= most + 1e-9, "{text}: {mean} {most}");
                        prop_assert!(*bad_minutes <= *minutes, "{text}");
                    }
                    Hold::AboveLimit { metric: Metric::Err, rate } => {
                        let ((k, n), (most, all)) = of_stage(counted.last().unwrap().share);
                        prop_assert!(k <= rate.k && rate.k <= most, "{}", text);
                        prop_assert!(n <= rate.n && rate.n <= all, "{}", text);
                    }
                    Hold::TooShort { minutes, required, .. } => {
                        prop_assert!(minutes < required, "{text}");
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// A sentence that quotes one minute quotes what was counted in it.
fn says_the_minute(text: &str, k: u64, n: u64, quotes: bool) -> Result<(), TestCaseError> {
    if !quotes {
        return Ok(());
    }
    if k == n {
        prop_assert!(text.contains("all requests "), "{text}: {k} of {n}");
    } else if n < 1000 {
        prop_assert!(text.contains(&format!("{k} of {n} requests ")), "{text}: {k} of {n}");
    } else {
        let said = text.split_whitespace().find_map(|word| word.strip_suffix('%')?.parse().ok());
        let (said, counted): (f64, f64) = (said.unwrap_or(-1.0), 100.0 * k as f64 / n as f64);
        prop_assert!((said - counted).abs() <= 0.51, "{text}: {k} of {n}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_sentence_contradicts_what_was_counted(seed: u64) {
        check_sentences(seed)?;
    }
}

/// Each draws its own world, so that a rare sentence is met too.
#[test]
fn many_random_rollouts_meet_many_sentences() {
    for seed in 0..150 {
        check_sentences(seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}
