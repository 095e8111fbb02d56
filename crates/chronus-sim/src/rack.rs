//! The machine of the world: a ramp whose every sample names its own frame, the sum of all commands taken, and
//! which modules are bypassed; with modules and commands that bring whoever takes them to grief.

use chronus_replication::blame::Place;
use chronus_replication::{BLOCK_FRAMES, Block, CHANNELS, Entry, Payload};

/// Modules of the rack.
pub const MODULES: u32 = 6;

/// How an input brings a worker to grief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The worker dies.
    Crash,
    /// It computes for ever.
    Loop,
    /// It stands still for ever.
    Sleep,
}

/// Where a worker comes to grief, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grief {
    /// The module or the command.
    pub place: Place,
    /// How.
    pub harm: Harm,
}

/// A command of the rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// All samples from here on are others.
    Add(u64),
    /// Harms whoever takes it; who lived on would have other samples.
    Poison(Harm),
    /// From here on the module harms whoever renders it.
    Sicken(u32, Harm),
    /// The module does no more harm.
    Cure(u32),
    /// The module is passed over from the beginning of the block until it is enabled in a later one.
    Bypass(u32),
    /// The module is rendered again.
    Enable(u32),
}

impl Deed {
    /// As a payload; `salt` tells equal deeds apart.
    pub fn encode(self, salt: u64) -> Payload {
        let (kind, value, harm) = match self {
            Self::Add(value) => (0, value, Harm::Crash),
            Self::Poison(harm) => (1, 0, harm),
            Self::Sicken(module, harm) => (2, u64::from(module), harm),
            Self::Cure(module) => (3, u64::from(module), Harm::Crash),
            Self::Bypass(module) => (4, u64::from(module), Harm::Crash),
            Self::Enable(module) => (5, u64::from(module), Harm::Crash),
        };
        [kind, value, harm as u64, salt, 0]
    }

    /// The module that a payload bypasses, if it does.
    pub fn bypassed(payload: &Payload) -> Option<u32> {
        match Self::decode(payload) {
            Self::Bypass(module) => Some(module),
            _ => None,
        }
    }

    fn decode(payload: &Payload) -> Self {
        let [kind, value, harm, ..] = *payload;
        let harm = [Harm::Crash, Harm::Loop, Harm::Sleep][harm as usize % 3];
        let module = value as u32 % MODULES;
        match kind {
            0 => Self::Add(value),
            1 => Self::Poison(harm),
            2 => Self::Sicken(module, harm),
            3 => Self::Cure(module),
            4 => Self::Bypass(module),
            _ => Self::Enable(module),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Module {
    sick: Option<Harm>,
    is_bypassed: bool,
    /// It was bypassed in this block, so nothing in this block enables it.
    was_put_aside: bool,
}

/// The machine. Small, so that the oracle can keep its state before every block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rack {
    frame: u64,
    sum: u64,
    modules: [Module; MODULES as usize],
}

impl Rack {
    /// Whether a module is passed over.
    pub fn is_bypassed(&self, module: u32) -> bool {
        self.modules[module as usize].is_bypassed
    }

    /// Whether a module does harm, unless it is bypassed.
    pub fn is_sick(&self, module: u32) -> bool {
        self.modules[module as usize].sick.is_some()
    }

    /// Makes the state wrong for good.
    pub fn corrupt(&mut self) {
        self.sum += 1;
    }

    /// A block begins, with the commands that amendments insert.
    pub fn begin_block(&mut self, inserted: &[Payload]) {
        for module in &mut self.modules {
            module.was_put_aside = false;
        }
        for payload in inserted {
            self.take(payload);
        }
    }

    /// Takes a command; the harm that it does, if it does any.
    pub fn take(&mut self, payload: &Payload) -> Option<Harm> {
        let deed = Deed::decode(payload);
        match deed {
            Deed::Add(value) => self.sum = self.sum.wrapping_add(value),
            Deed::Poison(harm) => {
                self.sum = self.sum.wrapping_add(1);
                return Some(harm);
            }
            Deed::Sicken(module, harm) => self.modules[module as usize].sick = Some(harm),
            Deed::Cure(module) => self.modules[module as usize].sick = None,
            Deed::Bypass(module) => {
                let module = &mut self.modules[module as usize];
                (module.is_bypassed, module.was_put_aside) = (true, true);
            }
            Deed::Enable(module) => {
                let module = &mut self.modules[module as usize];
                module.is_bypassed &= module.was_put_aside;
            }
        }
        None
    }

    /// Renders the next block. `meets` is told of each grief and says whether to go on all the same.
    ///
    /// # Errors
    /// The grief at which it did not.
    pub fn render(
        &mut self,
        inserted: &[Payload],
        entries: &[Entry],
        out: &mut Block,
        mut meets: impl FnMut(Grief) -> bool,
    ) -> Result<(), Grief> {
        self.begin_block(inserted);
        let mut entries = entries.iter().peekable();
        let mut from = 0;
        while from < BLOCK_FRAMES {
            while let Some(entry) = entries.next_if(|entry| entry.offset() <= from) {
                if let Some(harm) = self.take(&entry.payload) {
                    let place = Place::Command { sequence: entry.sequence };
                    meet(Grief { place, harm }, &mut meets)?;
                }
            }
            for (module, number) in self.modules.iter().zip(0..) {
                if let (Some(harm), false) = (module.sick, module.is_bypassed) {
                    meet(Grief { place: Place::Module(number), harm }, &mut meets)?;
                }
            }
            let to = entries.peek().map_or(BLOCK_FRAMES, |entry| entry.offset());
            let start = self.frame.wrapping_add(self.offset());
            let frames = &mut out[from * CHANNELS..to * CHANNELS];
            for (frame, number) in frames.chunks_exact_mut(CHANNELS).zip(from as u64..) {
                frame.fill(((start.wrapping_add(number)) % (1 << 24)) as f32);
            }
            from = to;
        }
        self.end_block();
        Ok(())
    }

    /// A block ends: it matters for ever how long modules were passed over.
    pub fn end_block(&mut self) {
        self.skip(1);
    }

    /// So many blocks go by in which nothing happens.
    pub fn skip(&mut self, blocks: u64) {
        self.frame += blocks * BLOCK_FRAMES as u64;
        self.sum = self.sum.wrapping_add(blocks.wrapping_mul(self.bypassed()));
    }

    /// What the commands taken and the modules passed over add to every sample.
    fn offset(&self) -> u64 {
        self.sum.wrapping_mul(7919).wrapping_add(self.bypassed() * 104_729)
    }

    /// The modules passed over, as bits.
    fn bypassed(&self) -> u64 {
        let bypassed = self.modules.iter().zip(0..).filter(|(module, _)| module.is_bypassed);
        bypassed.fold(0, |mask, (_, bit)| mask | 1 << bit)
    }
}

fn meet(grief: Grief, meets: &mut impl FnMut(Grief) -> bool) -> Result<(), Grief> {
    if meets(grief) { Ok(()) } else { Err(grief) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, frame: u64, deed: Deed) -> Entry {
        Entry { sequence, frame, payload: deed.encode(0) }
    }

    #[test]
    fn frames_commands_and_bypassed_modules_are_seen_in_every_sample() {
        let (mut rack, mut out) = (Rack::default(), [0.0; 128]);
        rack.render(&[], &[entry(0, 3, Deed::Add(1))], &mut out, |_| false).expect("no harm");
        assert_eq!((out[4], out[6]), (2.0, 3.0 + 7919.0));
        let bypass = Deed::Bypass(1).encode(0);
        rack.render(&[bypass], &[], &mut out, |_| false).expect("no harm");
        assert_eq!(out[0], 64.0 + 7919.0 + 2.0 * 104_729.0);
        rack.render(&[], &[], &mut out, |_| false).expect("no harm");
        assert_eq!(out[0], 128.0 + 3.0 * 7919.0 + 2.0 * 104_729.0);
    }

    #[test]
    fn harm_is_done_until_its_culprit_is_put_aside() {
        let entries = [
            entry(0, 2, Deed::Enable(3)),
            entry(1, 2, Deed::Sicken(3, Harm::Loop)),
            entry(2, 9, Deed::Poison(Harm::Crash)),
        ];
        let mut out = [0.0; 128];
        let mut meet = |inserted: &[Payload], entries: &[Entry]| {
            Rack::default().render(inserted, entries, &mut out, |_| false)
        };
        let place = Place::Module(3);
        assert_eq!(meet(&[], &entries), Err(Grief { place, harm: Harm::Loop }));
        let bypass = [Deed::Bypass(3).encode(0)];
        let place = Place::Command { sequence: 2 };
        assert_eq!(meet(&bypass, &entries), Err(Grief { place, harm: Harm::Crash }));
        assert_eq!(meet(&bypass, &entries[..2]), Ok(()));
    }
}
