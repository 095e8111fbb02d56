//! What a supervision makes of what another has left.

use super::*;
use crate::supervision::Left;

/// A world in which another supervision takes over, with those who are there.
fn taken_over(change: impl FnOnce(&mut World, &mut Left)) -> (World, Vec<Action>) {
    taken_over_for(50, change)
}

/// The same, and the world goes on for so many blocks.
fn taken_over_for(blocks: u64, change: impl FnOnce(&mut World, &mut Left)) -> (World, Vec<Action>) {
    let mut world = World::new(2);
    world.run(50);
    let number = |slot: Slot| (world.claimed[slot] != 0).then_some(world.claimed[slot]);
    let mut left = Left {
        last_number: world.claimed.into_iter().max().unwrap_or(0),
        members: std::array::from_fn(number),
        ..Left::default()
    };
    change(&mut world, &mut left);
    world.supervision = Supervision::new(Settings::for_replicas(2));
    world.supervision.take_over(&left);
    let actions = world.run(blocks);
    (world, actions)
}

fn spawned(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Spawn { .. })).count()
}

#[test]
fn another_supervision_goes_on_with_those_who_are_there() {
    let (world, actions) = taken_over(|_, _| {});
    assert!(world.supervision.is_redundant() && world.supervision.has_begun());
    assert!(actions.iter().any(|action| matches!(action, Action::Promote(_))));
    assert_eq!(spawned(&actions), 0);
    let killed =
        actions.iter().any(|action| matches!(action, Action::Fence(slot) if *slot < SLOTS));
    assert!(!killed, "{actions:?}");
}

#[test]
fn a_fork_under_way_is_awaited_and_its_number_is_not_given_again() {
    let (mut world, _) = taken_over(|world, left| {
        left.members[1] = None;
        world.claimed[1] = 0;
        left.last_number += 1;
        left.fork = Some((0, 1, left.last_number));
        // No other fork may be ordered meanwhile.
        world.stuck = [true; SLOTS];
    });
    let number = world.supervision.last_number;
    assert_eq!(world.supervision.role(1), "joining");
    world.stuck = [false; SLOTS];
    world.send(Event::Forked { number });
    world.claimed[1] = number;
    world.rendered[1] = world.rendered[0];
    world.run(20);
    assert!(world.supervision.is_redundant());
    assert!(world.supervision.take_number() > number);
}

#[test]
fn whoever_is_unfit_is_awaited_dead_and_replaced() {
    let (world, actions) = taken_over(|_, left| left.unfit[0] = true);
    assert_eq!(spawned(&actions), 0);
    assert_eq!(world.supervision.role(0), "fenced", "its place is not given away before");
    assert_eq!(world.supervision.primary(), Some(1));
}

#[test]
fn if_nobody_is_left_a_fresh_worker_starts_afresh() {
    let (_, actions) = taken_over(|world, left| {
        left.members = [None; PLACES];
        world.claimed = [0; PLACES];
    });
    assert!(actions.iter().any(|action| matches!(action, Action::Spawn { restart: true, .. })));
}

#[test]
fn of_equals_the_one_that_went_first_goes_first_again() {
    for primary in [0, 1] {
        let (world, _) = taken_over(|_, left| left.primary = primary);
        assert_eq!(world.supervision.primary(), Some(primary));
    }
    let (world, _) = taken_over(|world, left| {
        left.primary = 1;
        world.rendered[0] += 1;
        world.sealed += 1;
    });
    assert_eq!(world.supervision.primary(), Some(0), "unless another is further");
}

#[test]
fn what_was_put_aside_for_a_block_is_not_put_aside_again_nor_any_for_one_before() {
    for (module, blocks_before, amendments) in [(7, 0, 0), (8, 0, 1), (8, 1, 0)] {
        let cause = Cause::Signal(11);
        let (mut world, _) = taken_over_for(1, |world, left| {
            left.amended = (world.sealed + blocks_before, vec![Culprit::Module(7)]);
            world.stuck = [true; SLOTS];
        });
        let block = world.rendered[0];
        world.crumbs[0] = Crumb { block, place: Place::Module(module) };
        let crumb = world.crumbs[0];
        world.send(Event::Exited { slot: 0, death: Death::OfItself(cause), crumb });
        let amended = world.count(|action| matches!(action, Action::Amend { .. }));
        assert_eq!(amended, amendments, "module {module}, {blocks_before} blocks before");
    }
}

#[test]
fn checkpoints_that_were_distrusted_are_dropped_when_they_come() {
    for is_distrusted in [false, true] {
        let (_, actions) = taken_over(|world, left| {
            let newest = world.claimed[SLOTS..].iter().copied().max().unwrap_or(0);
            assert!(newest > 0, "there is one");
            left.distrusted = newest - u32::from(!is_distrusted);
        });
        let dropped = actions.iter().any(|it| matches!(it, Action::Fence(SLOTS..)));
        assert_eq!(dropped, is_distrusted, "{actions:?}");
    }
}

/// Should the supervisor die over it, the difference is still there for the next to see, or all is done.
#[test]
fn checkpoints_are_distrusted_before_who_differs_is_gone() {
    let mut world = World::new(2);
    world.run(50);
    let actions = world.send(Event::Diverged { slot: 1 });
    let at = |wanted: &dyn Fn(&Action) -> bool| actions.iter().position(wanted);
    let distrusted = at(&|it| matches!(it, Action::Distrust(_))).expect("distrusted");
    let dropped = at(&|it| matches!(it, Action::Fence(SLOTS..))).expect("dropped");
    let fenced = at(&|it| matches!(it, Action::Fence(1))).expect("fenced");
    assert!(distrusted < dropped && dropped < fenced, "{actions:?}");
}
