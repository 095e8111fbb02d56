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
    pole: f64,
    last: [f64; CHANNELS],
    state: [f64; CHANNELS],
}

impl DcBlocker {
    pub fn new(rate_hz: u32) -> Self {
        let pole = 1.0 - core::f64::consts::TAU * DC_CORNER_HZ / f64::from(rate_hz);
        Self { pole, last: [0.0; CHANNELS], state: [0.0; CHANNELS] }
    }

    pub fn reset(&mut self) {
        (self.last, self.state) = ([0.0; CHANNELS], [0.0; CHANNELS]);
    }

    pub fn process(&mut self, frame: [f32; CHANNELS]) -> [f32; CHANNELS] {
        std::array::from_fn(|c| {
            let input = f64::from(if frame[c].is_finite() { frame[c] } else { 0.0 });
            let out = input - self.last[c] + self.pole * self.state[c];
            self.last[c] = input;
            self.state[c] = if out.abs() < SILENCE { 0.0 } else { out };
            out as f32
        })
    }
}

/// Turns down what would be louder than the ceiling, before it comes, for both channels alike. What
/// stays below passes bit for bit, [`Limiter::delay_frames`] later.
///
/// The gain that a frame needs is held for the look-ahead, released slowly, and averaged over the
/// look-ahead: the average over a window in which every value is small enough is small enough.
pub(crate) struct Limiter {
    /// The frames on their way, oldest first.
    delayed: VecDeque<[f32; CHANNELS]>,
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
            delayed: VecDeque::with_capacity(window),
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
        self.delayed.clear();
        self.delayed.resize(self.window - 1, [0.0; CHANNELS]);
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

    pub fn process(&mut self, frame: [f32; CHANNELS]) -> [f32; CHANNELS] {
        let frame = frame.map(|sample| if sample.is_finite() { sample } else { 0.0 });
        let peak = frame.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let needed = if peak > CEILING { f64::from(CEILING) / f64::from(peak) } else { 1.0 };
        self.delayed.push_back(frame);
        let frame = self.delayed.pop_front().unwrap_or(frame);
        if needed < 1.0 || !self.is_at_rest() {
            self.push_gain((needed * UNITY as f64) as u64);
        }
        if self.sum == UNITY * self.window as u64 {
            return frame;
        }
        let gain = self.sum as f64 / (UNITY * self.window as u64) as f64;
        frame.map(|sample| ((f64::from(sample) * gain) as f32).clamp(-CEILING, CEILING))
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
                let [left, right] = limiter.process([noise(n) * level, noise(n + 7) * level * 0.3]);
                loudest = loudest.max(left.abs()).max(right.abs());
            }
            assert!(loudest <= CEILING && loudest > 0.9, "{loudest} at {rate_hz} Hz");
        }
    }

    #[test]
    fn what_is_quiet_enough_passes_bit_for_bit_also_after_something_loud() {
        let mut limiter = Limiter::new(RATE_HZ);
        for n in 0..3000 {
            limiter.process([noise(n) * 4.0; CHANNELS]);
        }
        for n in 0..200_000 {
            limiter.process([noise(n) * 0.9; CHANNELS]);
        }
        let delay = limiter.delay_frames() as u64;
        for n in 0..2000 {
            let heard = limiter.process([noise(n) * 0.9, noise(n + 1) * 0.5]);
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
            let heard = limiter.process(blocker.process([bad, 0.5]));
            assert!(heard.iter().all(|sample| sample.is_finite()), "frame {n}: {heard:?}");
            assert!(limiter.process([bad; CHANNELS]).iter().all(|sample| sample.is_finite()));
        }
    }

    #[test]
    fn what_is_constant_dies_away_and_deep_tones_stay() {
        let mut blocker = DcBlocker::new(RATE_HZ);
        let mut last = [1.0; CHANNELS];
        for _ in 0..RATE_HZ {
            last = blocker.process([0.5; CHANNELS]);
        }
        assert!(last[0].abs() < 1e-6, "{last:?} after a second");
        let mut loudest = 0.0_f32;
        for n in 0..RATE_HZ {
            let angle = core::f64::consts::TAU * 20.0 * f64::from(n) / f64::from(RATE_HZ);
            let [left, _] = blocker.process([libm::sin(angle) as f32; CHANNELS]);
            loudest = if n > RATE_HZ / 2 { loudest.max(left.abs()) } else { 0.0 };
        }
        assert!(loudest > 0.966, "20 Hz loses less than 0.3 dB: {loudest}");
    }
}
