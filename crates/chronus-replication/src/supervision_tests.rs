//! Tests of supervision, fault by fault, against a hand-driven world.

use crate::restart::Death;
use crate::supervision::{Action, Event, Notice, Reason, Settings, Supervision, View};
use crate::{BlockIndex, SLOTS, Slot};

/// A world whose workers obey at once unless told not to.
struct World {
    supervision: Supervision,
    now_ns: u64,
    sealed: BlockIndex,
    claimed: [u32; SLOTS],
    rendered: [BlockIndex; SLOTS],
    cpu_ns: [u64; SLOTS],
    stuck: [bool; SLOTS],
    actions: Vec<Action>,
}

impl World {
    fn new(replicas: usize) -> Self {
        let mut world = Self {
            supervision: Supervision::new(Settings::for_replicas(replicas)),
            now_ns: 0,
            sealed: 0,
            claimed: [0; SLOTS],
            rendered: [0; SLOTS],
            cpu_ns: [0; SLOTS],
            stuck: [false; SLOTS],
            actions: Vec::new(),
        };
        world.run(20);
        world
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
        let cpu = self.cpu_ns;
        let view = View {
            sealed: self.sealed,
            released: self.sealed,
            claimed: self.claimed,
            rendered: self.rendered,
            cpu_ns: &|slot| Some(cpu[slot]),
        };
        self.supervision.look(self.now_ns, &view, &mut actions);
        self.take(actions, obey);
    }

    fn send(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.supervision.handle(event, &mut actions);
        self.take(actions.clone(), true);
        actions
    }

    fn take(&mut self, actions: Vec<Action>, obey: bool) {
        for action in actions {
            self.actions.push(action);
            match action {
                Action::Fork { into, number, forker } if obey => {
                    self.send(Event::Forked { number });
                    self.claimed[into] = number;
                    self.rendered[into] = self.rendered[forker];
                }
                Action::Spawn { slot, number, .. } if obey => {
                    self.claimed[slot] = number;
                    self.rendered[slot] = self.sealed;
                }
                Action::Fence(slot) => {
                    self.stuck[slot] = false;
                    self.send(Event::Exited { slot, death: Death::Killed });
                }
                _ => {}
            }
        }
    }

    fn count(&self, wanted: impl Fn(&Action) -> bool) -> usize {
        self.actions.iter().filter(|action| wanted(action)).count()
    }
}

fn notices(actions: &[Action]) -> Vec<Notice> {
    let only = |action: &Action| match action {
        Action::Report(notice) => Some(*notice),
        _ => None,
    };
    actions.iter().filter_map(only).collect()
}

#[test]
fn at_the_start_one_worker_is_spawned_and_the_others_are_its_forks() {
    for replicas in 1..=SLOTS {
        let world = World::new(replicas);
        assert_eq!(world.count(|a| matches!(a, Action::Spawn { restart: false, .. })), 1);
        assert_eq!(world.count(|a| matches!(a, Action::Fork { .. })), replicas - 1);
        assert_eq!(world.supervision.primary(), Some(0));
        assert!(world.supervision.is_redundant());
    }
}

#[test]
fn an_undisturbed_run_does_nothing() {
    let mut world = World::new(2);
    assert_eq!(world.run(10_000), []);
}

#[test]
fn a_dead_primary_is_succeeded_at_once_and_replaced_by_a_fork_of_the_survivor() {
    let mut world = World::new(2);
    let actions = world.send(Event::Exited { slot: 0, death: Death::Killed });
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

#[test]
fn two_stuck_workers_are_both_fenced_and_a_fresh_one_starts() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    world.stuck[1] = true;
    let actions = world.run(60);
    for slot in 0..2 {
        assert!(notices(&actions).contains(&Notice::Fenced(slot, Reason::Hopeless)), "slot {slot}");
    }
    assert!(actions.iter().any(|a| matches!(a, Action::Spawn { restart: true, .. })));
}

#[test]
fn a_late_worker_that_catches_up_is_left_alive() {
    let mut world = World::new(2);
    world.stuck[0] = true;
    world.run(4);
    world.stuck[0] = false;
    let later = world.run(100);
    assert!(notices(&later).contains(&Notice::CaughtUp(0)));
    assert!(!later.iter().any(|a| matches!(a, Action::Fence(_) | Action::Fork { .. })));
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
    world.send(Event::Exited { slot: 1, death: Death::Killed });
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
    world.send(Event::Exited { slot: 1, death: Death::Killed });
    let ordered = world.run_with(1, false);
    let Some(Action::Fork { forker: 0, into: 1, number }) = ordered.last().copied() else {
        panic!("{ordered:?}")
    };
    let actions = world.send(Event::Exited { slot: 0, death: Death::Killed });
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
        for slot in 0..2 {
            if world.supervision.is_occupied(slot) {
                world.send(Event::Exited { slot, death: Death::Killed });
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
    assert_eq!(actions[..2], [Action::Disown(1), Action::Fence(1)]);
    world.run(5);
    assert!(world.supervision.is_redundant());
}

#[test]
fn a_slot_is_not_given_away_before_its_process_is_reaped() {
    let mut world = World::new(2);
    let mut actions = Vec::new();
    world.supervision.handle(Event::Diverged { slot: 1 }, &mut actions);
    let free: Vec<Action> = world.run(50);
    assert!(!free.iter().any(|a| matches!(a, Action::Fork { .. })), "{free:?}");
    let slot: Slot = 1;
    world.send(Event::Exited { slot, death: Death::Killed });
    assert!(world.run(5).iter().any(|a| matches!(a, Action::Fork { into: 1, .. })));
}
