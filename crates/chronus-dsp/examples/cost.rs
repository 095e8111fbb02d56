//! What each kind of module costs: nanoseconds a block with 1 and with 16 channels, with each set of vectors that the
//! machine has.
//!
//! `cargo run --release -p chronus-dsp --example cost [KIND]`. All inputs are fed; oscillators are measured
//! without any cable as well.

use std::time::Instant;

use chronus_dsp::catalog::{CATALOG, CatalogEntry};
use chronus_dsp::{BLOCK_FRAMES, Buffer, Instance, Note, Transport, Vectors, silent_buffer};

const RATE_HZ: u32 = 48_000;
const BLOCKS: u32 = 100;
const ROUNDS: usize = 20;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let sets = Vectors::available();
    print!("{:<20}", "kind");
    for (set, channels) in sets.iter().flat_map(|set| [(set, 1), (set, 16)]) {
        print!("{:>12}", format!("{set} {channels}"));
    }
    println!();
    for entry in CATALOG.iter().filter(|entry| entry.spec.kind.contains(&wanted)) {
        print_costs(entry, &sets, true);
        if entry.group() == "Oscillators" && !entry.spec.inputs.is_empty() {
            print_costs(entry, &sets, false);
        }
    }
}

fn print_costs(entry: &'static CatalogEntry, sets: &[Vectors], is_fed: bool) {
    print!("{:<20}", format!("{}{}", entry.spec.kind, if is_fed { "" } else { ", no cable" }));
    for (set, channels) in sets.iter().flat_map(|set| [(set, 1), (set, 16)]) {
        let mut instance = Instance::on(set.arch(), entry, RATE_HZ, channels);
        instance.set_gate(true);
        instance.note(Note { on: true, key: 60.0, velocity: 1.0, id: 0 });
        print!("{:>12.0}", cost_ns(&mut instance, is_fed));
    }
    println!();
}

/// The least of several rounds, a block.
fn cost_ns(instance: &mut Instance, is_fed: bool) -> f64 {
    let mut input = silent_buffer(instance.channels());
    for (n, sample) in input.iter_mut().enumerate() {
        *sample = ((n * 7919) % 1009) as f32 / 1009.0 - 0.5;
    }
    let inputs = vec![is_fed.then_some(&input[..]); instance.spec().inputs.len()];
    let silent = |_: &_| silent_buffer(instance.channels());
    let mut outputs: Vec<Buffer> = instance.spec().outputs.iter().map(silent).collect();
    let transport = Transport { playing: true, ..Transport::stopped(RATE_HZ) };
    let mut round = || {
        let start = Instant::now();
        for _ in 0..BLOCKS {
            instance.process(&inputs, &[], &mut outputs, 0..BLOCK_FRAMES, transport);
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(BLOCKS)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}
