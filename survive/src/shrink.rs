//! Makes a history that fails as short as it can be while it still fails in the same
//! way: without other happenings, deaths and faults.

use crate::books::Broken;
use crate::plan::{Compared, Engine, Happening, Plan, What};
use crate::play::{Played, play};

/// Times that a history is played at most.
const MOST: usize = 600;

struct Shrinker {
    best: Plan,
    broken: Broken,
    left: usize,
}

/// The shortest history found that breaks the same invariant, with its story.
pub fn shrink(plan: &Plan, broken: &Broken) -> (Plan, Played) {
    let (best, broken) = (plan.clone(), broken.clone());
    let mut shrinker = Shrinker { best, broken, left: MOST };
    shrinker.cut_end();
    shrinker.quiet();
    shrinker.drop_happenings();
    shrinker.spare_processes();
    shrinker.mute();
    shrinker.drop_happenings();
    let played = play(&shrinker.best, true);
    (shrinker.best, played)
}

impl Shrinker {
    fn try_out(&mut self, plan: Plan) -> bool {
        if self.left == 0 || plan == self.best {
            return false;
        }
        self.left -= 1;
        let same = play(&plan, false).broken.is_some_and(|b| b.invariant == self.broken.invariant);
        if same {
            self.best = plan;
        }
        same
    }

    /// Nothing that comes later is needed.
    fn cut_end(&mut self) {
        let end_ms = self.broken.at_ms - self.best.begins_ms();
        let mut plan = self.best.clone();
        plan.happenings.retain(|happening| happening.at_ms <= end_ms);
        self.try_out(plan);
    }

    /// Perhaps no call needs to fail by itself.
    fn quiet(&mut self) {
        let mut plan = self.best.clone();
        plan.rates.0.clear();
        if self.try_out(plan) {
            return;
        }
        let calls: Vec<_> = self.best.rates.0.keys().copied().collect();
        for call in calls {
            let mut plan = self.best.clone();
            plan.rates.0.remove(&call);
            self.try_out(plan);
        }
    }

    fn drop_happenings(&mut self) {
        let mut size = (self.best.happenings.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < self.best.happenings.len() {
                let mut plan = self.best.clone();
                let until = (at + size).min(plan.happenings.len());
                plan.happenings.drain(at..until);
                if !self.try_out(plan) {
                    at += size;
                }
            }
            if size == 1 || self.left == 0 {
                return;
            }
            size /= 2;
        }
    }

    fn spare_processes(&mut self) {
        for at in 0..self.best.happenings.len() {
            let mut plan = self.best.clone();
            let Some(happening) = plan.happenings.get_mut(at) else { return };
            (happening.dies_at, happening.freezes) = (None, None);
            self.try_out(plan);
        }
    }

    fn mute(&mut self) {
        for (uid, call, ..) in play(&self.best, false).faults {
            let mut plan = self.best.clone();
            plan.muted.insert((uid, call));
            self.try_out(plan);
        }
    }
}

/// A plan in a few lines.
pub fn outline(plan: &Plan) -> String {
    let mut text = format!(
        "seed {}: {} route(s){}{}{}, {} minutes with faults\n",
        plan.seed,
        plan.routes,
        if plan.second { ", a second rollout" } else { "" },
        match plan.compared {
            Compared::No => "",
            Compared::Counts => ", answers compared",
            Compared::Required => ", answers compared for each step",
        },
        match plan.engine {
            Engine::One => ", evidence-1",
            Engine::Two => "",
        },
        plan.minutes
    );
    for Happening { at_ms, what, dies_at, freezes, .. } in &plan.happenings {
        let usual = matches!(what, What::Tick { late_ms } if (0..10_000).contains(late_ms));
        if usual && dies_at.is_none() && freezes.is_none() {
            continue;
        }
        let end = match (dies_at, freezes) {
            (Some(at), _) => format!(", dies at its {at}th suspension"),
            (None, Some((at, ms))) => format!(", stands still {ms} ms at its {at}th suspension"),
            (None, None) => String::new(),
        };
        text.push_str(&format!("  {:>8.1} s  {what:?}{end}\n", *at_ms as f64 / 1000.0));
    }
    text
}

/// The lines of a story that a reader needs: its end, without beginnings of processes.
pub fn story(played: &Played, most: usize) -> String {
    let told = played
        .story
        .iter()
        .filter(|(_, line)| !line.ends_with(": begins") && !line.contains("messages delivered to"));
    let told: Vec<_> = told.collect();
    let mut text = String::new();
    for (at_ms, line) in &told[told.len().saturating_sub(most)..] {
        let line: String = line.chars().take(150).collect();
        let seconds = (*at_ms - played.begins_ms) as f64 / 1000.0;
        text.push_str(&format!("  {seconds:>9.3} s  {line}\n"));
    }
    if let Some(broken) = &played.broken {
        text.push_str(&format!("  ✖ {:?}: {}\n", broken.invariant, broken.text));
    }
    text
}
