//! What each kind of module costs: nanoseconds a block with 1 and with 16 channels, all inputs fed.
//!
//! `cargo run --release -p chronus-dsp --example cost [KIND [least]]`; with `least`, as on a machine that has
//! neither wide vectors nor fused arithmetic.

use std::time::Instant;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{BLOCK_FRAMES, Buffer, Instance, Note, Transport, Vectors, silent_buffer};
use pulp::Arch;

const RATE_HZ: u32 = 48_000;
const BLOCKS: u32 = 200;
const ROUNDS: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let arch =
        if arguments.any(|word| word == "least") { Arch::Scalar } else { Vectors::chosen().arch() };
    println!("{:<14}{:>12}{:>12}", "kind", "1 channel", "16 channels");
    for entry in CATALOG.iter().filter(|entry| entry.spec.kind.contains(&wanted)) {
        let [one, all] = [1, 16].map(|channels| {
            let mut instance = Instance::on(arch, entry, RATE_HZ, channels);
            instance.set_gate(true);
            instance.note(Note { on: true, key: 60.0, velocity: 1.0, id: 0 });
            cost_ns(&mut instance)
        });
        println!("{:<14}{one:>12.0}{all:>12.0}", entry.spec.kind);
    }
}

/// The least of several rounds, a block.
fn cost_ns(instance: &mut Instance) -> f64 {
    let mut input = silent_buffer(instance.channels());
    for (n, sample) in input.iter_mut().enumerate() {
        *sample = ((n * 7919) % 1009) as f32 / 1009.0 - 0.5;
    }
    let inputs = vec![Some(&input[..]); instance.spec().inputs.len()];
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
