//! A wavetable through which a slow oscillator moves. The turns are read in straight lines from tables that are
//! band-limited for the pitch of the voice, each half octave its own, made of what Chronus plays.

use std::sync::OnceLock;

use super::lanes::{LANES_MAX, Lanes};
use super::{Kind, Lane, levels, step};
use crate::voices::turns;
use crate::voices::voice::wavetable::{SWING_HZ, TURNS};
use crate::voices::voice::{BLOCK, RATE_HZ, SUSTAIN, Voice, swing_phase};
use chronus_dsp::math::sine_of_phase;

/// See the file's head.
pub enum Wavetable {}

impl Kind for Wavetable {
    type Of<L: Lanes> = WavetableLanes;
}

/// Nothing goes from voice to voice here, nor from frame to frame: what is read is heard at once.
#[derive(Clone, Copy)]
pub struct WavetableLanes;

/// What is read.
pub struct Reader {
    tables: &'static [Entry],
    /// Where the turns for the pitch of each lane begin.
    base: [usize; LANES_MAX],
    phase: [u32; LANES_MAX],
    step: [u32; LANES_MAX],
    /// Of the oscillator that swings, and how far it comes in a block.
    swing: [u32; LANES_MAX],
    swing_step: u32,
    /// Where each lane is among the turns, from 0 for the first.
    position: [f32; LANES_MAX],
    level: [f32; LANES_MAX],
    rise: [f32; LANES_MAX],
}

impl Reader {
    /// Reads a block for a lane, and adds it to what is heard. It is one voice after the other and a vector of frames,
    /// because what costs most here is to get at the samples, and those of a voice lie together.
    #[inline(always)]
    fn read(&mut self, lane: usize, sum: &mut [f32; BLOCK]) {
        self.swing[lane] = self.swing[lane].wrapping_add(self.swing_step);
        let (now, next) = (self.position[lane], position_at(self.swing[lane]));
        self.position[lane] = next;
        // A block goes on between the turns where it began, a little beyond if need be.
        let span = (now as usize).min(SPANS - 1);
        let start = self.base[lane] + span * SAMPLES;
        let turn: &[Entry; SAMPLES] =
            self.tables[start..].first_chunk().expect("a turn is there to its end");
        let (phase, step) = (self.phase[lane], self.step[lane]);
        let mut entries = [[0.0; 4]; BLOCK];
        for n in 0..BLOCK {
            let place = phase.wrapping_add(step.wrapping_mul(n as u32)) >> (32 - BITS);
            entries[n] = turn[place as usize % SAMPLES];
        }
        let (first, per_frame) = (now - span as f32, (next - now) / BLOCK as f32);
        let (level, rise) = (self.level[lane], self.rise[lane]);
        for n in 0..BLOCK {
            let phase = phase.wrapping_add(step.wrapping_mul(n as u32));
            let rest = (phase << BITS >> 1) as i32 as f32 * (1.0 / 2_147_483_648.0);
            let share = first + per_frame * n as i32 as f32;
            let [this, slope, more, more_slope] = entries[n];
            let heard = this + rest * slope + share * (more + rest * more_slope);
            sum[n] += heard * (level + rise * n as i32 as f32);
        }
        self.phase[lane] = phase.wrapping_add(step.wrapping_mul(BLOCK as u32));
        self.level[lane] = level + rise * BLOCK as f32;
    }
}

/// A sample of a turn, the way to the next sample, and how much both of them are more in the next turn.
type Entry = [f32; 4];

const BITS: u32 = 11;
const SAMPLES: usize = 1 << BITS;
/// From one turn to the next.
const SPANS: usize = TURNS - 1;
/// The lowest pitch that has a table of its own is so many steps of the phase a frame.
const LOWEST: f64 = 5_000_000.0;
const PITCHES: usize = 12;

/// Tables for all pitches, half an octave from one to the next.
fn tables() -> &'static [Entry] {
    static TABLES: OnceLock<Vec<Entry>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let pitches = (0..PITCHES).map(|pitch| LOWEST * 2_f64.powf((pitch + 1) as f64 / 2.0));
        pitches.flat_map(|step| spans(&turns::at(step as i32, SAMPLES))).collect()
    })
}

fn spans(turns: &[Vec<f32>]) -> Vec<Entry> {
    let entry = |span: usize, i: usize| {
        let [a, b] = [&turns[span], &turns[span + 1]].map(|turn| {
            let next = turn[(i + 1) % SAMPLES];
            [turn[i], next - turn[i]]
        });
        [a[0], a[1], b[0] - a[0], b[1] - a[1]]
    };
    (0..SPANS)
        .flat_map(|span| (0..SAMPLES).map(move |i| (span, i)))
        .map(|(s, i)| entry(s, i))
        .collect()
}

/// The table for a step of the phase: the next higher one.
fn pitch_of(step: u32) -> usize {
    let half_octaves = 2.0 * (f64::from(step) / LOWEST).log2();
    (half_octaves.max(0.0) as usize).min(PITCHES - 1)
}

fn position_at(swing: u32) -> f32 {
    (0.5 + 0.5 * sine_of_phase(swing)) * SPANS as f32
}

impl<L: Lanes> Lane<L> for WavetableLanes {
    type Source = Reader;

    fn new(l: L, first: usize, voices: usize) -> (Self, Reader) {
        let step: [u32; LANES_MAX] =
            std::array::from_fn(|lane| step(Voice::Wavetable, first + lane, 1.0));
        let swing =
            std::array::from_fn(|lane| (swing_phase(first + lane) * 4_294_967_296.0) as u32);
        let swing_step = SWING_HZ * BLOCK as f32 / RATE_HZ as f32 * 4_294_967_296.0;
        let (mut level, mut rise) = ([0.0; LANES_MAX], [0.0; LANES_MAX]);
        l.store(&mut level, levels(l, first, voices, SUSTAIN));
        l.store(&mut rise, levels(l, first, voices, 1e-9));
        let reader = Reader {
            tables: tables(),
            base: step.map(|step| pitch_of(step) * SPANS * SAMPLES),
            phase: [0; LANES_MAX],
            step,
            swing,
            swing_step: swing_step as u32,
            position: swing.map(position_at),
            level,
            rise,
        };
        (Self, reader)
    }

    #[inline(always)]
    fn prepare(
        &mut self,
        _: L,
        reader: &mut Reader,
        _: &mut [L::F; BLOCK],
        sum: &mut [f32; BLOCK],
    ) {
        for lane in 0..L::COUNT {
            reader.read(lane, sum);
        }
    }

    #[inline(always)]
    fn frame(&mut self, l: L, _: L::F) -> L::F {
        l.splat(0.0)
    }
}
