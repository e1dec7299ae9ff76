//! The worlds by name: `h_` healthy, `f_` with a fault of the new side, `s_` both
//! sides hurt by the new side's share.

use super::{
    Begin, Drift, Expect, Incidents, Latency, Metrics, Route, Service, Tail, What, When, World,
};
use What::{ErrorRate, Errors, Leak, Median, Over630, Slower};
use When::{Always, Bake, FromShare, Minutes, Random, StageMinute};

const OLD: Latency = Latency {
    median_ms: 60.0,
    sigma: 0.5,
    tail_share: 0.03,
    tail: Tail::Lognormal { median_ms: 250.0, sigma: 0.6 },
};
const NEW: Latency = Latency {
    median_ms: 30.0,
    sigma: 0.5,
    tail_share: 0.015,
    tail: Tail::Lognormal { median_ms: 150.0, sigma: 0.6 },
};

/// Periods of the duty × severity map: one bad minute in so many.
pub const PERIODS: [i64; 5] = [4, 7, 15, 30, 60];
/// Its severities: percent of requests that fail in a bad minute.
pub const SEVERITIES: [u32; 4] = [5, 20, 50, 100];
/// Errors of a base service.
const BASE_ERRORS: f64 = 0.001;

fn service(latency: Latency) -> Service {
    Service {
        error_rate: BASE_ERRORS,
        latency,
        over_630: 0.0,
        drift: None,
        jitter: 0.0,
        error_jitter: 0.0,
        clusters: false,
        effects: vec![],
    }
}

fn of_routes(name: &str, expect: Expect, routes: Vec<Route>) -> World {
    World {
        name: name.to_owned(),
        routes,
        shared_drift: None,
        day: false,
        incidents: None,
        metrics: Metrics::OnTime,
        expect,
    }
}

fn one(name: &str, expect: Expect, old: Service, new: Service) -> World {
    of_routes(name, expect, vec![Route { traffic: 1.0, old, new, late: 0 }])
}

const SOUND: Expect = Expect::Healthy { rolled_back: 0.01 };
const HELD: Expect = Expect::Held { rolled_back: 0.01 };
const BROKEN: Expect = Expect::Fault { completed: 0.01 };
const SOUND_PUBLISHED: Expect = Expect::Published { fault: false };
const FAULT_PUBLISHED: Expect = Expect::Published { fault: true };

const fn every(period: i64, at: i64) -> When {
    When::Every { period, at }
}

/// Both sides changed alike.
fn both(name: &str, expect: Expect, change: impl Fn(&mut Service)) -> World {
    let (mut old, mut new) = (service(OLD), service(NEW));
    change(&mut old);
    change(&mut new);
    one(name, expect, old, new)
}

/// The old service on both sides, changed alike.
fn same(name: &str, expect: Expect, change: impl Fn(&mut Service)) -> World {
    let mut old = service(OLD);
    change(&mut old);
    one(name, expect, old.clone(), old)
}

/// A faster new side with a fault.
fn fault(name: &str, when: When, what: What) -> World {
    let new = Service { effects: vec![(when, what)], ..service(NEW) };
    one(name, BROKEN, service(OLD), new)
}

/// The old service on both sides, the new one with other latencies.
fn slower(name: &str, change: impl Fn(&mut Service)) -> World {
    let mut new = service(OLD);
    change(&mut new);
    one(name, BROKEN, service(OLD), new)
}

fn drift(name: &str, expect: Expect, keep: f64, sd: f64) -> World {
    same(name, expect, |side| side.drift = Some(Drift { keep, sd }))
}

/// So many equal routes, the first with more errors on the new side.
fn one_of(name: &str, routes: u32, more: f64, expect: Expect) -> World {
    let traffic = 1.0 / f64::from(routes);
    let (old, new) = (service(OLD), service(NEW));
    let mut routes: Vec<Route> = (0..routes)
        .map(|_| Route { traffic, old: old.clone(), new: new.clone(), late: 0 })
        .collect();
    routes[0].new.effects.push((Always, Errors(more)));
    of_routes(name, expect, routes)
}

/// Two routes of which the second gets every step late.
fn simpson(name: &str, late: i64) -> World {
    let (a, b) = (
        Service { error_rate: 0.008, ..service(OLD) },
        Service { error_rate: 0.0005, ..service(NEW) },
    );
    let routes = vec![
        Route { traffic: 0.5, old: a.clone(), new: a, late: 0 },
        Route { traffic: 0.5, old: b.clone(), new: b, late },
    ];
    of_routes(name, SOUND, routes)
}

fn tail(latency: &mut Latency, times: f64) {
    latency.tail_share *= times;
    if let Tail::Lognormal { median_ms, .. } = &mut latency.tail {
        *median_ms *= times;
    }
}

fn near(name: &str, expect: Expect, new: (f64, f64), old: (f64, f64)) -> World {
    let with =
        |latency, (error_rate, over_630)| Service { error_rate, over_630, ..service(latency) };
    one(name, expect, with(OLD, old), with(NEW, new))
}

fn healthy() -> Vec<World> {
    let mut shared = same("h_same_sh20", SOUND, |_| {});
    shared.shared_drift = Some(Drift { keep: 0.9, sd: 0.2 });
    let mut day = both("h_day10", SOUND, |_| {});
    day.day = true;
    let heavy = |latency: Latency, median_ms| Latency {
        tail_share: 0.02,
        tail: Tail::Pareto { median_ms },
        ..latency
    };
    let mut cold = one("h_cold", SOUND, service(OLD), service(NEW));
    cold.routes[0].new.effects =
        vec![(StageMinute(0), Over630(0.05)), (StageMinute(1), Over630(0.01))];
    vec![
        both("h_iid", SOUND, |_| {}),
        near("h_near", SOUND, (0.006, 0.0057), (0.004, 0.003)),
        near("h_edge", HELD, (0.0099, 0.0096), (0.009, 0.006)),
        near("h_bound", HELD, (0.01, 0.0), (0.0045, 0.0)),
        both("h_burst", SOUND, |s| s.effects.push((Random(0.02), Errors(0.049)))),
        both("h_burst50", SOUND, |s| s.effects.push((Random(0.005), Errors(0.499)))),
        both("h_clust", SOUND, |s| {
            s.error_rate = 0.003;
            s.clusters = true;
        }),
        both("h_errjit", SOUND, |s| {
            s.error_rate = 0.004;
            s.error_jitter = 0.6;
        }),
        day,
        cold,
        one("h_heavy", SOUND, service(heavy(OLD, 200.0)), service(heavy(NEW, 150.0))),
        drift("h_same_ar10", SOUND, 0.9, 0.10),
        drift("h_same_ar20", SOUND, 0.9, 0.20),
        drift("h_same_ar40", SOUND_PUBLISHED, 0.9, 0.40),
        drift("h_same_slow10", SOUND_PUBLISHED, 0.98, 0.10),
        drift("h_same_slow20", SOUND_PUBLISHED, 0.98, 0.20),
        same("h_same_jit20", SOUND, |s| s.jitter = 0.2),
        same("h_same_jit40", SOUND, |s| s.jitter = 0.4),
        shared,
        both("h_inc", SOUND, |s| s.effects.push((Minutes(20, 35), Errors(0.10)))),
        both("h_inclat", SOUND, |s| s.effects.push((Minutes(20, 35), Slower(3.0)))),
        both("h_incstep", SOUND, |s| s.effects.push((Bake(0, 4), Errors(0.10)))),
        both("h_inc100", SOUND, |s| s.effects.push((Bake(5, 10), Errors(0.10)))),
        simpson("h_simpson3", 3),
        simpson("h_simpson", 6),
    ]
}

fn faults() -> Vec<World> {
    let mut median_drift = slower("f_p50x1.5_ar20", |new| new.effects.push((Always, Slower(1.5))));
    median_drift.expect = Expect::Fault { completed: 0.03 };
    let mut tail_drift = slower("f_tailx2_ar20", |new| tail(&mut new.latency, 2.0));
    for world in [&mut median_drift, &mut tail_drift] {
        world.routes[0].old.drift = Some(Drift { keep: 0.9, sd: 0.2 });
        world.routes[0].new.drift = Some(Drift { keep: 0.9, sd: 0.2 });
    }
    let mut at_random = fault("f_flaprnd", Random(0.05), ErrorRate(0.6));
    at_random.expect = Expect::Fault { completed: 0.14 };
    vec![
        fault("f_e1", Always, Errors(0.01)),
        fault("f_e5", Always, Errors(0.05)),
        fault("f_e1@25", FromShare(0.25), Errors(0.01)),
        fault("f_e5@25", FromShare(0.25), Errors(0.05)),
        // Below 600 requests a minute the bake is at 75%: neither fault is there before
        // 100%, and five minutes cannot show one point.
        World { expect: FAULT_PUBLISHED, ..fault("f_e1@last", FromShare(0.9), Errors(0.01)) },
        fault("f_e5@last", FromShare(0.9), Errors(0.05)),
        World { expect: FAULT_PUBLISHED, ..fault("f_e1@full", FromShare(1.0), Errors(0.01)) },
        fault("f_out", Always, ErrorRate(1.0)),
        fault("f_out@10", FromShare(0.10), ErrorRate(1.0)),
        slower("f_p50x1.5", |new| new.effects.push((Always, Slower(1.5)))),
        slower("f_p50x2", |new| new.effects.push((Always, Slower(2.0)))),
        slower("f_tailx1.5", |new| tail(&mut new.latency, 1.5)),
        slower("f_tailx2", |new| tail(&mut new.latency, 2.0)),
        median_drift,
        tail_drift,
        fault("f_p99", Always, Over630(0.03)),
        fault("f_med110", Minutes(15, i64::MAX), Median(110.0)),
        fault("f_leak", Always, Leak(10)),
        fault("f_flap10_100", every(10, 7), ErrorRate(1.0)),
        fault("f_flap10_20", every(10, 7), ErrorRate(0.2)),
        fault("f_flap20_50", every(20, 7), ErrorRate(0.5)),
        fault("f_flap30_100", every(30, 17), ErrorRate(1.0)),
        fault("f_flap4_10", every(4, 3), ErrorRate(0.1)),
        fault("f_flapD60S100", every(60, 40), ErrorRate(1.0)),
        at_random,
        one_of("f_one5_5", 5, 0.05, BROKEN),
        one_of("f_one20_20", 20, 0.20, BROKEN),
        one_of("f_one20_5", 20, 0.05, FAULT_PUBLISHED),
        // Just over the limit on a service that is just under it.
        near("f_edge", BROKEN, (0.011, 0.0), (0.009, 0.0)),
        World { expect: FAULT_PUBLISHED, ..fault("f_e05", Always, Errors(0.005)) },
    ]
}

/// Late minutes, chance incidents, and a new side that hurts both: what the
/// metrics and the rest of the system do to a rollout.
fn surroundings() -> Vec<World> {
    let chance = |name, minutes| World {
        incidents: Some(Incidents { begin: Begin::ByChance(120.0), minutes, errors: 0.10 }),
        // One that falls into the minutes at 100% cannot be excused.
        ..both(name, SOUND_PUBLISHED, |_| {})
    };
    let late = Metrics::Late { probability: 0.05, minutes: 5 };
    let trickling = Metrics::Trickling { probability: 0.5, minutes: 6 };
    // The old side suffers as much, so nothing compares worse; it is the share
    // that does it.
    let saturated = |name, share, what| {
        both(name, BROKEN, |s: &mut Service| s.effects.push((FromShare(share), what)))
    };
    vec![
        chance("h_chance5", 5),
        chance("h_chance15", 15),
        World { metrics: late, ..both("h_late", SOUND, |_| {}) },
        World { metrics: trickling, ..both("h_trickle", SOUND, |_| {}) },
        World { metrics: Metrics::Blind { from: 20, to: 40 }, ..both("h_blind", SOUND, |_| {}) },
        World { metrics: late, ..fault("f_e5_late", Always, Errors(0.05)) },
        World { metrics: trickling, ..fault("f_e1_trickle", Always, Errors(0.01)) },
        saturated("s_db25_errors", 0.25, Errors(0.10)),
        saturated("s_db25_slow", 0.25, Slower(3.0)),
        saturated("s_db90_errors", 0.90, Errors(0.10)),
    ]
}

/// Four minutes of an incident in each `period`, on both sides: what comes regularly, and
/// is nobody's fault. For `show`; which of them a policy puts down to a step depends on its times.
pub fn regular(period: i64) -> World {
    let incidents = Incidents { begin: Begin::Every(period), minutes: 4, errors: 0.10 };
    let name = format!("h_every{period}");
    World { incidents: Some(incidents), ..both(&name, SOUND_PUBLISHED, |_| {}) }
}

/// Periods of [`regular`], minutes.
pub const REGULAR: [i64; 6] = [10, 15, 20, 25, 30, 45];

/// One bad minute in `period`, in which `percent` of requests fail.
pub fn duty(period: i64, percent: u32) -> World {
    let severity = f64::from(percent) / 100.0;
    let average = (severity + BASE_ERRORS * (period - 1) as f64) / period as f64;
    let expect = match (period, percent) {
        _ if average > 0.01 => BROKEN,
        // Keeps the limit, but fails eight times as often as the old side and often
        // enough to show it: completing is allowed, and so is taking it back.
        (7, 5) => FAULT_PUBLISHED,
        _ => SOUND,
    };
    let name = format!("f_duty{period}_{percent}");
    World { expect, ..fault(&name, every(period, period / 2), ErrorRate(severity)) }
}

/// Every world but the duty × severity map's.
pub fn all() -> Vec<World> {
    [healthy(), faults(), surroundings()].concat()
}

/// The duty × severity map's worlds.
pub fn duties() -> Vec<World> {
    PERIODS.iter().flat_map(|&period| SEVERITIES.map(|severity| duty(period, severity))).collect()
}

/// The world of this name; `None` if there is none.
pub fn find(name: &str) -> Option<World> {
    let regular = REGULAR.into_iter().map(regular);
    all().into_iter().chain(duties()).chain(regular).find(|world| world.name == name)
}

/// The world of this name.
///
/// # Panics
/// If there is none.
pub fn named(name: &str) -> World {
    find(name).unwrap_or_else(|| panic!("there is no world {name}"))
}
