//! Measuring by spectrum.
#![allow(dead_code)] // Not every test file needs all of it.

use core::f64::consts::TAU;

/// The discrete Fourier transform, in place. The length is a power of two.
pub fn transform(re: &mut [f64], im: &mut [f64]) {
    let length = re.len();
    assert!(length.is_power_of_two() && im.len() == length);
    for i in 0..length {
        let j = i.reverse_bits() >> (length.leading_zeros() + 1);
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut half = 1;
    while half < length {
        for k in 0..half {
            let angle = -TAU * k as f64 / (2 * half) as f64;
            let (sin, cos) = angle.sin_cos();
            for a in (k..length).step_by(2 * half) {
                let b = a + half;
                let (x, y) = (re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos);
                (re[b], im[b]) = (re[a] - x, im[a] - y);
                (re[a], im[a]) = (re[a] + x, im[a] + y);
            }
        }
        half *= 2;
    }
}

/// The power in each bin from 0 to half the rate, such that a sine of amplitude 1 has power 1.
pub fn powers(samples: &[f32]) -> Vec<f64> {
    let mut re: Vec<f64> = samples.iter().copied().map(f64::from).collect();
    let mut im = vec![0.0; samples.len()];
    transform(&mut re, &mut im);
    let scale = (2.0 / samples.len() as f64).powi(2);
    (0..samples.len() / 2).map(|bin| scale * (re[bin].powi(2) + im[bin].powi(2))).collect()
}

pub fn db(power: f64) -> f64 {
    10.0 * power.log10()
}

/// Amplitude and phase (in turns) of the tone of `freq_hz` in a window that starts at `start`.
pub fn tone(samples: &[f32], start: usize, freq_hz: f64, rate_hz: u32) -> (f64, f64) {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        // A Blackman-Harris window: its side lobes are at -92 dB and fall off.
        let x = TAU * i as f64 / samples.len() as f64;
        let window =
            0.35875 - 0.48829 * x.cos() + 0.14128 * (2.0 * x).cos() - 0.01168 * (3.0 * x).cos();
        let turns = (freq_hz * (start + i) as f64 / f64::from(rate_hz)).fract();
        re += window * f64::from(sample) * (TAU * turns).cos();
        im -= window * f64::from(sample) * (TAU * turns).sin();
        weight += window;
    }
    (2.0 * re.hypot(im) / weight, im.atan2(re) / TAU)
}
