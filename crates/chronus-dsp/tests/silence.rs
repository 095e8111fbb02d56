//! What modules say of silence, and what they are told of it, changes no sample; what says that it is
//! silent is; and a module that was skipped goes on as if it had not been.

mod common;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{
    BLOCK_FRAMES, FrameSet, Instance, PortSet, Ports, Signal, Signals, Span, Transport, catalog,
    frame_set,
};
use common::{Chance, Event};

const RATE_HZ: u32 = 48_000;
const BLOCKS: usize = 300;

/// A module that keeps account of silence, or not.
struct Side {
    instance: Instance,
    outputs: Vec<Signal>,
}

impl Side {
    fn new(entry: &catalog::CatalogEntry, channels: usize) -> Self {
        let outputs = entry.spec.outputs.iter().map(|_| Signal::silent(channels)).collect();
        Self { instance: Instance::new(entry, RATE_HZ, channels), outputs }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Set(param, value) => self.instance.set_param(param, value),
            Event::Gate(open) => self.instance.set_gate(open),
            Event::Note(note) => self.instance.note(note),
            Event::Text(text, value) => self.instance.set_text(text, value),
            // All sides render at the same time.
            Event::Transport(_) => {}
            Event::Reset => self.instance.reset(),
        }
    }

    fn bits(&self) -> Vec<u32> {
        let samples = self.outputs.iter().flat_map(|output| output.samples.iter());
        samples.map(|sample| sample.to_bits()).collect()
    }
}

fn is_same((a, b): (&f32, &f32)) -> bool {
    a.to_bits() == b.to_bits()
}

/// Each input at a signal of its own, and nothing known of it.
fn wired(inputs: usize, channels: usize) -> (Vec<Signal>, Ports) {
    let signals =
        (0..inputs).map(|_| Signal { silent: 0, held: 0, ..Signal::silent(channels) }).collect();
    let inputs = (0..inputs as u32).collect();
    (signals, Ports { inputs, connected: PortSet::MAX, ..Ports::default() })
}

/// An input that sounds and rests in turns, which may begin anywhere; gates open and close.
fn fill(input: &mut [f32], channels: usize, sounds: &mut bool, chance: &mut Chance, is_gate: bool) {
    for frame in input.chunks_exact_mut(channels) {
        if chance.below(if is_gate { 1500 } else { 700 }) == 0 {
            *sounds = !*sounds;
        }
        for sample in frame {
            let loud = if is_gate { 1.0 } else { chance.unit() - 0.5 };
            *sample = if *sounds { loud } else { 0.0 };
        }
    }
}

#[test]
fn knowing_of_silence_changes_no_sample() {
    for entry in CATALOG.iter() {
        let (mut told_silent, mut ignored) = (0, 0);
        for (seed, channels) in [(1, 1), (2, 4), (3, 16), (4, 1), (5, 1), (6, 16)] {
            let mut chance = Chance(seed);
            let events = chance.events(entry.spec, BLOCKS * BLOCK_FRAMES, 1500);
            let (mut plain, mut knowing) = (Side::new(entry, channels), Side::new(entry, channels));
            let ports = entry.spec.inputs;
            let (mut inputs, plain_ports) = wired(ports.len(), channels);
            let mut sounds = vec![false; ports.len()];
            let junk = {
                let mut junk = Signal { silent: 0, held: 0, ..Signal::silent(channels) };
                junk.samples.fill(777.0);
                inputs.push(junk);
                ports.len() as u32
            };
            for block in 0..BLOCKS {
                for ((input, sounds), port) in inputs.iter_mut().zip(&mut sounds).zip(ports) {
                    fill(&mut input.samples, channels, sounds, &mut chance, port.name == "gate");
                }
                let start = block * BLOCK_FRAMES;
                let mut at = 0;
                while at < BLOCK_FRAMES {
                    let due = |event: &&(usize, Event)| event.0 == start + at;
                    for (_, event) in events.iter().filter(due) {
                        plain.apply(*event);
                        knowing.apply(*event);
                    }
                    let next = events.iter().map(|event| event.0).find(|frame| *frame > start + at);
                    let cut =
                        if chance.below(3) == 0 { at + 1 + chance.below(40) } else { usize::MAX };
                    let end =
                        BLOCK_FRAMES.min(next.map_or(usize::MAX, |frame| frame - start)).min(cut);
                    let (frames, transport) = (at..end, Transport::stopped(RATE_HZ));
                    let span = Span::new(frames.clone(), &transport);
                    plain.instance.render(
                        &span,
                        &Signals::all(&inputs),
                        &plain_ports,
                        &mut plain.outputs,
                    );
                    let mut silent = 0;
                    for (index, input) in inputs[..ports.len()].iter_mut().enumerate() {
                        let is_silent = input.frames(&frames).iter().all(|x| x.to_bits() == 0);
                        silent |= PortSet::from(is_silent) << index;
                        input.silent = if is_silent { span.set } else { 0 };
                        let values = input.frames(&frames);
                        let is_held = values.iter().zip(&values[channels..]).all(is_same);
                        input.held = if is_held { span.set } else { 0 };
                    }
                    let ignores = knowing.instance.ignored_inputs(silent);
                    assert!(ignores == 0 || entry.spec.ignores, "{}", entry.spec.kind);
                    let mut heard = plain_ports.clone();
                    for (index, input) in heard.inputs.iter_mut().enumerate() {
                        if ignores & (1 << index) != 0 {
                            *input = junk;
                            ignored += 1;
                        }
                    }
                    knowing.instance.render(
                        &span,
                        &Signals::all(&inputs),
                        &heard,
                        &mut knowing.outputs,
                    );
                    for input in &mut inputs {
                        input.changed(span.set);
                    }
                    for output in &knowing.outputs {
                        let held = (0..BLOCK_FRAMES).filter(|it| output.held & (1 << it) != 0);
                        let mut held = held.map(|frame| output.frames(&(frame..frame + 1)));
                        let first = held.next().unwrap_or_default();
                        assert!(held.all(|it| it.iter().zip(first).all(is_same)));
                        for frame in frames.clone().filter(|it| output.is_silent(1 << it)) {
                            let samples = output.frames(&(frame..frame + 1));
                            assert!(samples.iter().all(|sample| sample.to_bits() == 0));
                            told_silent += 1;
                        }
                    }
                    at = end;
                }
                assert_eq!(plain.bits(), knowing.bits(), "{} seed {seed}", entry.spec.kind);
            }
        }
        println!(
            "{}: {told_silent} frames known silent, {ignored} inputs ignored",
            entry.spec.kind
        );
        // The sine has a cable at its `fm` here, and then it never is.
        if ["adsr", "biquad"].contains(&entry.spec.kind) {
            assert!(told_silent > 0, "{} says when it is silent", entry.spec.kind);
            assert!(ignored > 0 || entry.spec.kind != "adsr", "a closed envelope hears nothing");
        }
    }
}

#[test]
fn a_module_that_was_skipped_goes_on_as_if_it_had_not_been() {
    for entry in CATALOG.iter() {
        let mut chance = Chance(9);
        let events = chance.events(entry.spec, BLOCKS * BLOCK_FRAMES, 3000);
        let (mut plain, mut skipped) = (Side::new(entry, 4), Side::new(entry, 4));
        let (inputs, ports) = wired(entry.spec.inputs.len(), 4);
        for block in 0..BLOCKS {
            for (_, event) in events.iter().filter(|event| event.0 / BLOCK_FRAMES == block) {
                plain.apply(*event);
                skipped.apply(*event);
            }
            let transport = Transport::stopped(RATE_HZ);
            let span = Span::new(0..BLOCK_FRAMES, &transport);
            plain.instance.render(&span, &Signals::all(&inputs), &ports, &mut plain.outputs);
            if block % 7 < 3 {
                skipped.instance.skip(&span, &Signals::all(&inputs), &ports, &mut skipped.outputs);
            } else {
                skipped.instance.render(
                    &span,
                    &Signals::all(&inputs),
                    &ports,
                    &mut skipped.outputs,
                );
                assert_eq!(plain.bits(), skipped.bits(), "{} block {block}", entry.spec.kind);
            }
        }
    }
}

#[test]
fn frames_are_bits() {
    assert_eq!(frame_set(&(0..BLOCK_FRAMES)), FrameSet::MAX);
    assert_eq!(frame_set(&(3..5)), 0b11000);
    assert_eq!((frame_set(&(7..7)), frame_set(&(63..64))), (0, 1 << 63));
}
