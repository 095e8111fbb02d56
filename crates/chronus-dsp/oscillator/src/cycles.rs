//! Single turns of a sound, ready to be played at any pitch without aliases: what a wavetable is
//! made of.
//!
//! Each cycle is held at several levels, each with half an octave less at its top than the one
//! before. Between samples a cubic B-spline is drawn. It dulls the sound and leaves images at its
//! other side; the first is made good in the samples, and to keep the latter low, they are eight
//! times as dense as they need be (see M. Unser, "Splines: A Perfect Fit for Signal and Image
//! Processing", 1999).

use core::f64::consts::{PI, TAU};
use std::sync::LazyLock;

use crate::lanes::{Floats, Ints, Rows};

/// A sound as the harmonics 1, 2, 3, ... with their cosine and sine.
pub type Spectrum = Vec<[f64; 2]>;

/// As many levels has a cycle.
const LEVELS: usize = 21;
/// As many harmonics has each level.
const HARMONICS: [usize; LEVELS] =
    [1024, 724, 512, 362, 256, 181, 128, 90, 64, 45, 32, 22, 16, 11, 8, 5, 4, 2, 2, 1, 1];
/// The most samples of a level, as a power of two; the upper harmonics of a bass have to do with
/// less than eight times the density.
const BITS_MAX: u32 = 12;
const BITS_MIN: u32 = 9;
/// A power of two of samples.
const BITS: [u32; LEVELS] = {
    let (mut bits, mut level) = ([0; LEVELS], 0);
    while level < LEVELS {
        let wanted = (8 * HARMONICS[level]).next_power_of_two().ilog2();
        bits[level] = if wanted > BITS_MAX { BITS_MAX } else { wanted };
        bits[level] = if bits[level] < BITS_MIN { BITS_MIN } else { bits[level] };
        level += 1;
    }
    bits
};
/// The samples around the end of a turn are there twice, so that four in a row can be read
/// anywhere.
const EXTRA: u32 = 3;
/// Where each level begins, and in the end how long a cycle is.
const STARTS: [u32; LEVELS + 1] = {
    let (mut starts, mut level) = ([0; LEVELS + 1], 0);
    while level < LEVELS {
        starts[level + 1] = starts[level] + (1 << BITS[level]) + EXTRA;
        level += 1;
    }
    starts
};
const CYCLE_LENGTH: u32 = STARTS[LEVELS];
/// The highest harmonic of a level goes from here to half an octave further, as a share of the
/// rate, while the level gives way to the next. At 48 kHz no alias comes down to 20 kHz.
const TOP_OF_RATE: f64 = 0.41;

/// The levels to be read at one frequency: the one that has all that may be heard, and the next.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// How many samples they have, as powers of two.
    bits: [u32; 2],
    /// Where they begin.
    starts: [u32; 2],
    /// How much of the next one is heard.
    lower: f32,
}

impl Level {
    /// For a phase that advances by `step` a frame.
    #[inline(always)]
    pub fn of(step: i32) -> Self {
        const PER_STEP: f32 = (HARMONICS[0] as f64 / (TOP_OF_RATE * 4_294_967_296.0)) as f32;
        const HALF: f32 = core::f32::consts::SQRT_2;
        let over = (step.unsigned_abs() as f32 * PER_STEP).max(1.0);
        let (octave, part) = ((over.to_bits() >> 23) as usize - 127, over.to_bits() & 0x7f_ffff);
        let part = f32::from_bits(part | 0x3f80_0000);
        let (half, lower) = if part < HALF {
            (0, (part - 1.0) * (1.0 / (HALF - 1.0)))
        } else {
            (1, (part - HALF) * (1.0 / (2.0 - HALF)))
        };
        let upper = (2 * octave + half).min(LEVELS - 1);
        let levels = [upper, (upper + 1).min(LEVELS - 1)];
        Self {
            bits: levels.map(|level| BITS[level]),
            starts: levels.map(|level| STARTS[level]),
            lower,
        }
    }

    /// Where in a cycle this phase is, at both levels.
    #[inline(always)]
    fn places(&self, phase: u32) -> [u32; 2] {
        [
            self.starts[0] + (phase >> (32 - self.bits[0])),
            self.starts[1] + (phase >> (32 - self.bits[1])),
        ]
    }
}

/// The samples of these sounds, at all levels, one after the other.
pub fn samples_of(sounds: &[Spectrum]) -> Vec<f32> {
    let mut samples = Vec::with_capacity(sounds.len() * CYCLE_LENGTH as usize);
    for sound in sounds {
        for level in 0..LEVELS {
            let size = 1 << BITS[level];
            let row = synthesise(sound, HARMONICS[level], size);
            // The spline that begins at a sample needs the one before it as well.
            samples.extend((0..size + EXTRA as usize).map(|i| row[(i + size - 1) % size] as f32));
        }
    }
    samples
}

/// Which cycles are heard: one and the next.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    /// Where they begin.
    starts: [u32; 2],
    /// How much of the next is heard.
    share: f32,
}

/// What is heard of cycles in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// 2^32 is one turn.
    pub phase: u32,
    /// For the frequency.
    pub level: Level,
    /// Of [`Cycles::between`].
    pub between: Between,
}

/// Several cycles in a row.
#[derive(Clone, Copy)]
pub struct Cycles<'a> {
    samples: &'a [f32],
    count: u32,
}

impl<'a> Cycles<'a> {
    /// From what [`samples_of`] made of at least one sound.
    pub fn new(samples: &'a [f32]) -> Self {
        Self { samples, count: samples.len() as u32 / CYCLE_LENGTH }
    }

    /// The first so many, and the rest.
    pub fn split(samples: &'a [f32], count: u32) -> (Self, &'a [f32]) {
        let (samples, rest) = samples.split_at((count * CYCLE_LENGTH) as usize);
        (Self { samples, count }, rest)
    }

    /// Which cycles are heard at this position, from 0 for the first to 1 for the last.
    #[inline(always)]
    pub fn between(&self, position: f32) -> Between {
        let position = position * (self.count - 1) as i32 as f32;
        let this = (position as u32).min(self.count - 1);
        let next = (this + 1).min(self.count - 1);
        let starts = [this * CYCLE_LENGTH, next * CYCLE_LENGTH];
        Between { starts, share: position - this as i32 as f32 }
    }

    #[inline(always)]
    fn four(&self, at: u32) -> &[f32; 4] {
        let at = at as usize;
        self.samples[at..at + 4].first_chunk().expect("they are four")
    }

    /// What is heard at this phase, where 2^32 is one turn, and this position, from 0 for the first
    /// cycle to 1 for the last.
    pub fn read(&self, phase: u32, level: Level, position: f32) -> f32 {
        let Between { starts: [this, next], share } = self.between(position);
        let places = level.places(phase);
        let read = |half: usize| {
            let weights = spline((phase << level.bits[half]) >> 8);
            let [this, next] = [this, next].map(|start| self.four(start + places[half]));
            let mut products = [0.0; 4];
            for i in 0..4 {
                products[i] = weights[i] * (this[i] + share * (next[i] - this[i]));
            }
            (products[0] + products[2]) + (products[1] + products[3])
        };
        let upper = read(0);
        upper + level.lower * (read(1) - upper)
    }

    /// Four samples of each level, between two cycles.
    #[inline(always)]
    fn samples<R: Rows>(
        &self,
        rows: R,
        phase: u32,
        level: Level,
        Between { starts: [this, next], share }: Between,
    ) -> R::Floats {
        let [upper, lower] = level.places(phase);
        let from = rows.load_rows(self.four(this + upper), self.four(this + lower));
        let to = rows.load_rows(self.four(next + upper), self.four(next + lower));
        from + (to - from) * share
    }

    /// As [`read`](Self::read) in four frames whose frequency is the same. The first phase is given, and by what it
    /// advances.
    #[inline(always)]
    pub fn read_four<R: Rows>(
        &self,
        rows: R,
        (phase, step): (u32, u32),
        level: Level,
        betweens: [Between; 4],
    ) -> [f32; 4] {
        let [p, q] = [phase.wrapping_add(step), phase.wrapping_add(step.wrapping_mul(2))];
        let way = rows.all_ints(step).times(rows.load_ints(&[0, 1, 2, 3, 0, 1, 2, 3]));
        let phases = rows.all_ints(phase).plus(way);
        let [x, y] = [1 << level.bits[0], 1 << level.bits[1]];
        let rests = phases.times(rows.load_ints(&[x, x, x, x, y, y, y, y])).down(8);
        let phases = [phase, p, q, q.wrapping_add(step)];
        self.read_each(rows, phases, [level; 4], betweens, rests)
    }

    /// As [`read`](Self::read) at each of four places.
    pub fn read_places<R: Rows>(&self, rows: R, places: [Place; 4]) -> [f32; 4] {
        let (mut phases, mut scales) = ([0; 8], [0; 8]);
        for (i, Place { phase, level, .. }) in places.iter().enumerate() {
            for half in 0..2 {
                phases[4 * half + i] = *phase;
                scales[4 * half + i] = 1 << level.bits[half];
            }
        }
        let rests = rows.load_ints(&phases).times(rows.load_ints(&scales)).down(8);
        let levels = places.map(|place| place.level);
        let betweens = places.map(|place| place.between);
        self.read_each(rows, places.map(|place| place.phase), levels, betweens, rests)
    }

    /// Of each phase `rests` has what lies between two samples, first of the upper levels.
    #[inline(always)]
    fn read_each<R: Rows>(
        &self,
        rows: R,
        phases: [u32; 4],
        levels: [Level; 4],
        [a, b, c, d]: [Between; 4],
        rests: R::Ints,
    ) -> [f32; 4] {
        let [a, b, c, d] = rows.columns([
            self.samples(rows, phases[0], levels[0], a),
            self.samples(rows, phases[1], levels[1], b),
            self.samples(rows, phases[2], levels[2], c),
            self.samples(rows, phases[3], levels[3], d),
        ]);
        let [wa, wb, wc, wd] = spline(rests);
        let sums = rows.array((wa * a + wc * c) + (wb * b + wd * d));
        let mut heard = [0.0; 4];
        for (i, heard) in heard.iter_mut().enumerate() {
            *heard = sums[i] + levels[i].lower * (sums[4 + i] - sums[i]);
        }
        heard
    }
}

/// The weights of four samples in a row, between the two in the middle; `rest` goes to 2^24.
#[inline(always)]
fn spline<I: Ints>(rest: I) -> [I::Floats; 4] {
    let x = rest.to_floats() * (1.0 / 16_777_216.0);
    let y = -x + 1.0;
    let (x3, y3) = (x * x * x * (1.0 / 6.0), y * y * y * (1.0 / 6.0));
    let two_thirds = x.like(2.0 / 3.0);
    // Together they are 1.
    [y3, two_thirds - x * x + x3 * 3.0, two_thirds - y * y + y3 * 3.0, x3]
}

/// The samples of a spline through a turn of the first harmonics of a sound.
fn synthesise(sound: &Spectrum, harmonics: usize, size: usize) -> Vec<f64> {
    let mut values = vec![[0.0; 2]; size];
    for (h, [cosine, sine]) in sound.iter().enumerate().take(harmonics.min(size / 2 - 1)) {
        let turns = PI * (h + 1) as f64 / size as f64;
        let sinc = libm::sin(turns) / turns;
        let gain = 1.0 / (sinc * sinc * sinc * sinc);
        values[h + 1] = [cosine * gain, -sine * gain];
    }
    transform(&mut values);
    values.iter().map(|value| value[0]).collect()
}

/// The harmonics of one turn, which has at least two samples; its mean is left out.
pub fn analyse(turn: &[f32]) -> Spectrum {
    let size = turn.len();
    let scale = 2.0 / size as f64;
    let harmonics = 1..size.div_ceil(2).min(HARMONICS[0] + 1);
    if size.is_power_of_two() && size <= 1 << BITS_MAX {
        let mut values: Vec<_> = turn.iter().map(|x| [f64::from(*x) * scale, 0.0]).collect();
        transform(&mut values);
        return harmonics.map(|h| values[h]).collect();
    }
    let circle: Vec<_> = (0..size).map(|i| point(i as f64 / size as f64)).collect();
    let harmonic = |h: usize| {
        let mut sum = [0.0; 2];
        for (i, x) in turn.iter().enumerate() {
            let [cosine, sine] = circle[i * h % size];
            sum[0] += scale * f64::from(*x) * cosine;
            sum[1] += scale * f64::from(*x) * sine;
        }
        sum
    };
    harmonics.map(harmonic).collect()
}

/// Scales a sound so that its peak is 1.
pub fn normalise(sound: &mut Spectrum) {
    let mut values = vec![[0.0; 2]; 1 << BITS_MAX];
    for (value, [cosine, sine]) in values[1..].iter_mut().zip(&*sound) {
        *value = [*cosine, -sine];
    }
    transform(&mut values);
    let peak = values.iter().fold(0.0_f64, |peak, value| peak.max(value[0].abs()));
    for value in sound.as_flattened_mut() {
        *value /= peak;
    }
}

fn point(turns: f64) -> [f64; 2] {
    [libm::cos(TAU * turns), libm::sin(TAU * turns)]
}

/// Value `n` of so many becomes the sum over all `h` of value `h` times the point at `h n` parts of
/// the circle, as complex numbers: the inverse Fourier transform, without a scale (Cooley and
/// Tukey, 1965).
fn transform(values: &mut [[f64; 2]]) {
    static CIRCLE: LazyLock<Vec<[f64; 2]>> = LazyLock::new(|| {
        let size = 1 << BITS_MAX;
        (0..size / 2).map(|i| point(f64::from(i) / f64::from(size))).collect()
    });
    let size = values.len();
    for i in 0..size {
        let mirrored = i.reverse_bits() >> (size.leading_zeros() + 1);
        if i < mirrored {
            values.swap(i, mirrored);
        }
    }
    let mut half = 1;
    while half < size {
        let stride = CIRCLE.len() / half;
        for part in values.chunks_exact_mut(2 * half) {
            let (first, second) = part.split_at_mut(half);
            for (k, (a, b)) in first.iter_mut().zip(second).enumerate() {
                let [cosine, sine] = CIRCLE[k * stride];
                let turned = [b[0] * cosine - b[1] * sine, b[0] * sine + b[1] * cosine];
                *b = [a[0] - turned[0], a[1] - turned[1]];
                *a = [a[0] + turned[0], a[1] + turned[1]];
            }
        }
        half *= 2;
    }
}
