//! How loud things are, and how they are tuned, where nobody says otherwise: a plain pitch cable is in tune with every
//! oscillator and filter, a whole kit struck at once leaves the limiter alone, and no patch that comes with the program is
//! much louder than others.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;

use std::path::Path;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Command, Directory, Note, Patch};
use common::{RATE_HZ, engine, play};

fn parse(text: &str) -> Patch {
    Patch::parse(text, "patch").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn left(samples: &[f32]) -> Vec<f32> {
    samples.iter().step_by(CHANNELS).copied().collect()
}

/// Plays note 69 to `voices` with one channel, whose outputs lead to module `it` as these lines say; what is heard is
/// `output`, without the stages that protect the ear.
fn a4(modules: &str, output: &str) -> Vec<f32> {
    let patch = parse(&format!(
        "format = 1\n[[module]]\nid = \"v\"\nkind = \"voices\"\nchannels = 1\n{modules}\n[output]\nleft = \"{output}\"\n\
         right = \"{output}\"\nlimiter = false\ndc_blocker = false\n"
    ));
    let module = Directory::of(&patch).notes("v").expect("voices");
    let note = Note { on: true, key: 69.0, velocity: 0.8, id: 0 };
    let frames = (2 * RATE_HZ as usize).next_multiple_of(BLOCK_FRAMES);
    left(&play(&mut engine(&patch), 0, frames, &[(0, Command::Note { module, note })]))
}

fn module(id: &str, kind: &str, more: &str) -> String {
    format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{more}\n")
}

fn cable(from: &str, to: &str) -> String {
    format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n")
}

/// How strong a frequency is: the magnitude of one term of the Fourier sum, under a Hann window.
fn strength(samples: &[f32], hz: f64) -> f64 {
    let count = samples.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / count).cos();
        let angle = std::f64::consts::TAU * hz * n as f64 / f64::from(RATE_HZ);
        re += f64::from(*sample) * window * angle.cos();
        im += f64::from(*sample) * window * angle.sin();
    }
    re.hypot(im)
}

/// Where, near a frequency, it is strongest: in cents from there.
fn cents_from(samples: &[f32], hz: f64) -> f64 {
    let at = |cents: f64| strength(samples, hz * (cents / 1200.0).exp2());
    let coarse = (-60..=60).map(|step| 10.0 * f64::from(step));
    let best = coarse.max_by(|a, b| at(*a).total_cmp(&at(*b))).expect("steps");
    let fine = (-20..=20).map(|step| best + 0.5 * f64::from(step));
    fine.max_by(|a, b| at(*a).total_cmp(&at(*b))).expect("steps")
}

#[test]
fn a_plain_pitch_cable_tunes_each_oscillator() {
    for kind in ["sine", "saw", "pulse", "triangle", "supersaw", "wavetable"] {
        let it = module("it", kind, "channels = 1") + &cable("v.pitch", "it.freq");
        let output = if kind == "supersaw" { "it.left" } else { "it.out" };
        let heard = a4(&it, output);
        let cents = cents_from(&heard[RATE_HZ as usize / 2..][..RATE_HZ as usize], 440.0);
        assert!(cents.abs() < 10.0, "{kind} is {cents} cents off");
    }
    // A carrier, and the voice whose pitch is an input.
    let ring = module("it", "ring", "channels = 1")
        + &module("one", "constant", "channels = 1\nvalue = 0.5")
        + &cable("one.out", "it.left")
        + &cable("v.pitch", "it.freq");
    let acid = module("it", "acid", "channels = 1")
        + &cable("v.pitch", "it.pitch")
        + &cable("v.gate", "it.gate");
    for (kind, it, output) in [("ring", ring, "it.left"), ("acid", acid, "it.out")] {
        let cents = cents_from(&a4(&it, output)[4800..][..RATE_HZ as usize / 2], 440.0);
        assert!(cents.abs() < 10.0, "{kind} is {cents} cents off");
    }
}

#[test]
fn a_plain_pitch_cable_tunes_each_filter() {
    for (kind, param, more, output) in [
        ("svf", "cutoff", "q = 50", "band"),
        ("ladder", "cutoff", "resonance = 1.05", "out"),
        ("biquad", "cutoff", "q = 30\nmode = \"band-pass\"", "out"),
        ("comb", "freq", "feedback = 0.98", "out"),
    ] {
        let it = module("noise", "noise", "channels = 1")
            + &module("it", kind, &format!("channels = 1\n{more}"))
            + &cable("noise.out", "it.in")
            + &cable("v.pitch", &format!("it.{param}"));
        let heard = a4(&it, &format!("it.{output}"));
        // Of noise through a narrow band, the middle: the mean of frequencies, weighted by their power.
        let heard = &heard[RATE_HZ as usize / 2..][..RATE_HZ as usize];
        let powers = (-300..=300).map(|cents| {
            let hz = 440.0 * (f64::from(cents) / 1200.0).exp2();
            (f64::from(cents), strength(heard, hz).powi(2))
        });
        let (sum, weight) = powers
            .fold((0.0, 0.0), |(sum, all), (cents, power)| (sum + cents * power, all + power));
        assert!((sum / weight).abs() < 40.0, "{kind} is {} cents off", sum / weight);
    }
}

#[test]
fn a_plain_pitch_cable_plays_each_drum_in_tune() {
    // Each in its own register; the frequency of A there.
    for (kind, param, hz) in [
        ("kick", "tune", 110.0),
        ("tom", "tune", 220.0),
        ("snare", "tune", 440.0),
        ("cowbell", "tune", 880.0),
        ("rim", "tune", 3520.0),
    ] {
        let more = match kind {
            "kick" => "channels = 1\nsweep = 0\nclick = 0\ndecay = 3000",
            "snare" => "channels = 1\nsnap = 0\ntone = 0\ndecay = 2000",
            "tom" => "channels = 1\nsweep = 0\ntone = 0\ndecay = 3000",
            "cowbell" => "channels = 1\nping = 0\ndecay = 5000",
            _ => "channels = 1\ntone = 1\ndecay = 1000",
        };
        let it = module("it", kind, more)
            + &cable("v.gate", "it.gate")
            + &cable("v.pitch", &format!("it.{param}"));
        let heard = a4(&it, "it.out");
        let length = if kind == "rim" { 2400 } else { RATE_HZ as usize / 2 };
        let cents = cents_from(&heard[100..][..length], hz);
        assert!(cents.abs() < 30.0, "{kind} is {cents} cents off {hz} Hz");
    }
}

const KIT: [&str; 8] = ["kick", "snare", "hat", "clap", "tom", "rim", "cowbell", "acid"];

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, sample| most.max(sample.abs()))
}

fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.max(1e-9).log10()
}

/// The drums at their defaults, added up, all struck at once.
fn kit(kinds: &[&str]) -> Vec<f32> {
    let mut text = "format = 1\n".to_owned();
    let mut cables = String::new();
    for kind in kinds {
        text += &module(kind, kind, "");
        cables += &cable(&format!("{kind}.out"), "sum.a");
    }
    text += &module("sum", "mix", "");
    let patch = parse(&format!(
        "{text}{cables}[output]\nleft = \"sum.out\"\nright = \"sum.out\"\nlimiter = false\ndc_blocker = false\n"
    ));
    let gates = kinds.iter().map(|kind| {
        let module = Directory::of(&patch).gate(kind).expect("a gate");
        (100, Command::Gate { module, on: true })
    });
    left(&play(&mut engine(&patch), 0, 48_000, &gates.collect::<Vec<_>>()))
}

#[test]
fn a_kit_struck_at_once_leaves_the_limiter_alone() {
    for kind in KIT {
        println!("{kind} {:.2} dB", decibels(peak(&kit(&[kind]))));
    }
    for kind in KIT {
        let level_db = decibels(peak(&kit(&[kind])));
        assert!((-16.5..=-11.5).contains(&level_db), "{kind} peaks at {level_db} dB");
    }
    let all = decibels(peak(&kit(&KIT)));
    println!("all {all:.2} dB");
    assert!(all < -1.5, "all together peak at {all} dB, and the limiter begins at -0.3");
}

/// Loudness in LUFS, by ITU-R BS.1770-4: K-weighting, blocks of 400 ms that overlap, and both gates.
fn loudness(samples: &[f32]) -> f64 {
    assert_eq!(RATE_HZ, 48_000, "the coefficients are for it");
    let shelf = (
        [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
        [-1.690_659_293_182_41, 0.732_480_774_215_85],
    );
    let pass = ([1.0, -2.0, 1.0], [-1.990_047_454_833_98, 0.990_072_250_366_21]);
    let filter = |signal: &mut Vec<f64>, (b, a): ([f64; 3], [f64; 2])| {
        let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
        for sample in signal {
            let now = b[0] * *sample + b[1] * x[0] + b[2] * x[1] - a[0] * y[0] - a[1] * y[1];
            (x, y) = ([*sample, x[0]], [now, y[0]]);
            *sample = now;
        }
    };
    let sides: Vec<Vec<f64>> = (0..CHANNELS)
        .map(|side| {
            let mut signal: Vec<f64> =
                samples.iter().skip(side).step_by(CHANNELS).map(|it| f64::from(*it)).collect();
            filter(&mut signal, shelf);
            filter(&mut signal, pass);
            signal
        })
        .collect();
    let (length, hop) = (19_200, 4_800);
    let starts = (0..sides[0].len().saturating_sub(length)).step_by(hop);
    let power = |start: usize| {
        let power =
            |side: &Vec<f64>| side[start..start + length].iter().map(|x| x * x).sum::<f64>();
        sides.iter().map(power).sum::<f64>() / length as f64
    };
    let blocks: Vec<f64> = starts.map(power).collect();
    let lufs = |power: f64| -0.691 + 10.0 * power.max(1e-12).log10();
    let mean = |blocks: &[f64]| blocks.iter().sum::<f64>() / blocks.len().max(1) as f64;
    let loud: Vec<f64> = blocks.iter().copied().filter(|it| lufs(*it) > -70.0).collect();
    let gate = lufs(mean(&loud)) - 10.0;
    let loud: Vec<f64> = loud.into_iter().filter(|it| lufs(*it) > gate).collect();
    lufs(mean(&loud))
}

#[test]
fn no_patch_is_much_louder_than_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../patches");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("patches") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let patch = parse(&std::fs::read_to_string(&path).expect("a text"));
        let directory = Directory::of(&patch);
        let mut commands = Vec::new();
        let second = RATE_HZ as usize;
        for entry in directory.modules() {
            if entry.takes_notes() {
                // A slow melody of single notes.
                for (n, key) in [60.0, 64.0, 67.0, 72.0, 48.0].into_iter().enumerate() {
                    let note = Note { on: true, key, velocity: 0.8, id: 0 };
                    commands.push((n * 2 * second, Command::Note { module: entry.handle, note }));
                    let note = Note { on: false, ..note };
                    let end = n * 2 * second + second * 3 / 2;
                    commands.push((end, Command::Note { module: entry.handle, note }));
                }
            }
        }
        if patch.name() == "first" {
            let module = directory.gate("adsr").expect("a gate");
            for n in 0..5 {
                commands.push((n * 2 * second, Command::Gate { module, on: true }));
                commands
                    .push((n * 2 * second + second * 3 / 2, Command::Gate { module, on: false }));
            }
        }
        commands.sort_by_key(|(frame, _)| *frame);
        let lufs = loudness(&play(&mut engine(&patch), 0, 10 * second, &commands));
        found.push((lufs, patch.name().to_owned()));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (lufs, name) in &found {
        println!("{name} {lufs:.1} LUFS");
    }
    let middle = found[found.len() / 2].0;
    for (lufs, name) in &found {
        // Those that are played in chords are quieter note by note.
        let is_right = (-9.0..5.5).contains(&(lufs - middle));
        assert!(is_right, "{name} is at {lufs} LUFS, others at {middle}");
    }
}
