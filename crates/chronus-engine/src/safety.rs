//! What stands between the patch and the world: a DC blocker and a brick-wall limiter, so that no
//! patch and no command can hurt ears or speakers. Both are on unless the patch says otherwise.

#![expect(clippy::inline_always, reason = "only what is inlined becomes wide vectors")]

use std::collections::VecDeque;

use crate::{BLOCK_FRAMES, CHANNELS};

/// The corner of the DC blocker.
const DC_CORNER_HZ: f64 = 3.0;
/// No sample is louder: -0.3 dB.
const CEILING: f32 = 0.966;
const LOOK_AHEAD_MS: f64 = 0.66;
const RELEASE_MS: f64 = 100.0;
/// Gains are whole numbers of 2^-30, so that their running sum never drifts.
const UNITY: u64 = 1 << 30;

/// Takes what is constant out of a signal: a first-order high-pass with a pole `p`,
/// `y[n] = p y[n-1] + d[n]`, where `d[n] = x[n] - x[n-1]`.
///
/// A frame would have to wait for the one before it. So each is computed from that of four frames ago and from
/// the differences since, `y[n] = p^4 y[n-4] + g[n] + p^2 g[n-2]`, where `g[n] = d[n] + p d[n-1]`, four beside each
/// other. What dies away ends where the thread that renders flushes denormals.
pub(crate) struct DcBlocker {
    poles: Poles,
    inputs: Four,
    heard: Four,
}

/// Powers of the pole.
#[derive(Clone, Copy)]
struct Poles {
    first: f32,
    second: f32,
    fourth: f32,
}

/// Four frames, channel beside channel.
pub(crate) type Four = [f32; FOUR];

const FOUR: usize = 4 * CHANNELS;

impl DcBlocker {
    pub fn new(rate_hz: u32) -> Self {
        let pole = 1.0 - core::f64::consts::TAU * DC_CORNER_HZ / f64::from(rate_hz);
        let square = pole * pole;
        let [first, second, fourth] = [pole, square, square * square].map(|power| power as f32);
        let poles = Poles { first, second, fourth };
        Self { poles, inputs: Four::default(), heard: Four::default() }
    }

    pub fn reset(&mut self) {
        (self.inputs, self.heard) = (Four::default(), Four::default());
    }

    /// Flips a bit high enough to be heard.
    pub fn flip_a_bit(&mut self) {
        self.heard[0] = f32::from_bits(self.heard[0].to_bits() ^ 1 << 29);
    }

    /// Filters frames in place, which are no louder than [`LEVEL_MAX`](crate::LEVEL_MAX); how they are divided into
    /// calls changes no bit.
    #[inline(always)]
    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]], delayed: impl Delayed) {
        let (fours, rest) = frames.as_flattened_mut().as_chunks_mut::<FOUR>();
        // Held in registers meanwhile.
        let (poles, mut inputs, mut heard) = (self.poles, self.inputs, self.heard);
        let mut before = poles.changes(&Changes::default(), &Four::default(), &inputs, delayed);
        for four in fours {
            let changes = poles.changes(&before, &inputs, four, delayed);
            heard = poles.heard(&before, &changes, &heard, delayed);
            (inputs, before) = (core::mem::replace(four, heard), changes);
        }
        if !rest.is_empty() {
            let mut now = [0.0; FOUR];
            now[..rest.len()].copy_from_slice(rest);
            let changes = poles.changes(&before, &inputs, &now, delayed);
            let next = poles.heard(&before, &changes, &heard, delayed);
            rest.copy_from_slice(&next[..rest.len()]);
            inputs = latest(&inputs, &now, rest.len());
            heard = latest(&heard, &next, rest.len());
        }
        (self.inputs, self.heard) = (inputs, heard);
    }
}

/// `d` and `g` of four frames.
#[derive(Default)]
struct Changes {
    d: Four,
    g: Four,
}

impl Poles {
    /// How the frames `x` change, given the four before them. Of the first four that there are, the last two
    /// come out right, and no others are asked for later.
    #[inline(always)]
    fn changes(&self, before: &Changes, inputs: &Four, x: &Four, delayed: impl Delayed) -> Changes {
        let mut d = *x;
        let x1 = delayed.by_one(inputs, x);
        for c in 0..FOUR {
            d[c] -= x1[c];
        }
        let (mut g, d1) = (d, delayed.by_one(&before.d, &d));
        for c in 0..FOUR {
            g[c] += self.first * d1[c];
        }
        Changes { d, g }
    }

    #[inline(always)]
    fn heard(
        &self,
        before: &Changes,
        changes: &Changes,
        heard: &Four,
        delayed: impl Delayed,
    ) -> Four {
        let (mut next, g2) = (changes.g, delayed.by_two(&before.g, &changes.g));
        for c in 0..FOUR {
            next[c] = self.fourth * heard[c] + (next[c] + self.second * g2[c]);
        }
        next
    }
}

/// A way to look back, across the four frames `now` and the four `before` them.
pub(crate) trait Delayed: Copy {
    /// Each frame is the one before it.
    fn by_one(self, before: &Four, now: &Four) -> Four;
    /// Each frame is the second before it.
    fn by_two(self, before: &Four, now: &Four) -> Four;
}

/// On any machine.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Delayed for Plain {
    #[inline(always)]
    fn by_one(self, w: &Four, x: &Four) -> Four {
        [w[6], w[7], x[0], x[1], x[2], x[3], x[4], x[5]]
    }

    #[inline(always)]
    fn by_two(self, w: &Four, x: &Four) -> Four {
        [w[4], w[5], w[6], w[7], x[0], x[1], x[2], x[3]]
    }
}

/// With AVX, where the compiler finds a way that takes twice as long.
#[cfg(target_arch = "x86_64")]
impl Delayed for pulp::x86::V3 {
    #[inline(always)]
    fn by_one(self, before: &Four, now: &Four) -> Four {
        let by_two = pulp::cast(self.by_two(before, now));
        pulp::cast(self.avx._mm256_shuffle_pd::<0b0101>(by_two, pulp::cast(*now)))
    }

    #[inline(always)]
    fn by_two(self, before: &Four, now: &Four) -> Four {
        let (before, now) = (pulp::cast(*before), pulp::cast(*now));
        pulp::cast(self.avx._mm256_permute2f128_pd::<0x21>(before, now))
    }
}

/// The last four frames after so many samples of `now`.
fn latest(before: &Four, now: &Four, count: usize) -> Four {
    let mut latest = *before;
    latest.rotate_left(count);
    let kept = latest.len() - count;
    latest[kept..].copy_from_slice(&now[..count]);
    latest
}

/// The sample, or silence if it is no number.
#[inline(always)]
fn finite(sample: f32) -> f32 {
    if sample.abs() <= f32::MAX { sample } else { 0.0 }
}

/// Turns down what would be louder than the ceiling, before it comes, for both channels alike. What
/// stays below passes bit for bit, [`SafetyLimiter::delay_frames`] later.
///
/// The gain that a frame needs is held for the look-ahead, released slowly, and averaged over the
/// look-ahead: the average over a window in which every value is small enough is small enough.
pub(crate) struct SafetyLimiter {
    /// The frames on their way, the oldest first, and room for those of a block behind them.
    line: Box<[[f32; CHANNELS]]>,
    /// Needed gains with the frames that need them, ascending: the first is the least in the window.
    needed: VecDeque<(u64, u64)>,
    released: f64,
    release: f64,
    /// The last gains, and their sum.
    gains: VecDeque<u64>,
    sum: u64,
    window: usize,
    frame: u64,
}

impl SafetyLimiter {
    pub fn new(rate_hz: u32) -> Self {
        let window = ((f64::from(rate_hz) * LOOK_AHEAD_MS / 1000.0) as usize).max(1);
        let release_frames = f64::from(rate_hz) * RELEASE_MS / 1000.0;
        let mut limiter = Self {
            line: vec![[0.0; CHANNELS]; window - 1 + BLOCK_FRAMES].into_boxed_slice(),
            needed: VecDeque::with_capacity(window + 1),
            released: 1.0,
            release: 1.0 - libm::exp(-1.0 / release_frames),
            gains: VecDeque::with_capacity(window + 1),
            sum: 0,
            window,
            frame: 0,
        };
        limiter.reset();
        limiter
    }

    pub fn reset(&mut self) {
        self.line.fill([0.0; CHANNELS]);
        self.needed.clear();
        self.gains.clear();
        self.gains.resize(self.window, UNITY);
        self.sum = UNITY * self.window as u64;
        self.released = 1.0;
        self.frame = 0;
    }

    /// How much later everything is heard.
    pub fn delay_frames(&self) -> usize {
        self.window - 1
    }

    #[inline(always)]
    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]]) {
        for frames in frames.chunks_mut(BLOCK_FRAMES) {
            self.process_block(frames);
        }
    }

    #[inline(always)]
    fn process_block(&mut self, frames: &mut [[f32; CHANNELS]]) {
        let (count, delay) = (frames.len(), self.delay_frames());
        let coming = self.line[delay..delay + count].as_flattened_mut();
        coming.copy_from_slice(frames.as_flattened());
        // What is no number is not quiet either.
        let is_quiet = |sample: &f32| u32::from(sample.abs() <= CEILING);
        let any_is_loud = coming.iter().fold(1, |all, sample| all & is_quiet(sample)) == 0;
        if any_is_loud {
            for sample in coming {
                *sample = finite(*sample);
            }
        }
        if any_is_loud || !self.is_at_rest() {
            self.turn_down(frames);
        } else {
            frames.copy_from_slice(&self.line[..count]);
        }
        self.line.copy_within(count..count + delay, 0);
    }

    /// Gives the frames that go out for as many that have come in. It is rarely needed, and stays out of the way.
    #[inline(never)]
    fn turn_down(&mut self, frames: &mut [[f32; CHANNELS]]) {
        let delay = self.delay_frames();
        for (n, frame) in frames.iter_mut().enumerate() {
            let gain = self.next_gain(self.line[delay + n]);
            *frame = self.line[n];
            if let Some(gain) = gain {
                let turned_down = |sample| (f64::from(sample) * gain) as f32;
                *frame = frame.map(|sample| turned_down(sample).clamp(-CEILING, CEILING));
            }
        }
    }

    /// The gain of the frame that goes out while this one comes in; none, if it passes as it is.
    fn next_gain(&mut self, coming: [f32; CHANNELS]) -> Option<f64> {
        let peak = coming.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let needed = if peak > CEILING { f64::from(CEILING) / f64::from(peak) } else { 1.0 };
        if needed < 1.0 || !self.is_at_rest() {
            self.push_gain((needed * UNITY as f64) as u64);
        }
        let full = UNITY * self.window as u64;
        (self.sum != full).then(|| self.sum as f64 / full as f64)
    }

    /// Flips a bit of a frame on its way that changes silence, too.
    pub fn flip_a_bit(&mut self) {
        if self.delay_frames() > 0 {
            let [left, _] = &mut self.line[0];
            *left = f32::from_bits(left.to_bits() ^ 1 << 29);
        }
    }

    /// Whether nothing has been turned down for so long that one more quiet frame changes nothing.
    fn is_at_rest(&self) -> bool {
        self.sum == UNITY * self.window as u64
            && self.released == 1.0
            && self.needed.front().is_none_or(|(_, gain)| *gain == UNITY)
    }

    fn push_gain(&mut self, needed: u64) {
        while self.needed.back().is_some_and(|(_, gain)| *gain >= needed) {
            self.needed.pop_back();
        }
        self.needed.push_back((self.frame, needed));
        if self.needed.front().is_some_and(|(at, _)| at + self.window as u64 <= self.frame) {
            self.needed.pop_front();
        }
        self.frame += 1;
        let held = self.needed.front().map_or(UNITY, |(_, gain)| *gain) as f64 / UNITY as f64;
        self.released = held.min(self.released + (held - self.released) * self.release);
        if held == 1.0 && self.released > 1.0 - 1e-6 {
            self.released = 1.0;
        }
        let gain = (self.released * UNITY as f64) as u64;
        self.gains.push_back(gain);
        self.sum = self.sum + gain - self.gains.pop_front().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn one(limiter: &mut SafetyLimiter, frame: [f32; CHANNELS]) -> [f32; CHANNELS] {
        let mut frames = [frame];
        limiter.process(&mut frames);
        frames[0]
    }

    #[test]
    fn a_limiter_may_be_given_any_number_of_frames_at_once() {
        let frames = |level: fn(u64) -> f32| -> Vec<[f32; CHANNELS]> {
            (0..20_000).map(|n| [noise(n) * level(n), noise(n + 3) * level(n)]).collect()
        };
        let input = frames(|n| if (n / 3000) % 2 == 1 { 2.0 } else { 0.8 });
        let (mut all, mut single) = (input.clone(), input);
        let (mut a, mut b) = (SafetyLimiter::new(RATE_HZ), SafetyLimiter::new(RATE_HZ));
        all.chunks_mut(37).for_each(|frames| a.process(frames));
        for frame in &mut single {
            *frame = one(&mut b, *frame);
        }
        assert_eq!(all, single);
    }

    #[test]
    fn a_blocker_may_be_given_any_number_of_frames_at_once_and_any_vectors() {
        // Loud, and then so soft that it is all but nothing.
        let level = |n: u64| if n < 1500 { 1.0 } else { 1e-29 };
        let input: Vec<_> =
            (0..3000).map(|n| [noise(n) * level(n) + 0.3, noise(n + 3) * level(n)]).collect();
        let play = |count: usize, delayed: &dyn Fn(&mut DcBlocker, &mut [[f32; CHANNELS]])| {
            let (mut blocker, mut frames) = (DcBlocker::new(RATE_HZ), input.clone());
            frames.chunks_mut(count).for_each(|frames| delayed(&mut blocker, frames));
            frames.as_flattened().iter().map(|sample| sample.to_bits()).collect::<Vec<_>>()
        };
        let plain = |blocker: &mut DcBlocker, frames: &mut [[f32; CHANNELS]]| {
            blocker.process(frames, Plain);
        };
        let expected = play(1, &plain);
        for count in [2, 3, 4, 7, 37, 64, 3000] {
            assert_eq!(play(count, &plain), expected, "{count} at once");
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            let wide = |blocker: &mut DcBlocker, frames: &mut [[f32; CHANNELS]]| {
                blocker.process(frames, v3);
            };
            for count in [1, 5, 37, 64] {
                assert_eq!(play(count, &wide), expected, "{count} at once, with AVX");
            }
        }
    }

    /// A noise of so much amplitude, the same each time.
    fn noise(n: u64) -> f32 {
        let mixed = (n ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn nothing_is_ever_louder_than_the_ceiling() {
        for rate_hz in [8_000, 44_100, 48_000, 192_000] {
            let mut limiter = SafetyLimiter::new(rate_hz);
            let mut loudest = 0.0_f32;
            for n in 0..200_000_u64 {
                let level = [0.5, 3.0, 1.0, 1e30, 0.9, 50.0][(n / 7919) as usize % 6];
                let [left, right] =
                    one(&mut limiter, [noise(n) * level, noise(n + 7) * level * 0.3]);
                loudest = loudest.max(left.abs()).max(right.abs());
            }
            assert!(loudest <= CEILING && loudest > 0.9, "{loudest} at {rate_hz} Hz");
        }
    }

    #[test]
    fn what_is_quiet_enough_passes_bit_for_bit_also_after_something_loud() {
        let mut limiter = SafetyLimiter::new(RATE_HZ);
        for n in 0..3000 {
            one(&mut limiter, [noise(n) * 4.0; CHANNELS]);
        }
        for n in 0..200_000 {
            one(&mut limiter, [noise(n) * 0.9; CHANNELS]);
        }
        let delay = limiter.delay_frames() as u64;
        for n in 0..2000 {
            let heard = one(&mut limiter, [noise(n) * 0.9, noise(n + 1) * 0.5]);
            if n >= delay {
                assert_eq!(heard, [noise(n - delay) * 0.9, noise(n - delay + 1) * 0.5]);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_silence() {
        let (mut limiter, mut blocker) = (SafetyLimiter::new(RATE_HZ), DcBlocker::new(RATE_HZ));
        for n in 0..1000 {
            let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][n % 3];
            let mut heard = [[bad, 0.5]];
            blocker.process(&mut heard, Plain);
            limiter.process(&mut heard);
            assert!(heard[0].iter().all(|sample| sample.is_finite()), "frame {n}: {heard:?}");
            assert!(one(&mut limiter, [bad; CHANNELS]).iter().all(|sample| sample.is_finite()));
        }
    }

    #[test]
    fn what_is_constant_dies_away_and_deep_tones_stay() {
        let mut blocker = DcBlocker::new(RATE_HZ);
        let mut last = [1.0; CHANNELS];
        for _ in 0..RATE_HZ {
            let mut frames = [[0.5; CHANNELS]; 7];
            blocker.process(&mut frames, Plain);
            last = frames[6];
        }
        assert!(last[0].abs() < 1e-6, "{last:?} after a second");
        let mut loudest = 0.0_f32;
        for n in 0..RATE_HZ {
            let angle = core::f64::consts::TAU * 20.0 * f64::from(n) / f64::from(RATE_HZ);
            let mut frame = [[libm::sin(angle) as f32; CHANNELS]];
            blocker.process(&mut frame, Plain);
            loudest = if n > RATE_HZ / 2 { loudest.max(frame[0][0].abs()) } else { 0.0 };
        }
        assert!(loudest > 0.966, "20 Hz loses less than 0.3 dB: {loudest}");
    }
}
