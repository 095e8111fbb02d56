//! Twice the rate and back: half-band filters with a straight phase.
//!
//! Every second tap of a half-band filter is 0 but for the middle one, so that one of the two signals
//! is only delayed. The taps are a sinc in the window of James F. Kaiser ("Nonrecursive digital filter
//! design using the I0-sinh window function", 1974).

use crate::lanes::Lanes;

/// The last `N` frames, contiguous: each is kept twice, `N` apart.
struct Past<const C: usize, const N: usize> {
    frames: Box<[[f32; C]]>,
    at: usize,
}

impl<const C: usize, const N: usize> Past<C, N> {
    fn new() -> Self {
        Self { frames: vec![[0.0; C]; 2 * N].into_boxed_slice(), at: 0 }
    }

    fn reset(&mut self) {
        self.frames.fill([0.0; C]);
        self.at = 0;
    }

    /// The last frames, oldest first, with this one at the end.
    #[inline(always)]
    fn push<L: Lanes<C>>(&mut self, lanes: L, frame: L::Floats) -> &[[f32; C]; N] {
        lanes.store(frame, &mut self.frames[self.at]);
        lanes.store(frame, &mut self.frames[self.at + N]);
        self.at = if self.at + 1 == N { 0 } else { self.at + 1 };
        self.frames[self.at..].first_chunk().expect("twice as many frames")
    }
}

/// The taps beside the middle one, which is 1/2. There are `N` of them, alike from both ends; the whole
/// filter is `2 N - 1` long and delays by `N - 1` frames of the higher rate.
fn taps<const N: usize>() -> [f32; N] {
    /// Stops at -90 dB.
    const BETA: f64 = 8.96;
    let mut taps = [0.0; N];
    for (j, tap) in taps.iter_mut().enumerate() {
        let from_middle = 2.0 * j as f64 - (N - 1) as f64;
        let angle = core::f64::consts::PI * from_middle;
        let share = from_middle / N as f64;
        *tap = libm::sin(angle / 2.0) / angle * bessel_i0(BETA * libm::sqrt(1.0 - share * share));
    }
    // Together they are as much as the middle one, so that both signals are equally loud.
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (0.5 * tap / sum) as f32)
}

/// The modified Bessel function of order 0, as its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)) * (x / 2.0 / f64::from(k));
        sum += term;
    }
    sum
}

#[inline(always)]
fn convolve<const C: usize, const N: usize, L: Lanes<C>>(
    lanes: L,
    taps: &[f32; N],
    frames: &[[f32; C]; N],
) -> L::Floats {
    let mut sum = lanes.all(0.0);
    for j in 0..N / 2 {
        sum = sum + (lanes.load(&frames[j]) + lanes.load(&frames[N - 1 - j])) * taps[j];
    }
    sum
}

/// Doubles the rate.
pub(super) struct Up<const C: usize, const N: usize> {
    taps: [f32; N],
    past: Past<C, N>,
}

impl<const C: usize, const N: usize> Up<C, N> {
    pub fn new() -> Self {
        Self { taps: taps().map(|tap| 2.0 * tap), past: Past::new() }
    }

    pub fn reset(&mut self) {
        self.past.reset();
    }

    /// Two frames for one.
    #[inline(always)]
    pub fn process<L: Lanes<C>>(&mut self, lanes: L, frame: L::Floats) -> [L::Floats; 2] {
        let past = self.past.push(lanes, frame);
        [convolve(lanes, &self.taps, past), lanes.load(&past[N / 2])]
    }
}

/// Halves the rate. [`Up`] and then this delay by `N - 1` frames of the lower rate.
pub(super) struct Down<const C: usize, const N: usize> {
    taps: [f32; N],
    even: Past<C, N>,
    odd: Past<C, N>,
}

impl<const C: usize, const N: usize> Down<C, N> {
    pub fn new() -> Self {
        Self { taps: taps(), even: Past::new(), odd: Past::new() }
    }

    pub fn reset(&mut self) {
        self.even.reset();
        self.odd.reset();
    }

    /// One frame for two.
    #[inline(always)]
    pub fn process<L: Lanes<C>>(&mut self, lanes: L, [even, odd]: [L::Floats; 2]) -> L::Floats {
        let beside = convolve(lanes, &self.taps, self.even.push(lanes, even));
        let middle = &self.odd.push(lanes, odd)[N / 2 - 1];
        beside + lanes.load(middle) * 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::taps;

    /// Gain at a frequency, as a share of the higher rate.
    fn gain<const N: usize>(freq: f64) -> f64 {
        let wave = |from_middle: f64| libm::cos(core::f64::consts::TAU * freq * from_middle);
        let beside = taps::<N>().into_iter().enumerate();
        let beside = beside.map(|(j, tap)| f64::from(tap) * wave(2.0 * j as f64 - (N - 1) as f64));
        0.5 + beside.sum::<f64>()
    }

    fn measure<const N: usize>(pass: f64) -> (f64, f64) {
        let mut worst = (0.0_f64, 0.0_f64);
        for step in 0..=1000 {
            let freq = pass * f64::from(step) / 1000.0;
            worst.0 = worst.0.max((gain::<N>(freq) - 1.0).abs());
            worst.1 = worst.1.max(gain::<N>(0.5 - freq).abs());
        }
        worst
    }

    #[test]
    fn the_filters_pass_what_is_heard_and_stop_its_mirror_image() {
        // 20 kHz of 96 kHz, and of 192 kHz.
        for (ripple, stopped) in [measure::<36>(20.0 / 96.0), measure::<12>(20.0 / 192.0)] {
            println!("ripple {ripple:.2e}, stopped to {stopped:.2e}");
            assert!(ripple < 1e-4 && stopped < 1e-4, "-80 dB");
        }
    }
}
