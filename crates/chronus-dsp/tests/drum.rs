//! The drums ring at the frequencies and fade in the times that their parameters say, are struck in
//! the frame that says so, and end in silence.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/spectrum.rs"]
mod spectrum;

use chronus_dsp::{BLOCK_FRAMES, Instance, Transport, catalog, silent_buffer};
use common::{RATES_HZ, param};
use spectrum::{db, powers};

const KINDS: [&str; 7] = ["kick", "snare", "hat", "clap", "tom", "rim", "cowbell"];

/// A drum on its own: its parameters, and what is at each of its inputs (by name) in each frame.
fn play(
    kind: &str,
    rate_hz: u32,
    params: &[(&str, f32)],
    frames: usize,
    input: impl Fn(&str, usize) -> f32,
) -> Vec<f32> {
    let entry = catalog::find(kind).expect("a kind");
    let spec = entry.spec;
    let mut module = Instance::new(entry, rate_hz, 1);
    for (name, value) in params {
        module.set_param(param(spec, name), *value);
    }
    module.reset();
    let mut inputs = vec![silent_buffer(1); spec.inputs.len()];
    let mut outputs = vec![silent_buffer(1); spec.outputs.len()];
    let mut heard = Vec::new();
    for block in 0..frames.div_ceil(BLOCK_FRAMES) {
        for (buffer, port) in inputs.iter_mut().zip(spec.inputs) {
            for (n, value) in buffer.iter_mut().enumerate() {
                *value = input(port.name, block * BLOCK_FRAMES + n);
            }
        }
        let inputs: Vec<_> = inputs.iter().map(|buffer| Some(&buffer[..])).collect();
        let time = Transport::stopped(rate_hz);
        module.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, time);
        heard.extend_from_slice(&outputs[0]);
    }
    heard
}

/// Struck at these frames, as hard as can be, by the input of this name.
fn struck(name: &str, at: &[usize]) -> impl Fn(&str, usize) -> f32 {
    move |port, n| match port {
        "velocity" => 1.0,
        _ if port == name => f32::from(u8::from(at.contains(&n))),
        _ => 0.0,
    }
}

fn once(port: &str, n: usize) -> f32 {
    struck("gate", &[0])(port, n)
}

fn rms(samples: &[f32]) -> f64 {
    (samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, sample| most.max(sample.abs()))
}

/// How long, by the levels of two windows, it takes to fade by 60 dB, in ms.
fn fade_ms(samples: &[f32], rate_hz: u32, from_ms: f64, to_ms: f64, window_ms: f64) -> f64 {
    let frame = |ms: f64| (ms * f64::from(rate_hz) / 1000.0) as usize;
    let level = |ms: f64| 20.0 * rms(&samples[frame(ms)..frame(ms + window_ms)]).log10();
    60.0 * (to_ms - from_ms) / (level(from_ms) - level(to_ms))
}

/// The mean frequency between the first and the last rise through 0.
fn frequency(samples: &[f32], rate_hz: u32) -> f64 {
    let rises: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] <= 0.0 && pair[1] > 0.0)
        .map(|(n, pair)| n as f64 + f64::from(pair[0]) / f64::from(pair[0] - pair[1]))
        .collect();
    let span = rises[rises.len() - 1] - rises[0];
    (rises.len() - 1) as f64 / span * f64::from(rate_hz)
}

#[test]
fn a_drum_is_struck_in_the_very_frame_and_ends_in_silence() {
    for kind in KINDS {
        for rate_hz in [22_050, 48_000, 192_000] {
            // Struck by a gate that stays open.
            let gate = |port: &str, n: usize| match port {
                "velocity" => 1.0,
                "gate" if n >= 100 => 1.0,
                _ => 0.0,
            };
            let mut params = vec![("decay", 100.0)];
            if kind == "snare" {
                params.push(("snap_decay", 100.0));
            }
            let heard = play(kind, rate_hz, &params, 2 * rate_hz as usize, gate);
            let first = heard.iter().position(|sample| *sample != 0.0).expect("a sound");
            println!(
                "{kind} at {rate_hz} Hz: first heard {} frames on, peak {}",
                first - 100,
                peak(&heard)
            );
            assert!((100..103).contains(&first), "{kind}: {first}");
            assert!(heard.iter().all(|sample| *sample == 0.0 || sample.is_normal()), "{kind}");
            assert_eq!(heard[heard.len() - 1], 0.0, "{kind} at {rate_hz} Hz fades to nothing");
        }
        let loudest = peak(&play(kind, 48_000, &[("gain", 1.0)], 48_000, once));
        assert!((0.5..1.5).contains(&loudest), "{kind} peaks at {loudest}");
    }
}

/// Struck ten times, as they are: the means of the peaks, and of the level of 200 ms.
#[test]
fn no_drum_stands_out_as_it_is() {
    const STROKE: usize = 48_000;
    let strokes: Vec<usize> = (0..10).map(|stroke| stroke * STROKE).collect();
    let levels = KINDS.map(|kind| {
        let heard = play(kind, 48_000, &[], 10 * STROKE, struck("gate", &strokes));
        let mean = |of: fn(&[f32]) -> f64| heard.chunks(STROKE).map(of).sum::<f64>() / 10.0;
        let (highest, level) = (mean(|it| peak(it).into()), mean(|it| rms(&it[..STROKE / 5])));
        println!("{kind} peaks at {highest:.3}, and is {level:.3} loud");
        assert!((0.16..0.31).contains(&highest), "{kind} peaks at {highest}");
        level
    });
    // Those of much the same pitch and length.
    let [_, snare, _, clap, _, _, cowbell] = levels;
    for other in [snare, cowbell] {
        let apart = 20.0 * (clap / other).log10();
        assert!(apart.abs() < 1.0, "a clap is {apart} dB from its like");
    }
}

#[test]
fn the_rate_changes_no_level() {
    for kind in KINDS {
        let level = |rate_hz: u32| {
            let params: &[_] = if kind == "snare" { &[("snap", 1.0)] } else { &[] };
            20.0 * rms(&play(kind, rate_hz, params, rate_hz as usize / 4, once)).log10()
        };
        let off = [44_100, 96_000, 192_000].map(|rate_hz| level(rate_hz) - level(48_000));
        println!("{kind} at 44.1, 96 and 192 kHz: {off:.2?} dB from 48 kHz");
        assert!(off.iter().all(|off| off.abs() < 2.0), "{kind}: {off:?}");
    }
}

#[test]
fn velocity_is_level() {
    for kind in KINDS {
        let at = |velocity: f32| {
            let input =
                move |port: &str, n| if port == "velocity" { velocity } else { once(port, n) };
            // A click and saturation are not in proportion.
            let params: &[_] = match kind {
                "kick" => &[("click", 0.0)],
                "rim" => &[("drive", 0.0)],
                _ => &[],
            };
            rms(&play(kind, 48_000, params, 24_000, input))
        };
        let ratio = at(0.5) / at(1.0);
        println!("{kind}: at velocity 0.5 the level is {ratio:.4} of that at 1");
        assert!((ratio - 0.5).abs() < 0.005, "{kind}: {ratio}");
        assert_eq!(at(0.0), 0.0, "{kind}");
    }
}

#[test]
fn a_kick_falls_to_its_tune_and_fades_in_its_time() {
    for rate_hz in RATES_HZ {
        for (tune, sweep) in [(40.0_f32, 3.0_f32), (55.0, 2.0), (120.0, 1.0)] {
            let params = [("tune", tune), ("sweep", sweep), ("click", 0.0), ("decay", 3000.0)];
            let heard = play("kick", rate_hz, &params, 2 * rate_hz as usize, once);
            let rate = rate_hz as usize;
            // After five times the time of the sweep it is over.
            let late = frequency(&heard[rate * 2 / 5..], rate_hz);
            let cents = 1200.0 * (late / f64::from(tune)).log2();
            // The first half turn is already somewhat lower than the very beginning.
            let first = (1..heard.len() - 1)
                .find(|n| heard[*n] > 0.0 && heard[n + 1] <= 0.0)
                .expect("a turn");
            let early = f64::from(rate_hz) / (2.0 * first as f64);
            let octaves = (early / f64::from(tune)).log2();
            let fade = fade_ms(&heard, rate_hz, 500.0, 1500.0, 200.0);
            println!(
                "kick {tune} Hz at {rate_hz}: {cents:.3} cents off, struck {octaves:.2} of {sweep} \
                 octaves above, fades in {fade:.0} ms"
            );
            assert!(cents.abs() < 1.0, "{cents} cents");
            assert!(octaves < f64::from(sweep) && octaves > 0.4 * f64::from(sweep), "{octaves}");
            assert!((fade / 3000.0 - 1.0).abs() < 0.02, "{fade} ms");
        }
    }
}

#[test]
fn a_kick_that_is_struck_again_makes_no_step() {
    let params = [("click", 0.0), ("sweep", 0.0), ("decay", 5000.0), ("tune", 60.0), ("gain", 0.8)];
    // In the midst of a half turn.
    let again = 48_000 / 60 * 5 / 4;
    let heard = play("kick", 48_000, &params, 9600, struck("gate", &[0, again]));
    let steps = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    println!("the greatest step is {steps:.4}, the level there {:.3}", heard[again]);
    assert!(heard[again] > 0.5 && steps < 0.02, "{steps}");
}

#[test]
fn a_snare_has_two_tones_and_wires() {
    const RATE: u32 = 48_000;
    let skin = [("snap", 0.0), ("tune", 180.0), ("tone", 0.5), ("decay", 2000.0)];
    let heard = play("snare", RATE, &skin, 65_536, once);
    let power = powers(&heard[..32_768]);
    let hz_per_bin = f64::from(RATE) / 32_768.0;
    let peak_near = |freq_hz: f64| {
        let middle = (freq_hz / hz_per_bin) as usize;
        let bins = middle - 20..middle + 20;
        let best = bins.max_by(|a, b| power[*a].total_cmp(&power[*b])).expect("a bin");
        best as f64 * hz_per_bin
    };
    let tones = [peak_near(180.0), peak_near(330.0)];
    println!("the tones of the skin: {tones:.1?} Hz");
    assert!((tones[0] - 180.0).abs() < 2.0 && (tones[1] - 1.83 * 180.0).abs() < 2.0);
    let lower = [("snap", 0.0), ("tone", 0.0), ("decay", 400.0)];
    let fade = fade_ms(&play("snare", RATE, &lower, 48_000, once), RATE, 50.0, 250.0, 50.0);
    let wires = [("snap", 1.0), ("snap_decay", 500.0), ("colour", 2000.0)];
    let rattle = play("snare", RATE, &wires, 48_000, once);
    let rattle_fade = fade_ms(&rattle, RATE, 20.0, 320.0, 60.0);
    println!("skin fades in {fade:.0} ms of 400, wires in {rattle_fade:.0} of 500");
    assert!((fade / 400.0 - 1.0).abs() < 0.02 && (rattle_fade / 500.0 - 1.0).abs() < 0.1);
    // An octave below its corner the noise is 12 dB down, two octaves 24.
    let power = powers(&rattle[..8192]);
    let band = |from_hz: f64, to_hz: f64| {
        let bin = |hz: f64| (hz * 8192.0 / f64::from(RATE)) as usize;
        let bins = &power[bin(from_hz)..bin(to_hz)];
        db(bins.iter().sum::<f64>() / bins.len() as f64)
    };
    let [top, low] = [band(6000.0, 20_000.0), band(400.0, 600.0)];
    println!("wires two octaves below their corner: {:.1} dB", low - top);
    assert!((low - top + 24.0).abs() < 3.0);
}

#[test]
fn a_hat_is_closed_open_and_choked() {
    const RATE: u32 = 48_000;
    let params = [("decay", 100.0), ("open_decay", 1000.0)];
    let closed = play("hat", RATE, &params, 48_000, struck("gate", &[0]));
    let open = play("hat", RATE, &params, 48_000, struck("open", &[0]));
    let fades = [fade_ms(&closed, RATE, 5.0, 65.0, 25.0), fade_ms(&open, RATE, 50.0, 550.0, 150.0)];
    println!(
        "closed {:.0} ms of 100, open {:.0} of 1000, peak {}",
        fades[0],
        fades[1],
        peak(&open)
    );
    assert!((fades[0] / 100.0 - 1.0).abs() < 0.1 && (fades[1] / 1000.0 - 1.0).abs() < 0.05);
    // Closed 100 ms after it was struck open, or choked from there on.
    let cut = |port: &str| {
        let port = port.to_owned();
        play("hat", RATE, &params, 48_000, move |at, n| match at {
            "velocity" => 1.0,
            "open" if n == 0 => 1.0,
            _ if at == port && n >= 4800 => 1.0,
            _ => 0.0,
        })
    };
    let later = 4800 + 48 * 100;
    let [left, by_closed, by_choke] = [&open, &cut("gate"), &cut("choke")]
        .map(|heard| 20.0 * (rms(&heard[later..later + 480]) + 1e-20).log10());
    println!("100 ms after: {left:.0} dB, closed {by_closed:.0} dB, choked {by_choke:.0} dB");
    assert!(by_closed < left - 40.0 && by_choke < left - 200.0);
}

#[test]
fn the_metal_of_a_hat_has_the_frequencies_of_its_model() {
    // Low, long and without noise, so that each line stands alone.
    let params = [
        ("tune", 205.3),
        ("metal", 1.0),
        ("tone", 1000.0),
        ("open_decay", 10_000.0),
        ("gain", 1.0),
    ];
    let heard = play("hat", 48_000, &params, 65_536, struck("open", &[0]));
    let power = powers(&heard);
    // Only odd harmonics: the third and fifth of each.
    let floor = db(power[700..9000].iter().sum::<f64>() / 8300.0);
    for freq_hz in [205.3, 304.4, 369.6, 522.7, 540.0, 800.0] {
        for harmonic in [3.0_f64, 5.0] {
            let bin = (harmonic * freq_hz * 65_536.0_f64 / 48_000.0).round() as usize;
            let line = db(power[bin - 3..=bin + 3].iter().sum::<f64>());
            println!("{:.1} Hz: {line:.1} dB", harmonic * freq_hz);
            assert!(line > floor + 10.0, "{harmonic} times {freq_hz} Hz: {line}, mean {floor}");
        }
    }
}

#[test]
fn a_clap_has_its_bursts_and_its_room() {
    const RATE: u32 = 48_000;
    let params = [("hands", 3.0), ("spacing", 20.0), ("decay", 500.0), ("tone", 1500.0)];
    let heard = play("clap", RATE, &params, 65_536, once);
    // The level in windows of 2 ms, and where it leaps up.
    let levels: Vec<f64> = heard.chunks(96).take(60).map(rms).collect();
    let bursts: Vec<usize> =
        (1..levels.len()).filter(|n| levels[*n] > 5.0 * levels[n - 1]).map(|n| n * 2).collect();
    let fade = fade_ms(&heard, RATE, 60.0, 360.0, 100.0);
    println!("bursts at 0 and {bursts:?} ms; the room fades in {fade:.0} ms of 500");
    assert_eq!(bursts, [20, 40]);
    assert!((fade / 500.0 - 1.0).abs() < 0.1, "{fade}");
    let power = powers(&heard[1920..1920 + 16_384]);
    let centre = power.iter().enumerate().map(|(bin, p)| bin as f64 * p).sum::<f64>()
        / power.iter().sum::<f64>()
        * f64::from(RATE)
        / 16_384.0;
    println!("the middle of its power is at {centre:.0} Hz");
    assert!((1300.0..2600.0).contains(&centre));
}

#[test]
fn a_tom_and_a_rim_have_their_tones_and_fade_in_their_times() {
    for rate_hz in RATES_HZ {
        let params = [("tune", 90.0), ("sweep", 1.0), ("decay", 2000.0), ("tone", 0.4)];
        let heard = play("tom", rate_hz, &params, 2 * rate_hz as usize, once);
        let late = frequency(&heard[rate_hz as usize / 2..], rate_hz);
        let cents = 1200.0 * (late / 90.0).log2();
        let fade = fade_ms(&heard, rate_hz, 800.0, 1500.0, 200.0);
        println!("tom at {rate_hz}: {cents:.3} cents off, fades in {fade:.0} ms of 2000");
        assert!(cents.abs() < 1.0 && (fade / 2000.0 - 1.0).abs() < 0.02);
        let params = [("tune", 1700.0), ("tone", 1.0), ("decay", 200.0), ("drive", 0.0)];
        let heard = play("rim", rate_hz, &params, rate_hz as usize, once);
        let crack = frequency(&heard[rate_hz as usize / 100..rate_hz as usize / 10], rate_hz);
        let fade = fade_ms(&heard, rate_hz, 10.0, 110.0, 30.0);
        println!("rim at {rate_hz}: {crack:.1} Hz, fades in {fade:.0} ms of 200");
        assert!((crack - 1700.0).abs() < 2.0 && (fade / 200.0 - 1.0).abs() < 0.02);
    }
}

#[test]
fn a_cowbell_has_two_tones_and_faint_aliases() {
    // Whole numbers of bins: 540 Hz and 800 Hz are nearly 740 and 1096 of them.
    let bins = 65_536.0 / 48_000.0;
    let params = [("tune", 740.0 / bins as f32), ("ping", 0.0), ("decay", 5000.0), ("gain", 1.0)];
    let heard = play("cowbell", 48_000, &params, 65_536, once);
    let window = |n: usize| 0.5 - 0.5 * (core::f64::consts::TAU * n as f64 / 65_536.0).cos();
    let windowed: Vec<f32> =
        heard.iter().enumerate().map(|(n, x)| (f64::from(*x) * window(n)) as f32).collect();
    let power = powers(&windowed);
    let near = |bin: usize| power[bin - 20..=bin + 20].iter().sum::<f64>();
    let tones = [near(740), near(1096)].map(db);
    // What is at no odd harmonic of either tone.
    let is_line = |bin: usize| {
        let off =
            |tone: f64| ((bin as f64 / tone - 1.0) / 2.0).round() * 2.0 * tone + tone - bin as f64;
        off(740.0).abs() < 40.0 || off(1096.31).abs() < 40.0
    };
    let others = (100..24_000).filter(|bin| !is_line(*bin)).map(|bin| power[bin]);
    let alias = db(others.fold(0.0, f64::max)) - tones[0];
    let fade = fade_ms(&heard, 48_000, 100.0, 1000.0, 200.0);
    println!("tones {tones:.1?} dB, aliases {alias:.1} dB, fades in {fade:.0} ms of 5000");
    assert!((tones[0] - tones[1]).abs() < 6.0 && alias < -30.0);
    assert!((fade / 5000.0 - 1.0).abs() < 0.03);
}

#[test]
fn drive_adds_harmonics_and_keeps_the_peak() {
    let at = |drive: f32| {
        let params = [("drive", drive), ("sweep", 0.0), ("click", 0.0), ("decay", 10_000.0)];
        let params = [&params[..], &[("gain", 1.0), ("tune", 50.0)]].concat();
        let heard = play("kick", 48_000, &params, 48_000, once);
        let third = spectrum::tone(&heard[..24_000], 0, 150.0, 48_000).0;
        let first = spectrum::tone(&heard[..24_000], 0, 50.0, 48_000).0;
        (20.0 * (third / first).log10(), peak(&heard))
    };
    let (clean, driven) = (at(0.0), at(1.0));
    println!("third harmonic: {:.1} dB clean, {:.1} dB driven", clean.0, driven.0);
    assert!(clean.0 < -55.0 && driven.0 > -15.0);
    assert!((0.9..1.01).contains(&clean.1) && (0.9..1.01).contains(&driven.1), "{}", driven.1);
}
