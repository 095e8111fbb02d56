//! The source of the sound, handed from one device to another. At any moment one hand holds it and
//! plays; the others play silence, so that a device that comes back late has nothing to repeat.
//!
//! An audio thread never waits here: it tries the lock, and whoever does not get it plays silence for
//! that period. As nobody ever waits for the lock, giving it back makes no system call either.

use std::sync::{
    Arc, Mutex,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::{CHANNELS, Foresight, Source};

/// See the file's head.
pub(crate) struct Relay {
    source: Mutex<Box<dyn Source>>,
    /// The number of the hand that holds the source and, in the lower half, of the one that may take it.
    turn: AtomicU64,
    periods: AtomicU64,
    frames: AtomicU64,
}

impl Relay {
    /// A source that nobody holds.
    pub fn new(source: Box<dyn Source>) -> Arc<Self> {
        Arc::new(Self {
            source: Mutex::new(source),
            turn: AtomicU64::new(0),
            periods: AtomicU64::new(0),
            frames: AtomicU64::new(0),
        })
    }

    /// A hand by this number, which begins at 1.
    pub fn hand(self: &Arc<Self>, number: u32) -> Hand {
        Hand { relay: self.clone(), number, plays: false }
    }

    /// Gives the source to `holder` at once. `heir`, if it is not 0, takes it over by itself, as soon as
    /// it asks for frames that are ready.
    pub fn give(&self, holder: u32, heir: u32) {
        self.turn.store(turn(holder, heir), Release);
    }

    /// Who holds the source; 0 for nobody.
    pub fn holder(&self) -> u32 {
        (self.turn.load(Acquire) >> 32) as u32
    }

    /// Whether the source has panicked, and is silence for good.
    pub fn is_broken(&self) -> bool {
        self.source.is_poisoned()
    }

    /// How many times frames were taken, and how many of them.
    pub fn taken(&self) -> (u64, u64) {
        (self.periods.load(Relaxed), self.frames.load(Relaxed))
    }

    /// Fills `interleaved` if it is the turn of hand `number`; returns whether it was.
    fn fill(&self, number: u32, interleaved: &mut [f32]) -> bool {
        let now = self.turn.load(Acquire);
        let (holds, may_take) = (now >> 32 == u64::from(number), now as u32 == number);
        // Who has nothing to do with the source does not get in the way of who has.
        if !holds && !may_take {
            return false;
        }
        let Ok(mut source) = self.source.try_lock() else { return false };
        let frames = interleaved.len() / CHANNELS;
        if !holds {
            // If the turn was changed meanwhile, whoever changed it knows better.
            let takes_over = source.is_ready(frames)
                && self.turn.compare_exchange(now, turn(number, 0), Release, Relaxed).is_ok();
            if !takes_over {
                return false;
            }
        }
        source.fill(interleaved);
        self.periods.fetch_add(1, Relaxed);
        self.frames.fetch_add(frames as u64, Relaxed);
        true
    }
}

fn turn(holder: u32, heir: u32) -> u64 {
    u64::from(holder) << 32 | u64::from(heir)
}

/// What a device plays: the source while it is its turn, else silence.
pub(crate) struct Hand {
    relay: Arc<Relay>,
    number: u32,
    plays: bool,
}

impl Source for Hand {
    fn fill(&mut self, interleaved: &mut [f32]) {
        self.plays = self.relay.fill(self.number, interleaved);
        if !self.plays {
            interleaved.fill(0.0);
        }
    }

    fn foresight(&self) -> Option<Foresight> {
        let (relay, number) = (self.relay.clone(), self.number);
        Some(Box::new(move |frames| {
            // Who does not play has nothing to prepare; it takes over when it is ready.
            relay.holder() != number
                || relay.source.try_lock().is_ok_and(|mut source| source.is_ready(frames))
        }))
    }

    fn slipped(&mut self) {
        if self.relay.holder() == self.number
            && let Ok(mut source) = self.relay.source.try_lock()
        {
            source.slipped();
        }
    }

    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        // Who does not play has nothing to wait for.
        if self.relay.holder() == self.number
            && let Ok(mut source) = self.relay.source.try_lock()
        {
            source.wait(frames, give_up);
        }
    }

    fn consumed(&mut self) {
        if self.plays
            && self.relay.holder() == self.number
            && let Ok(mut source) = self.relay.source.try_lock()
        {
            source.consumed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames are numbered from 1; `ready` says how many there are.
    struct Counted {
        next: f32,
        ready: Arc<AtomicU64>,
    }

    impl Source for Counted {
        fn fill(&mut self, interleaved: &mut [f32]) {
            for frame in interleaved.as_chunks_mut::<CHANNELS>().0 {
                *frame = [self.next, -self.next];
                self.next += 1.0;
            }
        }

        fn is_ready(&mut self, frames: usize) -> bool {
            frames as u64 <= self.ready.load(Relaxed)
        }
    }

    fn relay(ready: u64) -> (Arc<Relay>, Arc<AtomicU64>) {
        let ready = Arc::new(AtomicU64::new(ready));
        (Relay::new(Box::new(Counted { next: 1.0, ready: ready.clone() })), ready)
    }

    fn first_of(hand: &mut Hand) -> f32 {
        let mut buffer = [9.0; 4];
        hand.fill(&mut buffer);
        buffer[0]
    }

    #[test]
    fn only_the_holder_plays_and_whoever_follows_goes_on_where_it_was() {
        let (relay, _) = relay(0);
        let (mut first, mut second) = (relay.hand(1), relay.hand(2));
        assert_eq!((first_of(&mut first), first_of(&mut second)), (0.0, 0.0));
        relay.give(1, 0);
        assert_eq!((first_of(&mut first), first_of(&mut second)), (1.0, 0.0));
        relay.give(2, 0);
        assert_eq!((first_of(&mut first), first_of(&mut second)), (0.0, 3.0));
        assert_eq!(relay.taken(), (2, 4));
    }

    #[test]
    fn an_heir_takes_over_when_it_asks_for_what_is_ready() {
        let (relay, ready) = relay(1);
        let (mut first, mut heir, mut other) = (relay.hand(1), relay.hand(2), relay.hand(3));
        relay.give(1, 2);
        assert_eq!((first_of(&mut heir), relay.holder()), (0.0, 1));
        ready.store(2, Relaxed);
        assert_eq!((first_of(&mut other), first_of(&mut first)), (0.0, 1.0));
        assert_eq!((first_of(&mut heir), relay.holder()), (3.0, 2));
        assert_eq!(first_of(&mut first), 0.0);
    }

    #[test]
    fn who_plays_can_ask_beforehand_and_who_does_not_has_nothing_to_ask() {
        let (relay, ready) = relay(1);
        let [first, second] = [1, 2].map(|number| relay.hand(number).foresight().unwrap());
        relay.give(1, 0);
        assert!(first(1) && !first(2) && second(2));
        ready.store(2, Relaxed);
        assert!(first(2));
        let _busy = relay.source.lock().unwrap();
        assert!(!first(2), "it is asked again");
    }

    #[test]
    fn a_source_that_is_being_asked_is_not_waited_for() {
        let (relay, _) = relay(0);
        relay.give(1, 0);
        let _busy = relay.source.lock().unwrap();
        assert_eq!(first_of(&mut relay.hand(1)), 0.0);
    }
}
