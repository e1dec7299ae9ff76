//! The processes: each with ports and a clock of its own.

use super::setting::configuration;
use super::{BUDGET, Done, Flag, Player, Process};
use crate::books::Work;
use crate::cloud::{Caller, Door};
use crate::plan::Happening;
use jiff::{SignedDuration, Timestamp};
use rollout_controller::adapters::alb::Rules;
use rollout_controller::config::Config;
use rollout_controller::controller::act::act;
use rollout_controller::controller::protect::Memory;
use rollout_controller::controller::tick::tick;
use rollout_controller::controller::{Schedule, command, query};
use rollout_controller::domain::command::{Order, Request};
use rollout_controller::domain::copy::OutsideOrder;
use rollout_controller::domain::decision::{CauseKind, Shift};
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{World, WritePermit};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Wake as _;

impl Player<'_> {
    fn world(&mut self, caller: Caller) -> (World, Arc<Caller>, Arc<Memory>) {
        let me = Arc::new(caller);
        let door = Arc::new(Door::new(self.cloud.clone(), Arc::clone(&me)));
        let memory = self.memories.pop().unwrap_or_default();
        let world = World {
            ledger: door.clone(),
            traffic: Arc::new(Rules::over(door.clone(), door.clone())),
            metrics: door.clone(),
            answers_log: door.clone(),
            alarms: door.clone(),
            deployments: door.clone(),
            outposts: door.clone(),
            messages: door.clone(),
            endpoints: door.clone(),
            clock: door,
            memory: Arc::clone(&memory),
        };
        (world, me, memory)
    }

    fn caller(
        &self,
        uid: u64,
        name: String,
        dies_at: Option<u32>,
        freezes: Option<(u32, i64)>,
    ) -> Caller {
        let mut caller = Caller::new(uid, name);
        (caller.dies_at, caller.freezes) = (dies_at, freezes);
        (caller.skew_ms, caller.people_ms) = self.skew;
        caller
    }

    fn spawn(
        &mut self,
        uid: u64,
        name: String,
        memory: Arc<Memory>,
        work: impl Future<Output = Done> + Send + 'static,
    ) {
        self.tell(|| format!("{name}: begins"));
        let ready = Arc::clone(&self.ready);
        let flag = Arc::new(Flag { uid, queued: AtomicBool::new(false), ready });
        Arc::clone(&flag).wake();
        let (began_ms, frozen_until_ms) = (self.now_ms(), 0);
        let work = Box::pin(work);
        let process = Process { name, work, flag, began_ms, frozen_until_ms, memory };
        self.processes.insert(uid, process);
    }

    fn began(&mut self, uid: u64, work: Work, config: &Arc<Config>) {
        let (now_ms, people_ms) = (self.now_ms(), self.skew.1);
        let config = Arc::clone(config);
        self.cloud.state().books.began(uid, work, config, now_ms, people_ms);
    }

    fn config(&self) -> Arc<Config> {
        configuration(self.plan, self.version)
    }

    fn deadline(world: &World) -> Timestamp {
        rollout_controller::controller::deadline(world, BUDGET, None)
    }

    pub(super) fn spawn_tick(
        &mut self,
        uid: u64,
        late_ms: i64,
        dies_at: Option<u32>,
        freezes: Option<(u32, i64)>,
    ) {
        let meant_ms = self.now_ms() - late_ms;
        let name = format!("tick {uid}");
        let (world, _, memory) = {
            let caller = self.caller(uid, name.clone(), dies_at, freezes);
            self.world(caller)
        };
        let config = self.config();
        self.began(uid, Work::Tick(meant_ms), &config);
        let scheduled = Timestamp::from_millisecond(meant_ms).unwrap_or_default();
        let schedule = Schedule { scheduled, deadline: Self::deadline(&world) };
        let work = async move { Done::Tick(tick(&world, &config, schedule).await) };
        self.spawn(uid, name, memory, work);
    }

    pub(super) fn request(
        &mut self,
        uid: u64,
        rollout: &'static str,
        order: Order,
        stale: i64,
    ) -> Request {
        let seen = self.cloud.state().books.track(rollout).map_or(0, |track| track.seq);
        Request {
            rollout: Some(rollout.to_owned()),
            id: format!("command-{uid}"),
            if_revision: Some((seen - stale).max(0)),
            identity: format!("person-{}", uid % 3),
            reason: format!("reason {uid}"),
            dry_run: false,
            order,
        }
    }

    pub(super) fn spawn_command(
        &mut self,
        uid: u64,
        request: Request,
        dies_at: Option<u32>,
        freezes: Option<(u32, i64)>,
    ) {
        let name = format!("{} {uid}", request.order.name());
        let caller = self.caller(uid, name.clone(), dies_at, freezes);
        let (world, _, memory) = self.world(caller);
        let config = self.config();
        self.began(uid, Work::Command(Box::new(request.clone())), &config);
        let scheduled = world.clock.now();
        let schedule = Schedule { scheduled, deadline: Self::deadline(&world) };
        let work = async move {
            let answer = command::command(&world, &config, &request, schedule).await;
            Done::Answer(Box::new(request), Box::new(answer))
        };
        self.spawn(uid, name, memory, work);
    }

    pub(super) fn spawn_view(&mut self, happening: &Happening, rollout: &'static str) {
        let uid = happening.uid;
        let name = format!("view {uid}");
        let caller = self.caller(uid, name.clone(), happening.dies_at, happening.freezes);
        let (world, _, memory) = self.world(caller);
        let config = self.config();
        self.began(uid, Work::View, &config);
        let work = async move {
            match config.rollout(Some(rollout)) {
                Ok(found) => {
                    Done::Status(Box::new(query::sight_of(&world, found, 8, false).await.status))
                }
                Err(_) => Done::Pressed,
            }
        };
        self.spawn(uid, name, memory, work);
    }

    /// `rolloutctl rollback --direct`: the same calls in the same order.
    pub(super) fn spawn_direct(&mut self, happening: &Happening, rollout: &'static str) {
        let uid = happening.uid;
        let name = format!("direct {uid}");
        let caller = self.caller(uid, name.clone(), happening.dies_at, happening.freezes);
        let (world, _, memory) = self.world(caller);
        let config = self.config();
        self.began(uid, Work::Direct, &config);
        let given_ms = world.clock.now().as_millisecond();
        let order = OutsideOrder {
            command: format!("direct-{uid}"),
            verb: "rollback".to_owned(),
            identity: format!("person-{}", uid % 3),
            reason: format!("reason {uid}"),
            at_ms: given_ms,
            found: Vec::new(),
        };
        let work = async move {
            let text = "direct rollback".to_owned();
            let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
            let minute = SignedDuration::from_secs(60);
            let permit = WritePermit::lower_only(rollout_controller::controller::deadline(
                &world, minute, None,
            ));
            let routes = config.rollout(Some(rollout)).map(|found| found.terms.routes.clone());
            let routes = routes.unwrap_or_default();
            let outcome = act(&*world.traffic, &routes, &permit, &shift).await;
            let at_ms = world.clock.now().as_millisecond();
            let order = OutsideOrder { at_ms, ..order };
            let left = world.outposts.write_order(rollout, &order).await;
            let done = outcome.arrived(Weight::ZERO) && left.is_ok();
            Done::Direct(rollout.to_owned(), Box::new(order), done)
        };
        self.spawn(uid, name, memory, work);
    }
}
