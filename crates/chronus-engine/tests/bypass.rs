//! Modules that are put aside and taken back: what is heard meanwhile, and that nothing clicks.

mod common;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Command, Controls, Engine, Handle, Patch, Unsound};
use common::{bits, engine, engine_with, play, set};

fn patch(text: &str) -> Patch {
    Patch::parse(text, "bypass.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn handle(patch: &Patch, id: &str) -> Handle {
    let named = patch.modules().iter().find(|module| module.id() == id);
    named.expect("a module of this name").handle()
}

fn left(engine: &mut Engine, blocks: usize, commands: &[(usize, Command)]) -> Vec<f32> {
    let samples = play(engine, 0, blocks * BLOCK_FRAMES, commands);
    samples.iter().step_by(CHANNELS).copied().collect()
}

fn steepest(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

fn level(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most: f32, x| most.max(x.abs()))
}

const FILTERED: &str = r#"
format = 1
[[module]]
id = "tone"
kind = "sine"
freq = 200.0
[[module]]
id = "filter"
kind = "svf"
cutoff = 40.0
[[cable]]
from = "tone.out"
to = "filter.in"
[output]
left = "filter.low"
right = "filter.low"
limiter = false
dc_blocker = false
"#;

#[test]
fn the_input_of_a_module_that_is_put_aside_is_heard_in_its_place_and_nothing_clicks() {
    let patch = patch(FILTERED);
    let module = handle(&patch, "filter");
    let mut engine = engine(&patch);
    let filtered = left(&mut engine, 100, &[]);
    let bypassed = left(&mut engine, 100, &[(0, Command::Bypass { module })]);
    let raw = level(&bypassed[3200..]);
    assert!(raw > 5.0 * level(&filtered[3200..]), "{raw}");
    // The steepest place of a sine of 200 Hz.
    let sine = raw * std::f32::consts::TAU * 200.0 / 48_000.0;
    let joined = [&filtered[3200..], &bypassed[..]].concat();
    assert!(steepest(&joined) < 1.3 * sine, "{} {sine}", steepest(&joined));
    let back = left(&mut engine, 200, &[(0, Command::Enable { module })]);
    let joined = [&bypassed[3200..], &back[..]].concat();
    assert!(steepest(&joined) < 1.3 * sine, "{} {sine}", steepest(&joined));
    assert!(level(&back[9600..]) < 1.1 * level(&filtered[3200..]), "it filters again");
}

#[test]
fn a_module_that_is_put_aside_takes_commands_for_later() {
    let patch = patch(FILTERED);
    let module = handle(&patch, "filter");
    let cutoff = set(&patch, "filter", "cutoff", 8000.0);
    let mut engine = engine(&patch);
    let commands =
        [(0, Command::Bypass { module }), (640, cutoff), (1280, Command::Enable { module })];
    let opened = left(&mut engine, 200, &commands);
    assert!(level(&opened[9600..]) > 0.4, "the cutoff that was set meanwhile holds");
    assert!(!engine.controls().is_bypassed(module));
}

#[test]
fn a_fresh_engine_knows_from_the_controls_who_is_put_aside() {
    let patch = patch(FILTERED);
    let module = handle(&patch, "filter");
    let mut first = engine(&patch);
    left(&mut first, 1, &[(0, Command::Bypass { module }), (0, Command::Restart)]);
    let bytes = first.controls().encode();
    let controls = Controls::decode(&bytes, &patch).expect("controls of this patch");
    assert!(controls.is_bypassed(module));
    let mut fresh = engine_with(&patch, common::RATE_HZ, &controls).expect("an engine");
    // A restart fades in; a fresh engine is told so by the same command.
    let commands = [(0, Command::Restart)];
    let (a, b) = (left(&mut first, 50, &commands), left(&mut fresh, 50, &commands));
    assert_eq!(bits(&a), bits(&b));
    assert!(level(&a) > 0.4, "the input is heard");
}

#[test]
fn what_runs_away_in_a_circle_is_found_and_named() {
    let patch = patch(
        r#"
format = 1
[[module]]
id = "tone"
kind = "sine"
[[module]]
id = "circle"
kind = "mix"
level_b = 2.0
[[module]]
id = "after"
kind = "mix"
[[cable]]
from = "tone.out"
to = "circle.a"
[[cable]]
from = "circle.out"
to = "circle.b"
[[cable]]
from = "circle.out"
to = "after.a"
[output]
left = "after.out"
right = "after.out"
"#,
    );
    let mut engine = engine(&patch);
    let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
    let found = (0..60).find_map(|at| {
        engine.render(&mut block);
        engine.unsound().map(|found| (at, found))
    });
    let (at, found) = found.expect("twice as loud with each block");
    assert_eq!(found, (handle(&patch, "circle"), Unsound::Runaway), "block {at}");
    engine.apply(0, &Command::Bypass { module: handle(&patch, "circle") });
    engine.render(&mut block);
    assert_eq!(engine.unsound(), None);
}

#[test]
fn a_module_may_be_put_aside_before_the_edit_that_brings_it() {
    let without = patch(&FILTERED.replace("filter", "other"));
    let with = patch(FILTERED).succeeding(&without);
    let module = handle(&with, "filter");
    let mut engine = engine(&without);
    let mut preparation = engine.prepare(with.clone());
    while !preparation.step(&chronus_engine::NoRecordings) {}
    engine.apply(0, &Command::Bypass { module });
    engine.edit(0, preparation);
    assert!(engine.controls().is_bypassed(module));
    let heard = left(&mut engine, 100, &[]);
    assert!(level(&heard[3200..]) > 0.4, "its input is heard");
}

/// A module that is enabled and does harm at once is put aside from the beginning of that very block.
#[test]
fn what_is_put_aside_for_a_block_is_not_enabled_within_it() {
    let patch = patch(FILTERED);
    let module = handle(&patch, "filter");
    let play =
        |engine: &mut Engine, commands: &[(usize, Command)]| bits(&left(engine, 8, commands));
    let (bypass, enable) = (Command::Bypass { module }, Command::Enable { module });
    for before in [&[][..], &[(0, bypass)]] {
        let (mut one, mut other) = (engine(&patch), engine(&patch));
        play(&mut one, before);
        play(&mut other, before);
        let amended = play(&mut one, &[(0, bypass), (30, enable)]);
        assert_eq!(amended, play(&mut other, &[(0, bypass)]));
        assert!(one.controls().is_bypassed(module));
        play(&mut one, &[(30, enable)]);
        assert!(!one.controls().is_bypassed(module), "in a later block it is");
    }
}
