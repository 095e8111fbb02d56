//! What modules say of silence, and what they are told of it, changes no sample; what says that it is
//! silent is; and a module that was skipped goes on as if it had not been.

mod common;

use chronus_dsp::catalog::CATALOG;
use chronus_dsp::{
    BLOCK_FRAMES, Buffer, FrameSet, Instance, PortSet, Transport, Turn, catalog, frame_set,
    silent_buffer,
};
use common::{Chance, Event};

const RATE_HZ: u32 = 48_000;
const BLOCKS: usize = 300;

/// A module that keeps account of silence, or not.
struct Side {
    instance: Instance,
    outputs: Vec<Buffer>,
    silent: Vec<FrameSet>,
}

impl Side {
    fn new(entry: &catalog::CatalogEntry, channels: usize) -> Self {
        let outputs = vec![silent_buffer(channels); entry.spec.outputs.len()];
        let silent = vec![FrameSet::MAX; outputs.len()];
        Self { instance: Instance::new(entry, RATE_HZ, channels), outputs, silent }
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
        self.outputs.iter().flat_map(|out| out.iter().map(|sample| sample.to_bits())).collect()
    }
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
    for entry in CATALOG {
        let (mut told_silent, mut ignored) = (0, 0);
        for (seed, channels) in [(1, 1), (2, 4), (3, 16), (4, 1), (5, 1), (6, 16)] {
            let mut chance = Chance(seed);
            let events = chance.events(entry.spec, BLOCKS * BLOCK_FRAMES, 1500);
            let (mut plain, mut knowing) = (Side::new(entry, channels), Side::new(entry, channels));
            let ports = entry.spec.inputs;
            let mut inputs = vec![silent_buffer(channels); ports.len()];
            let mut sounds = vec![false; ports.len()];
            let junk = vec![777.0; BLOCK_FRAMES * channels];
            for block in 0..BLOCKS {
                for ((input, sounds), port) in inputs.iter_mut().zip(&mut sounds).zip(ports) {
                    fill(input, channels, sounds, &mut chance, port.name == "gate");
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
                    let frames = at..end;
                    let mut silent = 0;
                    for (index, input) in inputs.iter().enumerate() {
                        let piece = &input[at * channels..end * channels];
                        let is_silent = piece.iter().all(|sample| sample.to_bits() == 0);
                        silent |= PortSet::from(is_silent) << index;
                    }
                    let all: Vec<_> = inputs.iter().map(|input| Some(&input[..])).collect();
                    let ignores = knowing.instance.ignored_inputs(silent);
                    assert!(ignores == 0 || entry.spec.ignores, "{}", entry.spec.kind);
                    let mut heard = all.clone();
                    for (index, input) in heard.iter_mut().enumerate() {
                        if ignores & (1 << index) != 0 {
                            *input = Some(&junk);
                            ignored += 1;
                        }
                    }
                    let silent = silent & !ignores;
                    let transport = Transport::stopped(RATE_HZ);
                    let Side { instance, outputs, .. } = &mut plain;
                    instance.process(&all, &[], outputs, frames.clone(), transport);
                    knowing.instance.render(&mut Turn {
                        inputs: &heard,
                        connected: PortSet::MAX,
                        silent_inputs: silent,
                        drives: &[],
                        outputs: &mut knowing.outputs,
                        silent_frames: &mut knowing.silent,
                        unheard_outputs: 0,
                        set: frame_set(&frames),
                        frames: frames.clone(),
                        transport: &transport,
                    });
                    for (output, silent) in knowing.outputs.iter().zip(&knowing.silent) {
                        for frame in frames.clone().filter(|frame| silent & (1 << frame) != 0) {
                            let samples = &output[frame * channels..][..channels];
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
    for entry in CATALOG {
        let mut chance = Chance(9);
        let events = chance.events(entry.spec, BLOCKS * BLOCK_FRAMES, 3000);
        let (mut plain, mut skipped) = (Side::new(entry, 4), Side::new(entry, 4));
        let silence = silent_buffer(4);
        let inputs = vec![Some(&silence[..]); entry.spec.inputs.len()];
        for block in 0..BLOCKS {
            for (_, event) in events.iter().filter(|event| event.0 / BLOCK_FRAMES == block) {
                plain.apply(*event);
                skipped.apply(*event);
            }
            let (frames, transport) = (0..BLOCK_FRAMES, Transport::stopped(RATE_HZ));
            let Side { instance, outputs, .. } = &mut plain;
            instance.process(&inputs, &[], outputs, frames.clone(), transport);
            let mut turn = Turn {
                inputs: &inputs,
                connected: PortSet::MAX,
                silent_inputs: 0,
                drives: &[],
                outputs: &mut skipped.outputs,
                silent_frames: &mut skipped.silent,
                unheard_outputs: 0,
                set: frame_set(&frames),
                frames,
                transport: &transport,
            };
            if block % 7 < 3 {
                skipped.instance.skip(&mut turn);
            } else {
                skipped.instance.render(&mut turn);
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
