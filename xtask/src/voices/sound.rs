//! What a player is heard to play, so that none wins by silence or by another sound.

use std::error::Error;

use super::voice::RATE_HZ;

/// So much is rendered to be listened to: the envelopes are at rest then.
pub const SECONDS: f64 = 0.6;
/// At its end, so many samples are looked at.
const SAMPLES: usize = 8192;
/// Below this nothing is heard.
const SILENCE_DB: f32 = -120.0;

/// Measures of a sound.
#[derive(Clone, Copy, Debug)]
pub struct Sound {
    /// The root of the mean square, in dB of full scale.
    pub level_db: f32,
    /// The level of the differences from sample to sample, in dB of the level: how bright it is.
    pub brightness_db: f32,
    /// How often it repeats, if it does.
    pub fundamental_hz: Option<f32>,
}

impl Sound {
    /// Of the end of this, whose fundamental is expected not far below `expected_hz`.
    ///
    /// # Errors
    /// If it is too short, or not made of numbers.
    pub fn of(samples: &[f32], expected_hz: f32) -> Result<Self, Box<dyn Error>> {
        let start = samples.len().checked_sub(SAMPLES).ok_or("it ends too soon")?;
        let heard = &samples[start..];
        if heard.iter().any(|sample| !sample.is_finite()) {
            return Err("it is not made of numbers".into());
        }
        let power = |square: f64| (10.0 * (square / SAMPLES as f64).max(1e-30).log10()) as f32;
        let square: f64 = heard.iter().map(|x| f64::from(*x).powi(2)).sum();
        let steps: f64 = heard.windows(2).map(|x| f64::from(x[1] - x[0]).powi(2)).sum();
        let level_db = power(square);
        Ok(Self {
            level_db,
            brightness_db: power(steps) - level_db,
            fundamental_hz: fundamental_hz(heard, RATE_HZ as f32 / expected_hz),
        })
    }

    /// Whether nothing is heard.
    pub fn is_silent(&self) -> bool {
        self.level_db < SILENCE_DB
    }
}

/// By autocorrelation: the first delay of up to a third more than `longest` frames at which the sound is nearly like
/// itself.
fn fundamental_hz(heard: &[f32], longest: f32) -> Option<f32> {
    /// Shorter delays look alike for anything.
    const SHORTEST: usize = 16;
    const ALIKE: f64 = 0.8;
    let longest = (longest * 1.3) as usize;
    let length = heard.len().checked_sub(longest + 2)?;
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let first = &heard[..length];
    let alike: Vec<f64> = (0..longest + 2)
        .map(|delay| {
            let other = &heard[delay..delay + length];
            product(first, other) / (product(first, first) * product(other, other)).sqrt()
        })
        .collect();
    let best = alike[SHORTEST..].iter().copied().fold(f64::MIN, f64::max).max(0.0);
    let is_peak = |at: &usize| {
        let [before, here, after] = [alike[at - 1], alike[*at], alike[at + 1]];
        here >= before && here > after && here > ALIKE && here > 0.95 * best
    };
    let peak = (SHORTEST..longest + 1).find(is_peak)?;
    // The top of a parabola through three points.
    let [before, here, after] = [alike[peak - 1], alike[peak], alike[peak + 1]];
    let offset = 0.5 * (before - after) / (before - 2.0 * here + after);
    Some(RATE_HZ as f32 / (peak as f32 + offset as f32))
}

#[cfg(test)]
mod tests {
    use super::{RATE_HZ, SECONDS, Sound};

    fn tone(hz: f32, of: impl Fn(f32) -> f32) -> Vec<f32> {
        let frames = 0..(SECONDS * f64::from(RATE_HZ)) as usize;
        frames.map(|n| of((n as f32 * hz / RATE_HZ as f32).fract())).collect()
    }

    #[test]
    fn a_sine_has_its_level_and_its_pitch() {
        let sine = tone(220.5, |turn| 0.5 * (turn * core::f32::consts::TAU).sin());
        let sound = Sound::of(&sine, 220.5).unwrap();
        assert!((sound.level_db + 9.03).abs() < 0.1, "{sound:?}");
        assert!((sound.fundamental_hz.unwrap() - 220.5).abs() < 0.5, "{sound:?}");
    }

    #[test]
    fn an_octave_too_high_or_too_low_is_told() {
        let saw = |hz| tone(hz, |turn| turn - 0.5);
        let high = Sound::of(&saw(300.0), 150.0).unwrap().fundamental_hz;
        assert!((high.unwrap() - 300.0).abs() < 2.0, "{high:?}");
        let low = Sound::of(&saw(75.0), 150.0).unwrap().fundamental_hz;
        assert!(low.is_none_or(|low| (low - 150.0).abs() > 10.0), "{low:?}");
    }

    #[test]
    fn silence_and_noise_have_no_pitch() {
        let silence = Sound::of(&tone(1.0, |_| 0.0), 100.0).unwrap();
        assert!(silence.is_silent() && silence.fundamental_hz.is_none(), "{silence:?}");
        let mut chance = fastrand::Rng::with_seed(1);
        let noise: Vec<f32> = (0..30_000).map(|_| chance.f32() - 0.5).collect();
        assert_eq!(Sound::of(&noise, 100.0).unwrap().fundamental_hz, None);
        assert!(Sound::of(&noise[..100], 100.0).is_err(), "too short");
        assert!(Sound::of(&vec![f32::NAN; 30_000], 100.0).is_err(), "no numbers");
    }
}
