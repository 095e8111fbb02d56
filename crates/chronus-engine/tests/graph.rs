//! Cables: of many channels, to parameters, in circles.
#![allow(clippy::format_push_string)] // A test may allocate.

mod common;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Command, Patch};
use common::{bits, engine, gate, play, set};

/// A patch of modules (id, kind and further lines), cables (from, to, depth), heard at `heard`.
fn patch(modules: &[(&str, &str, &str)], cables: &[(&str, &str, f32)], heard: &str) -> Patch {
    let mut text = "format = 1\n".to_owned();
    for (id, kind, lines) in modules {
        text += &format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{lines}\n");
    }
    for (from, to, depth) in cables {
        text += &format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\ndepth = {depth:?}\n");
    }
    text += &format!(
        "[output]\ndc_blocker = false\nlimiter = false\nleft = \"{heard}\"\nright = \"{heard}\"\n"
    );
    Patch::parse(&text, "graph.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn left(patch: &Patch, blocks: usize) -> Vec<f32> {
    let samples = play(&mut engine(patch), 0, blocks * BLOCK_FRAMES, &[]);
    samples.iter().step_by(CHANNELS).copied().collect()
}

#[test]
fn many_channels_are_summed_where_one_is_expected() {
    let one = left(&patch(&[("s", "sine", "gain = 0.0625")], &[], "s.out"), 20);
    let sixteen = left(&patch(&[("s", "sine", "channels = 16\ngain = 0.0625")], &[], "s.out"), 20);
    for (one, sixteen) in one.iter().zip(&sixteen) {
        assert!((one * 16.0 - sixteen).abs() < 1e-5, "{one} {sixteen}");
    }
}

#[test]
fn a_module_has_the_channels_of_its_widest_cable() {
    let modules = [
        ("s", "sine", "channels = 8"),
        ("lfo", "sine", ""),
        ("f", "biquad", ""),
        ("g", "biquad", "channels = 1"),
    ];
    let cables = [("s.out", "f.in", 1.0), ("lfo.out", "f.cutoff", 1.0), ("f.out", "g.in", 1.0)];
    let patch = patch(&modules, &cables, "g.out");
    let channels: Vec<_> =
        patch.modules().iter().map(chronus_engine::patch::PatchModule::channels).collect();
    assert_eq!(channels, [8, 1, 8, 1]);
}

#[test]
fn cables_of_different_channels_are_refused() {
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\nchannels = 4\n[[module]]\nid = \"f\"\n\
                kind = \"biquad\"\nchannels = 8\n[[cable]]\nfrom = \"s.out\"\nto = \"f.in\"\n[output]\n\
                left = \"f.out\"\nright = \"f.out\"\n";
    let error = Patch::parse(text, "p.toml").expect_err("a mistake").to_string();
    let expected = "p.toml:10:1: a cable of 4 channels to `f`, which has 8; \
                    a cable joins equal numbers of channels, or 1 and any";
    assert_eq!(error, expected);
}

#[test]
fn an_exponential_parameter_is_driven_in_octaves() {
    // An envelope that rests at 1 drives 220 Hz one octave up.
    let modules =
        [("e", "adsr", "attack = 0\nsustain = 1.0"), ("s", "sine", "freq = 220.0\ngain = 0.5")];
    let driven = patch(&modules, &[("e.env", "s.freq", 1.0)], "s.out");
    let commands = [(0, gate(&driven, "e", true))];
    let driven = play(&mut engine(&driven), 0, 100 * BLOCK_FRAMES, &commands);
    let plain = left(&patch(&[("s", "sine", "freq = 440.0\ngain = 0.5")], &[], "s.out"), 100);
    for (frame, plain) in plain.iter().enumerate() {
        let driven = driven[frame * CHANNELS];
        assert!((driven - plain).abs() < 1e-3, "frame {frame}: {driven} is not {plain}");
    }
}

#[test]
fn a_linear_parameter_is_driven_in_its_unit_and_held_in_its_range() {
    let modules = [("e", "adsr", "attack = 0\nsustain = 1.0"), ("s", "sine", "gain = 0.2")];
    for (depth, gain) in [(0.3, 0.5), (9.0, 1.0), (-9.0, 0.0)] {
        let driven = patch(&modules, &[("e.env", "s.gain", depth)], "s.out");
        let commands = [(0, gate(&driven, "e", true))];
        let samples = play(&mut engine(&driven), 0, 100 * BLOCK_FRAMES, &commands);
        let loudest = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        assert!((loudest - gain).abs() < 1e-3, "depth {depth}: {loudest} is not {gain}");
    }
}

#[test]
fn a_circle_comes_round_one_block_later() {
    // A gate of one block goes through a filter that passes all, and back into it at half the level.
    let modules = [
        ("f", "adsr", "attack = 0\nsustain = 1.0"),
        ("pulse", "adsr", "attack = 0\nsustain = 1.0\nrelease = 0"),
    ];
    let cables = [("pulse.env", "f.in", 1.0), ("f.out", "f.in", 0.5)];
    let patch = patch(&modules, &cables, "f.out");
    let commands = [
        (0, gate(&patch, "f", true)),
        (0, gate(&patch, "pulse", true)),
        (BLOCK_FRAMES, gate(&patch, "pulse", false)),
    ];
    let samples = play(&mut engine(&patch), 0, 4 * BLOCK_FRAMES, &commands);
    for block in 0..4 {
        let level = samples[(block * BLOCK_FRAMES + 30) * CHANNELS];
        assert_eq!(level, 0.5_f32.powi(block as i32), "block {block}");
    }
}

#[test]
fn how_commands_divide_a_block_changes_no_sample() {
    let modules = [
        ("lfo", "sine", "freq = 20.0\ngain = 1.0"),
        ("s", "sine", "channels = 4"),
        ("e", "adsr", ""),
        ("f", "biquad", ""),
    ];
    let cables = [
        ("lfo.out", "s.freq", 0.5),
        ("lfo.out", "f.cutoff", 2.0),
        ("lfo.out", "e.gate", 1.0),
        ("lfo.out", "e.attack", 1.0),
        ("s.out", "e.in", 1.0),
        ("e.out", "f.in", 1.0),
        ("f.out", "s.freq", 0.1),
        ("f.out", "f.in", 0.1),
    ];
    let patch = patch(&modules, &cables, "f.out");
    let whole = play(&mut engine(&patch), 0, 300 * BLOCK_FRAMES, &[]);
    // Commands that change nothing, at many frames.
    let commands: Vec<_> =
        (0..3000).map(|n| (n * 6 + n % 5, set(&patch, "lfo", "gain", 1.0))).collect();
    let pieces = play(&mut engine(&patch), 0, 300 * BLOCK_FRAMES, &commands);
    assert!(whole.iter().any(|sample| sample.abs() > 0.05));
    assert_eq!(bits(&whole), bits(&pieces));
}

#[test]
fn no_patch_is_louder_than_the_ceiling() {
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\nchannels = 16\ngain = 1.0\n\
                [output]\nleft = \"s.out\"\nright = \"s.out\"\n";
    let patch = Patch::parse(text, "loud.toml").expect("a patch");
    let commands: Vec<_> =
        (0..100).map(|n| (n * 480, set(&patch, "s", "freq", 20.0 + n as f32 * 97.0))).collect();
    let samples = play(&mut engine(&patch), 0, 750 * BLOCK_FRAMES, &commands);
    let loudest = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    assert!((0.9..=0.966).contains(&loudest), "{loudest}");
}

#[test]
fn an_input_that_rests_at_one_does_so_after_a_restart() {
    let patch = Patch::parse(
        r#"
format = 1
[[module]]
id = "tone"
kind = "sine"
[[module]]
id = "product"
kind = "maths"
[[cable]]
from = "tone.out"
to = "product.a"
[output]
left = "product.product"
right = "product.product"
"#,
        "rest.toml",
    )
    .expect("a patch");
    let mut engine = engine(&patch);
    let before = play(&mut engine, 0, 9600, &[]);
    let after = play(&mut engine, 9600, 9600, &[(9600, Command::Restart)]);
    let level = |samples: &[f32]| samples.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    assert!(level(&before[9600..]) > 0.4, "without a cable, b is 1");
    assert!(level(&after[9600..]) > 0.4, "{}", level(&after));
}
