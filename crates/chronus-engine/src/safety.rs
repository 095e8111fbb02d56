//! What stands between the patch and the world: a DC blocker and a brick-wall limiter, so that no
//! patch and no command can hurt ears or speakers. Both are on unless the patch says otherwise.

use std::collections::VecDeque;

use crate::CHANNELS;

/// The corner of the DC blocker.
const DC_CORNER_HZ: f64 = 3.0;
/// State below this counts as silence.
const SILENCE: f64 = 1e-30;
/// No sample is louder: -0.3 dB.
const CEILING: f32 = 0.966;
const LOOK_AHEAD_MS: f64 = 0.66;
const RELEASE_MS: f64 = 100.0;
/// Gains are whole numbers of 2^-30, so that their running sum never drifts.
const UNITY: u64 = 1 << 30;

/// Takes what is constant out of a signal: a first-order high-pass.
pub(crate) struct DcBlocker {
    /// The first to fourth power of the pole.
    poles: [f64; 4],
    last: [f64; CHANNELS],
    state: [f64; CHANNELS],
}

impl DcBlocker {
    pub fn new(rate_hz: u32) -> Self {
        let pole = 1.0 - core::f64::consts::TAU * DC_CORNER_HZ / f64::from(rate_hz);
        let square = pole * pole;
        let poles = [pole, square, square * pole, square * square];
        Self { poles, last: [0.0; CHANNELS], state: [0.0; CHANNELS] }
    }

    pub fn reset(&mut self) {
        (self.last, self.state) = ([0.0; CHANNELS], [0.0; CHANNELS]);
    }

    /// Flips a bit high enough to be heard.
    pub fn flip_a_bit(&mut self) {
        self.state[0] = f64::from_bits(self.state[0].to_bits() ^ 1 << 61);
    }

    /// Four frames at a time, each from the state before all four, so that no frame waits for the one
    /// before it.
    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]]) {
        let (fours, rest) = frames.as_chunks_mut::<4>();
        let ([p1, p2, p3, p4], mut state) = (self.poles, self.state);
        for frames in fours {
            let [d0, d1, d2, d3] = frames.map(|frame| self.step(frame));
            // Channel beside channel, which are one vector.
            let mut outs = [[0.0; CHANNELS]; 4];
            for c in 0..CHANNELS {
                outs[0][c] = d0[c] + p1 * state[c];
                outs[1][c] = d1[c] + p1 * d0[c] + p2 * state[c];
                outs[2][c] = d2[c] + p1 * d1[c] + p2 * d0[c] + p3 * state[c];
                outs[3][c] = d3[c] + p1 * d2[c] + p2 * d1[c] + p3 * d0[c] + p4 * state[c];
            }
            *frames = outs.map(|out| out.map(|sample| sample as f32));
            state = outs[3];
        }
        self.state = state;
        for frame in rest {
            let step = self.step(*frame);
            for c in 0..CHANNELS {
                self.state[c] = step[c] + self.poles[0] * self.state[c];
                frame[c] = self.state[c] as f32;
            }
        }
        for state in &mut self.state {
            *state = if state.abs() < SILENCE { 0.0 } else { *state };
        }
    }

    /// By how much a frame differs from the last.
    #[inline]
    fn step(&mut self, frame: [f32; CHANNELS]) -> [f64; CHANNELS] {
        let frame = frame.map(|sample| f64::from(finite(sample)));
        let last = core::mem::replace(&mut self.last, frame);
        core::array::from_fn(|c| frame[c] - last[c])
    }
}

/// The sample, or silence if it is no number.
#[inline]
fn finite(sample: f32) -> f32 {
    if sample.abs() <= f32::MAX { sample } else { 0.0 }
}

/// Turns down what would be louder than the ceiling, before it comes, for both channels alike. What
/// stays below passes bit for bit, [`Limiter::delay_frames`] later.
///
/// The gain that a frame needs is held for the look-ahead, released slowly, and averaged over the
/// look-ahead: the average over a window in which every value is small enough is small enough.
pub(crate) struct Limiter {
    /// The frames on their way, in a circle, and where the oldest is.
    delayed: Box<[[f32; CHANNELS]]>,
    oldest: usize,
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

impl Limiter {
    pub fn new(rate_hz: u32) -> Self {
        let window = ((f64::from(rate_hz) * LOOK_AHEAD_MS / 1000.0) as usize).max(1);
        let release_frames = f64::from(rate_hz) * RELEASE_MS / 1000.0;
        let mut limiter = Self {
            delayed: vec![[0.0; CHANNELS]; window - 1].into_boxed_slice(),
            oldest: 0,
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
        self.delayed.fill([0.0; CHANNELS]);
        self.oldest = 0;
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

    pub fn process(&mut self, frames: &mut [[f32; CHANNELS]]) {
        // Whether any is too loud takes a comparison each, and no order as the loudest would.
        let mut is_loud = false;
        for sample in frames.as_flattened_mut() {
            *sample = finite(*sample);
            is_loud |= sample.abs() > CEILING;
        }
        if !is_loud && self.is_at_rest() {
            return self.delay(frames);
        }
        for frame in frames {
            self.process_frame(frame);
        }
    }

    fn process_frame(&mut self, frame: &mut [f32; CHANNELS]) {
        let peak = frame.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let needed = if peak > CEILING { f64::from(CEILING) / f64::from(peak) } else { 1.0 };
        self.delay(core::slice::from_mut(frame));
        if needed < 1.0 || !self.is_at_rest() {
            self.push_gain((needed * UNITY as f64) as u64);
        }
        if self.sum == UNITY * self.window as u64 {
            return;
        }
        let gain = self.sum as f64 / (UNITY * self.window as u64) as f64;
        *frame = frame.map(|sample| ((f64::from(sample) * gain) as f32).clamp(-CEILING, CEILING));
    }

    /// Flips a bit of a frame on its way that changes silence, too.
    pub fn flip_a_bit(&mut self) {
        if let Some([left, _]) = self.delayed.get_mut(self.oldest) {
            *left = f32::from_bits(left.to_bits() ^ 1 << 29);
        }
    }

    /// Exchanges frames for those of so long ago.
    fn delay(&mut self, mut frames: &mut [[f32; CHANNELS]]) {
        while !frames.is_empty() && !self.delayed.is_empty() {
            let delayed = &mut self.delayed[self.oldest..];
            let (now, later) = frames.split_at_mut(delayed.len().min(frames.len()));
            delayed[..now.len()].swap_with_slice(now);
            self.oldest = (self.oldest + now.len()) % self.delayed.len();
            frames = later;
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

    fn one(limiter: &mut Limiter, frame: [f32; CHANNELS]) -> [f32; CHANNELS] {
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
        let (mut a, mut b) = (Limiter::new(RATE_HZ), Limiter::new(RATE_HZ));
        all.chunks_mut(37).for_each(|frames| a.process(frames));
        for frame in &mut single {
            *frame = one(&mut b, *frame);
        }
        assert_eq!(all, single);
    }

    /// A noise of so much amplitude, the same each time.
    fn noise(n: u64) -> f32 {
        let mixed = (n ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn nothing_is_ever_louder_than_the_ceiling() {
        for rate_hz in [8_000, 44_100, 48_000, 192_000] {
            let mut limiter = Limiter::new(rate_hz);
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
        let mut limiter = Limiter::new(RATE_HZ);
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
        let (mut limiter, mut blocker) = (Limiter::new(RATE_HZ), DcBlocker::new(RATE_HZ));
        for n in 0..1000 {
            let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][n % 3];
            let mut heard = [[bad, 0.5]];
            blocker.process(&mut heard);
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
            blocker.process(&mut frames);
            last = frames[6];
        }
        assert!(last[0].abs() < 1e-6, "{last:?} after a second");
        let mut loudest = 0.0_f32;
        for n in 0..RATE_HZ {
            let angle = core::f64::consts::TAU * 20.0 * f64::from(n) / f64::from(RATE_HZ);
            let mut frame = [[libm::sin(angle) as f32; CHANNELS]];
            blocker.process(&mut frame);
            loudest = if n > RATE_HZ / 2 { loudest.max(frame[0][0].abs()) } else { 0.0 };
        }
        assert!(loudest > 0.966, "20 Hz loses less than 0.3 dB: {loudest}");
    }
}
