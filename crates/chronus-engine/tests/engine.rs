//! The engine is a function of patch, rate, controls and commands; commands take effect at their
//! frame; a restart forgets everything but the controls.

mod common;
#[path = "../../chronus-journal/src/fnv.rs"]
mod fnv;

use chronus_engine::command::{Handle, ParamIndex};
use chronus_engine::{BLOCK_FRAMES, Block, CHANNELS, Command, Controls, EngineError, Patch};
use common::{RATE_HZ, bits, engine, engine_with, gate, phrase, play, set};

const SECOND: usize = 48_000;

/// The first patch with nothing between it and the output, so that frames are where they are made.
fn bare() -> Patch {
    let bare = "[output]\ndc_blocker = false\nlimiter = false\n";
    let text = Patch::first().text().replace("[output]\n", bare);
    Patch::parse(&text, "bare.toml").expect("a patch")
}

/// FNV-1a over the bytes of the samples.
fn hash(samples: &[f32]) -> u64 {
    fnv::fnv1a(samples.iter().flat_map(|sample| sample.to_bits().to_le_bytes()))
}

fn left(samples: &[f32]) -> Vec<f32> {
    samples.iter().step_by(CHANNELS).copied().collect()
}

#[test]
fn a_phrase_has_these_bits_on_every_machine() {
    let patch = bare();
    let samples = play(&mut engine(&patch), 0, SECOND, &phrase(&patch));
    let loudest = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    println!("hash {:#018x}, loudest sample {loudest}", hash(&samples));
    assert!((0.1..2.0).contains(&loudest), "it is heard: {loudest}");
    assert!(samples.chunks(CHANNELS).all(|frame| frame[0] == frame[1]), "left is right");
    // If a change of the sound is meant, write the new hash here and say so in the changelog:
    // journals of earlier versions then render differently.
    assert_eq!(hash(&samples), 0x56e5_b1e2_5252_0b75);
}

#[test]
fn the_same_commands_give_the_same_bits() {
    let patch = bare();
    let once = play(&mut engine(&patch), 0, SECOND, &phrase(&patch));
    let again = play(&mut engine(&patch), 0, SECOND, &phrase(&patch));
    assert_eq!(bits(&once), bits(&again));
}

#[test]
fn a_command_takes_effect_at_its_frame() {
    let patch = bare();
    let silent = bits(&play(&mut engine(&patch), 0, 640, &[]));
    assert!(silent.iter().all(|&sample| sample == 0), "a closed gate is silence");
    for frame in [1, 63, 64, 100, 300] {
        let samples =
            left(&play(&mut engine(&patch), 0, 640, &[(frame, gate(&patch, "adsr", true))]));
        let first = samples.iter().position(|&sample| sample != 0.0);
        assert_eq!(first, Some(frame), "the gate opens at frame {frame}");
    }
}

#[test]
fn a_command_that_comes_too_late_applies_at_the_next_frame() {
    let patch = bare();
    let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
    let mut engine = engine(&patch);
    engine.apply(40, &Command::Mute(false));
    engine.apply(10, &gate(&patch, "adsr", true));
    engine.render(&mut block);
    let first = left(&block).iter().position(|&sample| sample != 0.0);
    // At frame 40 the sine may be just anywhere but at zero.
    assert_eq!(first, Some(40));
    engine.apply(usize::MAX, &Command::Mute(true));
    engine.render(&mut block);
    assert_ne!(block[0], 0.0, "past the end is the end");
}

#[test]
fn a_flood_of_commands_is_applied_to_the_last() {
    let patch = bare();
    let mut flood: Vec<_> = (0..100_000)
        .map(|i| {
            (i * BLOCK_FRAMES / 100_000, set(&patch, "sine", "freq", 100.0 + (i % 900) as f32))
        })
        .collect();
    flood.push((63, gate(&patch, "adsr", true)));
    let mut engine = engine(&patch);
    let samples = play(&mut engine, 0, 128, &flood);
    assert!(left(&samples)[62..64].iter().any(|&sample| sample != 0.0), "the last one is heard");
    let freq = engine.controls().param(Handle(0), ParamIndex(0));
    assert_eq!(freq, Some(100.0 + (99_999 % 900) as f32));
}

#[test]
fn commands_that_lead_nowhere_change_nothing() {
    let patch = bare();
    let param = |module, param, value| Command::SetParam {
        module: Handle(module),
        param: ParamIndex(param),
        value,
    };
    let open = (0, gate(&patch, "adsr", true));
    let lost = [
        open,
        (70, param(3, 0, 1.0)),
        (70, param(0, 2, 1.0)),
        (70, param(u32::MAX, u16::MAX, 1.0)),
        (71, param(0, 0, f32::NAN)),
        (72, param(1, 2, f32::INFINITY)),
        (73, param(2, 1, f32::NEG_INFINITY)),
        (74, Command::Gate { module: Handle(0), on: true }),
        (75, Command::Gate { module: Handle(99), on: false }),
    ];
    let undisturbed = play(&mut engine(&patch), 0, 6400, &[open]);
    assert_eq!(bits(&play(&mut engine(&patch), 0, 6400, &lost)), bits(&undisturbed));
}

#[test]
fn values_out_of_range_are_held_within() {
    let patch = bare();
    let mut engine = engine(&patch);
    let events = |cutoff_hz, gain| {
        [(0, set(&patch, "filter", "cutoff", cutoff_hz)), (0, set(&patch, "sine", "gain", gain))]
    };
    play(&mut engine, 0, 64, &events(5.76e8, -3.0));
    assert_eq!(engine.controls().param(Handle(2), ParamIndex(1)), Some(20_000.0));
    assert_eq!(engine.controls().param(Handle(0), ParamIndex(1)), Some(0.0));
    play(&mut engine, 64, 64, &events(-1.0, f32::MAX).map(|(_, command)| (64, command)));
    assert_eq!(engine.controls().param(Handle(2), ParamIndex(1)), Some(20.0));
    assert_eq!(engine.controls().param(Handle(0), ParamIndex(1)), Some(1.0));
}

#[test]
fn mute_fades_over_ten_milliseconds_and_back() {
    let patch = bare();
    let open = (0, gate(&patch, "adsr", true));
    let muting = [open, (9_605, Command::Mute(true)), (19_207, Command::Mute(false))];
    let plain = left(&play(&mut engine(&patch), 0, 28_800, &[open]));
    let muted = left(&play(&mut engine(&patch), 0, 28_800, &muting));
    for frame in 0..28_800 {
        let gain = match frame {
            0..9_605 | 19_687.. => 1.0,
            9_605..10_085 => 1.0 - (frame - 9_604) as f32 / 480.0,
            10_085..19_207 => 0.0,
            _ => (frame - 19_206) as f32 / 480.0,
        };
        let expected = plain[frame] * gain;
        assert!((muted[frame] - expected).abs() < 1e-6, "frame {frame}: {}", muted[frame]);
    }
}

#[test]
fn a_restart_is_a_fresh_engine_with_the_same_controls() {
    let patch = bare();
    for (restart_at, muted, open) in [
        (24_000, false, true),
        (24_000, true, true),
        (12_800, false, false),
        (6_400 + 17, false, true),
    ] {
        let block_start = restart_at / BLOCK_FRAMES * BLOCK_FRAMES;
        let mut before: Vec<_> =
            phrase(&patch).into_iter().filter(|command| command.0 < block_start).collect();
        // Parameters, gate and mute are still on their way at the restart.
        let just_before = block_start - 5;
        before.push((just_before, set(&patch, "sine", "freq", 777.0)));
        before.push((just_before, set(&patch, "filter", "mode", 2.0)));
        before.push((just_before, gate(&patch, "adsr", open)));
        before.push((just_before, Command::Mute(muted)));
        let mut after = vec![(restart_at, Command::Restart)];
        after.extend(phrase(&patch).into_iter().filter(|command| command.0 > restart_at));
        after.push((40_000, Command::Mute(false)));
        after.sort_by_key(|command| command.0);

        let mut old = engine(&patch);
        play(&mut old, 0, block_start, &before);
        let mut new = engine_with(&patch, RATE_HZ, &old.controls().clone()).unwrap();
        let rest = 2 * SECOND - block_start;
        let skip = CHANNELS * (restart_at - block_start);
        let old = play(&mut old, block_start, rest, &after);
        let new = play(&mut new, block_start, rest, &after);
        assert_eq!(bits(&old[skip..]), bits(&new[skip..]), "restart at {restart_at}");
        assert!(new.iter().any(|sample| sample.abs() > 0.1), "and it is heard");
    }
}

#[test]
fn a_restart_fades_in_over_twenty_milliseconds() {
    let patch = bare();
    let open = (0, gate(&patch, "adsr", true));
    let plain = left(&play(&mut engine(&patch), 0, 1920, &[open]));
    let restarted = left(&play(&mut engine(&patch), 0, 1920, &[open, (0, Command::Restart)]));
    for frame in 0..1920 {
        let expected = plain[frame] * ((frame + 1) as f32 / 960.0).min(1.0);
        assert!((restarted[frame] - expected).abs() < 1e-6, "frame {frame}");
    }
}

#[test]
fn a_restart_does_not_unmute() {
    let patch = bare();
    let commands =
        [(0, gate(&patch, "adsr", true)), (64, Command::Mute(true)), (6400, Command::Restart)];
    let samples = left(&play(&mut engine(&patch), 0, 12_800, &commands));
    assert!(samples[640..].iter().all(|&sample| sample == 0.0));
}

#[test]
fn a_fresh_engine_takes_parameters_at_once_and_triggers_open_gates() {
    let patch = bare();
    let mut controls = Controls::of(&patch);
    controls.apply(&set(&patch, "sine", "freq", 100.0), 0, RATE_HZ);
    controls.apply(&gate(&patch, "adsr", true), 0, RATE_HZ);
    let mut engine = engine_with(&patch, RATE_HZ, &controls).unwrap();
    assert_eq!(engine.controls(), &controls);
    let samples = left(&play(&mut engine, 0, SECOND, &[]));
    let rises = samples.windows(2).filter(|pair| pair[0] <= 0.0 && pair[1] > 0.0).count();
    assert_eq!(rises, 100, "periods in the first second");
}

#[test]
fn cables_into_one_input_are_summed_and_modules_render_in_the_order_of_cables() {
    let module = |id: &str, freq: f32, gain: f32| {
        format!("[[module]]\nid = \"{id}\"\nkind = \"sine\"\nfreq = {freq:?}\ngain = {gain:?}\n")
    };
    let cable = |from: &str, to: &str| format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let mix = "[[module]]\nid = \"mix\"\nkind = \"biquad\"\ncutoff = 20000\n";
    // The filter stands before what it hears.
    let patch = |parts: &[(&str, f32, f32)]| {
        let mut text = format!("format = 1\n{mix}");
        for (id, freq, gain) in parts {
            text += &module(id, *freq, *gain);
            text += &cable(&format!("{id}.out"), "mix.in");
        }
        text += "[output]\ndc_blocker = false\nlimiter = false\nleft = \"mix.out\"\nright = \"a.out\"\n";
        Patch::parse(&text, "mix.toml").unwrap_or_else(|error| panic!("{error}"))
    };
    let play = |parts: &[(&str, f32, f32)]| {
        let patch = patch(parts);
        play(&mut engine(&patch), 0, 6400, &[])
    };
    let (a, b) = (("a", 300.0, 0.25), ("b", 500.0, 0.5));
    let [only_a, only_b, both] = [play(&[a]), play(&[("a", b.1, b.2)]), play(&[a, b])];
    for frame in 0..6400 {
        let sum = only_a[CHANNELS * frame] + only_b[CHANNELS * frame];
        assert!((both[CHANNELS * frame] - sum).abs() < 1e-6, "frame {frame}");
        assert_eq!(both[CHANNELS * frame + 1], only_a[CHANNELS * frame + 1], "a alone, right");
    }
}

#[test]
fn an_input_without_a_cable_is_silent() {
    let text = "format = 1\n\
        [[module]]\nid = \"tone\"\nkind = \"sine\"\n\
        [[module]]\nid = \"wired\"\nkind = \"biquad\"\n\
        [[module]]\nid = \"alone\"\nkind = \"biquad\"\n\
        [[cable]]\nfrom = \"tone.out\"\nto = \"wired.in\"\n\
        [output]\ndc_blocker = false\nlimiter = false\nleft = \"wired.out\"\nright = \"alone.out\"\n";
    let patch = Patch::parse(text, "alone.toml").unwrap_or_else(|error| panic!("{error}"));
    let samples = play(&mut engine(&patch), 0, 640, &[]);
    assert!(samples.chunks(CHANNELS).any(|frame| frame[0] != 0.0));
    assert!(samples.chunks(CHANNELS).all(|frame| frame[1] == 0.0));
}

#[test]
fn what_cannot_be_built_is_refused() {
    let patch = bare();
    let controls = Controls::of(&patch);
    for rate_hz in [0, 7_999, 384_001, u32::MAX] {
        let error = engine_with(&patch, rate_hz, &controls).err();
        assert_eq!(error, Some(EngineError::Rate(rate_hz)));
    }
    for rate_hz in [8_000, 22_050, 44_100, 96_000, 384_000] {
        assert!(engine_with(&patch, rate_hz, &controls).is_ok());
    }
    let other = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\n\
                 [output]\ndc_blocker = false\nlimiter = false\nleft = \"s.out\"\nright = \"s.out\"\n";
    let other = Patch::parse(other, "other.toml").unwrap();
    let error = engine_with(&other, RATE_HZ, &controls).err();
    assert_eq!(error, Some(EngineError::Controls));
}
