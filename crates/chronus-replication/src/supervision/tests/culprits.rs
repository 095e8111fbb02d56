//! Who is put aside for what, and who is not.

use super::*;

#[test]
fn who_falls_asleep_in_a_module_is_blamed_before_another_comes_there() {
    for (is_asleep, amendments) in [(true, 1), (false, 0)] {
        let mut world = World::new(2);
        let primary = world.supervision.primary().expect("somebody goes first");
        in_module(&mut world, primary, 7);
        world.stuck = [true; SLOTS];
        world.asleep[primary] = is_asleep;
        world.run(4);
        assert_eq!(world.count(|it| matches!(it, Action::Amend { .. })), amendments);
        assert_eq!(world.supervision.is_live(primary), !is_asleep, "else it is only late");
    }
}

#[test]
fn who_dies_of_its_own_doing_has_its_culprit_put_aside_before_anybody_follows() {
    let mut world = World::new(2);
    let crumb = in_module(&mut world, 0, 7);
    let cause = Cause::Signal(11);
    let actions = world.send(Event::Exited { slot: 0, death: Death::OfItself(cause), crumb });
    let amended = Action::Amend { block: 20, culprit: Culprit::Module(7), cause };
    let at = |wanted: Action| actions.iter().position(|action| *action == wanted);
    assert!(at(amended).expect("amended") < at(Action::Promote(1)).expect("promoted"));
    world.run(20);
    let crumb = in_module(&mut world, 1, 7);
    let died = Event::Exited { slot: 1, death: Death::OfItself(Cause::Signal(11)), crumb };
    assert!(
        world
            .send(died)
            .iter()
            .any(|action| matches!(action, Action::Amend { block, .. } if *block == crumb.block)),
        "in another block it is to blame anew"
    );
}

/// The first worker begins, renders the first block and dies of it between two looks.
#[test]
fn who_dies_before_it_was_admitted_has_its_culprit_put_aside_all_the_same() {
    let crumb = Crumb { block: 0, place: Place::Module(7) };
    let cause = Cause::Status(42);
    for has_claimed in [true, false] {
        let mut world = World::empty(Settings::for_replicas(2));
        world.look(false);
        world.sealed = 1;
        world.claimed[0] = if has_claimed { world.supervision.last_number } else { 0 };
        let died = Event::Exited { slot: 0, death: Death::OfItself(cause), crumb };
        let amended = Action::Amend { block: 0, culprit: Culprit::Module(7), cause };
        assert_eq!(
            world.send(died).contains(&amended),
            has_claimed,
            "who never began is not at it"
        );
    }
}

#[test]
fn the_innocent_are_not_blamed() {
    let amends = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Amend { .. }));
    let own = Death::OfItself(Cause::Signal(6));
    let mut world = World::new(2);
    let crumb = in_module(&mut world, 0, 7);
    assert!(!amends(&world.send(Event::Exited { slot: 0, death: Death::Killed, crumb })), "killed");
    world.run(20);
    assert!(!amends(&world.send(exited(1, own))), "not in a module");
    world.run(20);
    let old = Crumb { block: 3, place: Place::Module(7) };
    assert!(
        !amends(&world.send(Event::Exited { slot: 0, death: own, crumb: old })),
        "an old crumb"
    );
    world.run(20);
    let slot = world.supervision.primary().expect("a primary");
    let crumb = in_module(&mut world, slot, 7);
    world.rendered[1 - slot] += 1;
    assert!(
        !amends(&world.send(Event::Exited { slot, death: own, crumb })),
        "somebody survived it"
    );
}

/// All three stand still, the second between two blocks.
#[test]
fn one_that_was_stopped_does_not_hide_what_the_others_are_stuck_in() {
    let mut world = World::new(3);
    world.stuck = [true; SLOTS];
    let mut actions = Vec::new();
    for _ in 0..60 {
        in_module(&mut world, 0, 7);
        in_module(&mut world, 2, 7);
        actions.extend(world.run(1));
    }
    let amends =
        |action: &Action| matches!(action, Action::Amend { culprit: Culprit::Module(7), .. });
    assert!(actions.iter().any(amends), "{actions:?}");
}

#[test]
fn each_culprit_of_a_block_is_put_aside_once() {
    let mut world = World::new(4);
    let cause = Cause::Signal(11);
    let mut amended = Vec::new();
    for (slot, module) in [(0, 7), (1, 8), (2, 7), (3, 9)] {
        let crumb = in_module(&mut world, slot, module);
        let died = Event::Exited { slot, death: Death::OfItself(cause), crumb };
        amended.extend(world.send(died).into_iter().filter_map(|action| match action {
            Action::Amend { culprit, .. } => Some(culprit),
            _ => None,
        }));
    }
    assert_eq!(amended, [7, 8, 9].map(Culprit::Module));
}

/// A module that stands still whenever it is rendered leaves one fresh worker after the other alone with it.
#[test]
fn a_worker_that_begins_anew_and_comes_no_further_than_the_last_blames_where_both_are_stuck() {
    let mut world = World::new(1);
    let mut actions = Vec::new();
    while !actions.iter().any(|action| matches!(action, Action::Amend { .. })) {
        in_module(&mut world, 0, 7);
        world.stuck[0] = true;
        let (rendered, sealed) = (world.rendered[0], world.sealed);
        actions.extend(world.run(1));
        // Who was begun anew in this turn is stuck as well.
        world.rendered[0] = if world.rendered[0] > rendered { sealed } else { rendered };
        assert!(actions.len() < 100, "{actions:?}");
    }
    let starts = actions.iter().filter(|a| matches!(a, Action::Spawn { .. })).count();
    assert_eq!(starts, 1, "the second is enough");
}

#[test]
fn a_block_that_is_not_sealed_has_no_culprit() {
    let own = Death::OfItself(Cause::Signal(6));
    let mut world = World::new(2);
    let crumb = Crumb { block: world.sealed, place: Place::Module(7) };
    let actions = world.send(Event::Exited { slot: 0, death: own, crumb });
    assert!(!actions.iter().any(|a| matches!(a, Action::Amend { .. })), "{actions:?}");
}

#[test]
fn a_block_that_the_dead_survived_has_no_culprit() {
    let mut world = World::new(2);
    let crumb = in_module(&mut world, 1, 7);
    world.rendered[0] += 3;
    world.send(exited(0, Death::Killed));
    let died = Event::Exited { slot: 1, death: Death::OfItself(Cause::Signal(11)), crumb };
    let actions = world.send(died);
    assert!(!actions.iter().any(|a| matches!(a, Action::Amend { .. })), "{actions:?}");
}

#[test]
fn a_plan_that_kills_who_prepares_it_is_withdrawn() {
    let mut world = World::new(2);
    let crumb = Crumb { block: 20, place: Place::Preparing(3) };
    let cause = Cause::Signal(6);
    let actions = world.send(Event::Exited { slot: 1, death: Death::OfItself(cause), crumb });
    assert!(actions.contains(&Action::Withdraw { edit: 3, cause }));
}

#[test]
fn two_that_are_busy_in_the_same_module_are_enough_to_blame_it() {
    let mut world = World::new(2);
    world.run(10);
    let block = world.rendered[0];
    world.stuck = [true; SLOTS];
    let mut actions = Vec::new();
    for look in 1..=8 {
        in_module(&mut world, 0, 7);
        in_module(&mut world, 1, 7);
        world.cpu_ns = [look * 1_000_000; SLOTS];
        actions.extend(world.run(1));
    }
    let amended = actions.iter().filter(|a| matches!(a, Action::Amend { .. })).collect::<Vec<_>>();
    let culprit = Culprit::Module(7);
    assert_eq!(amended, [&Action::Amend { block, culprit, cause: Cause::Stuck }]);
    assert!(actions.contains(&Action::Fence(0)) && actions.contains(&Action::Fence(1)));
    let asked = actions.iter().find_map(|action| match action {
        Action::FindChild { number, .. } => Some(*number),
        _ => None,
    });
    world.send(Event::NoChild { number: asked.expect("the second was asked to send another") });
    let actions = world.run(1);
    assert!(actions.iter().any(|a| matches!(a, Action::Thaw { .. })), "{actions:?}");
}

#[test]
fn two_that_use_no_time_are_stopped_and_blame_nobody_unless_they_are_at_the_same() {
    let (module, command) = (Place::Module, |sequence| Place::Command { sequence });
    for (places, same) in [
        ([module(7), module(8)], false),
        ([module(7), module(7)], true),
        ([command(3), command(4)], false),
        ([command(3), command(3)], true),
        ([Place::Elsewhere, Place::Elsewhere], false),
    ] {
        let mut world = World::new(2);
        world.run(10);
        world.stuck = [true; SLOTS];
        let mut actions = Vec::new();
        for _ in 0..40 {
            for (slot, place) in places.into_iter().enumerate() {
                world.crumbs[slot] = Crumb { block: world.rendered[slot], place };
            }
            actions.extend(world.run(1));
        }
        let amends = actions.iter().any(|a| matches!(a, Action::Amend { .. }));
        assert_eq!(amends, same, "{places:?}: {actions:?}");
    }
}

#[test]
fn one_that_stands_still_when_asked_to_fork_is_a_witness_too() {
    let mut world = World::new(2);
    world.run(10);
    world.stuck = [true; SLOTS];
    world.send(exited(SLOTS, Death::Killed));
    world.send(exited(SLOTS + 1, Death::Killed));
    let mut actions = Vec::new();
    for _ in 0..90 {
        in_module(&mut world, 0, 7);
        in_module(&mut world, 1, 7);
        actions.extend(world.run_with(1, true));
    }
    let culprit = Culprit::Module(7);
    let is_blamed = |a: &Action| matches!(a, Action::Amend { culprit: c, .. } if *c == culprit);
    assert!(actions.iter().any(is_blamed), "{actions:?}");
}
