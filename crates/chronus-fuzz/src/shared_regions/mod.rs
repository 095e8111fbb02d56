//! Everything that a worker can write, written by one that has gone wild: the supervisor's reading of it never
//! crashes and never hangs, nothing is played that was not published whole by an accepted worker in the
//! right version, the honest workers find in the log what they need, and the sound goes on.
//!
//! The world is made of the real shared memory, selector, claim check, supervision and commit point; processes
//! are played by the harness, honest ones as the real worker does it.

mod process;
mod wild;
mod world;

use world::World;

/// At most so many deeds of an input are done.
const DEEDS_MOST: usize = 400;

/// The target. The first byte says how many replicas there are; what follows are deeds.
pub fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut world = World::new(2 + usize::from(*first % 3));
    world.begin();
    let mut deeds = wild::Deeds(rest);
    for _ in 0..DEEDS_MOST {
        if !world.deed(&mut deeds) {
            break;
        }
    }
    world.calm_down();
}

/// Worlds in which one worker does one thing after another.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![0], vec![1, 0, 5, 0, 5]];
    for deed in 0..wild::KINDS {
        for slot in 0..3 {
            // It goes wild, does this three times with turns between, and the world goes on.
            let mut seed = vec![slot, wild::GO_WILD, slot];
            for value in [1, 6, 11] {
                seed.extend([deed, slot, value, value * 3, value * 5, 7, 3, 9, 1, 4]);
                seed.extend([wild::TURN, 1]);
            }
            seeds.push(seed);
        }
    }
    seeds
}
