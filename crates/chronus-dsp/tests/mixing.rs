//! The parts that place, blend and measure: levels, powers and times are those that they promise.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;

use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use common::{Bench, Chance, RATES_HZ, bits, param};
use core::f64::consts::{PI, TAU};

/// A signal at one input, or no cable.
type Source<'a> = Option<&'a dyn Fn(usize) -> f32>;

/// All outputs of a module with these signals at its inputs; the rest have no cables.
fn render(
    kind: &str,
    params: &[(&str, f32)],
    sources: &[Source<'_>],
    frames: usize,
) -> Vec<Vec<f32>> {
    poly(kind, params, sources, frames, 1).swap_remove(0)
}

/// The same, by channel, with the same signals in all channels.
fn poly(
    kind: &str,
    params: &[(&str, f32)],
    sources: &[Source<'_>],
    frames: usize,
    channels: usize,
) -> Vec<Vec<Vec<f32>>> {
    let entry = catalog::find(kind).unwrap();
    let mut module = Instance::new(entry, 48_000, channels);
    for (name, value) in params {
        module.set_param(param(entry.spec, name), *value);
    }
    module.reset();
    let mut outputs = vec![silent_buffer(channels); entry.spec.outputs.len()];
    let mut played = vec![vec![Vec::new(); outputs.len()]; channels];
    for start in (0..frames).step_by(BLOCK_FRAMES) {
        let buffer = |source: &dyn Fn(usize) -> f32| {
            let mut buffer = silent_buffer(channels);
            for (i, sample) in buffer.iter_mut().enumerate() {
                *sample = source(start + i / channels);
            }
            buffer
        };
        let mut buffers: Vec<_> = sources.iter().map(|source| source.map(buffer)).collect();
        buffers.resize_with(entry.spec.inputs.len(), || None);
        let inputs: Vec<_> = buffers.iter().map(|buffer| buffer.as_deref()).collect();
        let transport = Transport::stopped(48_000);
        module.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, transport);
        for (output, buffer) in outputs.iter().enumerate() {
            for (i, sample) in buffer.iter().enumerate() {
                played[i % channels][output].push(*sample);
            }
        }
    }
    played
}

fn one(_: usize) -> f32 {
    1.0
}

fn db(gain: f64) -> f64 {
    20.0 * gain.log10()
}

#[test]
fn a_pan_has_the_same_power_everywhere() {
    let mut worst = 0.0_f64;
    for step in 0..=40 {
        let pan = step as f32 / 20.0 - 1.0;
        let sides = render("pan", &[("pan", pan)], &[Some(&one)], 64);
        let [left, right] = [0, 1].map(|side| f64::from(sides[side][9]));
        let angle = PI / 4.0 * (f64::from(pan) + 1.0);
        let off = (left - angle.cos()).abs().max((right - angle.sin()).abs());
        worst = worst.max(db(left.hypot(right)).abs());
        assert!(off < 1e-6 && db(left.hypot(right)).abs() < 1e-5, "pan {pan}: {left}, {right}");
    }
    println!("power of a pan: at most {worst:.1e} dB off");
    for (pan, expected) in [(-1.0, [1.0, 0.0]), (1.0, [0.0, 1.0])] {
        let sides = render("pan", &[("pan", pan)], &[Some(&one)], 64);
        assert_eq!([sides[0][9], sides[1][9]], expected, "wholly at one side");
    }
}

#[test]
fn channels_spread_evenly_around_the_pan() {
    for channels in [4, 8, 16] {
        let played = poly("pan", &[("spread", 1.0)], &[Some(&one)], 64, channels);
        let place =
            |c: usize| played[c][1][0].atan2(played[c][0][0]) * 4.0 / core::f32::consts::PI - 1.0;
        let mut places: Vec<_> = (0..channels).map(place).collect();
        assert!(places[0] < 0.0 && places[0] > -0.5, "the first notes stay near the middle");
        assert!((places[0] + places[1]).abs() < 1e-5);
        places.sort_by(f32::total_cmp);
        for (i, place) in places.iter().enumerate() {
            let even = 2.0 * i as f32 / (channels - 1) as f32 - 1.0;
            assert!((place - even).abs() < 1e-5, "{channels} channels: {places:?}");
        }
    }
    let mono = render("pan", &[("spread", 1.0)], &[Some(&one)], 64);
    assert_eq!(mono[0][0], mono[1][0], "a single channel is in the middle");
}

#[test]
fn a_crossfade_keeps_power_or_level() {
    let (a, b) = (|_: usize| 1.0, |_: usize| 1000.0);
    let mut worst = 0.0_f64;
    for step in 0..=20 {
        let position = step as f32 / 20.0;
        for law in [0.0, 1.0] {
            let params = [("position", position), ("law", law)];
            let alone =
                |sources: &[Source<'_>]| f64::from(render("crossfade", &params, sources, 64)[0][5]);
            let (of_a, of_b) = (alone(&[Some(&one), None]), alone(&[None, Some(&one)]));
            let sum = if law == 0.0 { of_a.hypot(of_b) } else { of_a + of_b };
            worst = worst.max(db(sum).abs());
            assert!(db(sum).abs() < 1e-5, "law {law} at {position}: {of_a}, {of_b}");
            let both = alone(&[Some(&a), Some(&b)]);
            assert!((both - (of_a + 1000.0 * of_b)).abs() < 1e-3);
        }
    }
    println!("power or level of a crossfade: at most {worst:.1e} dB off");
    for (position, expected) in [(0.0, 1.0), (1.0, 1000.0)] {
        let heard = render("crossfade", &[("position", position)], &[Some(&a), Some(&b)], 64);
        assert!(heard[0].iter().all(|x| *x == expected), "one alone, bit for bit");
    }
}

#[test]
fn a_gain_is_so_many_decibels() {
    let mut worst = 0.0_f64;
    for step in -79..=24 {
        let params = [("level", step as f32)];
        let gain = f64::from(render("gain", &params, &[Some(&one)], 64)[0][0]);
        worst = worst.max((db(gain) - f64::from(step)).abs());
    }
    println!("gain: at most {worst:.1e} dB off");
    assert!(worst < 1e-4);
    let at =
        |params: &[(&str, f32)]| render("gain", params, &[Some(&Chance::noise)], 64).swap_remove(0);
    let noise: Vec<f32> = (0..64).map(Chance::noise).collect();
    assert_eq!(at(&[]), noise, "0 dB changes nothing");
    assert!(at(&[("level", -80.0)]).iter().all(|x| *x == 0.0), "-80 dB is silence");
    let inverted: Vec<f32> = noise.iter().map(|x| -x).collect();
    assert_eq!(at(&[("phase", 1.0)]), inverted);
}

#[test]
fn the_width_changes_what_differs_alone() {
    let left = |frame: usize| Chance::noise(frame);
    let right = |frame: usize| Chance::noise(frame + 1_000_000);
    let sources: [Source<'_>; 2] = [Some(&left), Some(&right)];
    for width in [0.0, 0.5, 1.0, 2.0] {
        let sides = render("width", &[("width", width)], &sources, 640);
        for (frame, (left_out, right_out)) in sides[0].iter().zip(&sides[1]).enumerate() {
            let (l, r) = (left(frame), right(frame));
            let (mid, side) = (0.5 * (l + r), width * 0.5 * (l - r));
            let off = (left_out - (mid + side)).abs().max((right_out - (mid - side)).abs());
            assert!(off < 1e-6, "width {width}: {off}");
            if width == 1.0 {
                assert_eq!([*left_out, *right_out], [l, r], "nothing changes");
            }
        }
    }
    for (balance, gains) in [(-1.0, [1.0, 0.0]), (-0.25, [1.0, 0.75]), (0.5, [0.5, 1.0])] {
        let sides = render("width", &[("balance", balance)], &sources, 64);
        assert_eq!([sides[0][9], sides[1][9]], [gains[0] * left(9), gains[1] * right(9)]);
    }
    let mono = render("width", &[("width", 2.0)], &[Some(&left), None], 64);
    assert_eq!(mono[0], mono[1], "without a cable the right side is the left one");
}

/// The amplitude of a tone, by its correlation over whole turns.
fn amplitude(samples: &[f32], freq_hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * (freq_hz * i as f64 / 48_000.0).fract();
        re += f64::from(*sample) * angle.cos();
        im -= f64::from(*sample) * angle.sin();
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

/// The analytic gain of a high-pass of one pole.
fn high_pass(freq_hz: f64, cutoff_hz: f64) -> f64 {
    let x = (PI * freq_hz / 48_000.0).tan() / (PI * cutoff_hz / 48_000.0).tan();
    x / 1.0_f64.hypot(x)
}

#[test]
fn the_bass_comes_to_the_middle() {
    let mut worst = 0.0_f64;
    for freq_hz in [30.0, 100.0, 200.0, 1000.0] {
        let tone = |frame: usize| (TAU * freq_hz * frame as f64 / 48_000.0).sin() as f32;
        let other = |frame: usize| -tone(frame);
        let sources: [Source<'_>; 2] = [Some(&tone), Some(&other)];
        let sides = render("width", &[("mono_below", 100.0)], &sources, 96_000);
        let off = db(amplitude(&sides[0][48_000..], freq_hz) / high_pass(freq_hz, 100.0));
        worst = worst.max(off.abs());
        assert!(off.abs() < 0.05, "{freq_hz} Hz: {off} dB");
    }
    println!("side of the bass: at most {worst:.4} dB off");
}

#[test]
fn a_mixer_places_mono_and_balances_stereo() {
    // Mono at strip 1, stereo at strip 3, nothing elsewhere.
    let (mono, left, right) = (|_: usize| 1.0, |_: usize| 10.0, |_: usize| 100.0);
    let sources: [Source<'_>; 6] = [Some(&mono), None, None, None, Some(&left), Some(&right)];
    let mix = |params: &[(&str, f32)]| {
        let sides = render("mixer", params, &sources, 64);
        [sides[0][3], sides[1][3]]
    };
    let near = |params: &[(&str, f32)], expected: [f32; 2]| {
        let heard = mix(params);
        let off = (heard[0] - expected[0]).abs().max((heard[1] - expected[1]).abs());
        assert!(off < 1e-4, "{params:?}: {heard:?}, not {expected:?}");
    };
    let middle = 0.5_f32.sqrt();
    near(&[], [middle + 10.0, middle + 100.0]);
    near(&[("pan_1", -1.0)], [11.0, 100.0]);
    near(&[("pan_1", 1.0), ("level_1", 2.0)], [10.0, 102.0]);
    near(&[("mute_1", 1.0), ("pan_3", -0.5)], [10.0, 50.0]);
    near(&[("mute_1", 1.0), ("pan_3", 1.0)], [0.0, 100.0]);
    near(&[("mute_1", 1.0), ("level_3", 0.5), ("master", 0.2)], [1.0, 10.0]);
    assert_eq!(mix(&[("mute_1", 1.0)]), [10.0, 100.0], "a stereo strip is left as it is");
    assert_eq!(mix(&[("mute_1", 1.0), ("mute_3", 1.0)]), [0.0, 0.0]);
}

#[test]
fn all_strips_of_a_mixer_are_alike() {
    let noise: Source<'_> = Some(&Chance::noise);
    let strip = |i: usize| {
        let mut sources = vec![None; 16];
        (sources[2 * i], sources[2 * i + 1]) = (noise, if i > 3 { noise } else { None });
        let names = [format!("level_{}", i + 1), format!("pan_{}", i + 1)];
        let params = [(&names[0][..], 0.7), (&names[1][..], 0.3)];
        bits(&render("mixer", &params, &sources, 64))
    };
    for i in 0..8 {
        assert_eq!(strip(i), strip(if i > 3 { 4 } else { 0 }), "strip {}", i + 1);
    }
    assert_ne!(strip(0), strip(4));
}

#[test]
fn what_stands_still_is_taken_out() {
    for rate_hz in RATES_HZ {
        let mut bench = Bench::with("dcblock", rate_hz, &[("cutoff", 10.0)]);
        let heard = bench.listen(2 * rate_hz as usize, |_| 0.7);
        // One time constant leaves 1/e.
        let constant = heard[(f64::from(rate_hz) / (TAU * 10.0)) as usize] / 0.7;
        assert!((constant - (-1.0_f32).exp()).abs() < 2e-3, "at {rate_hz} Hz: {constant}");
        assert!(heard[heard.len() - 1].abs() < 1e-6, "{}", heard[heard.len() - 1]);
    }
    let mut worst = 0.0_f64;
    for freq_hz in [5.0, 10.0, 40.0, 1000.0] {
        let tone = |frame: usize| (TAU * freq_hz * frame as f64 / 48_000.0).sin() as f32 + 0.5;
        let heard = render("dcblock", &[("cutoff", 10.0)], &[Some(&tone)], 96_000);
        let off = db(amplitude(&heard[0][48_000..], freq_hz) / high_pass(freq_hz, 10.0));
        worst = worst.max(off.abs());
    }
    println!("response of dcblock: at most {worst:.4} dB off");
    assert!(worst < 0.01, "{worst} dB");
}

#[test]
fn a_meter_has_its_ballistics() {
    for rate_hz in RATES_HZ {
        let second = 64 * (rate_hz as usize / 64);
        let sine = |frame: usize| {
            let sine = (TAU * 1000.0 * frame as f64 / f64::from(rate_hz)).sin() as f32;
            if frame < second { 0.8 * sine } else { 0.0 }
        };
        let params = [("fall", 20.0), ("window", 200.0)];
        let played = Bench::with("meter", rate_hz, &params).play(2 * second, sine, &[], &[]);
        let [out, peak, rms] = [0, 1, 2].map(|output| &played[output]);
        assert!((0..2 * second).all(|frame| out[frame] == sine(frame)), "the signal passes");
        assert!((peak[second - 1] - 0.8).abs() < 0.02, "{}", peak[second - 1]);
        let half = f64::from(rms[second - 1]);
        assert!(db(half / (0.8 * 0.5_f64.sqrt())).abs() < 0.1, "{half}");
        let fallen = db(f64::from(peak[2 * second - 1] / peak[second - 1]));
        let seconds = second as f64 / f64::from(rate_hz);
        assert!((fallen + 20.0 * seconds).abs() < 0.01, "the peak falls by {fallen} dB");
        // After the window a hundredth of the power is left.
        let later = f64::from(rms[second - 1 + rate_hz as usize / 5]);
        let left = db(later / half);
        println!("at {rate_hz} Hz: the peak fell by {fallen:.3} dB, the mean by {left:.3} dB");
        assert!((left + 20.0).abs() < 0.05, "{left} dB");
    }
}

#[test]
fn a_meter_comes_to_rest() {
    let mut bench = Bench::with("meter", 48_000, &[("fall", 200.0), ("window", 10.0)]);
    let played = bench.play(4 * 48_000, |frame| if frame < 64 { 1.0 } else { 0.0 }, &[], &[]);
    for output in &played[1..] {
        assert!(output.iter().all(|level| *level == 0.0 || level.is_normal()), "no denormals");
        assert_eq!(output[output.len() - 1], 0.0);
    }
}

#[test]
fn the_picture_of_a_scope_stands_still() {
    // 100 Hz is 480 frames; the beam takes 1000 frames across, so every third rise starts it.
    let sine = |frame: usize| (TAU * (frame as f64 + 0.5) / 480.0).sin() as f32;
    let starts = |params: &[(&str, f32)], source: &dyn Fn(usize) -> f32| {
        let played = render("scope", params, &[Some(source)], 9600);
        assert!((0..9600).all(|frame| played[0][frame] == source(frame)), "the signal passes");
        let starts: Vec<_> = (0..9600).filter(|n| played[2][*n] == 1.0).collect();
        for start in &starts {
            assert_eq!(played[1][*start], 0.0);
            assert!(played[1].get(start + 500).is_none_or(|place| (place - 0.5).abs() < 1e-6));
        }
        starts
    };
    let time = ("time", 1000.0 / 48.0);
    let normal = starts(&[time, ("mode", 1.0)], &sine);
    assert_eq!(normal, (0..7).map(|n| 480 + n * 1440).collect::<Vec<_>>(), "at the same place");
    assert_eq!(starts(&[time], &sine), normal, "auto does the same as long as there are rises");
    assert_eq!(starts(&[time, ("mode", 1.0)], &one), [], "normal waits for a rise");
    let auto = starts(&[time], &one);
    assert!(auto.windows(2).all(|pair| pair[1] - pair[0] == 2000) && auto.len() == 5, "{auto:?}");
    let free = starts(&[time, ("mode", 2.0)], &sine);
    assert!(free.windows(2).all(|pair| pair[1] - pair[0] == 1000), "{free:?}");
    let level = starts(&[time, ("level", 0.9)], &sine);
    assert!(level.windows(2).all(|pair| pair[1] - pair[0] == 1440), "{level:?}");
    assert!(sine(level[0]) > 0.9 && sine(level[0] - 1) <= 0.9, "where it rises through the level");
}

#[test]
fn a_merge_puts_each_signal_into_its_channel() {
    let signals: Vec<Box<dyn Fn(usize) -> f32>> = (0..16)
        .map(|i| Box::new(move |n: usize| (100 * i + n % 64) as f32) as Box<dyn Fn(usize) -> f32>)
        .collect();
    let sources: Vec<Source<'_>> = signals.iter().map(|signal| Some(&**signal)).collect();
    for channels in [1, 4, 8, 16] {
        let heard = poly("merge", &[], &sources, 128, channels);
        for (c, outputs) in heard.iter().enumerate() {
            let is_its_own = |(n, sample): (usize, &f32)| *sample == signals[c](n);
            assert!(outputs[0].iter().enumerate().all(is_its_own), "channel {c} of {channels}");
        }
    }
    let third = poly("merge", &[], &sources[..2], 64, 4)[2][0].clone();
    assert!(third.iter().all(|sample| *sample == 0.0), "without a cable it is silent");
}
