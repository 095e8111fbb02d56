//! Which workers' blocks may be played from a slot: those of each that was accepted, and of nobody else. A
//! worker that has died leaves good blocks behind, which are played though the slot has a new one.

use crate::block_ring::RING_BLOCKS;
use crate::sync::{AtomicU32, Ordering};

/// The incarnations of one slot. A worker whose block is still in the ring has rendered at least one of its
/// blocks, so no more than that many can be asked for.
#[repr(C)]
#[derive(Debug)]
pub struct AcceptedIncarnations {
    newest: AtomicU32,
    numbers: [AtomicU32; KEPT],
}

const KEPT: usize = if cfg!(loom) { 2 } else { RING_BLOCKS };

impl Default for AcceptedIncarnations {
    fn default() -> Self {
        Self { newest: AtomicU32::new(0), numbers: std::array::from_fn(|_| AtomicU32::new(0)) }
    }
}

impl AcceptedIncarnations {
    /// What the worker with this number renders may be played. Only the supervisor may.
    pub fn accept(&self, number: u32) {
        let place = (self.newest.load(Ordering::Relaxed) + 1) % KEPT as u32;
        self.numbers[place as usize].store(number, Ordering::Release);
        self.newest.store(place, Ordering::Release);
    }

    /// Nothing that anybody has rendered here so far may be played. Only the supervisor may.
    pub fn disown(&self) {
        for number in &self.numbers {
            number.store(0, Ordering::Release);
        }
    }

    /// Whether what this worker has rendered may be played.
    pub fn include(&self, number: u32) -> bool {
        let newest = self.newest.load(Ordering::Acquire) as usize;
        let mut back = (0..KEPT).map(|back| &self.numbers[(newest + KEPT - back) % KEPT]);
        number != 0 && back.any(|accepted| accepted.load(Ordering::Acquire) == number)
    }

    /// The number of the worker that was accepted last; 0 if there is none.
    pub fn newest(&self) -> u32 {
        let newest = self.newest.load(Ordering::Acquire) as usize;
        self.numbers[newest % KEPT].load(Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn exactly_those_who_were_admitted_are_played_until_all_are_disowned() {
        let accepted = AcceptedIncarnations::default();
        assert!(!accepted.include(0) && accepted.newest() == 0);
        for number in [3, 9] {
            accepted.accept(number);
        }
        let included = |numbers: [u32; 4]| numbers.map(|number| accepted.include(number));
        assert_eq!(included([3, 5, 9, 10]), [true, false, true, false]);
        assert_eq!(accepted.newest(), 9);
        accepted.disown();
        assert_eq!(included([0, 3, 9, 10]), [false; 4]);
        for number in 10..10 + RING_BLOCKS as u32 {
            accepted.accept(number);
        }
        assert_eq!(included([9, 10, 11, 137]), [false, true, true, true]);
    }
}
