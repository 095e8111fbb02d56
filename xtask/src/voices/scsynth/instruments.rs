//! The voices as synth definitions: what their users would write, of units that the servers have without extensions.

use super::definition::{Definition, Input, Operator, Rate};
use crate::voices::voice::{
    ATTACK_S, CUTOFF_HZ, DECAY_S, Q, RELEASE_S, SUSTAIN, Voice, fm, pulse, saw, wavetable,
};
use Operator::{Plus, Power, Times};
use Rate::{Audio, Control};

// A last stage as that of Chronus.
const DC_COEFFICIENT: f32 = 0.9996;
const CEILING: f32 = 0.966;
const LOOK_AHEAD_S: f32 = 0.00066;

/// `Saw` and `Pulse` of the servers go from -0.5 to 0.5.
const OF_SAW: f32 = 2.0;

/// The definition `voice` of a voice, with the controls `freq`, `gain`, `gate` and `phase` (of its slow oscillator,
/// in radians).
pub fn of(voice: Voice) -> Vec<u8> {
    let controls = [("freq", 440.0), ("gain", 0.1), ("gate", 1.0), ("phase", 0.0)];
    let mut definition = Definition::new(&controls);
    let d = &mut definition;
    let heard = match voice {
        Voice::Held => held(d),
        Voice::Saw => saw(d),
        Voice::Fm => fm(d),
        Voice::Pulse => pulse(d),
        Voice::Wavetable => wavetable(d),
    };
    let bus = d.constant(0.0);
    d.out("Out", &[bus, heard]);
    definition.encode("voice")
}

/// An envelope of straight lines.
fn envelope(d: &mut Definition, rate: Rate) -> Input {
    let [zero, one] = [0.0, 1.0].map(|value| d.constant(value));
    let mut inputs = vec![d.control("gate"), one, zero, one, zero];
    // Level, segments, where it waits, where it loops (nowhere); then level, time and straight line.
    let segments =
        [(1.0, ATTACK_S), (SUSTAIN, DECAY_S), (0.0, RELEASE_S)].map(|(to, s)| [to, s, 1.0, 0.0]);
    for value in [0.0, 3.0, 2.0, -99.0].iter().chain(segments.as_flattened()) {
        inputs.push(d.constant(*value));
    }
    d.unit("EnvGen", rate, &inputs)
}

/// A signal as loud as the voice and its envelope, and so much louder.
fn loud(d: &mut Definition, signal: Input, by: f32) -> Input {
    let envelope = envelope(d, Audio);
    let shaped = d.operator(Times, Audio, signal, envelope);
    let (gain, by) = (d.control("gain"), d.constant(by));
    let gain = d.operator(Times, Control, gain, by);
    d.operator(Times, Audio, shaped, gain)
}

fn held(d: &mut Definition) -> Input {
    let zero = d.constant(0.0);
    let sine = d.unit("SinOsc", Audio, &[d.control("freq"), zero]);
    let shaped = loud(d, sine, 1.0);
    let [cutoff, reciprocal_q] = [CUTOFF_HZ, 1.0 / Q].map(|value| d.constant(value));
    d.unit("BLowPass", Audio, &[shaped, cutoff, reciprocal_q])
}

fn saw(d: &mut Definition) -> Input {
    let (freq, detune) = (d.control("freq"), d.constant(saw::DETUNE));
    let above = d.operator(Times, Control, freq, detune);
    let [a, b] = [freq, above].map(|freq| d.unit("Saw", Audio, &[freq]));
    let both = d.operator(Plus, Audio, a, b);
    let opening = envelope(d, Control);
    let factor = d.constant(saw::OPENING_OCTAVES.exp2());
    let opening = d.operator(Power, Control, factor, opening);
    let cutoff = d.constant(saw::CUTOFF_HZ);
    let cutoff = d.operator(Times, Control, cutoff, opening);
    let [resonance, zero] = [4.0 * saw::RESONANCE, 0.0].map(|value| d.constant(value));
    let filtered = d.unit("MoogFF", Audio, &[both, cutoff, resonance, zero]);
    // Each saw has half the loudness of the voice.
    loud(d, filtered, 0.5 * OF_SAW)
}

fn fm(d: &mut Definition) -> Input {
    let freq = d.control("freq");
    let [a, b] = &fm::STACKS;
    let stacks = [a, b].map(|stack| {
        let ratio = d.constant(stack.ratio);
        let above = d.operator(Times, Control, freq, ratio);
        // The integral of the sine that Chronus adds to the frequency.
        let quarter_back = d.constant(-core::f32::consts::FRAC_PI_2);
        let upper = d.unit("SinOsc", Audio, &[above, quarter_back]);
        let depth = envelope(d, Audio);
        let index = d.constant(stack.index);
        let moved = d.operator(Times, Audio, upper, depth);
        let moved = d.operator(Times, Audio, moved, index);
        let lower = d.unit("SinOsc", Audio, &[freq, moved]);
        loud(d, lower, stack.share)
    });
    d.operator(Plus, Audio, stacks[0], stacks[1])
}

/// The slow oscillator, times and plus something.
fn swing(d: &mut Definition, freq_hz: f32, by: f32, around: f32) -> Input {
    let freq = d.constant(freq_hz);
    let sine = d.unit("SinOsc", Control, &[freq, d.control("phase")]);
    let [by, around] = [by, around].map(|value| d.constant(value));
    d.unit("MulAdd", Control, &[sine, by, around])
}

fn pulse(d: &mut Definition) -> Input {
    let width = swing(d, pulse::SWING_HZ, pulse::SWING, pulse::WIDTH);
    let pulse = d.unit("Pulse", Audio, &[d.control("freq"), width]);
    let [cutoff, reciprocal_q] = [pulse::CUTOFF_HZ, 1.0 / pulse::Q].map(|value| d.constant(value));
    let filtered = d.unit("RLPF", Audio, &[pulse, cutoff, reciprocal_q]);
    loud(d, filtered, OF_SAW)
}

fn wavetable(d: &mut Definition) -> Input {
    // The last buffer must not be reached, because the one after it is read with it.
    let half = (wavetable::TURNS - 1) as f32 / 2.0;
    let place = swing(d, wavetable::SWING_HZ, half - 0.001, half);
    let zero = d.constant(0.0);
    let tone = d.unit("VOsc", Audio, &[place, d.control("freq"), zero]);
    loud(d, tone, 1.0)
}

/// What Chronus does to both sides before anybody hears them: a DC blocker and a limiter with a look-ahead. Here
/// there is one side.
pub fn safety() -> Vec<u8> {
    let mut safety = Definition::new(&[]);
    let [bus, coefficient] = [0.0, DC_COEFFICIENT].map(|value| safety.constant(value));
    let [ceiling, look_ahead_s] = [CEILING, LOOK_AHEAD_S].map(|value| safety.constant(value));
    let sum = safety.unit("In", Audio, &[bus]);
    let blocked = safety.unit("LeakDC", Audio, &[sum, coefficient]);
    let limited = safety.unit("Limiter", Audio, &[blocked, ceiling, look_ahead_s]);
    safety.out("ReplaceOut", &[bus, limited]);
    safety.encode("safety")
}
