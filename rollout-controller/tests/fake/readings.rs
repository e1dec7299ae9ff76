//! What ticks make of what CloudWatch has, late, revised, cut or not at all:
//! `tests/data/readings.txt`.

use crate::kept_text;
use crate::pretend::{Night, config_with};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::{Event, MinuteEntry, Part};
use rollout_controller::domain::minute::{Minute, SideCounts};
use rollout_controller::domain::observation::{RouteMinute, Unread};
use rollout_controller::domain::wrong_answers::ComparisonsRead;
use rollout_controller::world::{Compared, version};
use std::fmt::Write as _;

/// What is to be told of an entry of a tick that ran in this minute.
fn told(entry: &MinuteEntry, now: i64) -> String {
    match entry {
        MinuteEntry::Summed(minute) => panic!("{minute:?} has no parts"),
        MinuteEntry::Lost { lost } => format!("lost {} to {}", lost.from.0 - now, lost.to.0 - now),
        MinuteEntry::Read { minute, parts, comparisons } => {
            let side = |side: &SideCounts| format!("{} of {}", side.errors, side.requests);
            let each = parts.iter().map(|part| match part {
                Part::Known { old, new, weight, .. } => {
                    format!("{weight}: {}, {}", side(old), side(new))
                }
                Part::Unknown { unknown, due_on_new, .. } => {
                    format!("unknown, {unknown}, due {due_on_new:.2?}")
                }
            });
            let compared = match comparisons {
                None => String::new(),
                Some(ComparisonsRead::Counted(counts)) => {
                    format!(" | {} of {} differ", counts.different, counts.compared)
                }
                Some(ComparisonsRead::Unread(why)) => format!(" | {why}"),
            };
            let each: Vec<String> = each.collect();
            format!("{} {}{compared}", minute.0 - now, each.join(" + "))
        }
    }
}

/// Something that CloudWatch does to a minute.
fn disturb(night: &Night, rng: &mut ChaCha8Rng) {
    let now_ms = night.pretend.state().now_ms;
    let minute = Minute(now_ms.div_euclid(60_000) - rng.random_range(1..20));
    let (what, route) = (rng.random_range(0..9), rng.random_range(0..2));
    let until_ms = now_ms + rng.random_range(1..25) * 60_000;
    let of_old = rng.random::<bool>();
    if what == 8 {
        night.pretend.state().trouble.minutes_late.insert(minute, until_ms);
    }
    night.pretend.revise(minute, |read| {
        let count = read.routes.len();
        let route = &mut read.routes[route % count];
        match (what, route, &mut read.comparisons) {
            (0..3, RouteMinute::Known { old, new }, _) => {
                if let Some(counts) = if of_old { old } else { new } {
                    counts.requests += 3;
                    counts.errors += 1;
                }
            }
            (3, route, _) => *route = RouteMinute::Unknown(Unread::because("partial data")),
            (4, RouteMinute::Known { old, new }, _) => (*old, *new) = (None, None),
            (5, RouteMinute::Known { new, .. }, _) => *new = None,
            (6, _, Some(ComparisonsRead::Counted(counts))) => counts.compared += 1,
            (6, _, other) => {
                *other = Some(ComparisonsRead::Unread(Unread::because("partial data")));
            }
            (7, _, comparisons) => *comparisons = None,
            _ => {}
        }
    });
}

async fn night(seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let is_judged = rng.random::<bool>();
    let table = if is_judged { "[rollout.wrong_answers]\nlimit = \"1%\"" } else { "" };
    let routes = if rng.random() { &["public"][..] } else { &["public", "internal"] };
    let traffic = [2.0, 12.0, 300.0][rng.random_range(0..3)];
    let night = Night::seeded(config_with("start = \"5%\"", table, routes), seed);
    night.pretend.state().requests_per_minute = traffic;
    if is_judged {
        let compared = Compared { per_minute: 40, different: 0.002, failed: 0.02 };
        night.pretend.state().compared = Some(compared);
    }
    night.hour_of_python();
    night.order(Order::Start).await;
    let mut out = format!("\n## seed {seed}, {} route(s), {traffic} a minute\n", routes.len());
    let mut told_of = night.events().await.len();
    let mut code = 1;
    for _ in 0..60 {
        for _ in 0..rng.random_range(0..3) {
            disturb(&night, &mut rng);
        }
        match rng.random_range(0..60) {
            0 => {
                code += 1;
                night.pretend.state().new_code = version("rust", code);
            }
            1 => night.pretend.state().trouble.metrics_fail = true,
            _ => night.pretend.state().trouble.metrics_fail = false,
        }
        // A tick in eight does not come.
        if rng.random_range(0..8) > 0 {
            let now = night.pretend.now().as_millisecond().div_euclid(60_000);
            let report = night.tick().await;
            let events = night.events().await;
            for stamped in &events[told_of..] {
                if let Event::Ticked { minutes, .. } = &stamped.event {
                    let each: Vec<String> = minutes.iter().map(|entry| told(entry, now)).collect();
                    let _ = writeln!(out, "{}\n    {}", report.message, each.join("\n    "));
                }
            }
            told_of = events.len();
        }
        night.pretend.pass_minute();
    }
    let gathered = night.run().await.gathered;
    let unknown: Vec<i64> = gathered.unknown().map(|minute| minute.0 % 1000).collect();
    let _ = writeln!(out, "unsteady {}, unknown {unknown:?}", gathered.unsteady());
    out
}

/// One minute that has three requests more each time that anybody looks.
async fn trickles() -> String {
    let night = Night::started(config_with("start = \"5%\"", "", &["public"])).await;
    night.minutes(8).await;
    let minute = Minute(night.pretend.now().as_millisecond().div_euclid(60_000) - 2);
    let mut out = "\n## a minute that trickles in\n".to_owned();
    for _ in 0..16 {
        let now = night.pretend.now().as_millisecond().div_euclid(60_000);
        night.pretend.revise(minute, |read| {
            if let RouteMinute::Known { old: Some(old), .. } = &mut read.routes[0] {
                old.requests += 3;
            }
        });
        night.tick().await;
        let events = night.events().await;
        if let Some(Event::Ticked { minutes, .. }) = events.last().map(|stamped| &stamped.event) {
            let its = minutes.iter().filter(|entry| entry.minute() == Ok(minute));
            let its: Vec<String> = its.map(|entry| told(entry, now)).collect();
            let _ = writeln!(out, "{} minutes old: {}", now - minute.0, its.join(""));
        }
        night.pretend.pass_minute();
    }
    out
}

#[tokio::test]
async fn ticks_make_of_minutes_what_was_kept() {
    let mut now = String::new();
    for seed in 0..10 {
        now += &night(seed).await;
    }
    now += &trickles().await;
    kept_text::holds("readings.txt", &now);
}
