//! Checkpoints: renewed, thawed, dropped.

use super::*;

#[test]
fn a_standby_renews_checkpoints_and_one_is_always_there() {
    let mut world = World::new(2);
    let actions = world.run(1000);
    let taken: Vec<Slot> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Fork { forker, into, .. } if *into >= SLOTS => Some(*forker),
            _ => None,
        })
        .collect();
    assert!(taken.len() >= 10, "{taken:?}");
    let primary = world.supervision.primary().expect("a primary");
    assert!(taken.iter().all(|forker| *forker != primary));
    let age = world.sealed - world.supervision.checkpoint().expect("a checkpoint");
    assert!(age < 90, "{age} blocks old");
    assert_eq!(World::new(1).supervision.checkpoint(), None, "the primary takes none");
}

#[test]
fn when_all_die_the_newest_checkpoint_is_thawed_then_the_other_then_a_fresh_one() {
    let mut world = World::new(2);
    world.run(200);
    let die = |world: &mut World| {
        let slots: Vec<Slot> = (0..SLOTS).filter(|s| world.supervision.is_occupied(*s)).collect();
        for slot in slots {
            world.send(exited(slot, Death::Killed));
        }
    };
    die(&mut world);
    let actions = world.run_with(1, true);
    assert!(actions.iter().any(|a| matches!(a, Action::Thaw { .. })), "{actions:?}");
    assert!(!actions.iter().any(|a| matches!(a, Action::Spawn { .. })));
    world.run(20);
    assert!(world.supervision.is_redundant() && world.supervision.checkpoint().is_some());
    for place in SLOTS..PLACES {
        world.send(exited(place, Death::Killed));
    }
    die(&mut world);
    let actions = world.run(1);
    assert!(
        actions.iter().any(|a| matches!(a, Action::Spawn { restart: true, .. })),
        "{actions:?}"
    );
}

#[test]
fn a_checkpoint_that_holds_up_the_log_goes_unless_it_is_the_only_one_left() {
    for nobody_lives in [false, true] {
        let mut world = World::new(2);
        world.run(200);
        world.useless_before = BlockIndex::MAX;
        for slot in (0..2).filter(|_| nobody_lives) {
            world.send(exited(slot, Death::Killed));
        }
        let actions = world.run_with(1, false);
        let is_dropped =
            actions.iter().any(|a| matches!(a, Action::Fence(place) if *place >= SLOTS));
        let is_thawed = actions.iter().any(|a| matches!(a, Action::Thaw { .. }));
        assert_eq!((is_dropped, is_thawed), (!nobody_lives, nobody_lives), "{actions:?}");
    }
}

#[test]
fn checkpoints_of_those_who_differ_are_not_trusted() {
    let mut world = World::new(2);
    world.run(200);
    assert!(world.supervision.checkpoint().is_some());
    world.send(Event::Diverged { slot: 1 });
    assert_eq!(world.supervision.checkpoint(), None);
}
