//! Voice-seconds per CPU-second of the voice sine, envelope, filter: `cargo run --release --example
//! voices`. One module of 16 channels is 16 voices; more voices are more modules.
#![allow(clippy::format_push_string)] // An example may allocate.

use std::time::Instant;

use chronus_engine::{
    BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, NoRecordings, Patch,
};

fn patch(voices: usize) -> Patch {
    let channels = if voices >= 16 { 16 } else { 1 };
    let mut text = "format = 1\n".to_owned();
    let mut module = |id: String, kind: &str, more: &str| {
        text += &format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{more}\n");
    };
    let groups = voices.div_ceil(channels);
    for group in 0..groups {
        let freq = 100.0 + group as f32 * 7.0;
        module(format!("s{group}"), "sine", &format!("channels = {channels}\nfreq = {freq:?}"));
        module(format!("e{group}"), "adsr", "");
        module(format!("f{group}"), "biquad", "");
    }
    module("out".into(), "biquad", "channels = 1");
    for group in 0..groups {
        for (from, to) in [("s", "e"), ("e", "f")] {
            text += &format!("[[cable]]\nfrom = \"{from}{group}.out\"\nto = \"{to}{group}.in\"\n");
        }
        text += &format!("[[cable]]\nfrom = \"f{group}.out\"\nto = \"out.in\"\n");
    }
    text += "[output]\nleft = \"out.out\"\nright = \"out.out\"\n";
    Patch::parse(&text, "voices").expect("a patch")
}

fn main() {
    for voices in [1, 16, 64, 256, 1024] {
        let patch = patch(voices);
        let mut engine = Engine::new(patch.clone(), 48_000, Controls::of(&patch), 0, &NoRecordings)
            .expect("an engine");
        for entry in Directory::of(&patch).modules().filter(|entry| entry.has_gate()) {
            engine.apply(0, &Command::Gate { module: entry.handle, on: true });
        }
        let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
        let blocks = 200_000 / voices.max(16) + 100;
        let start = Instant::now();
        for _ in 0..blocks {
            engine.render(&mut block);
        }
        let seconds = (blocks * BLOCK_FRAMES) as f64 / 48_000.0;
        let used = start.elapsed().as_secs_f64();
        let rate = seconds * voices as f64 / used;
        let load = used / seconds * 100.0;
        println!("{voices:5} voices: {rate:9.0} voice-seconds per second, load {load:6.2} %");
    }
}
