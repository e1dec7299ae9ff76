//! What happens, one thing after another.

use super::setting::{ARN, build};
use super::{Player, events};
use crate::cloud::{Ours, Outage, Shown};
use crate::plan::{Happening, What};
use rollout_controller::domain::code::CodeSeen;

impl Player<'_> {
    pub(super) fn happen(&mut self, happening: &Happening) {
        let (uid, now_ms) = (happening.uid, self.now_ms());
        let (dies_at, freezes) = (happening.dies_at, happening.freezes);
        match &happening.what {
            What::Tick { late_ms } => self.spawn_tick(uid, *late_ms, dies_at, freezes),
            What::Order { rollout, order, stale, again, pressed } => {
                let mut request = self.request(uid, rollout, order.clone(), *stale);
                if *pressed {
                    request.identity = "the dashboard".to_owned();
                }
                let last = self.last.get(rollout).filter(|last| last.order == *order);
                if let Some(last) = last.filter(|_| *again) {
                    request = last.clone();
                }
                self.last.insert(rollout, request.clone());
                self.spawn_command(uid, request, dies_at, freezes);
            }
            What::Direct { rollout } => self.spawn_direct(happening, rollout),
            What::View { rollout } => self.spawn_view(happening, rollout),
            What::Release(version) => {
                self.tell(|| format!("controller: version {version} is deployed"));
                self.version = *version;
                self.memories.clear();
            }
            What::Build => {
                self.builds += 1;
                let (number, code) = (self.builds, build(self.builds));
                self.tell(|| format!("scorer: build {number} is deployed"));
                self.cloud.state().new_code.set(now_ms, code);
            }
            What::Target(there) => {
                self.tell(|| format!("scorer: target registered {there}"));
                let code = if *there { build(self.builds) } else { CodeSeen::NoTarget };
                self.cloud.state().new_code.set(now_ms, code);
            }
            What::Console(..)
            | What::Third(..)
            | What::Sticky(..)
            | What::Header(..)
            | What::Rule(..) => self.someone(&happening.what),
            What::Serves(service) => {
                self.tell(|| format!("services: {service:?}"));
                self.cloud.state().service.set(now_ms, *service);
            }
            What::Compares(compares) => {
                self.tell(|| format!("answers are compared: {compares}"));
                self.cloud.state().compares.set(now_ms, *compares);
            }
            What::Alarm(name, to) => {
                self.tell(|| format!("alarm {name}: {to:?}"));
                if let Some(alarm) = self.cloud.state().alarms.get_mut(*name) {
                    alarm.set(now_ms, *to);
                }
            }
            What::Outage(calls, fate, ms) => {
                let names: Vec<&str> = calls.iter().map(|call| call.name()).collect();
                self.tell(|| format!("for {} s: {} {}", ms / 1000, names.join(", "), fate.name()));
                let (calls, fate, until_ms) = (calls.clone(), *fate, now_ms + ms);
                self.cloud.state().outages.push(Outage { calls, fate, until_ms });
            }
            What::Late(ms, minutes) => {
                self.tell(|| format!("CloudWatch: {minutes} minutes come {} s late", ms / 1000));
                let first = now_ms.div_euclid(60_000);
                let late = (first..first + minutes).map(|minute| (minute, *ms));
                self.cloud.state().late_ms.extend(late);
            }
            What::Restore(rollout, back) => self.restore(rollout, *back),
            What::Skew(real_ms, people_ms) => {
                self.tell(|| format!("clocks of new processes: {real_ms} ms, {people_ms} ms"));
                self.skew = (*real_ms, *people_ms);
            }
        }
    }

    pub(super) fn someone(&mut self, what: &What) {
        let now_ms = self.now_ms();
        self.tell(|| format!("someone: {what:?}"));
        let mut state = self.cloud.state();
        state.books.meddled(now_ms);
        let at = |route: usize| format!("{ARN}:listener-rule/app/lb/1/{route}/9");
        let (route, change): (usize, &dyn Fn(&mut Ours)) = match what {
            What::Console(route, tenths) => {
                (*route, &|ours| ours.rule.set(now_ms, Some(ours.split(*tenths, false, None))))
            }
            What::Third(route, weight) => (*route, &|ours| {
                let tenths = match ours.shows() {
                    Shown::Tenths(tenths) => tenths,
                    Shown::Other { .. } => 0,
                };
                ours.rule.set(now_ms, Some(ours.split(tenths, false, Some(*weight))));
            }),
            What::Sticky(route, on) => (*route, &|ours| {
                if let Shown::Tenths(tenths) = ours.shows() {
                    ours.rule.set(now_ms, Some(ours.split(tenths, *on, None)));
                }
            }),
            What::Header(route, there) => (*route, &|ours| {
                let first = ours.header.at(i64::MIN).clone().filter(|_| *there);
                ours.header.set(now_ms, first);
            }),
            What::Rule(route, there) => (*route, &|ours| {
                let rule = there.then(|| ours.split(0, false, None));
                ours.rule.set(now_ms, rule);
            }),
            _ => return,
        };
        if let Some(ours) = state.rules.get_mut(&at(route)) {
            change(ours);
        }
    }

    fn restore(&mut self, rollout: &'static str, back: i64) {
        let now_ms = self.now_ms();
        let mut state = self.cloud.state();
        let Some(rows) = state.journals.get_mut(rollout) else { return };
        let last = rows.entries.last().map_or(0, |entry| entry.seq);
        rows.cut((last - back).max(0));
        let left = events(rollout, rows);
        state.tell(now_ms, || format!("database of {rollout}: restored without {back} entries"));
        state.books.cut(rollout, &left, now_ms);
    }
}
