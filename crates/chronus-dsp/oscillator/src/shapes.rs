//! The tables that the wavetable oscillator has of its own, as the harmonics of their cycles.

use super::cycles::{Cycles, Spectrum, analyse, normalise, samples_of};
use crate::tables::Table;
use core::f64::consts::{PI, TAU};

/// The cycles of all tables, in the order of [`NAMES`].
pub static CYCLES: Table = Table::new("wavetables", || {
    let tables = [basic(), organ(), vocal(), strings(), digital(), pulse(), metal(), sweep()];
    tables.iter().flat_map(|sounds| samples_of(sounds)).collect()
});

/// How many cycles each table has.
const COUNTS: [usize; 8] = [4, 8, 5, 8, 8, 8, 8, 8];

/// The tables, in the order of [`NAMES`].
pub fn tables() -> [Cycles<'static>; 8] {
    let mut rest = CYCLES.get();
    COUNTS.map(|count| {
        let (cycles, others) = Cycles::split(rest, count as u32);
        rest = others;
        cycles
    })
}

/// What they are called.
pub const NAMES: &[&str] =
    &["basic", "organ", "vocal", "strings", "digital", "pulse", "metal", "sweep"];

const HARMONICS: usize = 1024;

/// All harmonics with these sines.
fn sines(amplitude: impl Fn(f64) -> f64) -> Spectrum {
    (1..=HARMONICS).map(|h| [0.0, amplitude(h as f64)]).collect()
}

/// A sound whose peak is 1, with these sines.
fn normal(amplitude: impl Fn(f64) -> f64) -> Spectrum {
    let mut sound = sines(amplitude);
    normalise(&mut sound);
    sound
}

/// Sine, triangle, saw, square: each from -1 to 1, as the oscillators of these names.
fn basic() -> Vec<Spectrum> {
    let odd = |h: f64| h % 2.0 == 1.0;
    let sign = |h: f64, of: f64| if h % (2.0 * of) < of { 1.0 } else { -1.0 };
    vec![
        sines(|h| if h == 1.0 { 1.0 } else { 0.0 }),
        sines(|h| if odd(h) { sign(h, 2.0) * 8.0 / (PI * PI * h * h) } else { 0.0 }),
        sines(|h| -sign(h, 1.0) * 2.0 / (PI * h)),
        sines(|h| if odd(h) { 4.0 / (PI * h) } else { 0.0 }),
    ]
}

/// Drawbars of a tone-wheel organ, from the fundamental (8 feet) up; each step of a bar is 3 dB.
fn organ() -> Vec<Spectrum> {
    const WHEELS: [f64; 7] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0];
    const BARS: [[u8; 7]; 8] = [
        [8, 0, 0, 0, 0, 0, 0],
        [8, 4, 0, 0, 0, 0, 0],
        [8, 6, 4, 0, 0, 0, 0],
        [8, 3, 8, 0, 0, 0, 0],
        [8, 8, 8, 4, 0, 0, 2],
        [8, 7, 6, 8, 5, 4, 6],
        [8, 8, 8, 8, 8, 8, 8],
        [6, 0, 8, 0, 4, 0, 8],
    ];
    let level = |bar: u8| if bar == 0 { 0.0 } else { libm::pow(10.0, 0.15 * f64::from(bar) - 1.2) };
    let registration = |bars: &[u8; 7]| {
        normal(|h| {
            let wheel = WHEELS.iter().position(|wheel| *wheel == h);
            wheel.map_or(0.0, |wheel| level(bars[wheel]))
        })
    };
    BARS.iter().map(registration).collect()
}

/// The vowels u, o, a, e, i: formants of men as Gordon Peterson and Harold Barney measured them
/// ("Control Methods Used in a Study of the Vowels", 1952), right for a voice at 110 Hz.
fn vocal() -> Vec<Spectrum> {
    const FORMANTS_HZ: [[f64; 3]; 5] = [
        [300.0, 870.0, 2240.0],
        [570.0, 840.0, 2410.0],
        [730.0, 1090.0, 2440.0],
        [530.0, 1840.0, 2480.0],
        [270.0, 2290.0, 3010.0],
    ];
    const WIDTHS_HZ: [f64; 3] = [60.0, 90.0, 120.0];
    const LEVELS: [f64; 3] = [1.0, 0.7, 0.4];
    let vowel = |formants_hz: &[f64; 3]| {
        normal(|h| {
            let mut sum = 0.003;
            for i in 0..3 {
                let away = (110.0 * h - formants_hz[i]) / WIDTHS_HZ[i];
                sum += LEVELS[i] / (1.0 + away * away);
            }
            sum / libm::sqrt(h)
        })
    };
    FORMANTS_HZ.iter().map(vowel).collect()
}

/// A plucked string, from softly in its middle to brightly near its end.
fn strings() -> Vec<Spectrum> {
    let pluck = |i: usize| {
        let (at, slope) = (1.0 / (2.0 + 1.5 * i as f64), 2.0 - 0.13 * i as f64);
        normal(|h| libm::sin(PI * h * at) / libm::pow(h, slope))
    };
    (0..8).map(pluck).collect()
}

/// Frequency modulation at twice the frequency, ever deeper.
fn digital() -> Vec<Spectrum> {
    let deep = |i: usize| {
        let index = 0.8 * i as f64;
        let value = |n: usize| {
            let turn = TAU * n as f64 / 2048.0;
            libm::sin(turn + index * libm::sin(2.0 * turn)) as f32
        };
        analyse(&(0..2048).map(value).collect::<Vec<_>>())
    };
    (0..8).map(deep).collect()
}

/// Pulses, ever narrower.
fn pulse() -> Vec<Spectrum> {
    let narrow = |width: &f64| {
        let mut sound = sines(|h| libm::sin(PI * h * width) / h);
        // A pulse is symmetric around its middle.
        for harmonic in &mut sound {
            harmonic.swap(0, 1);
        }
        normalise(&mut sound);
        sound
    };
    [0.5, 0.4, 0.3, 0.22, 0.15, 0.1, 0.06, 0.03].iter().map(narrow).collect()
}

/// The fundamental and a few high harmonics without a common octave, ever higher.
fn metal() -> Vec<Spectrum> {
    const HIGH: [f64; 8] = [3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0];
    let clang = |i: usize| {
        normal(|h| {
            let away = HIGH.iter().position(|high| *high == h).map(|at| at as f64 - i as f64);
            let high = away.map_or(0.0, |away| libm::exp(-0.4 * away * away));
            high + if h == 1.0 { 0.5 } else { 0.0 }
        })
    };
    (0..8).map(clang).collect()
}

/// A saw through a resonant low-pass that opens.
fn sweep() -> Vec<Spectrum> {
    let open = |peak: &f64| {
        normal(|h| {
            let away = h - peak;
            let resonance = 1.0 + 6.0 / (1.0 + away * away);
            let over = (h / peak).max(1.0);
            resonance / (h * over * over)
        })
    };
    [1.0, 2.0, 3.5, 6.0, 10.0, 16.0, 25.0, 40.0].iter().map(open).collect()
}
