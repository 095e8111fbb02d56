//! Where the two towers meet: an [`Engine`] is the machine that is replicated.

use std::sync::atomic::AtomicU32;

use chronus_engine::{Command, Engine, Patch, Preparation, Recordings};
use chronus_os::alloc_guard::AllocationPermit;
use chronus_replication::machine::Machine;
use chronus_replication::{Block, Payload};

/// Where the patches are that edits call for.
pub trait Editions {
    /// The patch of the edit with this number and the recordings that it names, if it can still be had.
    fn patch_of(&self, number: u32) -> Option<(Patch, Box<dyn Recordings>)>;
}

/// An engine, as the replication sees it, with the next patch at hand.
pub struct Instrument<P> {
    engine: Engine,
    packed: P,
    /// The number of the last edit that was taken.
    taken: u32,
    upcoming: Option<Upcoming>,
    /// What the last edit needed no more, until there is time to free it.
    leftover: Option<Box<dyn Recordings>>,
}

/// A patch that is being prepared.
struct Upcoming {
    number: u32,
    preparation: Preparation,
    recordings: Box<dyn Recordings>,
}

impl Upcoming {
    /// Makes one more module; returns whether all are made.
    fn step(&mut self) -> bool {
        self.preparation.step(&*self.recordings)
    }
}

impl<P: Editions> Instrument<P> {
    /// An engine that has taken the edit of this number, or none yet (0).
    pub fn new(engine: Engine, packed: P, taken: u32) -> Self {
        Self { engine, packed, taken, upcoming: None, leftover: None }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has the engine tell which module it runs, before it does.
    pub fn leave_crumbs(&mut self, at: &'static AtomicU32) {
        self.engine.leave_crumbs(at);
    }

    /// Flips a bit of the engine's state, for chaos tests.
    pub fn flip_a_bit(&mut self) {
        self.engine.flip_a_bit();
    }

    /// The number of the last edit that is taken or could be taken at once.
    pub fn prepared(&self) -> u32 {
        let ready = self.upcoming.as_ref().filter(|next| next.preparation.is_complete());
        ready.map_or(self.taken, |next| next.number)
    }

    /// Does a small part of the preparation for an edit that is offered, or frees what the last one has
    /// left behind. Returns whether there was anything to do. May allocate.
    pub fn prepare_a_little(&mut self, offered: u32) -> bool {
        if self.engine.is_changing() {
            return false;
        }
        if self.engine.tidy() || self.leftover.take().is_some() {
            return true;
        }
        if offered <= self.taken || offered <= self.prepared() {
            return false;
        }
        match &mut self.upcoming {
            Some(next) if next.number == offered => {
                next.step();
            }
            _ => self.upcoming = self.begin(offered),
        }
        self.upcoming.is_some()
    }

    fn begin(&mut self, number: u32) -> Option<Upcoming> {
        let (patch, recordings) = self.packed.patch_of(number)?;
        let preparation = self.engine.prepare(patch);
        Some(Upcoming { number, preparation, recordings })
    }

    /// Takes an edit: what is ready, or else what can be made ready now, which takes time but gives the
    /// same bits.
    fn edit(&mut self, offset: usize, number: u32) {
        let is_ready = |next: &Upcoming| next.number == number && next.preparation.is_complete();
        let permit = (!self.upcoming.as_ref().is_some_and(is_ready)).then(AllocationPermit::start);
        if permit.is_some() {
            self.engine.tidy();
            self.leftover = None;
            self.upcoming = self.begin(number);
            while self.upcoming.as_mut().is_some_and(|next| !next.step()) {}
        }
        let Some(Upcoming { preparation, recordings, .. }) = self.upcoming.take() else {
            panic!("the patch of edit {number} is gone");
        };
        self.engine.edit(offset, preparation);
        drop(permit);
        self.leftover = Some(recordings);
        self.taken = number;
    }
}

impl<P: Editions> Machine for Instrument<P> {
    fn apply(&mut self, offset: usize, payload: &Payload) {
        // What the log holds was checked before it was ordered; anything else changes nothing, and in
        // every replica alike.
        match Command::decode(*payload) {
            Ok(Command::Edit { number }) => self.edit(offset, number),
            Ok(command) => self.engine.apply(offset, &command),
            Err(_) => {}
        }
    }

    fn render(&mut self, out: &mut Block) {
        self.engine.render(out);
    }
}
