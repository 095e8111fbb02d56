//! Who is asked to provide for the worst, how often, and where what was provided goes.

use super::*;

/// What was ordered within so many blocks, of those things that tests of provision are about.
fn forks(world: &mut World, blocks: u64) -> Vec<(Slot, Slot)> {
    let actions = world.run(blocks);
    let fork = |action: &Action| match *action {
        Action::Fork { forker, into, .. } => Some((forker, into)),
        _ => None,
    };
    actions.iter().filter_map(fork).collect()
}

#[test]
fn nobody_forks_whose_bits_nobody_has_compared_if_another_can() {
    let mut world = World::new(3);
    world.proven = [false, false, true, false];
    world.send(exited(1, Death::Killed));
    assert_eq!(forks(&mut world, 1), [(2, 1)], "a proven standby before the primary");
    world.send(exited(2, Death::Killed));
    assert_eq!(forks(&mut world, 1), [(0, 2)], "the primary before a standby that is not");
    world.proven = [false; SLOTS];
    world.run(200);
    for place in SLOTS..PLACES {
        world.send(exited(place, Death::Killed));
    }
    assert_eq!(forks(&mut world, 200), [], "no checkpoint of an unproven one");
    world.proven = [true; SLOTS];
    assert!(matches!(forks(&mut world, 20)[..], [(1 | 2, SLOTS..)]));
}

#[test]
fn of_those_who_are_level_one_that_is_proven_goes_first() {
    let mut world = World::new(3);
    world.proven = [true, false, true, false];
    world.send(exited(0, Death::Killed));
    assert_eq!(world.supervision.primary(), Some(2));
}

/// All die, and the primary had come further than the rest: only its slot has the last block.
#[test]
fn who_catches_up_does_not_render_over_what_is_yet_to_be_played() {
    let mut world = World::new(SLOTS);
    world.run(200);
    let primary = world.supervision.primary().expect("somebody goes first");
    let last = (primary + 2) % SLOTS;
    world.rendered[primary] += 1;
    world.rendered[last] -= 1;
    world.sealed += 1;
    world.look(true);
    for slot in 0..SLOTS {
        world.send(exited(slot, Death::Killed));
    }
    let actions = world.run(1);
    let thawed = actions.iter().find_map(|action| match *action {
        Action::Thaw { into, .. } => Some(into),
        _ => None,
    });
    assert_eq!(thawed, Some(last), "{actions:?}");
}

/// The log moves on faster than checkpoints are made: each is useless when it is there.
#[test]
fn useless_checkpoints_are_not_made_without_end() {
    let mut world = World::new(2);
    world.run(200);
    world.useless_before = BlockIndex::MAX;
    let before = forks(&mut world, 1).len();
    // 100 ms.
    let ordered = before + forks(&mut world, 75).len();
    assert!((8..=11).contains(&ordered), "{ordered}");
}

#[test]
fn nobody_is_given_up_for_a_fork_that_can_not_be_seen() {
    let mut world = World::new(2);
    world.run(200);
    let is_given_up =
        |action: &Action| matches!(action, Action::Report(Notice::Fenced(_, Reason::NeverJoined)));
    world.blind = true;
    world.send(exited(1, Death::Killed));
    world.run_with(1000, false);
    assert_eq!(world.count(is_given_up), 0, "it may have been made");
    world.blind = false;
    world.run_with(1000, false);
    assert!(world.count(is_given_up) > 0, "it was not");
}
