//! Tests of supervision, fault by fault, against a hand-driven world.

mod canaries;
mod checkpoints;
mod culprits;
mod fault_times;
mod provision;
mod succession;

use crate::blame::{Cause, Crumb, Culprit, Place};
use crate::fault_times::{FaultTimes, Span};
use crate::restart::Death;
use crate::supervision::{Action, Event, Notice, Reason, Settings, Supervision, View};
use crate::{BlockIndex, PLACES, SLOTS, Slot};

/// A world whose workers obey at once unless told not to.
struct World {
    supervision: Supervision,
    now_ns: u64,
    sealed: BlockIndex,
    claimed: [u32; PLACES],
    rendered: [BlockIndex; PLACES],
    crumbs: [Crumb; SLOTS],
    cpu_ns: [u64; SLOTS],
    stuck: [bool; SLOTS],
    asleep: [bool; SLOTS],
    blind: bool,
    useless_before: BlockIndex,
    proven: [bool; SLOTS],
    actions: Vec<Action>,
    times: FaultTimes,
    spans: Vec<(Span, u64)>,
}

impl World {
    fn new(replicas: usize) -> Self {
        Self::with(Settings::for_replicas(replicas))
    }

    fn with(settings: Settings) -> Self {
        let mut world = Self::empty(settings);
        world.run(20);
        world
    }

    /// Before the first worker was asked for.
    fn empty(settings: Settings) -> Self {
        Self {
            supervision: Supervision::new(settings),
            now_ns: 0,
            sealed: 0,
            claimed: [0; PLACES],
            rendered: [0; PLACES],
            crumbs: [Crumb::NONE; SLOTS],
            cpu_ns: [0; SLOTS],
            stuck: [false; SLOTS],
            asleep: [false; SLOTS],
            blind: false,
            useless_before: 0,
            proven: [true; SLOTS],
            actions: Vec::new(),
            times: FaultTimes::default(),
            spans: Vec::new(),
        }
    }

    /// Runs so many blocks; returns the actions taken.
    fn run(&mut self, blocks: u64) -> Vec<Action> {
        self.run_with(blocks, true)
    }

    fn run_with(&mut self, blocks: u64, obey: bool) -> Vec<Action> {
        let before = self.actions.len();
        for _ in 0..blocks {
            self.now_ns += 1_333_333;
            self.sealed += 1;
            for slot in 0..SLOTS {
                if self.supervision.is_live(slot) && !self.stuck[slot] {
                    self.rendered[slot] = self.sealed;
                }
            }
            self.look(obey);
        }
        self.actions[before..].to_vec()
    }

    fn look(&mut self, obey: bool) {
        let mut actions = Vec::new();
        self.with_view(|supervision, now_ns, view| supervision.look(now_ns, view, &mut actions));
        self.take(actions, obey);
        self.times.settle();
    }

    fn with_view(&mut self, use_it: impl FnOnce(&mut Supervision, u64, &View<'_>)) {
        let (cpu, crumbs, asleep) = (self.cpu_ns, self.crumbs, self.asleep);
        let view = View {
            sealed: self.sealed,
            released: self.sealed,
            claimed: self.claimed,
            rendered: self.rendered,
            renew_before: 0,
            useless_before: self.useless_before,
            proven: self.proven,
            cpu_ns: &|slot| Some(cpu[slot]),
            cpu_now_ns: &|slot| Some(cpu[slot]),
            asleep: &|slot| asleep[slot],
            crumb: &|slot| crumbs[slot],
            blind: self.blind,
        };
        use_it(&mut self.supervision, self.now_ns, &view);
    }

    fn send(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.with_view(|supervision, _, view| supervision.handle(event, view, &mut actions));
        self.take(actions.clone(), true);
        actions
    }

    fn take(&mut self, actions: Vec<Action>, obey: bool) {
        let mut fenced = Vec::new();
        for action in actions {
            self.actions.push(action);
            self.spans.extend(self.times.take(&action, self.now_ns));
            match action {
                Action::Fork { into, number, forker } if obey && !self.stuck[forker] => {
                    self.send(Event::Forked { number });
                    self.claimed[into] = number;
                    self.rendered[into] = self.rendered[forker];
                }
                Action::Spawn { slot, number, .. } if obey => {
                    self.claimed[slot] = number;
                    self.rendered[slot] = self.sealed;
                }
                Action::Fence(slot) => {
                    if slot < SLOTS {
                        self.stuck[slot] = false;
                    }
                    fenced.push(slot);
                }
                Action::Thaw { from, into, number } if obey => {
                    self.claimed[into] = number;
                    self.rendered[into] = self.rendered[from];
                }
                _ => {}
            }
        }
        for slot in fenced {
            self.send(exited(slot, Death::Killed));
        }
    }

    fn count(&self, wanted: impl Fn(&Action) -> bool) -> usize {
        self.actions.iter().filter(|action| wanted(action)).count()
    }
}

fn exited(slot: Slot, death: Death) -> Event {
    Event::Exited { slot, death, crumb: Crumb::NONE }
}

fn notices(actions: &[Action]) -> Vec<Notice> {
    let only = |action: &Action| match action {
        Action::Report(notice) => Some(*notice),
        _ => None,
    };
    actions.iter().filter_map(only).collect()
}

#[test]
fn where_one_can_be_outvoted_who_has_no_vote_is_not_there_yet() {
    for (replicas, is_there) in [(2, true), (3, false)] {
        let mut world = World::new(replicas);
        assert!(world.supervision.is_redundant());
        let slot = (0..SLOTS).find(|slot| world.supervision.role(*slot) == "standby");
        let slot = slot.expect("there is a standby");
        world.proven[slot] = false;
        world.send(Event::Exited { slot, death: Death::Killed, crumb: Crumb::NONE });
        world.run(20);
        assert_eq!(world.supervision.is_redundant(), is_there, "{replicas} replicas");
        world.proven[slot] = true;
        world.run(2);
        assert!(world.supervision.is_redundant());
    }
}

#[test]
fn at_the_start_one_worker_is_spawned_and_the_others_are_its_forks() {
    for replicas in 1..=SLOTS {
        let world = World::new(replicas);
        assert_eq!(world.count(|a| matches!(a, Action::Spawn { restart: false, .. })), 1);
        let into_slot = |a: &Action| matches!(a, Action::Fork { into, .. } if *into < SLOTS);
        assert_eq!(world.count(into_slot), replicas - 1);
        assert_eq!(world.supervision.primary(), Some(0));
        assert!(world.supervision.is_redundant());
    }
}

#[test]
fn an_undisturbed_run_does_nothing_but_renew_checkpoints() {
    let mut world = World::new(2);
    let of_checkpoint = |action: &Action| matches!(action, Action::Fork { into: place, .. } | Action::Fence(place) if *place >= SLOTS);
    let actions = world.run(10_000);
    assert!(actions.iter().all(of_checkpoint), "{actions:?}");
    let mut alone = World::new(1);
    assert_eq!(alone.run(10_000), []);
}

#[test]
fn a_dead_primary_is_succeeded_at_once_and_replaced_by_a_fork_of_the_survivor() {
    let mut world = World::new(2);
    let actions = world.send(exited(0, Death::Killed));
    assert_eq!(actions[0], Action::Report(Notice::Died(0)));
    assert_eq!(actions[1], Action::Promote(1));
    let later = world.run(5);
    let forks: Vec<&Action> = later.iter().filter(|a| matches!(a, Action::Fork { .. })).collect();
    assert!(matches!(forks[..], [Action::Fork { forker: 1, into: 0, .. }]));
    assert!(notices(&later).contains(&Notice::Redundant));
}

#[test]
fn a_stopped_primary_is_overtaken_first_and_fenced_later() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    let early = notices(&world.run(3));
    assert!(early.contains(&Notice::Overtaken(0)), "{early:?}");
    assert!(!early.contains(&Notice::Fenced(0, Reason::Hopeless)), "{early:?}");
    let later = notices(&world.run(30));
    assert!(later.contains(&Notice::Fenced(0, Reason::Hopeless)), "{later:?}");
    assert!(world.supervision.is_redundant());
}

/// Other programs may keep a worker from running for long; one that is stopped for good is given up all the same.
#[test]
fn without_a_clock_nobody_is_overtaken_or_given_up_soon() {
    for slot in 0..2 {
        let mut world = World::with(Settings::for_replicas(2).without_a_clock());
        world.stuck[slot] = true;
        assert_eq!(notices(&world.run(20)), [], "for 27 ms");
        world.stuck[slot] = false;
        assert_eq!(notices(&world.run(20)), []);
        world.stuck[slot] = true;
        let actions = world.run(300);
        let later = notices(&actions);
        assert!(later.contains(&Notice::Fenced(slot, Reason::Hopeless)), "{later:?}");
        let asked = actions.iter().find_map(|action| match action {
            Action::FindChild { number, .. } => Some(*number),
            _ => None,
        });
        if let Some(number) = asked {
            world.send(Event::NoChild { number });
        }
        world.run(20);
        assert!(world.supervision.is_redundant());
    }
}

#[test]
fn two_stuck_workers_are_both_fenced_and_another_takes_over() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    world.stuck[1] = true;
    let mut actions = world.run(60);
    let asked = actions.iter().find_map(|action| match action {
        Action::FindChild { number, .. } => Some(*number),
        _ => None,
    });
    if let Some(number) = asked {
        world.send(Event::NoChild { number });
    }
    actions.extend(world.run(20));
    for slot in 0..2 {
        assert!(notices(&actions).contains(&Notice::Fenced(slot, Reason::Hopeless)), "slot {slot}");
    }
    assert!(actions.iter().any(|a| matches!(a, Action::Thaw { .. })), "{actions:?}");
    assert!(world.supervision.is_redundant());
}

#[test]
fn a_late_worker_that_catches_up_is_left_alive() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    world.run(4);
    world.stuck[0] = false;
    let later = world.run(100);
    assert!(notices(&later).contains(&Notice::CaughtUp(0)));
    let ends_or_makes = |a: &Action| matches!(a, Action::Fence(slot) | Action::Fork { into: slot, .. } if *slot < SLOTS);
    assert!(!later.iter().any(ends_or_makes));
    assert_eq!(world.supervision.primary(), Some(1), "the place is not given back");
}

#[test]
fn a_looping_worker_is_fenced_long_before_the_hard_limit() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    let mut fenced_after = 0;
    for block in 1..100 {
        world.cpu_ns[0] += 1_333_333;
        if notices(&world.run(1)).contains(&Notice::Fenced(0, Reason::RanAway)) {
            fenced_after = block;
            break;
        }
    }
    assert!((3..12).contains(&fenced_after), "after {fenced_after} blocks");
}

/// It forks for long, say, and is in a module when its clock is read.
#[test]
fn who_came_to_a_module_only_since_the_last_look_has_not_run_away_in_it() {
    let (mut world, slot) = (World::new(1), 0);
    world.stuck = [true; SLOTS];
    let mut amendments = |blocks: u64, used_ns: u64, crumb: Crumb| {
        world.cpu_ns[slot] += used_ns;
        world.crumbs[slot] = crumb;
        world.run(blocks);
        let is_fenced = world.count(|action| matches!(action, Action::Fence(_))) > 0;
        (world.count(|action| matches!(action, Action::Amend { .. })), is_fenced)
    };
    let module = Crumb { block: 20, place: Place::Module(7) };
    assert_eq!(amendments(4, 0, Crumb { block: 19, place: Place::Elsewhere }), (0, false));
    assert_eq!(amendments(1, 10_000_000, module), (0, false));
    assert_eq!(amendments(1, 0, module), (1, true));
}

#[test]
fn a_supervisor_that_was_not_run_blames_nobody() {
    let mut world = World::new(2);
    world.sealed += 40;
    world.now_ns += 60_000_000;
    world.look(true);
    assert!(!world.run(10).iter().any(|a| matches!(a, Action::Fence(_) | Action::Promote(_))));
}

#[test]
fn a_fork_that_fails_is_retried_with_back_off_and_said() {
    let mut world = World::new(2);
    world.send(exited(1, Death::Killed));
    let mut retries = Vec::new();
    for _ in 0..400 {
        for action in world.run_with(1, false) {
            if let Action::Fork { number, .. } = action {
                let said = notices(&world.send(Event::ForkFailed { number, errno: 11 }));
                assert!(matches!(said[..], [Notice::ForkFailed { errno: 11, .. }]));
                retries.push(world.now_ns);
            }
        }
    }
    assert!((4..12).contains(&retries.len()), "{} attempts in half a second", retries.len());
    assert!(world.supervision.primary().is_some());
}

#[test]
fn a_forker_that_dies_leaves_its_child_to_be_found() {
    let mut world = World::new(2);
    world.send(exited(1, Death::Killed));
    let ordered = world.run_with(1, false);
    let Some(Action::Fork { forker: 0, into: 1, number }) = ordered.last().copied() else {
        panic!("{ordered:?}")
    };
    let actions = world.send(exited(0, Death::Killed));
    assert!(actions.contains(&Action::FindChild { number, into: 1 }));
    world.run_with(3, false);
    assert_eq!(world.count(|a| matches!(a, Action::Spawn { restart: true, .. })), 0, "it may live");
    world.send(Event::Forked { number });
    world.claimed[1] = number;
    world.run(3);
    assert_eq!(world.supervision.primary(), Some(1), "the orphan plays on");
}

#[test]
fn when_all_are_dead_a_fresh_worker_starts_but_never_in_a_loop() {
    let mut world = World::new(2);
    let mut starts = 0;
    for _ in 0..3000 {
        let actions = world.run(1);
        starts +=
            actions.iter().filter(|a| matches!(a, Action::Spawn { restart: true, .. })).count();
        for slot in 0..SLOTS {
            if world.supervision.is_occupied(slot) {
                world.send(exited(slot, Death::Killed));
            }
        }
    }
    assert!((3..=5).contains(&starts), "{starts} fresh starts in 4 s");
    let said = world
        .count(|a| matches!(a, Action::Report(Notice::Slowed { .. } | Notice::Intensity { .. })));
    assert!(said > 0, "a bounded restart is said aloud");
}

#[test]
fn a_replica_that_diverges_is_disowned_fenced_and_replaced() {
    let mut world = World::new(2);
    let actions = world.send(Event::Diverged { slot: 1 });
    let is_of_slot = |it: &&Action| matches!(it, Action::Disown(1) | Action::Fence(1));
    assert!(
        actions.iter().filter(is_of_slot).eq(&[Action::Disown(1), Action::Fence(1)]),
        "{actions:?}"
    );
    world.run(5);
    assert!(world.supervision.is_redundant());
}

#[test]
fn who_says_what_cannot_be_is_fenced_and_replaced_even_if_it_is_alone() {
    let mut world = World::new(2);
    world.run(200);
    let actions = world.send(Event::Discredited { slot: 0 });
    assert_eq!(actions[0], Action::Disown(0));
    assert!(actions.contains(&Action::Fence(0)));
    assert!(notices(&actions).contains(&Notice::Fenced(0, Reason::Discredited)));
    assert_eq!(world.supervision.checkpoint(), None, "it may have forked the checkpoint");
    world.run(5);
    assert!(world.supervision.is_redundant());
    let mut alone = World::new(1);
    let actions = alone.send(Event::Discredited { slot: 0 });
    assert!(
        !actions.contains(&Action::Disown(0)) && actions.contains(&Action::Fence(0)),
        "what it has rendered is better than nothing"
    );
    alone.run(5);
    assert_eq!(alone.supervision.primary(), Some(0));
    assert_eq!(alone.send(Event::Discredited { slot: 3 }), [], "nobody is there");
}

#[test]
fn one_that_is_discredited_before_it_was_admitted_never_is() {
    let mut world = World::new(2);
    world.send(exited(1, Death::Killed));
    world.run_with(1, false);
    let number = world.claimed.iter().max().expect("places") + 1;
    world.send(Event::Forked { number });
    world.claimed[1] = number;
    let actions = world.send(Event::Discredited { slot: 1 });
    assert_eq!(actions[0], Action::Fence(1));
    world.run(5);
    assert_eq!(world.count(|action| *action == Action::Accept { slot: 1, number }), 0);
    assert!(world.supervision.is_redundant());
}

#[test]
fn a_slot_is_not_given_away_before_its_process_is_reaped() {
    let mut world = World::new(SLOTS);
    let mut actions = Vec::new();
    let event = Event::Diverged { slot: 1 };
    world.with_view(|supervision, _, view| supervision.handle(event, view, &mut actions));
    let free: Vec<Action> = world.run(50);
    let into_slot = |a: &Action| matches!(a, Action::Fork { into, .. } if *into < SLOTS);
    assert!(!free.iter().any(into_slot), "{free:?}");
    world.send(exited(1, Death::Killed));
    assert!(world.run(5).iter().any(|a| matches!(a, Action::Fork { into: 1, .. })));
}

/// The worker of `slot` is at this module of the block that it renders next, which is sealed.
fn in_module(world: &mut World, slot: Slot, module: u32) -> Crumb {
    world.sealed = world.sealed.max(world.rendered[slot] + 1);
    let crumb = Crumb { block: world.rendered[slot], place: Place::Module(module) };
    world.crumbs[slot] = crumb;
    crumb
}
