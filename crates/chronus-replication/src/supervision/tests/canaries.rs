//! Who goes first into a block in which the primary comes to no end.

use super::*;

const STEP_NS: u64 = 250_000;

/// A primary and standbys, in slots of rising number, and a block that the primary has just begun.
fn begun(replicas: usize) -> (World, BlockIndex) {
    let mut world = World::new(replicas);
    world.run(10);
    world.sealed += 1;
    world.look(true);
    let block = world.rendered[0];
    assert_eq!(world.supervision.primary(), Some(0));
    (world, block)
}

/// For so long those who go first are busy in the module: the primary and whoever takes its place.
fn busy(world: &mut World, steps: u64) -> Vec<Action> {
    let mut actions = Vec::new();
    for _ in 0..steps {
        world.now_ns += STEP_NS;
        for slot in 0..SLOTS {
            let leads = world.supervision.primary() == Some(slot);
            let is_in_it = leads || world.supervision.role(slot) == "late";
            if is_in_it && world.rendered[slot] < world.sealed {
                world.cpu_ns[slot] += STEP_NS;
                in_module(world, slot, 7);
            }
        }
        let before = world.actions.len();
        world.look(true);
        actions.extend_from_slice(&world.actions[before..]);
        if actions.iter().any(|action| matches!(action, Action::Amend { .. })) {
            break;
        }
    }
    actions
}

fn forks(actions: &[Action]) -> Vec<(Slot, Slot)> {
    let fork = |action: &Action| match *action {
        Action::Fork { forker, into, .. } => Some((forker, into)),
        _ => None,
    };
    actions.iter().filter_map(fork).collect()
}

fn promoted(actions: &[Action]) -> Vec<Slot> {
    let promoted = |action: &Action| match *action {
        Action::Promote(slot) => Some(slot),
        _ => None,
    };
    actions.iter().filter_map(promoted).collect()
}

fn amended(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Amend { .. })).count()
}

#[test]
fn the_last_standby_sends_a_canary_and_is_still_before_the_block_when_it_is_amended() {
    let (mut world, block) = begun(2);
    let begun_ns = world.now_ns;
    let actions = busy(&mut world, 40);
    assert!(world.now_ns - begun_ns <= 3_500_000, "it took {} ns", world.now_ns - begun_ns);
    assert_eq!(forks(&actions)[0], (1, 2), "{actions:?}");
    let cause = Cause::Stuck;
    assert!(actions.contains(&Action::Amend { block, culprit: Culprit::Module(7), cause }));
    for (slot, is_fenced) in [(0, true), (1, false), (2, true)] {
        assert_eq!(actions.contains(&Action::Fence(slot)), is_fenced, "slot {slot}: {actions:?}");
    }
    assert_eq!(promoted(&actions), [2, 1], "the canary, then the standby: {actions:?}");
    assert_eq!((world.rendered[1], world.supervision.primary()), (block, Some(1)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Thaw { .. })));
    world.run(20);
    assert!(world.supervision.is_redundant());
}

#[test]
fn where_there_is_another_standby_one_goes_itself() {
    let (mut world, block) = begun(3);
    let actions = busy(&mut world, 40);
    let before_blame: Vec<Action> =
        actions.iter().take_while(|a| !matches!(a, Action::Amend { .. })).copied().collect();
    assert_eq!((forks(&before_blame), promoted(&before_blame)), (vec![], vec![1]));
    assert_eq!(amended(&actions), 1);
    assert_eq!((world.rendered[2], world.supervision.primary()), (block, Some(2)));
}

#[test]
fn nobody_is_blamed_if_the_canary_gets_through_and_two_are_enough_then() {
    let (mut world, _) = begun(2);
    let mut actions = Vec::new();
    while promoted(&actions).is_empty() {
        actions.extend(busy(&mut world, 1));
    }
    let canary = promoted(&actions)[0];
    assert_eq!(canary, 2, "{actions:?}");
    // It is seen there after a quarter of a millisecond, and busy for half a millisecond then.
    actions.extend(busy(&mut world, 3));
    actions.extend(world.run(10));
    assert_eq!((amended(&actions), world.supervision.primary()), (0, Some(canary)), "{actions:?}");
    let live = (0..SLOTS).filter(|slot| world.supervision.is_live(*slot)).count();
    assert_eq!((live, world.supervision.is_redundant()), (2, true));
    let dismissed =
        [0, 1].map(|slot| notices(&actions).contains(&Notice::Fenced(slot, Reason::Surplus)));
    assert!(dismissed[0] != dismissed[1], "one of the others goes: {actions:?}");
}

#[test]
fn a_canary_that_is_not_needed_any_more_goes() {
    let (mut world, _) = begun(2);
    let mut actions = Vec::new();
    while forks(&actions).is_empty() {
        actions.extend(busy(&mut world, 1));
    }
    world.proven[2] = false;
    actions.extend(world.run(10));
    assert_eq!((amended(&actions), world.supervision.primary()), (0, Some(0)), "{actions:?}");
    assert!(notices(&actions).contains(&Notice::Fenced(2, Reason::Surplus)), "{actions:?}");
    assert!(world.supervision.is_live(1) && world.supervision.is_redundant());
}

#[test]
fn one_that_is_starved_or_at_nothing_is_overtaken_without_a_canary() {
    for (uses_time, is_at_work) in [(false, true), (true, false)] {
        let (mut world, block) = begun(2);
        let place = if is_at_work { Place::Module(7) } else { Place::Elsewhere };
        world.crumbs[0] = Crumb { block, place };
        let mut actions = Vec::new();
        while promoted(&actions).is_empty() {
            world.now_ns += STEP_NS;
            world.cpu_ns[0] += if uses_time { STEP_NS } else { 0 };
            let before = world.actions.len();
            world.look(true);
            actions.extend_from_slice(&world.actions[before..]);
        }
        assert_eq!((forks(&actions), promoted(&actions)), (vec![], vec![1]), "{actions:?}");
    }
}

/// The standby does not answer: its child is not waited for until it is too late.
#[test]
fn a_canary_that_does_not_come_is_not_waited_for() {
    let (mut world, _) = begun(2);
    world.stuck[1] = true;
    let begun_ns = world.now_ns;
    let mut actions = Vec::new();
    while promoted(&actions).is_empty() {
        actions.extend(busy(&mut world, 1));
    }
    assert_eq!(promoted(&actions), [1]);
    assert!(world.now_ns - begun_ns <= 3_000_000, "it took {} ns", world.now_ns - begun_ns);
}

#[test]
fn looks_are_asked_for_while_something_is_owed() {
    let mut world = World::new(2);
    world.run(10);
    assert_eq!(world.supervision.look_again_in_ns(), None, "nothing is owed");
    let (mut world, _) = begun(2);
    assert_eq!(world.supervision.look_again_in_ns(), Some(1_500_000), "when it will be overdue");
    busy(&mut world, 6);
    assert_eq!(world.supervision.look_again_in_ns(), Some(200_000), "while it is urgent");
}
