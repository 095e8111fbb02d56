//! The voices that are measured: what each is, in numbers that all players take.
//!
//! * `held`: a sine, a straight envelope, a low-pass after the cookbook.
//! * `saw`: two saws, a little apart, through a ladder that one envelope opens; another is the loudness.
//! * `fm`: four operators, each a sine with an envelope of its own, in two stacks of two that are added.
//! * `pulse`: a pulse whose width swings, through a state-variable filter, and an envelope.
//! * `wavetable`: a row of eight turns through which a slow oscillator moves, and an envelope.
//!
//! All are measured while their notes are held, with the envelopes at rest.

use clap::ValueEnum;

/// Frames in a block.
pub const BLOCK: usize = chronus_engine::BLOCK_FRAMES;
/// Frames in a second.
pub const RATE_HZ: u32 = 48_000;

// All envelopes.
pub const ATTACK_S: f32 = 0.01;
pub const DECAY_S: f32 = 0.1;
pub const SUSTAIN: f32 = 0.7;
pub const RELEASE_S: f32 = 0.2;

/// Of the held voice.
pub const CUTOFF_HZ: f32 = 2000.0;
pub const Q: f32 = 0.707;

/// Two saws and a ladder.
pub mod saw {
    /// The frequency of the second one, in those of the first.
    pub const DETUNE: f32 = 1.006;
    /// Where the ladder is while its envelope is 0.
    pub const CUTOFF_HZ: f32 = 500.0;
    /// How far the envelope opens it.
    pub const OPENING_OCTAVES: f32 = 2.0;
    /// 1 is where it would sing.
    pub const RESONANCE: f32 = 0.3;
}

/// Four operators.
pub mod fm {
    /// Two operators, of which one moves the phase of the other.
    pub struct Stack {
        /// How much of the voice's loudness it has.
        pub share: f32,
        /// The frequency of the upper operator, in those of the lower.
        pub ratio: f32,
        /// How far it moves the phase, in radians.
        pub index: f32,
    }

    pub const STACKS: [Stack; 2] = [
        Stack { share: 0.6, ratio: 2.0, index: 1.5 },
        Stack { share: 0.4, ratio: 7.0, index: 0.5 },
    ];
}

/// A pulse and a state-variable filter.
pub mod pulse {
    pub const WIDTH: f32 = 0.5;
    /// How far the width swings to either side, and how often.
    pub const SWING: f32 = 0.3;
    pub const SWING_HZ: f32 = 0.7;
    pub const CUTOFF_HZ: f32 = 1500.0;
    pub const Q: f32 = 2.0;
}

/// A row of turns.
pub mod wavetable {
    /// The table of Chronus that all play.
    pub const TABLE: &str = "strings";
    /// How many turns it has.
    pub const TURNS: usize = 8;
    /// How often the slow oscillator goes from the first to the last and back.
    pub const SWING_HZ: f32 = 0.3;
}

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Voice {
    /// Sine, straight envelope, low-pass
    Held,
    /// Two band-limited saws, ladder, two envelopes
    Saw,
    /// Four-operator FM
    Fm,
    /// A pulse with PWM, state-variable filter, envelope
    Pulse,
    /// A wavetable with its LFO, envelope
    Wavetable,
}

impl Voice {
    /// What it is, in a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Held => "Sine, straight envelope, low-pass",
            Self::Saw => "Two band-limited saws, ladder, two envelopes",
            Self::Fm => "Four-operator FM: two stacks of two, four envelopes",
            Self::Pulse => "Pulse with PWM by an LFO, state-variable filter, envelope",
            Self::Wavetable => "Wavetable of eight turns, scanned by an LFO, envelope",
        }
    }

    /// What a reader must know to compare the players.
    pub fn remark(self) -> &'static str {
        match self {
            Self::Held => {
                "scsynth: SinOsc, EnvGen, BLowPass. The bound's sine is a polynomial; the fastest turns it by a constant \
                 angle from frame to frame. Their filter is in direct form."
            }
            Self::Saw => {
                "scsynth: Saw, MoogFF, EnvGen (that of the filter at control rate). The bound has the edges of \
                 Chronus and its ladder, where the steps towards its saturation take rough reciprocals."
            }
            Self::Fm => {
                "scsynth: SinOsc with phase modulation, EnvGen. The bound's upper operators are turned by \
                 a constant angle from frame to frame."
            }
            Self::Pulse => {
                "scsynth: Pulse, its width by SinOsc at control rate, and RLPF, the resonant low-pass of its core \
                 (its SVF is an extension); EnvGen. The bound moves the width in straight lines from block to \
                 block and has the edges and the filter of Chronus."
            }
            Self::Wavetable => {
                "scsynth: VOsc over the same eight turns, moved by SinOsc at control rate and not band-limited; \
                 EnvGen. The bound reads tables that are band-limited for its pitch in straight lines, at least three \
                 times as dense as the highest harmonic needs."
            }
        }
    }

    /// The pitch of voice `index`.
    pub fn freq_hz(self, index: usize) -> f32 {
        match self {
            Self::Held => 100.0 + (index * 7 % 4000) as f32,
            _ => MIDDLE_C_HZ * ((key(index) - 60.0) / 12.0).exp2(),
        }
    }

    /// The frequency at which its wave repeats, as far as an ear or an autocorrelation can tell.
    pub fn fundamental_hz(self, index: usize) -> f32 {
        let detune = if self == Self::Saw { f32::midpoint(1.0, saw::DETUNE) } else { 1.0 };
        self.freq_hz(index) * detune
    }
}

/// What a pitch of 0 is.
pub const MIDDLE_C_HZ: f32 = 261.6256;

/// The key of voice `index`, as a MIDI number with fractions: all numbers of voices are spread evenly over
/// four octaves, and no two are the same.
pub fn key(index: usize) -> f32 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (36.0 + 48.0 * ((index as f64 + 0.5) * GOLDEN).fract()) as f32
}

/// The level of each voice: all together stay below full scale.
pub fn gain(voices: usize) -> f32 {
    0.5 / voices as f32
}

/// Where the slow oscillator of voice `index` begins, in turns: as Chronus spreads a group of 16.
pub fn swing_phase(index: usize) -> f32 {
    (index % 16) as f32 / 16.0
}
