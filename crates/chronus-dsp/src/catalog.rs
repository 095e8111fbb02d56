//! The table of all kinds of module. A new module is one file and one line here.

use pulp::Arch;

use crate::lanes::{self, Set};
use crate::module::{Module, ModuleSpec};
use crate::simd::{Vectorized, With};

/// What makes modules: given the set of vectors, frames per second and channels.
type Construct = fn(Arch, u32, usize) -> Box<dyn Module>;

/// An entry whose constructor chooses by the number of channels, and of the sets behind it the first that the machine
/// has, or the one that every machine has.
macro_rules! entry {
    ($file:path, $kind:ident, $wrapped:path: $($C:literal with [$($set:ident)*])*) => {{
        use $file::{SPEC, $kind};
        let construct: Construct = |arch, rate_hz, channels| {
            // Named where there are no other sets.
            let _ = arch;
            match channels {
                $($C => {
                    #[cfg(target_arch = "x86_64")]
                    {
                        $(if let Some(set) = lanes::$set::of(arch) {
                            return Box::new($wrapped(set, $kind::<$C>::new(rate_hz)));
                        })*
                    }
                    Box::new($wrapped(lanes::base(), $kind::<$C>::new(rate_hz)))
                })*
                _ => panic!("a module has 1, 4, 8 or 16 channels, not {channels}"),
            }
        };
        CatalogEntry { spec: &SPEC, file: stringify!($file), construct }
    }};
}

/// A kind that is a [`Kernel`](crate::simd::Kernel). It is compiled for each number of channels with the vectors that
/// every machine has, and with those sets besides that make it faster.
macro_rules! kernel {
    ($file:path, $kind:ident: $($sets:tt)*) => {
        entry!($file, $kind, With::new: $($sets)*)
    };
    // One that fuses arithmetic, which is slow without an instruction for it.
    ($file:path, $kind:ident, fused) => {
        kernel!($file, $kind: 1 with [V3] 4 with [V3] 8 with [V3] 16 with [V4 V3])
    };
    // One that waits for what it computed a frame ago, or for memory, or divides much: AVX-512 does not help it.
    ($file:path, $kind:ident, narrow) => {
        kernel!($file, $kind: 1 with [] 4 with [] 8 with [V3] 16 with [V3])
    };
    ($file:path, $kind:ident) => {
        kernel!($file, $kind: 1 with [] 4 with [] 8 with [V3] 16 with [V4 V3])
    };
}

/// A kind that is a [`Module`] whose loops over channels the compiler makes vectors of, as far as it can: of 512 bits it
/// does so badly.
macro_rules! kind {
    ($file:path, $kind:ident) => {
        entry!($file, $kind, Vectorized::new: 1 with [] 4 with [] 8 with [V3] 16 with [V3])
    };
}

/// A kind that is a [`Module`] whose work has no inner loop over channels that vectors would speed up.
macro_rules! plain {
    ($file:path, $kind:ident) => {
        entry!($file, $kind, unwrapped: 1 with [] 4 with [] 8 with [] 16 with [])
    };
}

/// The module as it is, whatever the set.
fn unwrapped<S, M>(_set: S, module: M) -> M {
    module
}

/// All kinds for music, in the order of the reference.
pub static CATALOG: &[CatalogEntry] = &[
    // Control: notes, rhythm, modulation.
    plain!(crate::control::voices, Voices),
    plain!(crate::control::transpose, Transpose),
    plain!(crate::control::quantizer, Quantizer),
    plain!(crate::control::slew, Slew),
    plain!(crate::control::clock, Clock),
    plain!(crate::control::divider, Divider),
    plain!(crate::control::logic, Logic),
    kernel!(crate::control::lfo, Lfo, narrow),
    plain!(crate::control::random, Random),
    plain!(crate::control::sample_hold, SampleHold),
    plain!(crate::control::constant, Constant),
    plain!(crate::control::offset, Offset),
    plain!(crate::control::maths, Maths),
    plain!(crate::control::steps, Steps),
    // Oscillators.
    kernel!(crate::oscillator::sine, Sine, fused),
    kernel!(crate::oscillator::saw, Saw, narrow),
    kernel!(crate::oscillator::pulse, Pulse, narrow),
    kernel!(crate::oscillator::triangle, Triangle, narrow),
    kernel!(crate::oscillator::supersaw, Supersaw, narrow),
    kernel!(crate::oscillator::wavetable, Wavetable, narrow),
    plain!(crate::oscillator::sample, Sample),
    kind!(crate::oscillator::noise, Noise),
    // Drums.
    kind!(crate::drum::kick, Kick),
    kind!(crate::drum::snare, Snare),
    kind!(crate::drum::hat, Hat),
    kind!(crate::drum::clap, Clap),
    kind!(crate::drum::tom, Tom),
    kind!(crate::drum::rim, Rim),
    kind!(crate::drum::cowbell, Cowbell),
    kind!(crate::drum::acid, Acid),
    // Envelopes.
    kernel!(crate::envelope::adsr, Adsr),
    kind!(crate::envelope::adsr_exp, AdsrExp),
    kind!(crate::envelope::ad, Ad),
    kind!(crate::envelope::contour, Contour),
    kind!(crate::envelope::follower, Follower),
    // Filters.
    kernel!(crate::filter::biquad, Biquad, fused),
    kernel!(crate::filter::svf, Svf, narrow),
    kernel!(crate::filter::ladder, Ladder, narrow),
    kind!(crate::filter::onepole, Onepole),
    kernel!(crate::filter::comb, Comb, narrow),
    kernel!(crate::filter::formant, Formants, narrow),
    // Effects.
    kernel!(crate::effect::delay, Delay),
    kernel!(crate::effect::chorus, Chorus),
    kernel!(crate::effect::flanger, Flanger),
    kernel!(crate::effect::phaser, Phaser),
    kind!(crate::effect::tremolo, Tremolo),
    kind!(crate::effect::ring, Ring),
    kernel!(crate::effect::reverb, Reverb),
    kernel!(crate::effect::distortion, Distortion),
    kind!(crate::effect::bitcrusher, Bitcrusher),
    kernel!(crate::effect::eq, Eq),
    kind!(crate::effect::compressor, Compressor),
    plain!(crate::effect::limiter, Limiter),
    // Small parts.
    kind!(crate::utility::vca, Vca),
    kind!(crate::utility::mix, Mix),
    kind!(crate::utility::mixer, Mixer),
    kind!(crate::utility::merge, Merge),
    kind!(crate::utility::gain, Gain),
    kind!(crate::utility::pan, Pan),
    kind!(crate::utility::crossfade, Crossfade),
    kind!(crate::utility::width, Width),
    kind!(crate::utility::dcblock, DcBlock),
    kind!(crate::utility::meter, Meter),
    plain!(crate::utility::scope, Scope),
];

/// Kinds that are not for music: they do harm, to try what becomes of it.
pub static TRIALS: &[CatalogEntry] = &[plain!(crate::utility::fault, Fault)];

/// A kind of module and how to make one.
#[derive(Debug)]
pub struct CatalogEntry {
    /// What it is.
    pub spec: &'static ModuleSpec,
    /// Where it is written: `crate::folder::file`.
    file: &'static str,
    construct: Construct,
}

impl PartialEq for CatalogEntry {
    /// Kinds are told apart by their names.
    fn eq(&self, other: &Self) -> bool {
        self.spec.kind == other.spec.kind
    }
}

impl CatalogEntry {
    /// What sort of kind it is, in a word or two for a musician. The kinds of one sort stand together.
    pub fn group(&self) -> &'static str {
        match self.file.split("::").nth(1) {
            _ if self.is_for_trials() => "For trials",
            Some("control") => "Control",
            Some("oscillator") => "Oscillators",
            Some("drum") => "Drums",
            Some("envelope") => "Envelopes",
            Some("filter") => "Filters",
            Some("effect") => "Effects",
            _ => "Small parts",
        }
    }

    /// Whether it is not for music, but for trials.
    pub fn is_for_trials(&self) -> bool {
        TRIALS.contains(self)
    }

    /// A new module for this machine, or one that does with less than this has: they play the same bits.
    /// `rate_hz` is frames per second, at least 1.
    ///
    /// # Panics
    /// If `channels` is none of [`CHANNEL_COUNTS`](crate::module::CHANNEL_COUNTS).
    pub fn construct(&self, arch: Arch, rate_hz: u32, channels: usize) -> Box<dyn Module> {
        (self.construct)(arch, rate_hz, channels)
    }
}

/// The entry of a kind, by its exact name.
pub fn find(kind: &str) -> Option<&'static CatalogEntry> {
    CATALOG.iter().chain(TRIALS).find(|entry| entry.spec.kind == kind)
}
